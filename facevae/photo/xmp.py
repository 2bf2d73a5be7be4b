"""XMP of a photo: captions, credit, rights, keywords; read, and written with our note."""

import hashlib
import re
from dataclasses import dataclass, field
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

from facevae.photo.validation import jpeg_segments

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
XML = "http://www.w3.org/XML/1998/namespace"
DC, XMP, EXT = "http://purl.org/dc/elements/1.1/", "http://ns.adobe.com/xap/1.0/", "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
EXIF, TIFF, PHOTOSHOP = "http://ns.adobe.com/exif/1.0/", "http://ns.adobe.com/tiff/1.0/", "http://ns.adobe.com/photoshop/1.0/"
NAMESPACE = "urn:facevae:1"
"""XMP namespace of the recipe: the property `recipe` holds its JSON."""
OWNERS = {
    DC: "dc",
    EXT: "Iptc4xmpExt",
    PHOTOSHOP: "photoshop",
    "http://ns.adobe.com/xap/1.0/rights/": "xmpRights",
    "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/": "Iptc4xmpCore",
    "http://ns.useplus.org/ldf/xmp/1.0/": "plus",
    "http://creativecommons.org/ns#": "cc",
    "http://ns.adobe.com/lightroom/1.0/": "lr",
    "http://www.digikam.org/ns/1.0/": "digiKam",
    "http://ns.microsoft.com/photo/1.0/": "MicrosoftPhoto",
    "http://ns.acdsee.com/iptc/1.0/": "acdsee",
    "http://ns.iview-multimedia.com/mediapro/1.0/": "mediapro",
    "http://xmp.gettyimages.com/gift/1.0/": "GettyImagesGIFT",
    "http://www.metadataworkinggroup.com/schemas/keywords/": "mwg-kw",
    "http://prismstandard.org/namespaces/basic/2.0/": "prism",
    "http://prismstandard.org/namespaces/prismusagerights/2.1/": "prismUsageRights",
    "http://ns.google.com/photos/1.0/panorama/": "GPano",
}
"""Vocabularies of what people say about a photo, with the prefixes that everybody uses."""
ALSO = {
    XMP: ("xmp", {"Rating", "Label", "CreateDate", "Identifier", "Nickname", "Author", "Title", "Description", "Keywords", "BaseURL"}),
    TIFF: ("tiff", {"Artist", "Copyright", "ImageDescription"}),
    EXIF: ("exif", {"UserComment", "DateTimeOriginal"}),
}
"""Of others these properties alone."""
NOT_KEPT = {(DC, "format"), (PHOTOSHOP, "History"), (PHOTOSHOP, "ColorMode"), (PHOTOSHOP, "ICCProfile"), (PHOTOSHOP, "LegacyIPTCDigest")}
OURS = {(DC, "description"), (XMP, "CreatorTool"), (EXT, "DigitalSourceType")}
"""Written anew, with what was there in them."""
WORDS = {
    "http://ns.adobe.com/camera-raw-settings/1.0/": "editing history",
    "http://ns.adobe.com/xap/1.0/mm/": "editing history",
    "http://www.metadataworkinggroup.com/schemas/regions/": "face tags",
    "http://ns.microsoft.com/photo/1.2/": "face tags",
}
"""What a vocabulary that is left out holds. Those of EXIF's doubles, HDR, depth and films are told of elsewhere."""
TOLD_ELSEWHERE = re.compile(
    r"http://(ns\.adobe\.com/(exif|tiff|xap/1\.0|hdr-gain-map|xmp/note)|cipa\.jp/exif|ns\.apple\.com/|ns\.google\.com/photos/)|urn:facevae"
)
HDR_HINTS = ("hdr-gain-map", "HDRGainMap")
EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
MOST_BYTES = 2_000_000
"""Of a packet that is read; longer ones hold pictures."""
MOST_KEPT = 40_000
"""Bytes of what is kept: a JPEG has room for 65,502, and the recipe needs some."""
DEEPEST = 30


@dataclass(frozen=True)
class OwnersXmp:
    """What the owner's packet said, ready to be written again."""

    properties: tuple[str, ...] = ()
    """Markup of the properties that are kept as they are."""
    prefixes: dict[str, str] = field(default_factory=dict)
    """URI -> prefix, of what they use."""
    descriptions: dict[str, str] = field(default_factory=dict)
    """Language -> caption."""
    tool: str = ""
    source: str = ""
    """IPTC's DigitalSourceType."""
    lost: frozenset[str] = frozenset()
    """What is left out, in words."""


def read_xmp(packet: bytes | str | None) -> OwnersXmp:
    """The owner's part of an XMP packet; what cannot be read is said to be lost.

    Entities are refused, size and depth are bounded: a stranger's packet may be built to keep a parser busy.
    """
    text = packet.decode("utf-8", errors="replace") if isinstance(packet, bytes) else packet or ""
    start, end = text.find("<"), text.rfind(">")
    if start < 0 or end < start:
        return OwnersXmp()
    text = text[start : end + 1].replace("\0", "")
    if len(text) > MOST_BYTES or "<!DOCTYPE" in text or "<!ENTITY" in text:
        return OwnersXmp(lost=frozenset({"XMP"}))
    try:
        root = ElementTree.fromstring(text.encode())
    except (ElementTree.ParseError, ValueError):
        return OwnersXmp(lost=frozenset({"XMP"}))
    reader = _Reader()
    for described in root.iter(f"{{{RDF}}}Description"):
        if described in reader.nested:
            continue
        reader.read(described)
    return reader.result()


class _Reader:
    """Collects what is kept of a packet's descriptions."""

    def __init__(self) -> None:
        self.properties: dict[tuple[str, str], str] = {}
        self.prefixes = {RDF: "rdf"}
        self.descriptions: dict[str, str] = {}
        self.single: dict[tuple[str, str], str] = {}
        self.lost: set[str] = set()
        self.nested: set[ElementTree.Element] = set()

    def read(self, described: ElementTree.Element) -> None:
        for key, value in described.attrib.items():
            element = ElementTree.Element(key)
            element.text = value
            self.add(element)
        for element in described:
            self.nested.update(element.iter(f"{{{RDF}}}Description"))
            self.add(element)

    def add(self, element: ElementTree.Element) -> None:
        name = uri, local = split_name(element.tag)
        if uri in (RDF, XML, "", NAMESPACE):
            return
        if name == (DC, "description"):
            self.descriptions.update(in_languages(element))
        elif name in OURS:
            self.single[name] = "".join(element.itertext()).strip()
        elif name not in NOT_KEPT and (uri in OWNERS or local in ALSO.get(uri, ("", ()))[1]):
            try:
                self.properties[name] = self.markup(element)
            except ValueError:
                self.lost.add("XMP")
        elif uri == EXIF and local.startswith("GPS"):
            self.lost.add("place")
        elif (uri in WORDS or not TOLD_ELSEWHERE.match(uri)) and name not in NOT_KEPT:
            self.lost.add(WORDS.get(uri, "XMP"))

    def markup(self, element: ElementTree.Element, depth: int = 0) -> str:
        """An element as text, without coordinates that stand deep in it; `ValueError` where it is too deep."""
        if depth > DEEPEST:
            raise ValueError("an XMP property is nested too deeply")
        attributes = "".join(
            f" {self.name(key)}={quoteattr(value)}" for key, value in element.attrib.items() if not self.is_coordinate(key)
        )
        inner = escape(element.text or "") if not len(element) else ""
        inner += "".join(self.markup(child, depth + 1) for child in element if not self.is_coordinate(child.tag))
        return f"<{self.name(element.tag)}{attributes}>{inner}</{self.name(element.tag)}>"

    def is_coordinate(self, tag: str) -> bool:
        uri, local = split_name(tag)
        if uri != EXIF or not local.startswith("GPS"):
            return False
        self.lost.add("place")
        return True

    def name(self, tag: str) -> str:
        uri, local = split_name(tag)
        if uri in ("", XML):
            return f"xml:{local}" if uri else local
        known = OWNERS.get(uri) or ALSO.get(uri, ("",))[0] or f"ns{len(self.prefixes)}"
        return f"{self.prefixes.setdefault(uri, known)}:{local}"

    def result(self) -> OwnersXmp:
        kept, size = [], sum(len(text.encode()) for text in self.descriptions.values())
        for text in sorted(self.properties.values(), key=len):
            size += len(text.encode())
            kept.append(text)
            if size > MOST_KEPT:
                kept.pop()
                self.lost.add("XMP")
                break
        descriptions = self.descriptions if sum(map(len, self.descriptions.values())) <= MOST_KEPT // 4 else {}
        if descriptions != self.descriptions:
            self.lost.add("XMP")
        tool, source = self.single.get((XMP, "CreatorTool"), ""), self.single.get((EXT, "DigitalSourceType"), "")
        return OwnersXmp(tuple(kept), self.prefixes, descriptions, tool[:1000], source, frozenset(self.lost))


def split_name(tag: str) -> tuple[str, str]:
    """ElementTree's "{uri}local" as (uri, local)."""
    uri, closed, local = tag.rpartition("}")
    return (uri[1:], local) if closed else ("", tag)


def in_languages(element: ElementTree.Element) -> dict[str, str]:
    """The texts of a language alternative, or of a plain property."""
    items = element.findall(f".//{{{RDF}}}li")
    found = {item.get(f"{{{XML}}}lang", "x-default"): "".join(item.itertext()) for item in items}
    return found or {"x-default": "".join(element.itertext())}


def with_note(text: str, note: str) -> str:
    """A caption with a note behind it, once; the note alone where there was none."""
    text = text.strip(" \0\r\n\t")
    return note if not text else text if not note or note in text else f"{text} ({note})"


def with_tool(text: str, tool: str) -> str:
    """A list of programs with one more at its end, once."""
    text = text.strip(" \0\r\n\t")
    return tool if not text else text if tool in text else f"{text}, {tool}"


def joined_packet(packet: bytes | str | None, content: bytes) -> bytes | str | None:
    """A packet with what a JPEG has of it in further segments (Extended XMP), in one root."""
    if not content.startswith(b"\xff\xd8\xff") or EXTENSION not in content:
        return packet
    parts: dict[int, bytes] = {}
    for marker, position in jpeg_segments(content):
        payload = content[position + 2 : position + int.from_bytes(content[position : position + 2], "big")]
        if marker == 0xE1 and payload.startswith(EXTENSION):
            head = len(EXTENSION) + 32
            parts[int.from_bytes(payload[head + 4 : head + 8], "big")] = payload[head + 8 :]
            guid, length = payload[len(EXTENSION) : head], int.from_bytes(payload[head : head + 4], "big")
    extension = b"".join(parts[start] for start in sorted(parts))
    main = packet if isinstance(packet, bytes) else (packet or "").encode()
    if not parts or len(extension) != length or guid != hashlib.md5(extension, usedforsecurity=False).hexdigest().upper().encode():
        return packet
    bodies = [re.sub(rb"<\?.*?\?>", b"", part, flags=re.DOTALL) for part in (main, extension)]
    return b"<joined>" + b"".join(bodies) + b"</joined>"
