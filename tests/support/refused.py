"""Files that must be refused, or lie just within a limit: cut, broken, too large, too costly."""

import functools
import struct
import zlib

from makers import (
    BOMB,
    COLOURS,
    DAMAGED,
    HEIGHT,
    LARGE,
    LIMITS,
    SIDES,
    SMALLER,
    WIDTH,
    Case,
    animation,
    blank,
    bomb,
    chunk,
    directory_bomb,
    encode,
    gif_comment,
    jpeg,
    jpeg_frame,
    jpeg_sized,
    noise,
    patched,
    picture,
    png,
    png_head,
    png_with,
    quadrants,
    scan_bomb,
    tiff,
)
from profiles import rgb_profile, srgb_of


def cut() -> list[Case]:
    cases = []
    endings = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "AVIF": "avif", "TIFF": "tif", "GIF": "gif", "HEIF": "heic"}
    for kind, ending in endings.items():
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
        Case("text-bomb.png", lambda: png_with(chunk(b"zTXt", b"Comment\0\0" + bomb())), DAMAGED),
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
            "60000x60000.heic",
            lambda: patched(encode(picture(), "HEIF"), struct.pack(">II", WIDTH, HEIGHT), struct.pack(">II", 60000, 60000)),
            f"{LIMITS}|too many pixels|{DAMAGED}",
        ),
        Case(
            "60000x60000.avif",
            lambda: patched(avif, ispe + struct.pack(">II", WIDTH, HEIGHT), ispe + struct.pack(">II", 60000, 60000)),
            f"{LIMITS}|{DAMAGED}",
        ),
        Case("pixels-missing.jpg", lambda: jpeg_sized(3000, 2000), size=(3000, 2000), colours=()),  # grey below, as in browsers
        Case("over-30-mb.png", lambda: png() + bytes(30_000_000), "too large a file"),
        Case("legal.png", lambda: encode(picture(size=LARGE), "PNG", compress_level=1), size=LARGE),
        Case("legal-palette.gif", lambda: encode(picture(size=(200, 150)).quantize(4).resize(SMALLER), "GIF"), size=SMALLER),
        Case("legal-progressive.jpg", lambda: large_jpeg(progressive=True, subsampling=0), size=LARGE),
        Case(
            "legal-wide-gamut.jpg",
            lambda: large_jpeg(SMALLER, icc_profile=rgb_profile()),
            size=SMALLER,
            colours=tuple(srgb_of(c) for c in COLOURS),
        ),
        Case("legal.heic", lambda: encode(picture(size=SMALLER), "HEIF", quality=50, enc_params={"preset": "ultrafast"}), size=SMALLER),
        Case("legal.webp", lambda: encode(picture(size=SMALLER), "WEBP", quality=50, method=0), size=SMALLER),
    ]


def large_jpeg(size=LARGE, **options) -> bytes:
    return encode(picture(size=size), "JPEG", quality=90, **options)
