"""Summary of a checkpoint folder, and list of folders; works without torch."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facevae.attributes import Control, list_controls
from facevae.files import ASSETS
from facevae.settings import is_number

EMBEDDED = ASSETS / "faces-128"
MAX_BYTES = 4 * 2**20


@dataclass(frozen=True)
class Range:
    """A direction without its vector."""

    name: str
    low: float
    high: float


@dataclass(frozen=True)
class Summary:
    """A checkpoint before it is opened. Nothing here is checked against hashes: that is done when it is opened."""

    folder: Path
    digest: str
    """SHA-256 of config.json, which recipes name."""
    format: int
    size_px: int
    latent: int
    attributes: tuple[str, ...]
    """What the classifier knows."""
    lockable: tuple[str, ...]
    """All attributes with a direction; those of `controls` have a slider, too."""
    controls: tuple[Control, ...]
    bytes: int
    """Of the whole folder."""


def summarize(folder: Path) -> Summary:
    """Read config.json and directions.json of a checkpoint folder; `ValueError` names the folder where they are none."""
    raw, table = _read(folder / "config.json"), _read(folder / "directions.json")
    try:
        config, rows = json.loads(raw), json.loads(table)
        ranges = {str(name): Range(str(name), _finite(row["low"]), _finite(row["high"])) for name, row in rows.items()}
        return Summary(
            folder=folder,
            digest=hashlib.sha256(raw).hexdigest(),
            format=int(config["format"]),
            size_px=int(config["net"]["size"]),
            latent=int(config["net"]["latent"]),
            attributes=tuple(map(str, config["classifier"]["attributes"])),
            lockable=tuple(ranges),
            controls=tuple(list_controls(ranges)),
            bytes=sum(file.stat().st_size for file in folder.iterdir() if file.is_file()),
        )
    except (ValueError, ArithmeticError, KeyError, TypeError, AttributeError, RecursionError):
        raise ValueError(f"{folder} is no checkpoint folder: its config.json or directions.json cannot be read") from None


def folders_below(place: Path) -> list[Path]:
    """The checkpoint folders in a folder, itself included; `ValueError` where there is no such folder."""
    if not place.is_dir():
        raise ValueError(f"there is no folder {place}")
    found = [place, *sorted(path for path in place.iterdir() if path.is_dir())]
    return [folder for folder in found if (folder / "config.json").is_file() and (folder / "model.safetensors").is_file()]


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise ValueError(f"{path.parent} is no checkpoint folder: it lacks {path.name}")
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path} is larger than any of ours")
    return path.read_bytes()


def _finite(value: Any) -> float:
    if not is_number(value):
        raise ValueError("a number is missing or not finite")
    return float(value)
