"""Odd and hostile files, made by code, each with what must come of it: `python tests/support/hostile.py OUT` writes them all.

A picture that opens shows four flat quadrants of known colours, so that a wrong turn, a wrong profile and a wrong
frame are all seen. Nothing is random and nothing is fetched; two encoders write the time into their files.
"""

import atexit
import functools
import io
import re
import shutil
import struct
import sys
import tempfile
from pathlib import Path

import numpy as np
import pillow_heif
from makers import (
    BOMB,
    COLOURS,
    DAMAGED,
    GREYS,
    HEIGHT,
    WIDTH,
    Case,
    alpha_over_white,
    animation,
    bomb,
    box,
    chunk,
    directory_bomb,
    encode,
    floats,
    grey,
    interlaced,
    jpeg,
    keyed_palette,
    oriented,
    picture,
    png,
    png_of,
    png_with,
    premultiplied,
    quadrants,
    swapped_inks,
    tiff,
    to_lab,
    with_segment,
)
from PIL import Image
from profiles import SRGB_PRIMARIES, grey_profile, rgb_profile, srgb_of
from refused import broken, cut, sized

# The corpus -----------------------------------------------------------------------------------------------------------


def turned() -> list[Case]:
    cases = [Case(f"orientation-{n}.jpg", functools.partial(oriented, n)) for n in range(1, 9)]
    cases += [Case(f"orientation-6.{kind.lower()}", functools.partial(oriented, 6, kind)) for kind in ("PNG", "WEBP", "AVIF", "TIFF")]
    cases += [Case(f"orientation-{n}.heic", functools.partial(oriented, n, "HEIF", quality=95)) for n in range(1, 9)]
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
        Case("wide-gamut.heic", lambda: encode(picture(), "HEIF", quality=95, icc_profile=rgb_profile()), colours=p3),
        Case("10-bit.heic", deep_heic, colours=GREYS),
        Case("grey.heic", lambda: encode(grey(), "HEIF", quality=95), colours=GREYS),
        Case("wide-gamut.tif", lambda: encode(picture(), "TIFF", icc_profile=rgb_profile()), colours=p3, worst=2),
        Case("profile-on-palette.png", lambda: keyed_palette(icc_profile=rgb_profile(swapped, 2.2)), colours=turned_round, worst=3),
        Case("profile-on-grey.png", lambda: encode(grey(), "PNG", icc_profile=grey_profile(1.0)), colours=bright, worst=2),
        Case("profile-of-the-wrong-kind.png", lambda: encode(grey(), "PNG", icc_profile=rgb_profile()), colours=GREYS, worst=0),
        Case("profile-broken.png", lambda: encode(picture(), "PNG", icc_profile=rgb_profile()[:200]), worst=0),
        Case("profile-is-text.jpg", lambda: encode(picture(), "JPEG", quality=95, icc_profile=b"sRGB, I promise. " * 40)),
        Case(
            "profile-of-8-mb.jpg", lambda: encode(picture(), "JPEG", quality=95, icc_profile=rgb_profile() + bytes(8_000_000)), colours=p3
        ),
        Case("profile-bomb.png", lambda: png_with(chunk(b"iCCP", b"x\0\0" + bomb())), DAMAGED),
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


def deep_heic() -> bytes:
    """Ten bits a channel."""
    levels = quadrants([[v * 257 for v in g] for g in GREYS], dtype=np.uint16)
    file = io.BytesIO()
    pillow_heif.from_bytes("RGB;16", (WIDTH, HEIGHT), levels.tobytes()).save(file, quality=95)
    return file.getvalue()


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
        Case("alpha.heic", lambda: alpha_over_white("HEIF", quality=95), colours=GREYS),
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
        Case("burst.heic", lambda: animation("HEIF")),
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
        Case("really-heic.jpg", lambda: encode(picture(), "HEIF", quality=95)),
        Case("really-a-jpeg.heic", jpeg),
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
        "phone.heic": (box(b"ftyp", b"heic\0\0\0\0mif1heic") + bytes(200), "a damaged HEIC picture"),
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


@functools.cache
def own_folder() -> Path:
    """For the files of all tests of a run."""
    folder = Path(tempfile.mkdtemp(prefix="hostile-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def written() -> Path:
    """A folder with all the files."""
    for case in corpus():
        file_of(case)
    return own_folder()


def file_of(case: Case) -> Path:
    """One of the files, written when it is asked for."""
    path = own_folder() / case.name
    if not path.exists():
        path.write_bytes(case.build())
    return path


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
