"""Files of a checkpoint folder, manifest.json, and reading them without trusting them.

manifest.json lists every other file with its size and SHA-256, config.json among them:
{"format": 1, "checkpoint": 6, "files": {"config.json": {"bytes": 3097, "sha256": "…"}, …}}. config.json lists the SHA-256 of the
others once more, since recipes name a checkpoint by the hash of config.json; the card alone may change without it. Nothing here
executes anything, and nothing is opened whose name is not in the tables below.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch import Tensor

from facevae.files import write_json

MANIFEST = "manifest.json"
MANIFEST_FORMAT = 1
CARD = "README.md"
KNOWN = (
    "config.json",
    "model.safetensors",
    "classifier.safetensors",
    "aligner.safetensors",
    "directions.json",
    "directions.safetensors",
    "prior.safetensors",
    "likelihood.safetensors",
    "evaluation.json",
    CARD,
    "judge.safetensors",
    "labels.safetensors",
    "skin.safetensors",
    "parser.safetensors",
    "hair.safetensors",
    "detail.safetensors",
    "hair_net.safetensors",
)
"""What a manifest may list, in the order of every list of files, and all that is ever fetched from the Hub with it."""
OPTIONAL = ("judge.safetensors", "detail.safetensors", "hair_net.safetensors")
"""Directions that an ordinary classifier chose have no judge to report on them; older checkpoints lack the detail net and the hair net."""
FILES = tuple(name for name in KNOWN if name != "config.json" and name not in OPTIONAL)
"""What config.json must list."""
MAX_FILE_BYTES = 200 * 2**20
MAX_BYTES = {"config.json": 2**18, MANIFEST: 2**16, "directions.json": 2**22, "evaluation.json": 2**23, CARD: 2**20}
"""Of the files that are text; tensors may have MAX_FILE_BYTES."""
MAX_FOLDER_BYTES = 2**30
MAX_HEADER_BYTES = 2**20
"""Of a safetensors file: ours describe a few hundred tensors in some 20 kB."""
DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64, torch.uint8)
COMMIT = re.compile("[0-9a-f]{40}")


def limit_of(name: str) -> int:
    """How many bytes a file of this name may have."""
    return MAX_BYTES.get(name, MAX_FILE_BYTES)


def home_of(folder: Path) -> Path:
    """Where the files of a folder may lie: in it; for a snapshot in the Hub's cache, which is made of links, in its repository's."""
    real = folder.resolve()
    cached = COMMIT.fullmatch(real.name) and real.parent.name == "snapshots" and real.parent.parent.name.startswith("models--")
    return real.parent.parent if cached else real


def read_bytes(path: Path, kind: str = "checkpoint") -> bytes:
    """A whole file of a checkpoint (or of another `kind` of folder).

    `ValueError` where it is missing, a link out of its folder, or larger than any of ours.
    """
    if not path.is_file():
        raise ValueError(f"the {kind} {path.parent} lacks {path.name}")
    # A single file of directions is one that its user chose, wherever it leads.
    if kind != "folder" and not path.resolve().is_relative_to(home_of(path.parent)):
        raise ValueError(f"{path} is a link to a place outside of its folder, which is not followed")
    limit, size = limit_of(path.name), path.stat().st_size
    if size > limit:
        raise ValueError(f"{path} has {size} bytes, more than the {limit} allowed")
    with path.open("rb") as file:
        return file.read(limit)


def parse_json(raw: bytes, path: Path) -> dict[str, Any]:
    """The JSON object of a file; `ValueError` names the file where it is none, or where a number is not finite."""

    def refuse(word: str) -> Any:
        raise ValueError(f"{word} is no number")

    try:
        found = json.loads(raw, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else str(error)[:120]
        raise ValueError(f"{path} cannot be read as JSON ({why})") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path} must be a JSON object")
    return found


def read_listed(folder: Path, name: str, listed: Mapping[str, str], kind: str = "checkpoint") -> bytes:
    """A file whose content is the one that the folder's description lists."""
    raw, description = read_bytes(folder / name, kind), "config.json" if kind == "checkpoint" else f"{kind}.json"
    if name not in listed:
        raise ValueError(f"{folder / description} does not list {name}")
    if hashlib.sha256(raw).hexdigest() != listed[name]:
        raise ValueError(f"{folder / name} is not the file that {description} lists: its SHA-256 differs")
    return raw


def tensors_from(raw: bytes, path: Path) -> dict[str, Tensor]:
    """Finite tensors of a safetensors file, those of numbers with a point as float32."""
    if len(raw) >= 8 and (length := int.from_bytes(raw[:8], "little")) > MAX_HEADER_BYTES:
        raise ValueError(
            f"{path} is not a safetensors file of ours: its header has {length} bytes, more than the {MAX_HEADER_BYTES} allowed"
        )
    try:
        tensors = load_tensors(raw)
    except (SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise ValueError(f"{path} is not a safetensors file ({error})") from None
    for key, value in tensors.items():
        if value.dtype not in DTYPES:
            raise ValueError(f"{path}: {key} holds values of {value.dtype}, which no checkpoint does")
        if not torch.isfinite(value.float()).all():
            raise ValueError(f"{path}: {key} holds values that are not finite")
    return {k: v.float() if v.is_floating_point() else v for k, v in tensors.items()}


def check_shapes(tensors: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]], path: Path) -> None:
    """`ValueError` where a file does not hold exactly these tensors in these shapes."""
    if set(tensors) != set(shapes):
        raise ValueError(f"{path} holds {sorted(tensors)}, expected {sorted(shapes)}")
    for key, shape in shapes.items():
        if tuple(tensors[key].shape) != shape:
            raise ValueError(f"{path}: {key} has shape {tuple(tensors[key].shape)}, expected {shape}")


# The manifest ---------------------------------------------------------------------------------------------------------


def manifest_of(content: Mapping[str, bytes], version: int) -> dict[str, Any]:
    """The manifest of a checkpoint of this format with these files."""
    files = {name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in content.items()}
    return {"format": MANIFEST_FORMAT, "checkpoint": version, "files": files}


def write_manifest(folder: Path, version: int) -> dict[str, Any]:
    """List what lies in a checkpoint folder of this format now, in manifest.json, and give it."""
    manifest = manifest_of({name: read_bytes(folder / name) for name in KNOWN if (folder / name).is_file()}, version)
    write_json(folder / MANIFEST, manifest)
    return manifest


def read_manifest(folder: Path) -> dict[str, tuple[int, str]]:
    """Size and SHA-256 of each listed file by its name.

    `ValueError` where the manifest is missing, cannot be read, or lists what no checkpoint has.
    """
    path = folder / MANIFEST
    manifest = parse_json(read_bytes(path), path)
    version, listed = manifest.get("format"), manifest.get("files")
    if version != MANIFEST_FORMAT:
        raise ValueError(f"{path} has format {version!r:.40}, this version of facevae reads {MANIFEST_FORMAT}: update facevae")
    if set(manifest) != {"format", "checkpoint", "files"} or not isinstance(listed, dict):
        raise ValueError(f"{path} must have format, checkpoint and files, and nothing else")
    if unknown := sorted(set(listed) - set(KNOWN)):
        raise ValueError(f"{path} lists files that no checkpoint has: {', '.join(unknown)[:200]}")
    if missing := [name for name in ("config.json", *FILES) if name not in listed]:
        raise ValueError(f"{path} does not list {', '.join(missing)}")
    found = {}
    for name, entry in listed.items():
        size, digest = (entry.get("bytes"), entry.get("sha256")) if isinstance(entry, dict) and len(entry) == 2 else (None, None)
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= limit_of(name):
            raise ValueError(f"{path}: {name} needs a size from 0 to {limit_of(name)} bytes")
        if not isinstance(digest, str) or not re.fullmatch("[0-9a-f]{64}", digest):
            raise ValueError(f"{path}: {name} needs a SHA-256 of 64 digits")
        found[name] = (size, digest)
    return found


def check_listed(folder: Path, listed: Mapping[str, tuple[int, str]], raw: Mapping[str, bytes], digests: Mapping[str, str]) -> None:
    """`ValueError` for the first file that is not the one that the manifest lists.

    `raw` is what was read, `digests` the SHA-256 of each, which has been compared with the content already.
    """
    for name in [*listed, *(name for name in raw if name not in listed)]:
        if name not in listed or name not in raw:
            raise ValueError(f"{folder}: {MANIFEST} and config.json do not list the same files: {name} is in one of them only")
        size, digest = listed[name]
        if len(raw[name]) != size:
            raise ValueError(f"{folder / name} has {len(raw[name])} bytes, {MANIFEST} lists {size}")
        if digests[name] != digest:
            raise ValueError(f"{folder / name} is not the file that {MANIFEST} lists: its SHA-256 differs")
