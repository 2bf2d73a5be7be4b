"""Photos that names, folders and patterns mean; what in a folder is left out, and why."""

import glob
import mmap
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from facevae.photo.formats import PICTURE_SUFFIXES, UNREAD_SUFFIXES
from facevae.photo.validation import address_sentence, describe, seems_picture

STDIO = "-"
MARK = "-facevae"
OURS = b"facevae"
"""Every file that we write says so, in letters that are not compressed."""
HEAD_BYTES = 4096


@dataclass(frozen=True)
class Source:
    """A file that is meant, or was met in a folder; `below` is where in the folder that was given."""

    name: str
    below: Path = Path()
    trouble: str = ""
    """Why it cannot be done."""
    idle: str = ""
    """Why it need not be done: it is no photo."""


def sources(given: Sequence[str], output: Path | None) -> Iterator[Source]:
    """The files that are meant. Folders are searched, patterns that no shell has resolved, too.

    A folder without photos stands for itself, so that whoever opens it says so. `ValueError` for an empty name: a shell's variable that
    was never set must not mean every photo here.
    """
    for name in given:
        if not name:
            raise ValueError("the name of a photo is empty")
        if sentence := address_sentence(name):
            yield Source(name, trouble=sentence)
        elif name != STDIO and Path(name).is_dir():
            found = list(walk(Path(name), output))
            if all(source.idle for source in found):
                yield Source(name)
            yield from found
        elif name != STDIO and not Path(name).exists() and glob.has_magic(name):
            matches = sorted(glob.glob(name, recursive=True))  # noqa: PTH207, for Path.glob takes no absolute patterns
            yield from (Source(match) for match in matches if not Path(match).is_dir())
            if not matches:
                yield Source(name)
        else:
            yield Source(name)


def walk(folder: Path, output: Path | None) -> Iterator[Source]:
    """The files of a folder and of those in it: photos, and what is left out. What we have made before is neither."""
    own = output.resolve() if output is not None else None
    refused: list[OSError] = []
    for where, folders, names in os.walk(folder, onerror=refused.append):
        at, below = Path(where), Path(where).relative_to(folder)
        for name in sorted(folders):
            if name.startswith("."):
                yield Source(str(at / name), below, idle="it is a hidden folder")
            elif (at / name).is_symlink():
                yield Source(str(at / name), below, idle="it is a link to a folder: name the folder itself")
        folders[:] = sorted(f for f in folders if not f.startswith(".") and (at / f).resolve() != own)
        for name in sorted(names):
            yield from met(at / name, below)
    for error in refused:
        yield Source(str(error.filename), trouble=f"the folder cannot be read ({error.strerror})")


def met(path: Path, below: Path) -> Iterator[Source]:
    """What a file in a folder is: a photo by its ending, whatever is in it; for everything else, why it is none."""
    is_photo = path.suffix.lower() in PICTURE_SUFFIXES | UNREAD_SUFFIXES
    if path.name.startswith("."):
        if is_photo and not path.name.startswith("._"):  # those are macOS's notes about a file beside them
            yield Source(str(path), below, idle="it is hidden: name it to have it done")
    elif not is_photo:
        yield Source(str(path), below, idle=why_left_out(path))
    elif not (path.stem.endswith(MARK) and path.is_file()):
        yield Source(str(path), below)
    elif not is_ours(path):
        yield Source(str(path), below, idle="it is called as facevae calls its results: name it to have it done")


def why_left_out(path: Path) -> str:
    """Why a file that is not called a picture is left out of a folder's photos."""
    try:
        if not path.is_file():
            return "it is no file"
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        return f"it is not called a picture, and cannot be read ({error.strerror})"
    if seems_picture(head):
        return "it is a picture that is not called one: name it to have it done"
    return f"it is {describe(head) if head else 'empty'}"


def is_ours(path: Path) -> bool:
    """Whether a file says that facevae made it; an empty one is nobody's."""
    if not path.stat().st_size:
        return True
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(OURS) >= 0
