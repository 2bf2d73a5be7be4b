"""Odd and hostile files, made by code, each with what must come of it: `python tests/photo/hostile.py OUT` writes them all.

A picture that opens shows four flat quadrants of known colours, so that a wrong turn, a wrong profile and a wrong
frame are all seen. Everything is the same in every run; nothing is fetched.
"""

import atexit
import functools
import io
import re
import shutil
import struct
import sys
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

sys.path.insert(0, str(Path(__file__).parents[1]))

from photo.profiles import SRGB_PRIMARIES, grey_profile, ink_profile, lab_of, rgb_profile, srgb_of

WIDTH, HEIGHT = 96, 64
LARGE = (8000, 6100)
"""48.8 megapixels: just within the limit."""
PHONE = (6000, 4000)
"""What phones write in their own colours. The conversion takes longer than all the rest: 1.3 s at 50 megapixels."""
COLOURS = ((200, 60, 50), (60, 170, 70), (60, 70, 180), (150, 150, 150))
"""Top left, top right, bottom left, bottom right."""
GREYS = tuple((g, g, g) for g in (40, 110, 180, 240))
DAMAGED, BOMB, SIDES, LIMITS = "damaged", "too much time or memory", "each side needs at least 32 px", "at most 50 megapixels"


@dataclass(frozen=True)
class Case:
    """A file. `refused` is a regular expression of the sentence; empty means that it opens, as `size` and `colours` say."""

    name: str
    build: Callable[[], bytes]
    refused: str = ""
    size: tuple[int, int] = (WIDTH, HEIGHT)
    colours: tuple[tuple[int, ...], ...] = COLOURS
    worst: int = 14
    """How far, in levels, the middle of a quadrant may be off."""

    def check(self, pixels: np.ndarray) -> None:
        """Raise AssertionError unless these are the pixels that the file promises."""
        assert pixels.shape == (self.size[1], self.size[0], 3), f"{self.name}: {pixels.shape}, not {self.size}"
        height, width = pixels.shape[:2]
        for n, expected in enumerate(self.colours):
            row, column = height * (1 + 2 * (n // 2)) // 4, width * (1 + 2 * (n % 2)) // 4
            seen = pixels[row - 3 : row + 4, column - 3 : column + 4].reshape(-1, 3).mean(axis=0)
            assert np.abs(seen - expected).max() <= self.worst, f"{self.name}: quadrant {n} is {seen}, not {expected}"


# Pictures -------------------------------------------------------------------------------------------------------------


def quadrants(colours=COLOURS, size=(WIDTH, HEIGHT), mode: str = "RGB", dtype=np.uint8) -> np.ndarray:
    """(h, w, c), or (h, w) where the colours are numbers."""
    columns, rows = (np.arange(n) * 2 // n for n in size)
    return np.array(colours, dtype)[rows[:, None] * 2 + columns]


def picture(colours=COLOURS, size=(WIDTH, HEIGHT)) -> Image.Image:
    return Image.fromarray(np.array(colours, np.uint8).reshape(2, 2, 3)).resize(size, Image.Resampling.NEAREST)


def grey() -> Image.Image:
    return Image.fromarray(quadrants([g for g, _, _ in GREYS]))


def encode(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@functools.cache
def jpeg() -> bytes:
    return encode(picture(), "JPEG", quality=95, subsampling=0)


@functools.cache
def png() -> bytes:
    return encode(picture(), "PNG")


@functools.cache
def noise(kind: str) -> bytes:
    """A file with so much in it that most of it is pixels."""
    pixels = np.random.default_rng(0).integers(0, 256, (128, 160, 3), dtype=np.uint8)
    return encode(Image.fromarray(pixels), kind, **({"compression": "tiff_lzw"} if kind == "TIFF" else {}))


def stored_for(orientation: int, pixels: np.ndarray) -> Image.Image:
    """How a camera that was held so stores the upright picture."""
    turned = pixels.transpose(1, 0, 2) if orientation >= 5 else pixels
    flips = {2: (1, -1), 3: (-1, -1), 4: (-1, 1), 6: (-1, 1), 7: (-1, -1), 8: (1, -1)}.get(orientation, (1, 1))
    return Image.fromarray(np.ascontiguousarray(turned[:: flips[0], :: flips[1]]))


def oriented(orientation: int, kind: str = "JPEG", **options) -> bytes:
    exif = Image.Exif()
    exif[274] = orientation
    return encode(stored_for(orientation, quadrants()), kind, exif=exif, **options)


def with_segment(marker: int, payload: bytes, content: bytes | None = None) -> bytes:
    """A JPEG with one more segment at its start."""
    content = content or jpeg()
    return content[:2] + bytes((0xFF, marker)) + struct.pack(">H", len(payload) + 2) + payload + content[2:]


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(levels: np.ndarray, depth: int, colour_type: int, extra: bytes = b"") -> bytes:
    """A PNG of what Pillow cannot write: `levels` (h, w, c) in `depth` 8 or 16."""
    rows = levels.astype(">u2" if depth == 16 else np.uint8).reshape(len(levels), -1)
    data = b"".join(b"\0" + row.tobytes() for row in rows)
    return png_head(levels.shape[1], len(levels), depth, colour_type) + extra + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND")


def png_head(width: int, height: int, depth: int = 8, colour_type: int = 2, interlaced: int = 0) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, interlaced))


def interlaced() -> bytes:
    data = b""
    for x, y, across, down in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)):
        data += b"".join(b"\0" + row.tobytes() for row in quadrants()[y::down, x::across])
    return png_head(WIDTH, HEIGHT, interlaced=1) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND")


def png_with(extra: bytes) -> bytes:
    return png()[:33] + extra + png()[33:]


def tiff(
    levels: np.ndarray, photometric: int, sample_format: int = 1, order: str = "<", extra=(), next_directory: int = 0, **tags
) -> bytes:
    """A raw TIFF of one strip: `levels` (h, w) or (h, w, c). `tags` replace entries: t273=5. Directory at 8, data behind it."""
    height, width = levels.shape[:2]
    samples = levels.shape[2] if levels.ndim == 3 else 1
    entries = {256: (4, width), 257: (4, height), 259: (3, 1), 262: (3, photometric), 277: (3, samples), 278: (4, height)}
    entries |= {279: (4, levels.nbytes), 339: (3, sample_format), **dict(extra)}
    count = len(entries) + 2
    bits_at = 8 + 2 + 12 * count + 4
    entries |= {258: (3, (bits_at, samples)) if samples > 2 else (3, levels.dtype.itemsize * 8), 273: (4, bits_at + 2 * samples)}
    entries |= {int(key[1:]): (4, value) for key, value in tags.items()}
    entries = {tag: entry for tag, entry in entries.items() if entry[1] is not None}
    body = struct.pack(order + "H", len(entries))
    for tag, (kind, value) in sorted(entries.items()):
        where, number = value if isinstance(value, tuple) else (value, 1)
        packed = struct.pack(order + ("HH" if kind == 3 and number == 1 else "I"), *((where, 0) if kind == 3 and number == 1 else (where,)))
        body += struct.pack(order + "HHI", tag, kind, number) + packed
    body += struct.pack(order + "I", next_directory)
    body += struct.pack(order + "H", levels.dtype.itemsize * 8) * samples
    return (
        (b"II*\0" if order == "<" else b"MM\0*")
        + struct.pack(order + "I", 8)
        + body
        + levels.astype(levels.dtype.newbyteorder(order)).tobytes()
    )


def directory_bomb(entries: int, size: int) -> bytes:
    """A TIFF directory of many entries that all point to the same bytes."""
    rows = b"".join(struct.pack("<HHII", 40000 + n, 7, size, 8 + 2 + 12 * entries + 4) for n in range(entries))
    return b"II*\0" + struct.pack("<IH", 8, entries) + rows + bytes(4) + bytes(size)


def scan_bomb() -> bytes:
    """A progressive JPEG whose last scan comes three thousand times more."""
    content = encode(Image.new("L", (2000, 2000), 128), "JPEG", progressive=True)
    last = content.rindex(b"\xff\xda")
    return content[:-2] + content[last:-2] * 3000 + b"\xff\xd9"


def gif_comment(size: int) -> bytes:
    content = encode(picture(), "GIF")
    start = 13 + (3 << (content[10] & 7) + 1)
    return content[:start] + b"\x21\xfe" + (b"\xff" + b"A" * 255) * (size // 256) + b"\0" + content[start:]


def animation(kind: str) -> bytes:
    others = [picture(tuple(reversed(COLOURS))), picture(GREYS)]
    return encode(picture(), kind, save_all=True, append_images=others, **({"lossless": True} if kind == "WEBP" else {}))


def alpha_over_white(kind: str, **options) -> bytes:
    """Black at an alpha that shows `GREYS` over white."""
    alpha = 255 - quadrants([g for g, _, _ in GREYS])
    return encode(Image.fromarray(np.dstack([np.zeros((HEIGHT, WIDTH, 3), np.uint8), alpha])), kind, **options)


def swapped_inks(kind: str) -> bytes:
    """CMYK with the profile of a press that has cyan and yellow changed over: red shows as blue."""

    def shown(c: int, m: int, y: int, k: int) -> tuple[float, ...]:
        return lab_of([255 * (1 - ink) * (1 - k) for ink in (y, m, c)])

    corners = picture(((255, 0, 0), (0, 0, 255), (255, 255, 255), (0, 255, 0)))
    return encode(corners.convert("CMYK"), kind, icc_profile=ink_profile(shown), **({"quality": 98} if kind == "JPEG" else {}))


def to_lab(image: Image.Image) -> Image.Image:
    return ImageCms.profileToProfile(image, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB")


def patched(content: bytes, old: bytes, new: bytes) -> bytes:
    assert old in content
    return content.replace(old, new, 1)


def jpeg_frame(marker: int, depth: int = 8) -> bytes:
    """The JPEG with another kind of frame in its header."""
    at = jpeg().index(b"\xff\xc0")
    return jpeg()[:at] + bytes((0xFF, marker)) + jpeg()[at + 2 : at + 4] + bytes((depth,)) + jpeg()[at + 5 :]


def jpeg_sized(width: int, height: int) -> bytes:
    at = jpeg().index(b"\xff\xc0") + 5
    return jpeg()[:at] + struct.pack(">HH", height, width) + jpeg()[at + 4 :]


def box(kind: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data) + 8) + kind + data


def blank(width: int, height: int) -> bytes:
    return encode(Image.new("1", (width, height)), "PNG")


def floats(*values: float) -> bytes:
    return tiff(quadrants(values, dtype=np.float32), 1, sample_format=3)


def premultiplied() -> bytes:
    alpha = 255 - quadrants([g for g, _, _ in GREYS])
    return tiff(np.dstack([np.zeros((HEIGHT, WIDTH, 3), np.uint8), alpha]), 2, extra={338: (3, 1)})


def keyed_palette(**options) -> bytes:
    return encode(picture().quantize(4), "PNG", **options)


# The corpus -----------------------------------------------------------------------------------------------------------


def turned() -> list[Case]:
    cases = [Case(f"orientation-{n}.jpg", functools.partial(oriented, n)) for n in range(1, 9)]
    cases += [Case(f"orientation-6.{kind.lower()}", functools.partial(oriented, 6, kind)) for kind in ("PNG", "WEBP", "AVIF", "TIFF")]
    looped = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1) + struct.pack("<HHII", 34665, 4, 1, 8) + struct.pack("<I", 8)
    return [
        *cases,
        Case("orientation-99.jpg", lambda: encode(picture(), "JPEG", exif=_exif(99), quality=95)),
        Case("exif-garbage.jpg", lambda: with_segment(0xE1, b"Exif\0\0" + bytes(range(200)))),
        Case("exif-cut.jpg", lambda: with_segment(0xE1, b"Exif\0\0MM\0*\0\0\0\x08\0\x09")),
        Case("exif-points-to-itself.jpg", lambda: with_segment(0xE1, looped)),
        Case("exif-bomb.jpg", lambda: with_segment(0xE1, b"Exif\0\0" + directory_bomb(4000, 16000)), BOMB),
        Case("exif-bomb.png", lambda: png_with(chunk(b"eXIf", directory_bomb(20000, 500_000))), BOMB),
        Case("exif-bomb.webp", lambda: encode(picture(), "WEBP", exif=directory_bomb(20000, 500_000)), BOMB),
    ]


def _exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[274] = orientation
    return exif


def coloured() -> list[Case]:
    p3 = tuple(srgb_of(c) for c in COLOURS)
    swapped = (SRGB_PRIMARIES[2], SRGB_PRIMARIES[1], SRGB_PRIMARIES[0])
    turned_round = tuple(srgb_of(c, swapped, 2.2) for c in COLOURS)
    deep = quadrants(COLOURS, dtype=np.uint16) * 257
    inks = ((0, 0, 255), (255, 0, 0), (255, 255, 255), (0, 255, 0))
    bright = tuple(tuple(round(255 * ((g / 255) ** (1 / 2.4) * 1.055 - 0.055)) for g in c) for c in GREYS)
    return [
        Case("wide-gamut.png", lambda: encode(picture(), "PNG", icc_profile=rgb_profile()), colours=p3, worst=2),
        Case("wide-gamut.jpg", lambda: encode(picture(), "JPEG", quality=95, icc_profile=rgb_profile()), colours=p3),
        Case("wide-gamut.webp", lambda: encode(picture(), "WEBP", lossless=True, icc_profile=rgb_profile()), colours=p3, worst=2),
        Case("wide-gamut.avif", lambda: encode(picture(), "AVIF", quality=95, icc_profile=rgb_profile()), colours=p3),
        Case("wide-gamut.tif", lambda: encode(picture(), "TIFF", icc_profile=rgb_profile()), colours=p3, worst=2),
        Case("profile-on-palette.png", lambda: keyed_palette(icc_profile=rgb_profile(swapped, 2.2)), colours=turned_round, worst=3),
        Case("profile-on-grey.png", lambda: encode(grey(), "PNG", icc_profile=grey_profile(1.0)), colours=bright, worst=2),
        Case("profile-of-the-wrong-kind.png", lambda: encode(grey(), "PNG", icc_profile=rgb_profile()), colours=GREYS, worst=0),
        Case("profile-broken.png", lambda: encode(picture(), "PNG", icc_profile=rgb_profile()[:200]), worst=0),
        Case("profile-is-text.jpg", lambda: encode(picture(), "JPEG", quality=95, icc_profile=b"sRGB, I promise. " * 40)),
        Case(
            "profile-of-8-mb.jpg", lambda: encode(picture(), "JPEG", quality=95, icc_profile=rgb_profile() + bytes(8_000_000)), colours=p3
        ),
        Case("profile-bomb.png", lambda: png_with(chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(400_000_000), 1))), DAMAGED),
        Case("cmyk.jpg", lambda: encode(picture().convert("CMYK"), "JPEG", quality=95)),
        Case("cmyk.tif", lambda: encode(picture().convert("CMYK"), "TIFF")),
        Case("cmyk-profile.tif", lambda: swapped_inks("TIFF"), colours=inks, worst=30),
        Case("cmyk-profile.jpg", lambda: swapped_inks("JPEG"), colours=inks, worst=30),
        Case("lab.tif", lambda: encode(to_lab(picture()), "TIFF"), worst=4),
        Case("ycbcr.tif", lambda: encode(picture().convert("YCbCr"), "TIFF", compression="tiff_lzw"), worst=3),
        Case("grey.jpg", lambda: encode(grey(), "JPEG", quality=95), colours=GREYS),
        Case("rgb-inside.jpg", lambda: encode(picture(), "JPEG", quality=95, keep_rgb=True)),
        Case("progressive.jpg", lambda: encode(picture(), "JPEG", quality=95, progressive=True)),
        Case(
            "16-bit-grey.png",
            lambda: encode(Image.fromarray(quadrants([g * 257 for g, _, _ in GREYS], dtype=np.uint16)), "PNG"),
            colours=GREYS,
        ),
        Case("16-bit-grey.tif", lambda: tiff(quadrants([g * 257 for g, _, _ in GREYS], dtype=np.uint16), 1, order=">"), colours=GREYS),
        Case("16-bit-rgb.png", lambda: png_of(deep, 16, 2), worst=1),
        Case("16-bit-rgba.png", lambda: png_of(np.dstack([deep, np.full_like(deep[:, :, :1], 65535)]), 16, 6), worst=1),
        Case("16-bit-rgb.tif", lambda: tiff(deep, 2), worst=1),
        Case("16-bit-rgb-big-endian.tif", lambda: tiff(deep, 2, order=">"), worst=1),
        Case("one-bit.png", lambda: encode(Image.fromarray(quadrants((0, 255, 255, 0))).convert("1"), "PNG"), colours=_black_white()),
        Case("fax.tif", lambda: encode(_one_bit(), "TIFF", compression="group4"), colours=_black_white()),
        Case("palette-2-bit.png", lambda: keyed_palette(bits=2), worst=2),
        Case("palette.bmp", lambda: encode(picture().quantize(4), "BMP"), worst=2),
        Case("rgb.bmp", lambda: encode(picture(), "BMP"), worst=0),
        Case("interlaced.png", interlaced, worst=0),
        Case("int32.tif", lambda: tiff(quadrants([g * 257 for g, _, _ in GREYS], dtype=np.int32), 1, 2), colours=GREYS, worst=1),
        Case("float.tif", lambda: floats(*(g / 255 for g, _, _ in GREYS)), colours=GREYS, worst=1),
        Case("float-nan.tif", lambda: floats(0.1, np.nan, 0.5, 1), "not numbers"),
        Case("float-infinite.tif", lambda: floats(0.1, np.inf, 0.5, 1), "not numbers"),
        Case("float-too-bright.tif", lambda: floats(0.1, 300, 0.5, 1), "0 to 1 would work"),
        Case("int32-too-large.tif", lambda: tiff(quadrants((5, 70000, 9, 2), dtype=np.int32), 1, 2), "0 to 65535 would work"),
        Case(
            "float-rgb.tif", lambda: tiff(quadrants(COLOURS).astype(np.float32) / 255, 2, 3), "TIFF picture, or one of a kind that is not"
        ),
    ]


def _one_bit() -> Image.Image:
    return Image.fromarray(quadrants((0, 255, 255, 0))).convert("1")


def _black_white() -> tuple[tuple[int, ...], ...]:
    return ((0,) * 3, (255,) * 3, (255,) * 3, (0,) * 3)


def see_through() -> list[Case]:
    black_key = bytes((0, 85, 170, 255))  # alpha of four palette entries
    keyed = Image.fromarray(quadrants((0, 1, 2, 3))).convert("P")
    keyed.putpalette(bytes(12))
    shades = tuple((255 - a,) * 3 for a in black_key)
    la = Image.merge("LA", [Image.new("L", (WIDTH, HEIGHT)), Image.fromarray(255 - quadrants([g for g, _, _ in GREYS]))])
    white = ((255,) * 3, *COLOURS[1:])
    return [
        Case("alpha.png", lambda: alpha_over_white("PNG"), colours=GREYS, worst=1),
        Case("alpha-lossless.webp", lambda: alpha_over_white("WEBP", lossless=True), colours=GREYS, worst=1),
        Case("alpha-lossy.webp", lambda: alpha_over_white("WEBP", quality=80), colours=GREYS),
        Case("alpha.avif", lambda: alpha_over_white("AVIF", quality=90), colours=GREYS),
        Case("alpha.tif", lambda: alpha_over_white("TIFF"), colours=GREYS, worst=1),
        Case("alpha-premultiplied.tif", premultiplied, colours=GREYS, worst=1),
        Case("alpha-on-grey.png", lambda: encode(la, "PNG"), colours=GREYS, worst=1),
        Case("alpha-palette.png", lambda: encode(keyed, "PNG", transparency=black_key), colours=shades, worst=1),
        Case("alpha-colour-key.png", lambda: encode(picture(), "PNG", transparency=COLOURS[0]), colours=white, worst=0),
        Case("alpha-key.gif", lambda: encode(keyed_first(), "GIF", transparency=0), colours=white, worst=2),
        Case("animated.gif", lambda: animation("GIF"), worst=2),
        Case("animated.webp", lambda: animation("WEBP"), worst=2),
        Case("animated.png", lambda: animation("PNG"), worst=0),
        Case("animated.avif", lambda: animation("AVIF")),
        Case("pages.tif", lambda: animation("TIFF"), worst=0),
        Case("phone.mpo.jpg", lambda: animation("MPO")),
    ]


def keyed_first() -> Image.Image:
    image = Image.fromarray(quadrants((0, 1, 2, 3))).convert("P")
    image.putpalette(bytes(v for c in COLOURS for v in c))
    return image


def named() -> list[Case]:
    return [
        Case("really-a-png.jpg", png),
        Case("really-a-jpeg.tiff", jpeg),
        Case("no-extension", jpeg),
        Case("photo.exe", jpeg),
        Case("<img src=x onerror=alert(1)>.png", png),
        Case("Grüße 😀 из Киева 东京.jpg", jpeg),
        Case("-rf %s {0} $(id) `id`.png", png),
        Case("n" * 240 + ".png", png),
        Case("<b>bold<!--.png", lambda: b"no picture", re.escape("<b>bold<!--.png is a text file")),
        Case("l" * 240 + ".png", lambda: b"no picture", "^l+…l+.png is a text file.{0,80}$"),
        Case("two\nlines\u202egpj.png", lambda: b"no picture", "^two\ufffdlines\ufffdgpj.png is a text file"),
        Case("script.gif.html", lambda: b"GIF89a/*" + bytes(40) + b"*/=1;alert(1)", DAMAGED),
        Case("zip-behind.jpg", lambda: jpeg() + b"PK\x03\x04" + bytes(500)),
        Case("html-inside.jpg", lambda: with_segment(0xFE, b"<script>alert(1)</script>")),
        Case("php-behind.png", lambda: png() + b"<?php echo 1; ?>"),
        Case("javascript.gif", lambda: encode(picture(), "GIF") + b"*/=1;alert(1)", worst=2),
        Case("pdf-and.jpg", lambda: b"%PDF-1.4\n" + jpeg(), "a PDF document"),
    ]


def others() -> list[Case]:
    start = {
        "drawing.svg": (b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "an SVG drawing"),
        "page.html": (b"<!DOCTYPE html><p>" + jpeg(), "a web page"),
        "paper.pdf": (b"%PDF-1.7\n1 0 obj", "a PDF document"),
        "letter.docx": (b"PK\x03\x04\x14\0\x06\0", "a ZIP archive or office document"),
        "phone.heic": (box(b"ftyp", b"heic\0\0\0\0mif1heic") + bytes(200), "a HEIC picture"),
        "clip.mp4": (box(b"ftyp", b"isom\0\0\2\0isomiso2") + bytes(200), "a video"),
        "clip.webm": (b"\x1aE\xdf\xa3" + bytes(200), "a video"),
        "clip.avi": (b"RIFF\0\1\0\0AVI LIST" + bytes(200), "a video"),
        "sound.wav": (b"RIFF\0\1\0\0WAVEfmt " + bytes(200), "not a picture"),
        "raw.cr3": (box(b"ftyp", b"crx \0\0\0\1crx isom") + bytes(200), "camera's raw file"),
        "new.jxl": (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(99), "a JPEG XL picture"),
        "new-bare.jxl": (b"\xff\x0a" + bytes(99), "a JPEG XL picture"),
        "film.jp2": (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(99), "a JPEG 2000 picture"),
        "favicon.ico": (b"\0\0\1\0\1\0\x10\x10" + bytes(99), "an icon"),
        "layers.psd": (b"8BPS\0\1" + bytes(99), "a Photoshop file"),
        "print.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n", "a PostScript document"),
        "program.exe": (b"MZ\x90\0" + bytes(300), "not a picture"),
        "data.json": (b'{"image": null}', "a text file"),
        "words.txt": (("Übrigens: kein Foto.\r\n" * 9).encode(), "a text file"),
        "utf16.txt": ("no photo".encode("utf-16"), "not a picture"),
        "empty.jpg": (b"", "is empty"),
        "one-byte.jpg": (b"\xff", "not a picture"),
        "zeros.png": (bytes(5000), "not a picture"),
        "random.jpg": (np.random.default_rng(1).bytes(20_000), "not a picture"),
    }
    return [Case(name, functools.partial(bytes, content), sentence + ".*would work") for name, (content, sentence) in start.items()]


def cut() -> list[Case]:
    cases = []
    for kind, ending in (("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "webp"), ("AVIF", "avif"), ("TIFF", "tif"), ("GIF", "gif")):
        for share in (0.005, 0.1, 0.5, 0.9):
            build = functools.partial(lambda kind, share: noise(kind)[: int(len(noise(kind)) * share)], kind, share)
            cases.append(Case(f"cut-at-{share:.1%}.{ending}", build, f"{DAMAGED}|not a picture that can be read"))
    return cases


def broken() -> list[Case]:
    two_pages = animation("TIFF")
    last_row = quadrants()
    return [
        Case("12-bit.jpg", lambda: jpeg_frame(0xC1, 12), "a JPEG picture of 12 bits"),
        Case("lossless.jpg", lambda: jpeg_frame(0xC3), f"lossless JPEG|{DAMAGED}"),
        Case("says-arithmetic.jpg", lambda: jpeg_frame(0xC9), colours=()),  # noise, as in every program: libjpeg notices nothing
        Case("bad-checksum.png", lambda: png().replace(b"IDAT", b"IDAX"), DAMAGED),
        Case("bad-pixels.png", lambda: png_head(WIDTH, HEIGHT) + chunk(b"IDAT", b"\x78\x9c" + bytes(400)) + chunk(b"IEND"), DAMAGED),
        Case("no-pixels.png", lambda: png_head(WIDTH, HEIGHT) + chunk(b"IEND"), DAMAGED),
        Case("text-bomb.png", lambda: png_with(chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(400_000_000), 1))), DAMAGED),
        Case("a-million-chunks.png", lambda: png_with(chunk(b"tEXt") * 1_000_000), BOMB),
        Case("a-million-segments.jpg", lambda: jpeg()[:2] + b"\xff\xef\0\x02" * 1_000_000 + jpeg()[2:], BOMB),
        Case("scans.jpg", scan_bomb, BOMB),
        Case("comment-of-20-mb.gif", lambda: gif_comment(20_000_000), BOMB),
        Case("comment-of-500-kb.gif", lambda: gif_comment(500_000), worst=2),
        Case("directory-bomb.tif", lambda: directory_bomb(3000, 2_000_000), BOMB),
        Case("cyclic.tif", lambda: tiff(last_row, 2, next_directory=8), worst=0),
        Case("cyclic-pages.tif", lambda: _cyclic(two_pages), worst=0),
        Case("directory-elsewhere.tif", lambda: b"II*\0" + struct.pack("<I", 4_000_000_000) + bytes(200), DAMAGED),
        Case("strip-elsewhere.tif", lambda: tiff(last_row, 2, t273=4_000_000_000), DAMAGED),
        Case("strip-too-long.tif", lambda: tiff(last_row, 2, t279=4_000_000_000), worst=0),
        Case(
            "huge-tiles.tif",
            lambda: tiff(
                last_row,
                2,
                extra={322: (4, 60000), 323: (4, 60000), 324: (4, 200), 325: (4, 4_000_000_000)},
                t273=None,
                t279=None,
                t278=None,
            ),
            DAMAGED,
        ),
        Case("lzw.tif", lambda: encode(picture(), "TIFF", compression="tiff_lzw"), worst=0),
        Case("jpeg-inside.tif", lambda: encode(picture(), "TIFF", compression="jpeg", quality=95)),
        Case("big.tif", lambda: encode(picture(), "TIFF", big_tiff=True), worst=0),
    ]


def _cyclic(content: bytes) -> bytes:
    """A TIFF of pages whose second directory points to the first again."""
    first = int.from_bytes(content[4:8], "little")
    link = first + 2 + 12 * int.from_bytes(content[first : first + 2], "little")
    second = int.from_bytes(content[link : link + 4], "little")
    link = second + 2 + 12 * int.from_bytes(content[second : second + 2], "little")
    return content[:link] + struct.pack("<I", first) + content[link + 4 :]


def sized() -> list[Case]:
    bmp, gif = encode(picture(), "BMP"), encode(picture(), "GIF")
    webp, avif = encode(picture(), "WEBP", lossless=True), encode(picture(), "AVIF")
    webp_size = (WIDTH - 1) | (HEIGHT - 1) << 14
    size, huge = struct.pack("<II", WIDTH, HEIGHT), struct.pack("<II", 60000, 60000)
    ispe = b"ispe" + bytes(4)
    return [
        Case("1x1000.png", lambda: blank(1, 1000), SIDES),
        Case("1000x1.png", lambda: blank(1000, 1), SIDES),
        Case("31x31.png", lambda: blank(31, 31), SIDES),
        Case("32x32.png", lambda: encode(picture(size=(32, 32)), "PNG"), size=(32, 32)),
        Case("16384x32.png", lambda: encode(picture(size=(16384, 32)), "PNG"), size=(16384, 32)),
        Case("16385x32.png", lambda: blank(16385, 32), LIMITS),
        Case("54-megapixels.png", lambda: blank(9000, 6000), LIMITS),
        Case("108-megapixels.png", lambda: blank(12000, 9000), LIMITS),
        Case("60000x60000.png", lambda: png_head(60000, 60000) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND"), LIMITS),
        Case("0x0.png", lambda: png_head(0, 0) + chunk(b"IDAT") + chunk(b"IEND"), f"{SIDES}|{DAMAGED}"),
        Case("65500x65500.jpg", lambda: jpeg_sized(65500, 65500), LIMITS),
        Case("60000x60000.bmp", lambda: patched(bmp, size, huge), LIMITS),
        Case("65535x65535.gif", lambda: patched(gif, struct.pack("<HH", WIDTH, HEIGHT), b"\xff" * 4), LIMITS),
        Case(
            "16384x16384.webp", lambda: patched(webp, struct.pack("<I", webp_size), struct.pack("<I", (1 << 28) - 1)), f"{LIMITS}|{DAMAGED}"
        ),
        Case("60000x60000.tif", lambda: tiff(quadrants(), 2, t256=60000, t257=60000), LIMITS),
        Case(
            "60000x60000.avif",
            lambda: patched(avif, ispe + struct.pack(">II", WIDTH, HEIGHT), ispe + struct.pack(">II", 60000, 60000)),
            f"{LIMITS}|{DAMAGED}",
        ),
        Case("pixels-missing.jpg", lambda: jpeg_sized(7000, 7000), size=(7000, 7000), colours=()),  # grey below, as in browsers
        Case("over-30-mb.png", lambda: png() + bytes(30_000_000), "too large a file"),
        Case("legal.png", lambda: encode(picture(size=LARGE), "PNG", compress_level=1), size=LARGE),
        Case("legal-palette.gif", lambda: encode(picture(size=(200, 150)).quantize(4).resize(LARGE), "GIF"), size=LARGE),
        Case("legal-progressive.jpg", lambda: large_jpeg(progressive=True, subsampling=0), size=LARGE),
        Case(
            "legal-wide-gamut.jpg",
            lambda: large_jpeg(PHONE, icc_profile=rgb_profile()),
            size=PHONE,
            colours=tuple(srgb_of(c) for c in COLOURS),
        ),
        Case("legal.webp", lambda: encode(picture(size=LARGE), "WEBP", quality=50, method=0), size=LARGE),
    ]


def large_jpeg(size=LARGE, **options) -> bytes:
    return encode(picture(size=size), "JPEG", quality=90, **options)


@functools.cache
def written() -> Path:
    """A folder with the files, for all tests of a run."""
    folder = Path(tempfile.mkdtemp(prefix="hostile-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    write(folder)
    return folder


@functools.cache
def corpus() -> tuple[Case, ...]:
    cases = [*turned(), *coloured(), *see_through(), *named(), *others(), *cut(), *broken(), *sized()]
    assert len({case.name for case in cases}) == len(cases)
    return tuple(cases)


def write(folder: Path) -> None:
    """Write every file of the corpus into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for case in corpus():
        (folder / case.name).write_bytes(case.build())


if __name__ == "__main__":
    write(Path(sys.argv[1]))
    print(f"{len(corpus())} files in {sys.argv[1]}")
