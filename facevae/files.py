"""Atomic writes of JSON and tensors, safe file names, and the folder of the assets."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # this module must stay free of torch, which takes seconds to import
    from torch import Tensor

HERE = Path(__file__).parent
ROOT = HERE.parent
"""The repository; where pip has installed a wheel, the folder that holds its packages."""
ASSETS = HERE / "assets" if (HERE / "assets").is_dir() else ROOT / "assets"
"""The embedded checkpoint, exhibits and examples: inside the package where pip has installed it, beside it in the repository."""
LONGEST_NAME = 60


def write_atomic(path: Path, write: Callable[[Path], object], keep: Path | None = None) -> None:
    """Let `write` fill a temporary sibling, flush it to the disk, then rename it to `path`; what was there stays as `keep`, if named."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)  # safetensors writes files that only their owner may read
        if keep is not None and path.is_file():
            write_atomic(keep, lambda p: link_or_copy(path, p))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def link_or_copy(source: Path, target: Path) -> None:
    """A second name for a file, so that it is never without one; a copy where the file system knows no hard links."""
    target.unlink(missing_ok=True)  # what a killed process of the same number left: a copy must not be written into an older link
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically."""
    write_atomic(path, lambda p: p.write_text(json.dumps(value, indent=1) + "\n"))


def write_tensors(path: Path, tensors: "dict[str, Tensor]", metadata: dict[str, str] | None = None, keep: Path | None = None) -> None:
    """Write a safetensors file atomically, `keep` as in `write_atomic`; `OSError` where the disk does not take it."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    contiguous = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
    try:
        write_atomic(path, lambda p: save_file(contiguous, p, metadata=metadata), keep)
    except SafetensorError as error:
        raise OSError(str(error)) from None


def file_stem(name: str) -> str:
    """A file name without its ending and without anything that file systems dislike."""
    return tidy_name(Path(name).stem)


def tidy_name(name: str) -> str:
    """Letters, digits, - and _, at most `LONGEST_NAME` of them; "face" where none is left."""
    tidy = "".join(c if c.isalnum() or c in "-_" else "-" for c in name).strip("-")
    return tidy[:LONGEST_NAME] or "face"
