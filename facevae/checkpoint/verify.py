"""The checkpoints of this machine: opening one, those below a folder, and whether one is whole."""

import hashlib
import sys
from pathlib import Path

from facevae.checkpoint.checkpoint import Checkpoint, load_checkpoint
from facevae.checkpoint.hub import Unreachable
from facevae.checkpoint.manifest import KNOWN, MANIFEST, read_bytes, read_manifest, tensors_from


def open_or_embedded(source: str | None, revision: str | None = None) -> Checkpoint:
    """What is asked for; where the Hub cannot be reached and the cache does not have it, the embedded checkpoint, and a sentence about it.

    For the app, which shows which checkpoint is open. A program that asks for one model must not be given another.
    """
    try:
        return Checkpoint.from_pretrained(source, revision)
    except Unreachable as error:
        print(f"{error}: the embedded checkpoint is used in its place.", file=sys.stderr)
        return Checkpoint.from_pretrained()


def folders_below(place: Path) -> list[Path]:
    """The checkpoint folders of a place, or the one that it is; `ValueError` where there is no such place."""
    if not place.is_dir():
        raise ValueError(f"there is no folder {place}")
    found = [place, *sorted(path for path in place.iterdir() if path.is_dir())]
    return [folder for folder in found if (folder / "config.json").is_file() and (folder / "model.safetensors").is_file()]


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
