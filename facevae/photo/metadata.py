"""Metadata of saved photos: AI note, recipe, the owner's captions and rights, safe EXIF."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.sax.saxutils import escape, quoteattr, unescape

from PIL import Image
from PIL.PngImagePlugin import PngInfo, iTXt

from facevae.photo.iptc import PNG_KEYWORD, find_iptc, jpeg_segment, noted, png_text
from facevae.photo.validation import jpeg_segments
from facevae.photo.xmp import NAMESPACE, OwnersXmp, joined_packet, read_xmp, with_note, with_tool

GENERATED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
EDITED = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
MAX_RECIPE = 400_000
"""Characters; a longer one is not ours."""
KEPT_TAGS = (271, 272, 282, 283, 296, 306, 315, 33432)  # make, model, resolution (3), date, artist, copyright
# document and page, stars; what Windows calls title, comment, author, keywords, subject
KEPT_TAGS += (269, 285, 18246, 18249, 40091, 40092, 40093, 40094, 40095)
EXIF_IFD, ORIENTATION, DESCRIPTION, SOFTWARE, XMP_TAG = 0x8769, 274, 270, 305, 700
WIDTH_TAG, HEIGHT_TAG = 40962, 40963
# MakerNote and UserComment hold anything, thumbnails and places too; the interoperability pointer would point nowhere;
# serial numbers and the owner's name name a person.
DROPPED_EXIF_TAGS = (37500, 37510, 40965, 42032, 42033, 42037)
LONGEST_VALUE = 1000
"""Longer EXIF values are no description of a photo; pictures and tracks hide in them."""
TEXT_TAGS, LONGEST_TEXT = (270, 315, 33432, 40092, 40094), 4000
"""Captions and rights may be longer; a JPEG has 65,533 bytes for its whole EXIF."""
MOST_COMMENTS = 100_000
"""Bytes of a JPEG's or PNG's comments."""

XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""
 xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"{declared} xmlns:facevae={namespace}
 xmp:CreatorTool={software} Iptc4xmpExt:DigitalSourceType={source}>
<dc:description><rdf:Alt>{comments}</rdf:Alt></dc:description>{properties}
<facevae:recipe>{recipe}</facevae:recipe>
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="r"?>"""


def recipe_text(image: Image.Image) -> str:
    """The recipe that `xmp_packet` or `png_info` left in a picture, unread; empty where there is none.

    No XML parser: a stranger's packet may be built to keep one busy, and ours has one form.
    """
    if isinstance(text := image.info.get("facevae"), str) and len(text) <= MAX_RECIPE:
        return text
    packet = image.info.get("xmp", b"")
    packet = packet.decode("utf-8", errors="replace") if isinstance(packet, bytes) else str(packet)
    _, opened, rest = packet[:MAX_RECIPE].partition("<facevae:recipe>")
    text, closed, _ = rest.partition("</facevae:recipe>")
    return unescape(text) if opened and closed else ""


@dataclass(frozen=True)
class Owners:
    """What the owner of a photo wrote into it, besides EXIF."""

    xmp: OwnersXmp = field(default_factory=OwnersXmp)
    iptc: bytes = b""
    comments: tuple[bytes, ...] = ()
    """Of a JPEG or a GIF."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """Of a PNG: keyword -> text."""


def find_owners(image: Image.Image, content: bytes) -> Owners:
    """What a file says besides EXIF. Texts of a PNG may stand behind its pixels: load it first."""
    texts = dict(getattr(image, "text", {})) if image.format == "PNG" else {}
    comment = image.info.get("comment", b"") if image.format == "GIF" else b""
    comments = _comments_of_jpeg(content) or tuple(filter(None, [comment]))
    return Owners(read_xmp(joined_packet(image.info.get("xmp"), content)), find_iptc(image), comments, texts)


def _comments_of_jpeg(content: bytes) -> tuple[bytes, ...]:
    if not content.startswith(b"\xff\xd8\xff"):
        return ()
    ends = [(at + 2, at + int.from_bytes(content[at : at + 2], "big")) for marker, at in jpeg_segments(content) if marker == 0xFE]
    found = tuple(content[start:end] for start, end in ends)
    return found if sum(map(len, found)) <= MOST_COMMENTS else ()


def jpeg_extra(owners: Owners, notes: Mapping[str, str]) -> bytes:
    """Segments of a JPEG with the owner's IPTC fields and comments."""
    block = noted(owners.iptc, notes.get("Comment", ""))
    comments = [b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text for text in owners.comments]
    return b"".join([jpeg_segment(block) if block else b"", *comments])


def xmp_packet(notes: Mapping[str, str], source: str, owners: OwnersXmp = OwnersXmp()) -> bytes:
    """How the picture came about: as IPTC's DigitalSourceType, in words (`Comment`), as the recipe (`facevae`); and the owner's words.

    What was generated from nothing stays so. The words stand behind the owner's captions, in every language.
    """
    note = notes.get("Comment", "")
    captions = {"x-default": ""} | dict(owners.descriptions)
    captions = {language: with_note(text, note) for language, text in captions.items()}
    ours = {"rdf", "xmp", "dc", "Iptc4xmpExt", "xml"}
    return XMP.format(
        namespace=quoteattr(NAMESPACE),
        declared="".join(f"\n xmlns:{prefix}={quoteattr(uri)}" for uri, prefix in owners.prefixes.items() if prefix not in ours),
        software=quoteattr(with_tool(owners.tool, notes.get("Software", "facevae"))),
        source=quoteattr(owners.source if owners.source == GENERATED else source),
        comments="".join(f"<rdf:li xml:lang={quoteattr(language)}>{escape(text)}</rdf:li>" for language, text in captions.items()),
        properties="".join(f"\n{markup}" for markup in owners.properties),
        recipe=escape(notes.get("facevae", "")),
    ).encode()


def png_info(notes: Mapping[str, str], source: str, owners: Owners = Owners()) -> PngInfo:
    """`notes` as the text chunks of a PNG (keyword -> text, any Unicode), what the owner wrote, and the XMP packet where there are any."""
    info, room = PngInfo(), MOST_COMMENTS
    comments = "\n".join(text.decode("utf-8", errors="replace") for text in owners.comments)
    theirs = {"Comment": comments} | dict(owners.texts) if comments else owners.texts
    if notes:
        added = {"Comment": with_note(theirs.get("Comment", ""), notes.get("Comment", ""))}
        notes = {**notes, **added} if "Comment" in notes else notes
        notes = {**notes, "Software": with_tool(theirs.get("Software", ""), notes["Software"])} if "Software" in notes else notes
    for keyword, text in theirs.items():
        room -= len(text)
        if keyword in notes or room < 0 or keyword == "XML:com.adobe.xmp" or keyword.lower().startswith("raw profile"):
            continue
        info.add_itxt(keyword, text, getattr(text, "lang", ""), getattr(text, "tkey", "")) if isinstance(text, iTXt) else info.add_text(
            keyword, text
        )
    if block := noted(owners.iptc, notes.get("Comment", "")):
        info.add_text(PNG_KEYWORD, png_text(block), zip=True)
    for keyword, text in notes.items():
        if not 1 <= len(keyword.encode("latin-1", "strict")) <= 79:
            raise ValueError(f"a PNG keyword has 1 to 79 letters, {keyword!r} has {len(keyword)}")
        info.add_text(keyword, text, zip=len(text) > 1024)
    if notes:
        info.add_itxt("XML:com.adobe.xmp", xmp_packet(notes, source, owners.xmp).decode())
    return info


def clean_exif(original: Image.Exif | None, notes: Mapping[str, str], size: tuple[int, int]) -> Image.Exif:
    """EXIF of an edited photo (upright, of `size`): camera, exposure, dates and rights stay, and the edit is noted.

    Place, thumbnail, maker's notes, serial numbers and everything that is not known to be harmless are left out.
    """
    exif = Image.Exif()
    if original is not None:
        _copy_tags(original, exif)
        if exif.get_ifd(EXIF_IFD):
            exif.get_ifd(EXIF_IFD).update({WIDTH_TAG: size[0], HEIGHT_TAG: size[1]})
    try:
        exif.tobytes()
    except Exception:  # values of damaged EXIF that were read, but cannot be written, raise anything
        exif = Image.Exif()
    exif[ORIENTATION] = 1
    exif[SOFTWARE] = AsStored(with_tool(_text(original, SOFTWARE), notes.get("Software", "facevae")))
    exif[DESCRIPTION] = AsStored(with_note(_text(original, DESCRIPTION), notes.get("Comment", "")))
    return exif


def _text(exif: Image.Exif | None, tag: int) -> str:
    value = exif.get(tag, "") if exif is not None else ""
    return value[:LONGEST_TEXT] if isinstance(value, str) else ""


class AsStored(str):
    """A text that Pillow writes as the bytes that it was read from.

    It reads Latin-1, whatever it is, and writes "?" for what is not ASCII.
    """

    __slots__ = ()

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        """The bytes, whatever encoding is asked for."""
        try:
            return super().encode("latin-1")
        except UnicodeEncodeError:
            return super().encode()


def _copy_tags(original: Image.Exif, exif: Image.Exif) -> None:
    for tag in KEPT_TAGS:
        if tag not in original:
            continue
        value = original[tag]
        if tag in TEXT_TAGS and isinstance(value, str | bytes):
            value = value[:LONGEST_TEXT]
        elif not _is_short(value):
            continue
        exif[tag] = AsStored(value) if isinstance(value, str) else value
    try:
        details = original.get_ifd(EXIF_IFD)
    except Exception:  # a damaged sub-directory raises anything; the rest is still good
        return
    kept = {
        tag: AsStored(value) if isinstance(value, str) else value
        for tag, value in details.items()
        if tag not in DROPPED_EXIF_TAGS and _is_short(value)
    }
    if kept:
        exif.get_ifd(EXIF_IFD).update(kept)


def _is_short(value: object) -> bool:
    return not isinstance(value, dict) and (not isinstance(value, str | bytes | tuple) or len(value) <= LONGEST_VALUE)
