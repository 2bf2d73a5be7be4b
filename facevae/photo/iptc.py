"""IPTC (IIM) fields of a photo: found in JPEG, TIFF and PNG, written with our note."""

import struct
from collections.abc import Iterator

from PIL import Image

from facevae.photo.xmp import with_note

PHOTOSHOP = b"Photoshop 3.0\0"
IPTC_RESOURCE, TIFF_TAG, TIFF_RESOURCES_TAG = 0x0404, 33723, 34377
PNG_KEYWORD = "Raw profile type iptc"
CAPTION, MOST_CAPTION = (2, 120), 2000
PREVIEWS = ((2, 200), (2, 201), (2, 202))
"""A small picture of the photo, which would show the face as it was."""
MOST_BYTES = 60_000
"""Of all fields: as many as fit into a segment of a JPEG."""


def find_iptc(image: Image.Image) -> bytes:
    """The IPTC fields of a picture as it was stored; empty where there are none or they cannot be read."""
    try:
        if (resources := image.info.get("photoshop")) and isinstance(resources, dict):
            return bytes(resources.get(IPTC_RESOURCE, b""))
        if image.format == "TIFF":
            return _of_tiff(image)
        if isinstance(text := image.info.get(PNG_KEYWORD), str):
            return _in_resources(bytes.fromhex("".join(text.split()[2:])))
    except Exception:  # damaged fields raise anything
        return b""
    return b""


def _of_tiff(image: Image.Image) -> bytes:
    stored = image.tag_v2._tagdata  # type: ignore[attr-defined]  # bytes as they lie in the file: many call them whole numbers
    return stored.get(TIFF_TAG) or _in_resources(stored.get(TIFF_RESOURCES_TAG, b""))


def _in_resources(content: bytes) -> bytes:
    """The IPTC block among Photoshop's resources; what is none of those is the block itself."""
    content = content.removeprefix(PHOTOSHOP)
    if not content.startswith(b"8BIM"):
        return content
    position = 0
    while content[position : position + 4] == b"8BIM":
        code, name = struct.unpack_from(">HB", content, position + 4)
        start = position + 6 + (name + 2) // 2 * 2
        size = int.from_bytes(content[start : start + 4], "big")
        if code == IPTC_RESOURCE:
            return content[start + 4 : start + 4 + size]
        position = start + 4 + (size + 1) // 2 * 2
    return b""


def fields(block: bytes) -> Iterator[tuple[tuple[int, int], bytes]]:
    """((record, number), value) of each field; ends where the block is damaged, or pads."""
    position = 0
    while position + 5 <= len(block) and block[position] == 0x1C:
        record, number, size = struct.unpack_from(">BBH", block, position + 1)
        position += 5
        if size & 0x8000:
            count = size & 0x7FFF
            size, position = int.from_bytes(block[position : position + count], "big"), position + count
        if position + size > len(block):
            return
        yield (record, number), block[position : position + size]
        position += size


def noted(block: bytes, note: str) -> bytes:
    """The fields without previews, with the note in the caption where there is one; empty where nothing is left or it is too much."""
    kept = b""
    for key, value in fields(block):
        if key in PREVIEWS or len(value) >= 0x8000:
            continue
        if key == CAPTION:
            longer = with_note(value.decode("latin-1"), note).encode("latin-1", "replace")
            value = longer if len(longer) <= MOST_CAPTION else value
        kept += struct.pack(">BBBH", 0x1C, *key, len(value)) + value
    return kept if len(kept) <= MOST_BYTES else b""


def jpeg_segment(block: bytes) -> bytes:
    """A JPEG segment (APP13) that holds the fields."""
    resource = b"8BIM" + struct.pack(">HHI", IPTC_RESOURCE, 0, len(block)) + block + b"\0" * (len(block) % 2)
    payload = PHOTOSHOP + resource
    return b"\xff\xed" + struct.pack(">H", len(payload) + 2) + payload


def png_text(block: bytes) -> str:
    """The fields as the text of a PNG that ImageMagick and ExifTool read."""
    digits = block.hex()
    lines = "\n".join(digits[start : start + 72] for start in range(0, len(digits), 72))
    return f"\niptc\n{len(block):8}\n{lines}\n"
