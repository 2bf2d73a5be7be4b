"""What odd and hostile files are made of: four flat quadrants of known colours, and the bytes of the formats around them."""

import functools
import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageCms
from pillow_heif import register_heif_opener
from profiles import ink_profile, lab_of

WIDTH, HEIGHT = 96, 64
LARGE = (8000, 6100)
"""48.8 megapixels: just within the limit."""
SMALLER = (3000, 2000)
"""For further formats: the memory of each is in proportion to its pixels."""
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


def quadrants(colours=COLOURS, size=(WIDTH, HEIGHT), mode: str = "RGB", dtype=np.uint8) -> np.ndarray:
    """(h, w, c), or (h, w) where the colours are numbers."""
    columns, rows = (np.arange(n) * 2 // n for n in size)
    return np.array(colours, dtype)[rows[:, None] * 2 + columns]


def picture(colours=COLOURS, size=(WIDTH, HEIGHT)) -> Image.Image:
    return Image.fromarray(np.array(colours, np.uint8).reshape(2, 2, 3)).resize(size, Image.Resampling.NEAREST)


def grey() -> Image.Image:
    return Image.fromarray(quadrants([g for g, _, _ in GREYS]))


def encode(image: Image.Image, kind: str, **options) -> bytes:
    register_heif_opener()
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
    return encode(stored_for(orientation, quadrants()), kind, exif=exif.tobytes(), **options)


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


@functools.cache
def bomb() -> bytes:
    """400 MB of zeros, as zlib packs them."""
    return zlib.compress(bytes(400_000_000), 1)


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
