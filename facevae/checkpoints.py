"""The checkpoints of this machine: which there are, and whether one is whole."""

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from facevae.checkpoint import EMBEDDED, Checkpoint, load_checkpoint
from facevae.hub import Unreachable, cached, list_cached
from facevae.manifest import KNOWN, MANIFEST, parse_json, read_bytes, read_manifest, tensors_from


def open_or_embedded(source: str | None, revision: str | None = None) -> Checkpoint:
    """What is asked for; where the Hub cannot be reached and the cache does not have it, the embedded checkpoint, and a sentence about it.

    For the app, which shows which checkpoint is open. A program that asks for one model must not be given another.
    """
    try:
        return Checkpoint.from_pretrained(source, revision)
    except Unreachable as error:
        print(f"{error}: the embedded checkpoint is used in its place.", file=sys.stderr)
        return Checkpoint.from_pretrained()


@dataclass(frozen=True)
class Listed:
    """A checkpoint of this machine."""

    source: str
    """What `Checkpoint.from_pretrained` opens it by: "" for the embedded one, a folder, or "owner/name@commit"."""
    name: str
    kind: str
    """embedded, folder or hub."""
    folder: Path
    format: int | None
    """None where config.json does not say."""
    digest: str
    """SHA-256 of config.json, by which recipes know it; "" where that cannot be read."""
    size_bytes: int


def list_checkpoints(places: Sequence[Path] = ()) -> list[Listed]:
    """The embedded checkpoint, the folders with a config.json below each of `places`, and what of the Hub is in the cache.

    Nothing but config.json is read: `verify` says whether one can be used.
    """
    found = [describe("", "embedded", EMBEDDED, EMBEDDED.name)]
    for place in places:
        found += [describe(str(folder), "folder", folder, folder.name) for folder in folders_below(place)]
    for source in list_cached():
        folder = cached(source)
        if folder is not None:
            found.append(describe(str(source), "hub", folder, str(source)))
    return found


def folders_below(place: Path) -> list[Path]:
    """The checkpoint folders of a place, or the one that it is; `ValueError` where there is no such place."""
    if not place.is_dir():
        raise ValueError(f"there is no folder {place}")
    found = [place, *sorted(path for path in place.iterdir() if path.is_dir())]
    return [folder for folder in found if (folder / "config.json").is_file() and (folder / "model.safetensors").is_file()]


def describe(source: str, kind: str, folder: Path, name: str) -> Listed:
    """What a folder says about itself."""
    try:
        raw = read_bytes(folder / "config.json")
        config = parse_json(raw, folder / "config.json")
    except ValueError:
        raw, config = b"", {}
    version = config.get("format")
    size = sum(path.stat().st_size for file in (*KNOWN, MANIFEST) if (path := folder / file).is_file())
    digest = hashlib.sha256(raw).hexdigest() if raw else ""
    return Listed(source, name, kind, folder, version if isinstance(version, int) else None, digest, size)


def verify(folder: Path) -> list[str]:
    """All that is wrong with a checkpoint folder, a sentence each; nothing where it is whole. No code of it is run.

    Every listed file is looked at by itself (there, no link to elsewhere, its size, its SHA-256, finite tensors), then the folder is
    loaded as the editor would. A folder without a manifest, from before there was one, can be whole.
    """
    if not folder.is_dir():
        return [f"there is no folder {folder}"]
    found: list[str] = []
    try:
        listed = read_manifest(folder)
    except ValueError as error:
        return [str(error)]
    for name in KNOWN:
        size, digest = (listed or {}).get(name, (None, None))
        if size is None and not (folder / name).exists():
            continue
        try:
            raw = read_bytes(folder / name)
            if size is not None and len(raw) != size:
                found.append(f"{folder / name} has {len(raw)} bytes, {MANIFEST} lists {size}")
            elif digest is not None and hashlib.sha256(raw).hexdigest() != digest:
                found.append(f"{folder / name} is not the file that {MANIFEST} lists: its SHA-256 differs")
            elif name.endswith(".safetensors"):
                tensors_from(raw, folder / name)
        except ValueError as error:
            found.append(str(error))
    if not found:
        try:
            load_checkpoint(folder)
        except ValueError as error:
            found.append(str(error))
    return found


def not_ours(folder: Path) -> list[str]:
    """Names in a folder that no checkpoint has. They are never opened: a pickle beside the weights does nothing, and is worth a word."""
    return sorted(path.name for path in folder.iterdir() if path.name not in (*KNOWN, MANIFEST) and not path.name.startswith("."))
