"""Atomic writes of JSON and tensors, safe file names, and the folder of the assets."""

import hashlib
import json
import os
import re
import shutil
import unicodedata
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # this module must stay free of torch, which takes seconds to import
    from torch import Tensor

HERE = Path(__file__).parent
ROOT = HERE.parent
"""The repository; where pip has installed a wheel, the folder that holds its packages."""
ASSETS = HERE / "assets" if (HERE / "assets").is_dir() else ROOT / "assets"
"""The embedded checkpoint, exhibits and examples: inside the package where pip has installed it, beside it in the repository."""
LONGEST_NAME = 180
"""Bytes of a name before "-facevae.jpg" and the like: most file systems take 255 in all, and `write_atomic` needs some of them."""
FORBIDDEN = frozenset('<>:"/\\|?*\ufeff' + "".join(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A)))))
"""What Windows does not take in a name; and what turns the writing round, so that a name shows another ending than it has."""
STRIPPED = " .-\u00a0\u3000"
"""Not at either end: Windows drops spaces and dots there, a dot in front hides a file, a dash in front makes it a flag."""
RESERVED = re.compile(r"CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[0-9¹²³]", re.IGNORECASE)
"""Windows' devices: no file may be called so, whatever its ending."""
JOINERS = "\u200c\u200d\u0e33\u0eb3"
VIRAMA = 9
"""The combining class of the sign that joins two consonants of an Indic script into one."""


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


def paired_name(first: str, last: str) -> str:
    """What a film between two faces is called, without its ending."""
    return f"{tidy_name(first, LONGEST_NAME // 2)}-to-{tidy_name(last, LONGEST_NAME // 2)}"


def tidy_name(name: str, most: int = LONGEST_NAME) -> str:
    """A name as it is in any script, as Linux, macOS and Windows take it; "face" where nothing is left.

    In Unicode's composed form (NFC: macOS gives names decomposed). What no file system or only some take becomes "-". A name of more than
    `most` bytes of UTF-8 is cut between whole characters and ends in a hash of the whole, so that two long names stay two.
    """
    composed = unicodedata.normalize("NFC", name)
    tidy = "".join("-" if c in FORBIDDEN or unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") else c for c in composed)
    tidy = tidy.strip(STRIPPED) or "face"
    first, dot, rest = tidy.partition(".")
    if RESERVED.fullmatch(first.strip()):
        tidy = f"{first.strip()}_{dot}{rest}"
    if len(tidy.encode()) <= most:
        return tidy
    digest = hashlib.sha256(tidy.encode()).hexdigest()[:6]
    return f"{cut_whole(tidy, most - len(digest) - 1).rstrip(STRIPPED)}-{digest}"


def cut_whole(text: str, most: int) -> str:
    """The beginning of a text in at most `most` bytes of UTF-8; no letter loses its marks, and no emoji its parts."""
    pieces: list[str] = []
    for c in text:
        if pieces and _belongs_to(pieces[-1], c):
            pieces[-1] += c
        else:
            pieces.append(c)
    if len(pieces[0].encode()) > most:  # one letter under a hundred marks
        pieces = list(text)
    ends = accumulate(len(piece.encode()) for piece in pieces)
    return "".join(piece for piece, end in zip(pieces, ends, strict=True) if end <= most)


def _belongs_to(piece: str, c: str) -> bool:
    """Whether `c` goes on with the character that `piece` is; a short form of Unicode's rules for grapheme clusters (UAX 29)."""
    if unicodedata.category(c).startswith("M") or c in JOINERS or "\U0001f3fb" <= c <= "\U0001f3ff" or "\U000e0020" <= c <= "\U000e007f":
        return True  # marks and vowel signs, skin tones, the letters in a flag of England
    if "\U0001f1e6" <= c <= "\U0001f1ff":  # two letters make a flag
        return len(piece) == 1 and "\U0001f1e6" <= piece <= "\U0001f1ff"
    return piece[-1] == "\u200d" or (unicodedata.combining(piece[-1]) == VIRAMA and unicodedata.category(c) == "Lo")
