"""Metadata of saved photos: AI note, recipe, and the harmless part of the EXIF."""

from collections.abc import Mapping
from xml.sax.saxutils import escape, quoteattr, unescape

from PIL import Image
from PIL.PngImagePlugin import PngInfo

GENERATED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
EDITED = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
NAMESPACE = "urn:facevae:1"
"""XMP namespace of the recipe: the property `recipe` holds the JSON of `notes["facevae"]`."""

MAX_RECIPE = 400_000
"""Characters; a longer one is not ours."""
KEPT_TAGS = (271, 272, 282, 283, 296, 306, 315, 33432)  # make, model, resolution (3), date, artist, copyright
EXIF_IFD, ORIENTATION, DESCRIPTION, SOFTWARE, XMP_TAG = 0x8769, 274, 270, 305, 700
WIDTH_TAG, HEIGHT_TAG = 40962, 40963
# MakerNote and UserComment hold anything, thumbnails and places too; the interoperability pointer would point nowhere;
# serial numbers and the owner's name name a person.
DROPPED_EXIF_TAGS = (37500, 37510, 40965, 42032, 42033, 42037)
LONGEST_VALUE = 1000
"""Longer EXIF values are no description of a photo; pictures and tracks hide in them."""

XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""
 xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmlns:facevae={namespace}
 xmp:CreatorTool={software} Iptc4xmpExt:DigitalSourceType={source}>
<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{comment}</rdf:li></rdf:Alt></dc:description>
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


def xmp_packet(notes: Mapping[str, str], source: str) -> bytes:
    """How the picture came about: as IPTC's DigitalSourceType, in words (`Comment`) and as the recipe (`facevae`)."""
    return XMP.format(
        namespace=quoteattr(NAMESPACE),
        software=quoteattr(notes.get("Software", "facevae")),
        source=quoteattr(source),
        comment=escape(notes.get("Comment", "")),
        recipe=escape(notes.get("facevae", "")),
    ).encode()


def png_info(notes: Mapping[str, str], source: str) -> PngInfo:
    """`notes` as the text chunks of a PNG (keyword -> text, any Unicode), and the XMP packet where there are any."""
    info = PngInfo()
    for keyword, text in notes.items():
        if not 1 <= len(keyword.encode("latin-1", "strict")) <= 79:
            raise ValueError(f"a PNG keyword has 1 to 79 letters, {keyword!r} has {len(keyword)}")
        info.add_text(keyword, text, zip=len(text) > 1024)
    if notes:
        info.add_itxt("XML:com.adobe.xmp", xmp_packet(notes, source).decode())
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
    exif[SOFTWARE] = notes.get("Software", "facevae")
    exif[DESCRIPTION] = notes.get("Comment", "")
    return exif


def _copy_tags(original: Image.Exif, exif: Image.Exif) -> None:
    for tag in KEPT_TAGS:
        if tag in original and _is_short(original[tag]):
            exif[tag] = original[tag]
    try:
        details = original.get_ifd(EXIF_IFD)
    except Exception:  # a damaged sub-directory raises anything; the rest is still good
        return
    kept = {tag: value for tag, value in details.items() if tag not in DROPPED_EXIF_TAGS and _is_short(value)}
    if kept:
        exif.get_ifd(EXIF_IFD).update(kept)


def _is_short(value: object) -> bool:
    return not isinstance(value, dict) and (not isinstance(value, str | bytes | tuple) or len(value) <= LONGEST_VALUE)
