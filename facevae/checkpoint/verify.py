"""Verify checkpoint folders; open one, or the embedded one where the Hub is down."""

import hashlib
import sys
from pathlib import Path

from facevae.checkpoint.checkpoint import Checkpoint, load_checkpoint, read_config
from facevae.checkpoint.hub import Unreachable
from facevae.checkpoint.manifest import KNOWN, MANIFEST, read_bytes, read_manifest, tensors_from


def open_or_embedded(source: str | None, revision: str | None = None) -> Checkpoint:
    """The checkpoint of this name; where the Hub cannot be reached and the cache lacks it, the embedded one, with a line on stderr.

    For the app, which shows which checkpoint is open. A program that needs one model must not get another.
    """
    try:
        return Checkpoint.from_pretrained(source, revision)
    except Unreachable as error:
        print(f"{error}: the embedded checkpoint is used in its place.", file=sys.stderr)
        return Checkpoint.from_pretrained()


def verify(folder: Path) -> list[str]:
    """All that is wrong with a checkpoint folder, a sentence each; empty where it is whole. No code in it is run.

    Every listed file is checked by itself (present, no link to elsewhere, size, SHA-256, finite tensors), then the folder is loaded as
    the editor would load it.
    """
    if not folder.is_dir():
        return [f"there is no folder {folder}"]
    found: list[str] = []
    try:
        read_config(folder)
        listed = read_manifest(folder)
    except ValueError as error:
        return [str(error)]
    for name in KNOWN:
        if name not in listed and not (folder / name).exists():
            continue
        size, digest = listed.get(name, (None, None))
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
