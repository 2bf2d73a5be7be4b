"""Recognise file types from their bytes, and say why a file is not opened."""

import codecs
import itertools
import re
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

SHOWN_LETTERS = 60
MOST_SCANS = 100
"""A progressive JPEG has about ten scans; each one more costs the time of the whole picture and next to no bytes."""

MOST_STEPS = 100_000
"""Segments of a JPEG, chunks of a PNG, entries of directories: photos have under a hundred, a large PNG in small pieces 30,000."""
MOST_GIF_BLOCKS = 4_000
"""A megabyte of comments; Pillow takes a time that grows with its square."""
MOST_NUMBERS = 200_000
"""Numbers in one TIFF entry: a transfer function of 16 bits has 3 x 65,536."""
STRIP_TAGS = (273, 279, 324, 325)
DIRECTORY_TAGS = (330, 34665, 34853, 40965)
VALUE_BYTES = {3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}

# What people drop that is not opened: (offset, bytes at that offset, what to call it).
KNOWN_OTHERS = (
    (4, b"ftyphei", "a damaged HEIC picture"),
    (4, b"ftyphev", "a damaged HEIC picture, or a film"),
    (4, b"ftypmif1", "a damaged HEIF picture, or one of a kind that is not read"),
    (4, b"ftypmsf1", "a damaged HEIF picture, or one of a kind that is not read"),
    (4, b"ftypavi", "a damaged AVIF picture"),
    (4, b"ftyp", "a video"),
    (0, b"\x1aE\xdf\xa3", "a video"),
    (8, b"AVI ", "a video"),
    (0, b"\x00\x00\x00\x0cJXL ", "a JPEG XL picture"),
    (0, b"\xff\x0a", "a JPEG XL picture"),
    (4, b"jP  \r\n\x87\n", "a JPEG 2000 picture"),
    (0, b"8BPS", "a Photoshop file"),
    (0, b"%PDF", "a PDF document"),
    (0, b"%!PS", "a PostScript document"),
    (0, b"PK\x03\x04", "a ZIP archive or office document"),
    (0, b"\x00\x00\x01\x00", "an icon"),
)
HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"avif")
TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
DAMAGED = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", *TIFF_STARTS)
# Frame headers of JPEG that Pillow does not take, by their marker.
RARE_JPEG = {0xC3: "a lossless JPEG picture", 0xC5: "a hierarchical JPEG picture", 0xC9: "a JPEG picture with arithmetic coding"}


ADDRESS = re.compile(
    r"[a-z][a-z0-9+.-]+:/|(data|blob|cid|mailto|javascript|about):|//[\w.-]+\.[a-z]{2,}/|www\.[\w-]+\.[\w.-]+/", re.IGNORECASE
)
"""Of two letters and more before the colon: C:/ is a disk."""


def shown_name(name: str) -> str:
    """A file name fit for a sentence: one line, of bounded length, nothing that turns the writing round."""
    clean = "".join(c if c.isprintable() else "\ufffd" for c in name)
    return clean if len(clean) <= SHOWN_LETTERS else f"{clean[: SHOWN_LETTERS - 20]}…{clean[-19:]}"


def address_sentence(name: str) -> str:
    """What to say to somebody who gives an address where a file is meant; empty for a name, and for a file that is called so."""
    if not ADDRESS.match(name):
        return ""
    with suppress(OSError, ValueError):  # data: addresses are longer than a name may be
        if Path(name).exists():
            return ""
    if name.lower().startswith("file:"):
        path = unquote(re.sub(r"^file:(//[^/]*)?", "", name, flags=re.IGNORECASE))
        return f"{shown_name(name)} is an address, and a file is meant: give its path, {path}"
    return f"{shown_name(name)} is an address, and nothing is fetched from addresses: save the picture and give the file's path"


def seems_picture(head: bytes) -> bool:
    """Whether a file begins as a picture of a kind that is read, whatever it is called."""
    in_box = head[4:8] == b"ftyp" and head[8:12] in HEIF_BRANDS
    return head.startswith(DAMAGED) or head[8:12] == b"WEBP" or (head.startswith(b"BM") and head[6:10] == bytes(4)) or in_box


def describe(content: bytes) -> str:
    """What a file that could not be opened seems to be."""
    for offset, magic, words in KNOWN_OTHERS:
        if content[offset : offset + len(magic)] == magic:
            return words
    if content.startswith(b"\xff\xd8\xff"):
        return _describe_jpeg(content)
    if content.startswith(TIFF_STARTS) and len(content) > 100:
        return "a damaged TIFF picture, or one of a kind that is not read (floats in colour, for example)"
    if content.startswith(DAMAGED) or content[8:12] == b"WEBP" or (content.startswith(b"BM") and content[6:10] == bytes(4)):
        return "a damaged picture"
    start = content[:1000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in start:
        return "an SVG drawing"
    if start.startswith((b"<!doctype html", b"<html")):
        return "a web page"
    if _is_text(start):
        return "a text file"
    return "not a picture that can be read"


def _is_text(start: bytes) -> bool:
    """UTF-8 without control characters; the last character may be cut."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return False
    return all(byte >= 32 or byte in b"\t\r\n" for byte in start)


def _describe_jpeg(content: bytes) -> str:
    for marker, position in jpeg_segments(content):
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            if marker in RARE_JPEG:
                return RARE_JPEG[marker]
            depth = content[position + 2] if position + 2 < len(content) else 8
            return f"a JPEG picture of {depth} bits" if depth in (12, 16) else "a damaged picture"
    return "a damaged picture"


# Files built to keep a reader busy. Pillow bounds what pixels and compressed texts may take, but it reads metadata in
# loops of Python, and copies what every entry of a TIFF or EXIF directory points to, twice if two entries point there.


def is_bomb(content: bytes) -> bool:
    """Whether reading the file's metadata, or its scans, would take far more time or memory than its size explains."""
    if content.startswith(b"\xff\xd8\xff"):
        segments = jpeg_segments(content)
        payloads = [content[p + 2 : p + int.from_bytes(content[p : p + 2], "big")] for m, p in segments if m in (0xE1, 0xE2)]
        exif = b"".join(payload[6:] for payload in payloads if payload.startswith(b"Exif\0\0"))  # Pillow joins them, too
        indices = [payload[4:] for payload in payloads if payload.startswith(b"MPF\0")]
        return len(segments) >= MOST_STEPS or any(map(is_directory_bomb, [exif, *indices])) or _too_many_scans(content)
    if content.startswith(b"\x89PNG"):
        return _steps_of_png(content) >= MOST_STEPS
    if content.startswith(b"GIF8"):
        return _steps_of_gif(content) >= MOST_GIF_BLOCKS
    if content.startswith(TIFF_STARTS):
        return is_directory_bomb(content)
    if content[4:8] == b"ftyp":  # AVIF's EXIF lies anywhere; an offset of under 16 MB tells its start from picture data
        starts = re.finditer(rb"II\*\0...\0|MM\0\*\0...", content, re.DOTALL)
        return any(is_directory_bomb(content[start.start() :]) for start in itertools.islice(starts, 16))
    return False


def is_directory_bomb(tiff: bytes) -> bool:
    """Whether the directories of a TIFF file, or of EXIF, hold much more than the file: entries that share their bytes."""
    if len(tiff) < 8 or tiff[:2] not in (b"II", b"MM"):
        return False
    order, big = "<>"[tiff[:2] == b"MM"], 43 in tiff[2:4]
    count_format, entry_format, link_format = (order + letters for letters in (("Q", "HHQQ", "Q") if big else ("H", "HHII", "I")))
    steps, held, seen = 0, 0, set()
    waiting = [_unpack(link_format, tiff, 8 if big else 4)]
    while waiting:
        start = waiting.pop()
        if start is None or start in seen or start == 0:
            continue
        seen.add(start)
        position = start + struct.calcsize(count_format)
        for _ in range(min(_unpack(count_format, tiff, start) or 0, len(tiff) // 12)):
            if position + struct.calcsize(entry_format) > len(tiff):
                break
            tag, kind, count, where = struct.unpack_from(entry_format, tiff, position)
            position += struct.calcsize(entry_format)
            steps += 1
            held += min(count * VALUE_BYTES.get(kind, 1), max(0, len(tiff) - where))
            if (kind not in (1, 2, 7) and count > MOST_NUMBERS and tag not in STRIP_TAGS) or steps >= MOST_STEPS:
                return True
            if tag in DIRECTORY_TAGS:
                waiting.append(where)
        if len(seen) <= 2:  # of the further pages only the second is ever looked at
            waiting.insert(0, _unpack(link_format, tiff, position))
    return held > 2 * len(tiff) + 100_000


def _unpack(form: str, content: bytes, position: int) -> int | None:
    return struct.unpack_from(form, content, position)[0] if 0 <= position <= len(content) - struct.calcsize(form) else None


def jpeg_segments(content: bytes) -> list[tuple[int, int]]:
    """(marker, position of its length) of the segments before the first scan, at most `MOST_STEPS`; fill bytes count."""
    segments, position = [], 2
    while position + 4 <= len(content) and content[position] == 0xFF and len(segments) < MOST_STEPS:
        marker = content[position + 1]
        segments.append((marker, position + 2))
        if marker in (0xDA, 0xD9):
            break
        position += 1 if marker == 0xFF else 2 + int.from_bytes(content[position + 2 : position + 4], "big")
    return segments


def _too_many_scans(content: bytes) -> bool:
    if content.count(b"\xff\xda") <= MOST_SCANS:
        return False
    return sum(marker == 0xDA for marker, _ in _markers(content)) > MOST_SCANS


def jpeg_end(content: bytes) -> int:
    """Where the first picture of a JPEG ends: behind its last marker, or at the end of the file."""
    return next((end for marker, end in _markers(content) if marker == 0xD9), len(content))


def _markers(content: bytes) -> Iterator[tuple[int, int]]:
    """(marker, position behind it) to the end of the first picture. Thumbnails and films in the file have such bytes, too."""
    position, scans = 2, 0
    next_marker = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
    while scans <= MOST_SCANS and (found := next_marker.search(content, position)) is not None:
        marker, position = content[found.start() + 1], found.end()
        yield marker, position
        if marker == 0xD9:
            return
        scans += marker == 0xDA
        position += int.from_bytes(content[position : position + 2], "big")


def _steps_of_png(content: bytes) -> int:
    steps, position = 0, 8
    while position + 12 <= len(content) and steps < MOST_STEPS:
        position += 12 + int.from_bytes(content[position : position + 4], "big")
        steps += 1
    return steps


def _steps_of_gif(content: bytes) -> int:
    """Blocks of up to 255 bytes in the extensions up to the second frame."""
    flags = content[10] if len(content) > 12 else 0
    position, steps, frames = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0), 0, 0
    while position + 10 < len(content) and steps < MOST_GIF_BLOCKS and frames < 2:
        is_frame = content[position] == 0x2C
        frames += is_frame
        if is_frame:
            flags = content[position + 9]
            position += 11 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
        elif content[position] == 0x21:
            position, steps = position + 2, steps + 1
        else:
            break
        while position < len(content) and content[position] and steps < MOST_GIF_BLOCKS:
            position += 1 + content[position]
            steps += not is_frame
        position += 1
    return steps
