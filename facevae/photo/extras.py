"""What a photo's file holds besides its picture and cannot keep: HDR, film, depth, place …"""

import re
from collections.abc import Iterator

from PIL import Image

from facevae.photo.validation import jpeg_end, jpeg_segments
from facevae.photo.xmp import joined_packet, read_xmp

# A word for what is lost, and what tells of it in the metadata (XMP, boxes, names in a maker's trailer).
HINTS = (
    ("HDR part", rb"hdr-gain-map|HDRGainMap|hdrgainmap|iso:std:iso:ts:21496|Semantic=[\"']GainMap|HDR_RI ver"),
    ("film", rb"MotionPhoto|MicroVideo|mpvd"),
    (
        "depth map",
        rb"photos/1\.0/depthmap|Semantic=[\"'](Depth|Confidence)|DepthMap|aux:disparity|aux:depth|hevc:2015:auxid:2|auxiliary:depth",
    ),
    ("masks", rb"aux:\w*matte"),
    ("sound", rb"photos/1\.0/audio|SoundShot"),
    ("second picture", rb"photos/1\.0/image/"),
    ("content credentials", rb"c2pa|contentauth"),
    ("heat picture", rb"^FLIR\0"),
)
KNOWN_SEGMENTS = {
    0xE0: (b"JFIF", b"JFXX", b"AVI1", b"Ocad"),
    0xE1: (b"Exif\0", b"http://ns.adobe.com/", b"XMP\0"),
    0xE2: (b"ICC_PROFILE", b"MPF\0", b"FPXR", b"urn:iso:std:iso:ts:21496"),
    0xEC: (b"Ducky", b"PictureInfo"),
    0xED: (b"Photoshop", b"Adobe_CM", b"Adobe_Photoshop"),
    0xEE: (b"Adobe",),
}
CAMERAS_DATA = "camera's own data"
KNOWN_CHUNKS = frozenset(
    b"IHDR PLTE IDAT IEND tEXt zTXt iTXt tIME pHYs gAMA cHRM sRGB iCCP sBIT bKGD hIST sPLT eXIf tRNS acTL fcTL fdAT oFFs pCAL sCAL sTER "
    b"cICP mDCV cLLI mDCv cLLi iDOT vpAg orNT caNv npGo caBX VP8L VP8X ALPH ANIM ANMF ICCP EXIF C2PA".split()
) | {b"VP8 ", b"XMP "}
HDR_TRANSFERS = (16, 18)
"""ITU-T H.273: PQ and HLG."""
GPS, LAYERS, GEO_TAGS = 34853, 37724, (33550, 33922, 34735)


def lost_parts(image: Image.Image, content: bytes) -> list[str]:
    """What no saved edit keeps of a file, in words that fit after "its"; each once, in the order of `HINTS`."""
    found = set(read_xmp(joined_packet(image.info.get("xmp"), content)).lost)
    if content.startswith(b"\xff\xd8\xff"):
        found |= _of_jpeg(image, content)
    elif content[4:8] == b"ftyp":
        found |= _of_boxes(content)
    elif content.startswith((b"\x89PNG", b"RIFF")):
        found |= _of_chunks(content)
    elif image.format == "TIFF":
        tags = image.tag_v2  # type: ignore[attr-defined]
        found |= ({"layers"} if LAYERS in tags else set()) | ({"place"} if any(tag in tags for tag in GEO_TAGS) else set())
    try:
        if image.getexif().get_ifd(GPS):
            found.add("place")
    except Exception:  # damaged EXIF raises anything
        pass
    order = [word for word, _ in HINTS]
    return sorted(found, key=lambda word: (order.index(word) if word in order else len(order), word))


def hints_in(metadata: bytes) -> set[str]:
    """The words whose hints stand in metadata."""
    return {word for word, pattern in HINTS if re.search(pattern, metadata)}


def _of_jpeg(image: Image.Image, content: bytes) -> set[str]:
    found = set()
    for marker, position in jpeg_segments(content):
        payload = content[position + 2 : position + int.from_bytes(content[position : position + 2], "big")]
        if not 0xE0 <= marker <= 0xEF:
            continue
        hints = hints_in(payload) if marker != 0xE1 or not payload.startswith(b"Exif\0") else set()
        found |= hints
        if not hints and not payload.startswith(KNOWN_SEGMENTS.get(marker, ())):
            found.add(CAMERAS_DATA)
    return found | _behind_jpeg(image, content[jpeg_end(content) :], found)


def _behind_jpeg(image: Image.Image, behind: bytes, found: set[str]) -> set[str]:
    """What stands behind the end of a JPEG: other pictures, a film, a maker's trailer."""
    if not behind.strip(b"\0\r\n "):
        return set()
    told = hints_in(behind)
    if b"ftyp" in behind and (b"moov" in behind or b"mdat" in behind):
        told.add("film")
    if b"\xff\xd8\xff" in behind and "HDR part" not in told | found and not _are_previews(image):
        told.add("further pictures")
    is_explained = told or found or _are_previews(image) or re.search(rb"SEFT\0*$", behind)
    return told if is_explained else {"data behind its picture"}


def _are_previews(image: Image.Image) -> bool:
    """Whether the further pictures of a camera's JPEG are but smaller copies of the first; those nobody misses."""
    try:
        pictures = image.mpinfo[0xB002][1:]  # type: ignore[attr-defined]
        return all("Thumbnail" in picture["Attribute"]["MPType"] for picture in pictures)
    except Exception:  # no index, or a damaged one
        return False


def _of_boxes(content: bytes) -> set[str]:
    """Of HEIC and AVIF, by what their description (`meta`) names."""
    found = set()
    for kind, body in boxes(content):
        if kind == b"meta":
            found |= hints_in(body)
            found |= {"HDR part"} if re.search(rb"infe.{8,16}tmap", body, re.DOTALL) else set()
            for where in re.finditer(rb"colrnclx(..)(..)", body, re.DOTALL):
                found |= {"HDR part"} if int.from_bytes(where[2], "big") in HDR_TRANSFERS else set()
        elif kind in (b"mpvd", b"moov"):
            found.add("film")
        elif kind == b"uuid":
            found |= hints_in(body[:200_000]) or {CAMERAS_DATA}
        elif kind == b"sefd":
            found |= hints_in(body)
    return found - ({"film"} if content[8:12] == b"avis" else set())


def boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(kind, body) of the boxes of an ISO file that stand at its top."""
    position = 0
    while position + 8 <= len(content):
        size, kind, head = int.from_bytes(content[position : position + 4], "big"), content[position + 4 : position + 8], 8
        if size == 1:
            size, head = int.from_bytes(content[position + 8 : position + 16], "big"), 16
        size = size or len(content) - position
        if size < head:
            return
        yield kind, content[position + head : position + size] if kind != b"mdat" else b""
        position += size


def _of_chunks(content: bytes) -> set[str]:
    """Of PNG and WebP."""
    is_png = content.startswith(b"\x89PNG")
    position, found = 8 if is_png else 12, set()
    while position + 8 <= len(content):
        first, second = content[position : position + 4], content[position + 4 : position + 8]
        kind, size = (second, int.from_bytes(first, "big")) if is_png else (first, int.from_bytes(second, "little"))
        body = position + 8
        if kind in (b"caBX", b"C2PA"):
            found.add("content credentials")
        elif kind == b"cICP" and content[body + 1] in HDR_TRANSFERS:
            found.add("HDR part")
        elif kind not in KNOWN_CHUNKS:
            found.add("private chunks" if kind.isalnum() else "data behind its picture")
            if not kind.isalnum():
                break
        position = body + size + (4 if is_png else size % 2)
        if kind == b"IEND":
            found |= {"data behind its picture"} if content[position:].strip(b"\0\r\n ") else set()
            break
    return found
