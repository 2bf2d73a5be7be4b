"""Recognise cameras' raw files (DNG, CR2, CR3, NEF, ARW, ORF, RAF …) by what is in them.

Most are TIFF files whose first picture is a small preview, which a reader of TIFF takes for the photo. What tells them from an ordinary
TIFF are tags of DNG and TIFF/EP, and cameras' own compressions.
"""

import struct
from collections.abc import Iterator

# (offset, bytes at that offset, what people call it)
MAGIC = (
    (0, b"FUJIFILMCCD-RAW", "RAF"),
    (0, b"IIRO", "ORF"),
    (0, b"IIRS", "ORF"),
    (0, b"MMOR", "ORF"),
    (0, b"IIU\0", "RW2"),
    (0, b"\0MRM", "MRW"),
    (0, b"FOVb", "X3F"),
    (6, b"HEAPCCDR", "CRW"),
    (4, b"ftypcrx", "CR3"),
)
TIFF_MAGIC = ((8, b"CR\2", "CR2"), (8, b"IIII", "IIQ"), (8, b"MMMM", "IIQ"))
TIFF_STARTS = (b"II*\0", b"MM\0*")
SUBFILE_TYPE, WIDTH, HEIGHT, COMPRESSION, PHOTOMETRIC, SUB_DIRECTORIES, DNG_VERSION = 254, 256, 257, 259, 262, 330, 50706
MOSAIC_TAGS = {33421, 33422, 50710, 34310}
"""CFARepeatPatternDim, CFAPattern, CFAPlaneColor; Leaf's own."""
SENSOR_COLOURS = {32803, 34892}
"""PhotometricInterpretation: colour filter array, linear raw."""
CAMERA_COMPRESSIONS = {32767, 32770, 34713, 34892, 65000, 65535}
"""Sony, Samsung, Nikon, lossy DNG, Kodak, Pentax."""
REDUCED = 1
MOST_DIRECTORIES, MOST_ENTRIES = 50, 1000


def raw_kind(content: bytes) -> str:
    """What a camera's raw file is called ("DNG", "ORF", or "raw" where only its maker would know); empty for everything else.

    The beginning of a file is enough for most.
    """
    for offset, magic, kind in MAGIC:
        if content[offset : offset + len(magic)] == magic:
            return kind
    if not content.startswith(TIFF_STARTS):
        return ""
    for offset, magic, kind in TIFF_MAGIC:
        if content[offset : offset + len(magic)] == magic:
            return kind
    found = list(directories(content))
    if any(DNG_VERSION in one for one in found):
        return "DNG"
    for one in found:
        if MOSAIC_TAGS & one.keys() or SENSOR_COLOURS & {*one.get(PHOTOMETRIC, ())} or CAMERA_COMPRESSIONS & {*one.get(COMPRESSION, ())}:
            return "raw"
    return "raw" if found and _is_preview(found[0], found[1:]) else ""


def _is_preview(first: dict[int, tuple[int, ...]], others: list[dict[int, tuple[int, ...]]]) -> bool:
    """Whether a file's first picture says that it is a smaller version of another one in it."""
    reduced = first.get(SUBFILE_TYPE, (0,))[0] & REDUCED
    return bool(reduced) and any(_pixels(other) > _pixels(first) for other in others)


def _pixels(directory: dict[int, tuple[int, ...]]) -> int:
    return directory.get(WIDTH, (0,))[0] * directory.get(HEIGHT, (0,))[0]


def directories(tiff: bytes) -> Iterator[dict[int, tuple[int, ...]]]:
    """The directories of a TIFF file, the first one first: tag -> its whole numbers (at most 16; empty for other types)."""
    order = "<" if tiff.startswith(b"II") else ">"
    waiting, seen = [_numbers(tiff, 4, "I", 1, order)], set()
    while waiting and len(seen) < MOST_DIRECTORIES:
        start = (waiting.pop(0) or (0,))[0]
        count = (_numbers(tiff, start, "H", 1, order) or (0,))[0]
        if not start or start in seen or not count:
            continue
        seen.add(start)
        entries = {}
        for position in range(start + 2, min(start + 2 + 12 * min(count, MOST_ENTRIES), len(tiff) - 11), 12):
            tag, kind, number = struct.unpack_from(order + "HHI", tiff, position)
            entries[tag] = _values(tiff, position + 8, kind, number, order)
        yield entries
        waiting += [(where,) for where in entries.get(SUB_DIRECTORIES, ())]
        waiting.append(_numbers(tiff, start + 2 + 12 * count, "I", 1, order))


def _values(tiff: bytes, position: int, kind: int, number: int, order: str) -> tuple[int, ...]:
    letter = {1: "B", 3: "H", 4: "I", 13: "I"}.get(kind, "")
    number = min(number, 16)
    if not letter:
        return ()
    if number * struct.calcsize(letter) > 4:
        position = (_numbers(tiff, position, "I", 1, order) or (0,))[0]
    return _numbers(tiff, position, letter, number, order)


def _numbers(tiff: bytes, position: int, letter: str, number: int, order: str) -> tuple[int, ...]:
    form = f"{order}{number}{letter}"
    return struct.unpack_from(form, tiff, position) if 0 <= position <= len(tiff) - struct.calcsize(form) else ()
