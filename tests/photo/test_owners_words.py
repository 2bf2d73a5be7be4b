"""Captions, credit, rights and keywords of the owner survive an edit; what is lost is told."""

import hashlib
import io
import re
import struct
import zlib
from xml.etree import ElementTree

import numpy as np
import pytest
from makers import animation, box, chunk, encode, jpeg, patched, picture, png, tiff, with_segment
from PIL import Image, PngImagePlugin

from facevae.photo.extras import lost_parts
from facevae.photo.images import open_photo, save_photo
from facevae.photo.iptc import fields, find_iptc
from facevae.photo.metadata import EDITED, GENERATED
from facevae.photo.xmp import DC, RDF, read_xmp

NOTES = {"Software": "facevae 9.9", "Comment": "AI-edited with facevae", "facevae": "{}"}
XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 xmlns:xmpRights="http://ns.adobe.com/xap/1.0/rights/" xmlns:c="http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/"
 xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/" xmlns:mine="http://example.org/mine"
 xmlns:e="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmlns:g="http://ns.adobe.com/xap/1.0/g/img/"
 photoshop:Credit="Ann &amp; Bob" photoshop:Headline="Wedding &lt;3" xmp:Rating="4" xmp:CreatorTool="Lightroom 13" xmpRights:Marked="True"
 exif:GPSLatitude="52,31N" crs:Exposure2012="+0.5" mine:Secret="7" e:DigitalSourceType="http://cv.iptc.org/x/digitalCapture">
 <dc:rights><rdf:Alt><rdf:li xml:lang="x-default">© Ann Müller</rdf:li></rdf:Alt></dc:rights>
 <dc:creator><rdf:Seq><rdf:li>Ann</rdf:li><rdf:li>Bob</rdf:li></rdf:Seq></dc:creator>
 <dc:subject><rdf:Bag><rdf:li>बच्चा</rdf:li><rdf:li>zoo</rdf:li></rdf:Bag></dc:subject>
 <dc:description><rdf:Alt><rdf:li xml:lang="x-default">At the zoo</rdf:li><rdf:li xml:lang="de">Im Zoo</rdf:li></rdf:Alt></dc:description>
 <c:CreatorContactInfo rdf:parseType="Resource"><c:CiEmailWork>ann@example.org</c:CiEmailWork></c:CreatorContactInfo>
 <e:LocationCreated><rdf:Bag><rdf:li rdf:parseType="Resource"><e:City>Rome</e:City>
 <exif:GPSLongitude>12E</exif:GPSLongitude></rdf:li></rdf:Bag>
 </e:LocationCreated>
 <xmp:Thumbnails><rdf:Alt><rdf:li rdf:parseType="Resource"><g:image>OLDFACE</g:image></rdf:li></rdf:Alt></xmp:Thumbnails>
</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>""".encode()
IPTC = b"".join(
    struct.pack(">BBBH", 0x1C, *key, len(value)) + value
    for key, value in (
        ((1, 90), b"\x1b%G"),
        ((2, 25), "Löwe".encode()),
        ((2, 80), b"Ann"),
        ((2, 110), b"Agency"),
        ((2, 116), "© Ann".encode()),
        ((2, 120), "Im Zoo, früh".encode()),
        ((2, 202), b"\xff\xd8OLDFACE"),
    )
)
RESOURCES = b"8BIM\x04\x0c\0\0\0\0\0\x07OLDFACE\0" + b"8BIM\x04\x04\0\0" + struct.pack(">I", len(IPTC)) + IPTC + b"\0" * (len(IPTC) % 2)


def saved(content: bytes, format="original") -> tuple[Image.Image, bytes, str]:
    """The file after an edit and a second one, and what was said of the first."""
    photo = open_photo(content)
    once, _ = save_photo(photo, photo.pixels, NOTES, format)
    again = open_photo(once)
    twice, _ = save_photo(again, again.pixels, NOTES, format)
    image = Image.open(io.BytesIO(twice))
    image.load()
    return image, twice, photo.remark


def property_of(packet: bytes, name: str) -> list[str]:
    """The texts of a property, as an attribute or in a list."""
    root = ElementTree.fromstring(packet)
    found = [value for one in root.iter(f"{{{RDF}}}Description") for key, value in one.attrib.items() if key.endswith("}" + name)]
    for element in root.iter():
        if element.tag.endswith("}" + name):
            found += [item.text for item in element.iter(f"{{{RDF}}}li")] or [element.text]
    return found


KINDS = {
    "JPEG": lambda **o: encode(picture(), "JPEG", **o),
    "PNG": lambda xmp: encode(picture(), "PNG", pnginfo=png_text({"XML:com.adobe.xmp": xmp.decode()})),
    "WEBP": lambda **o: encode(picture(), "WEBP", **o),
    "AVIF": lambda **o: encode(picture(), "AVIF", **o),
    "HEIF": lambda **o: encode(picture(), "HEIF", **o),
    "TIFF": lambda xmp: encode(picture(), "TIFF", tiffinfo={700: xmp}),
}


def png_text(texts: dict[str, str]) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    for keyword, text in texts.items():
        info.add_itxt(keyword, text)
    return info


@pytest.mark.parametrize("format", ["original", "png", "heic"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_owner_s_xmp_survives_with_the_note_behind_the_caption(kind, format):
    image, _, remark = saved(KINDS[kind](xmp=XMP), format)
    packet = image.info["xmp"]
    assert property_of(packet, "rights") == ["© Ann Müller"] and property_of(packet, "creator") == ["Ann", "Bob"]
    assert property_of(packet, "subject") == ["बच्चा", "zoo"] and property_of(packet, "Credit") == ["Ann & Bob"]
    assert property_of(packet, "Headline") == ["Wedding <3"] and property_of(packet, "Rating") == ["4"]
    assert property_of(packet, "Marked") == ["True"] and property_of(packet, "CiEmailWork") == ["ann@example.org"]
    assert property_of(packet, "City") == ["Rome"]
    assert property_of(packet, "description") == ["At the zoo (AI-edited with facevae)", "Im Zoo (AI-edited with facevae)"]
    assert property_of(packet, "CreatorTool") == ["Lightroom 13, facevae 9.9"] and property_of(packet, "DigitalSourceType") == [EDITED]
    for gone in (b"GPSL", b"crs:", b"OLDFACE", b"Secret"):
        assert gone not in packet
    assert "its XMP, editing history and place are not kept" in remark


def test_what_was_generated_stays_so():
    generated = XMP.replace(b"http://cv.iptc.org/x/digitalCapture", GENERATED.encode())
    assert property_of(saved(KINDS["JPEG"](xmp=generated))[0].info["xmp"], "DigitalSourceType") == [GENERATED]


def test_extended_xmp_is_read():
    extension = XMP.replace(b"Im Zoo", b"Im Tierpark")
    main = XMP.replace(b"At the zoo", b"main").split(b"<dc:rights>")[0] + b"</rdf:Description></rdf:RDF></x:xmpmeta>"
    guid = hashlib.md5(extension).hexdigest().upper().encode()
    content = jpeg()
    for start in reversed(range(0, len(extension), 1000)):
        part = extension[start : start + 1000]
        payload = b"http://ns.adobe.com/xmp/extension/\0" + guid + struct.pack(">II", len(extension), start) + part
        content = with_segment(0xE1, payload, content)
    content = with_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + main, content)
    packet = saved(content)[0].info["xmp"]
    assert "Im Tierpark (AI-edited with facevae)" in property_of(packet, "description") and property_of(packet, "rights") == [
        "© Ann Müller"
    ]


@pytest.mark.parametrize(
    "packet",
    [
        b'<!DOCTYPE a [<!ENTITY b "cc"><!ENTITY d "&b;&b;">]><a>&d;</a>',
        b"<a>" * 40,
        b"<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><rdf:Description xmlns:dc='http://purl.org/dc/elements/1.1/'>"
        + b"<dc:title>" * 3000
        + b"</dc:title>" * 3000
        + b"</rdf:Description></rdf:RDF>",
        b"<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><rdf:Description xmlns:dc='http://purl.org/dc/elements/1.1/'>"
        + b"<dc:title>"
        + b"long " * 20_000
        + b"</dc:title></rdf:Description></rdf:RDF>",
    ],
    ids=["entities", "open", "deep", "long"],
)
def test_a_packet_that_cannot_be_kept_is_told_and_harms_nothing(packet):
    assert "XMP" in read_xmp(packet).lost
    image, _, remark = saved(encode(picture(), "PNG", pnginfo=png_text({"XML:com.adobe.xmp": packet.decode()})))
    assert "its XMP is not kept" in remark and property_of(image.info["xmp"], "description") == [NOTES["Comment"]]


def iptc_files() -> dict[str, bytes]:
    padded, pixels = IPTC + b"\0" * (-len(IPTC) % 4), np.array(picture())
    where = len(tiff(pixels, 2, extra={33723: (4, 0)}))
    numbers = tiff(pixels, 2, extra={33723: (4, (where, len(padded) // 4))}) + padded
    raw = f"\niptc\n{len(RESOURCES):8}\n{RESOURCES.hex()}\n"
    return {
        "JPEG": with_segment(0xED, b"Photoshop 3.0\0" + RESOURCES),
        "TIFF, as numbers": numbers,
        "TIFF, as bytes": encode(picture(), "TIFF", tiffinfo={33723: IPTC}),
        "TIFF, in Photoshop's": encode(picture(), "TIFF", tiffinfo={34377: RESOURCES}),
        "PNG": encode(picture(), "PNG", pnginfo=png_text({"Raw profile type iptc": raw})),
    }


@pytest.mark.parametrize("format", ["original", "png"])
@pytest.mark.parametrize("kind", iptc_files())
def test_iptc_survives_with_the_note_in_the_caption_and_without_previews(kind, format):
    image, content, _ = saved(iptc_files()[kind], format)
    found = dict(fields(find_iptc(image)))
    assert found[2, 25].decode() == "Löwe" and found[2, 110] == b"Agency" and found[2, 116].decode() == "© Ann" and (1, 90) in found
    assert found[2, 120].decode() == "Im Zoo, früh (AI-edited with facevae)" and (2, 202) not in found
    assert b"OLDFACE" not in content and b"OLDFACE".hex().encode() not in content


def test_exif_captions_and_rights_survive_in_any_script():
    exif = Image.Exif()
    words = "© José, 東京".encode()
    exif[270], exif[305], exif[315], exif[33432] = b"Caption " + words, "17.1", words, words
    for tag in (40091, 40092, 40093, 40094, 40095):
        exif[tag] = "Löwe\0".encode("utf-16-le")
    exif.get_ifd(0x8769)[42036] = "L" * len(words)
    image, _, _ = saved(encode(picture(), "JPEG", exif=exif.tobytes().replace(b"L" * len(words), words)))
    kept = image.getexif()
    assert kept[315].encode("latin-1") == words and kept[33432].encode("latin-1") == words
    assert kept[270].encode("latin-1") == b"Caption " + words + b" (AI-edited with facevae)" and kept[305] == "17.1, facevae 9.9"
    assert all(bytes(kept[tag]).decode("utf-16-le") == "Löwe\0" for tag in range(40091, 40096))
    assert kept.get_ifd(0x8769)[42036].encode("latin-1") == words


def test_comments_and_texts_survive():
    content = with_segment(0xFE, b"first", with_segment(0xFE, "zwölf".encode()))
    again = saved(content)[1]
    assert again.index(b"first") < again.index("zwölf".encode()) and again.count(b"\xff\xfe\0\x07first") == 1
    assert saved(content, "png")[0].text["Comment"] == "first\nzwölf (AI-edited with facevae)"
    assert saved(encode(picture(), "GIF", comment=b"gif words"))[0].text["Comment"] == "gif words (AI-edited with facevae)"
    texts = {"Title": "Löwe", "Copyright": "© Ann", "Comment": "mine", "Software": "GIMP", "parameters": "a prompt", "Author": "安"}
    image, _, remark = saved(encode(picture(), "PNG", pnginfo=png_text(texts)))
    assert {key: image.text[key] for key in texts} == texts | {"Comment": "mine (AI-edited with facevae)", "Software": "GIMP, facevae 9.9"}
    assert not remark


# What is lost ---------------------------------------------------------------------------------------------------------


def heic_with_alpha() -> bytes:
    return encode(Image.fromarray(np.dstack([np.array(picture()), np.full((64, 96), 9, np.uint8)])), "HEIF")


def xmp_segment(body: str, content: bytes | None = None) -> bytes:
    packet = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}"><rdf:Description {body}/></rdf:RDF></x:xmpmeta>'
    return with_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet.encode(), content)


def place() -> bytes:
    exif = Image.Exif()
    exif.get_ifd(34853).update({1: "N", 2: (52.0, 31.0, 12.0)})
    return exif.tobytes()


FILM = box(b"ftyp", b"mp42\0\0\0\0") + box(b"moov", bytes(50)) + box(b"mdat", bytes(50))
HDRGM = 'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"'
GCAMERA = 'xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" GCamera'


def heic_with(described: bytes) -> bytes:
    """What a HEIC is told by: its brand, and its description."""
    return box(b"ftyp", b"heic\0\0\0\0mif1heic") + box(b"meta", bytes(4) + described)


LOST = {
    "Ultra-HDR": (lambda: xmp_segment(HDRGM) + jpeg(), "HDR part is"),
    "ISO gain map": (lambda: with_segment(0xE2, b"urn:iso:std:iso:ts:21496:-1\0\0\0\0\0") + jpeg(), "HDR part is"),
    "Apple's gain map": (
        lambda: xmp_segment('xmlns:H="http://ns.apple.com/HDRGainMap/1.0/" H:HDRGainMapVersion="65536"') + jpeg(),
        "HDR part is",
    ),
    "gain map that only the other picture tells of": (lambda: jpeg() + xmp_segment(HDRGM), "HDR part is"),
    "JPEG-HDR": (lambda: with_segment(0xEB, b"HDR_RI ver=11"), "HDR part is"),
    "Motion Photo": (lambda: xmp_segment(f'{GCAMERA}:MotionPhoto="1"') + FILM, "film is"),
    "Micro Video": (lambda: xmp_segment(f'{GCAMERA}:MicroVideo="1"') + FILM, "film is"),
    "film that nothing tells of": (lambda: jpeg() + FILM, "film is"),
    "Samsung's film": (lambda: jpeg() + b"\0\0\x30\x0a\x10\0\0\0MotionPhoto_Data" + FILM + b"SEFH" + bytes(20) + b"SEFT", "film is"),
    "Samsung's sound": (lambda: jpeg() + b"\0\0\0\x01SoundShot_000" + bytes(99) + b"SEFHSEFT", "sound is"),
    "HDR and film": (lambda: xmp_segment(f'{HDRGM} {GCAMERA}:MotionPhoto="1"') + jpeg() + FILM, "HDR part and film are"),
    "depth map": (lambda: xmp_segment('xmlns:D="http://ns.google.com/photos/1.0/depthmap/" D:Format="RangeLinear"'), "depth map is"),
    "sound": (lambda: xmp_segment('xmlns:A="http://ns.google.com/photos/1.0/audio/" A:Mime="audio/mp4"'), "sound is"),
    "stereo pair": (lambda: animation("MPO"), "further pictures are"),
    "content credentials": (lambda: with_segment(0xEB, b"JP\0\1\0\0\0\1\0\0\0\x20jumb\0\0\0\x18jumdc2pa"), "content credentials are"),
    "content credentials of a PNG": (lambda: png()[:33] + chunk(b"caBX", b"jumb") + png()[33:], "content credentials are"),
    "thermal camera": (lambda: with_segment(0xE1, b"FLIR\0\1\0\0" + bytes(50)), "heat picture is"),
    "a camera's own": (lambda: with_segment(0xE5, b"RMETA\0" + bytes(50)), "camera's own data is"),
    "something behind": (lambda: jpeg() + b"PK\x03\x04" + bytes(500), "data behind its picture is"),
    "something behind a PNG": (lambda: png() + b"PK\x03\x04" + bytes(500), "data behind its picture is"),
    "place in EXIF": (lambda: encode(picture(), "JPEG", exif=place()), "place is"),
    "place in the EXIF of a HEIC": (lambda: encode(picture(), "HEIF", exif=place()), "place is"),
    "place in the EXIF of a WebP": (lambda: encode(picture(), "WEBP", exif=place()), "place is"),
    "GeoTIFF": (lambda: encode(picture(), "TIFF", tiffinfo={33922: (0.0, 0.0, 0.0, 1.0, 2.0, 0.0)}), "place is"),
    "layers": (lambda: encode(picture(), "TIFF", tiffinfo={37724: b"Adobe Photoshop Document Data Block\0"}), "layers are"),
    "HDR PNG": (lambda: png()[:33] + chunk(b"cICP", bytes((9, 16, 0, 1))) + png()[33:], "HDR part is"),
    "private chunks": (lambda: png()[:33] + chunk(b"prVW", b"x") + png()[33:], "private chunks are"),
    "film in HEIC": (lambda: encode(picture(), "HEIF") + box(b"mpvd", FILM), "film is"),
    "depth in HEIC": (lambda: patched(heic_with_alpha(), b"auxid:1", b"auxid:2"), "depth map is"),
    "editing history": (lambda: xmp_segment('xmlns:m="http://ns.adobe.com/xap/1.0/mm/" m:DocumentID="1"'), "editing history is"),
    "face tags": (lambda: xmp_segment('xmlns:r="http://www.metadataworkinggroup.com/schemas/regions/" r:x="1"'), "face tags are"),
}


@pytest.mark.parametrize("kind", LOST)
def test_what_is_lost_is_told(kind):
    build, words = LOST[kind]
    photo = open_photo(build())
    assert re.search(rf"\bits (.* and )?{re.escape(words)} not kept", photo.remark), photo.remark
    content, _ = save_photo(photo, photo.pixels, NOTES)
    for trace in (b"hdrgm", b"HDRGainMap", b"MotionPhoto", b"MicroVideo", b"MPF\0"):
        assert trace not in content  # a file that promises what is not there is not opened by some programs


NOTHING = {
    "JPEG": jpeg,
    "padding": lambda: jpeg() + bytes(300),
    "ordinary segments": lambda: with_segment(0xEC, b"Ducky\0\1", with_segment(0xEE, b"Adobe\0d\0\0\0\0\1")),
    "Samsung's time": lambda: jpeg() + b"\0\0\1\x0a\x0e\0\0\0Image_UTC_Data1700000000000SEFH" + bytes(20) + b"SEFT",
    "previews": lambda: previews(),
    "PNG of a Mac's screen": lambda: png()[:33] + chunk(b"iDOT", bytes(28)) + png()[33:],
    "TIFF": lambda: tiff(np.array(picture()), 2),
    "HDR of an ordinary kind": lambda: png()[:33] + chunk(b"cICP", bytes((1, 13, 0, 1))) + png()[33:],
    "WebP": lambda: encode(picture(), "WEBP"),
    "AVIF": lambda: encode(picture(), "AVIF"),
    "zlib": lambda: png()[:33] + chunk(b"zTXt", b"Title\0\0" + zlib.compress(b"x")) + png()[33:],
}


def previews() -> bytes:
    """A camera's JPEG with smaller copies of itself behind it, indexed as such."""
    content = animation("MPO")
    first = content.index(b"MPF\0") + 4 + 0x32  # where Pillow's index has its entries
    for entry in (first + 16, first + 32):
        content = content[:entry] + struct.pack("<I", 0x010001) + content[entry + 4 :]
    return content


@pytest.mark.parametrize(
    ("described", "parts"),
    [
        (b"urn:com:apple:photo:2020:aux:hdrgainmap\0", ["HDR part"]),
        (b"infe\2\0\0\0\0\3\0\0tmap\0", ["HDR part"]),
        (b"colrnclx\0\x09\0\x10\0\x09\x80", ["HDR part"]),
        (b"colrnclx\0\x09\0\x12\0\x09\x80", ["HDR part"]),
        (b"colrnclx\0\x0c\0\x0d\0\x06\x80", []),
        (b"urn:mpeg:hevc:2015:auxid:2\0", ["depth map"]),
        (b"urn:mpeg:mpegB:cicp:systems:auxiliary:depth\0", ["depth map"]),
        (b"urn:com:apple:photo:2018:aux:portraiteffectsmatte\0", ["masks"]),
        (b"urn:mpeg:hevc:2015:auxid:1\0", []),
    ],
)
def test_the_description_of_a_heic_tells_what_it_holds(described, parts):
    assert lost_parts(Image.new("RGB", (1, 1)), heic_with(described)) == parts


@pytest.mark.parametrize("kind", NOTHING)
def test_where_nothing_is_lost_nothing_is_said(kind):
    assert open_photo(NOTHING[kind]()).remark == ""


def test_the_caption_is_dc_description():
    assert read_xmp(XMP).descriptions == {"x-default": "At the zoo", "de": "Im Zoo"} and DC in read_xmp(XMP).prefixes
