"""The pixel convention, in one place: uint8 (h, w, c) on disk and screen, float32 (b, c, h, w) in [0, 1] inside.

And the two doors: `open_photo` takes whatever a user drops on us, `png_bytes` gives a picture back with notes in it.
"""

import io
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image, ImageCms, ImageOps
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

MAX_PIXELS = 50_000_000
MAX_FILE_BYTES = 64_000_000
MIN_SIDE_PX = 32
MAX_SIDE_PX = 16_384
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "BMP", "TIFF", "GIF")  # Pillow's other plugins never see an upload
WHAT_WORKS = "a JPEG, PNG, WebP, AVIF, BMP, TIFF or GIF picture would work"

# What people drop that we do not open: (offset, bytes at that offset, what to call it).
KNOWN_OTHERS = (
    (4, b"ftyphei", "a HEIC picture"),
    (4, b"ftyphev", "a HEIC picture"),
    (4, b"ftypmif1", "a HEIF picture"),
    (4, b"ftypmsf1", "a HEIF picture"),
    (4, b"ftypcrx", "a camera's raw file"),
    (4, b"ftyp", "a video"),
    (0, b"\x1aE\xdf\xa3", "a video"),
    (8, b"AVI ", "a video"),
    (0, b"\x00\x00\x00\x0cJXL ", "a JPEG XL picture"),
    (0, b"\xff\x0a", "a JPEG XL picture"),
    (4, b"jP  \r\n\x87\n", "a JPEG 2000 picture"),
    (0, b"8BPS", "a Photoshop file"),
    (0, b"%PDF", "a PDF document"),
    (0, b"%!PS", "a PostScript document"),
    (0, b"PK\x03\x04", "a ZIP archive or office document"),
    (0, b"\x00\x00\x01\x00", "an icon"),
)


def to_float(pixels: UInt8[np.ndarray, "*b h w c"]) -> Float[Tensor, "b c h w"]:
    """One picture or a batch of pictures, 0..255, to a channels-last float batch in [0, 1]."""
    batch = torch.from_numpy(np.ascontiguousarray(pixels if pixels.ndim == 4 else pixels[None]))
    return batch.permute(0, 3, 1, 2).float().div_(255)  # a permuted NHWC buffer is already channels_last


def to_uint8(x: Float[Tensor, "b c h w"]) -> UInt8[np.ndarray, "b h w c"]:
    """A float batch to pixels 0..255, clamped and rounded to the nearest level."""
    levels = x.detach().float().clamp(0, 1).mul(255).round_().to(torch.uint8)
    return np.ascontiguousarray(levels.permute(0, 2, 3, 1).cpu().numpy())


def open_photo(source: str | Path | bytes | Image.Image | np.ndarray) -> UInt8[np.ndarray, "h w 3"]:
    """A user's picture as upright sRGB pixels.

    A path, the bytes of a file, a Pillow image, or an array (h, w), (h, w, 1 | 3 | 4) of uint8, uint16 or floats in
    [0, 1]. EXIF orientation is applied, an embedded colour profile is converted to sRGB, alpha lies over white, the
    first frame of an animation is taken, 16-bit grey keeps its range. The content decides what a file is, its
    extension is not asked.

    Raises `ValueError` with one sentence that names the file, what it is and what would work. Size limits
    (`MAX_PIXELS`, `MIN_SIDE_PX`, `MAX_SIDE_PX`, `MAX_FILE_BYTES`) are checked before any pixel is decoded.
    """
    if isinstance(source, np.ndarray):
        return _open_array(source)
    if isinstance(source, Image.Image):
        return _decode(source, "The picture")
    name = "The picture"
    if isinstance(source, str | Path):
        path = Path(source)
        name = path.name or str(path)
        source = _read_file(path)
    if not source:
        raise ValueError(f"{name} is empty: {WHAT_WORKS}")
    if len(source) > MAX_FILE_BYTES:
        raise ValueError(f"{name} is too large a file ({len(source) / 1e6:.0f} MB): at most {MAX_FILE_BYTES / 1e6:.0f} MB work")
    try:
        image = Image.open(io.BytesIO(source), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ValueError(f"{name} has too many pixels: at most {MAX_PIXELS / 1e6:.0f} megapixels work") from None
    except Exception:  # Pillow's plugins raise a dozen kinds of errors on hostile headers; all mean "not a picture"
        raise ValueError(f"{name} is {_describe(source)}: {WHAT_WORKS}") from None
    with image:
        return _decode(image, name)


def png_bytes(pixels: UInt8[np.ndarray, "h w 3"], notes: Mapping[str, str]) -> bytes:
    """The picture as a PNG file with `notes` as its text chunks (keyword -> text, any Unicode)."""
    info = PngInfo()
    for keyword, text in notes.items():
        if not 1 <= len(keyword.encode("latin-1", "strict")) <= 79:
            raise ValueError(f"a PNG keyword has 1 to 79 letters, {keyword!r} has {len(keyword)}")
        info.add_text(keyword, text, zip=len(text) > 1024)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", pnginfo=info, compress_level=4)  # level 6 takes twice as long for 4 %
    return file.getvalue()


def _read_file(path: Path) -> bytes:
    if path.is_dir():
        raise ValueError(f"{path.name or path} is a folder: {WHAT_WORKS}")
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            # One byte over the limit is enough to know, whatever the file says about its size.
            return file.read(min(size, MAX_FILE_BYTES) + 1)
    except FileNotFoundError:
        raise ValueError(f"{path} is missing: there is no such file") from None
    except OSError as error:
        raise ValueError(f"{path.name} cannot be read ({error.strerror})") from None


def _describe(content: bytes) -> str:
    """What a file that Pillow did not take seems to be, for the sentence the user reads."""
    for offset, magic, words in KNOWN_OTHERS:
        if content[offset : offset + len(magic)] == magic:
            return words
    if any(content.startswith(magic) for magic in (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"II*\0", b"MM\0*")) or content[8:12] == b"WEBP":
        return "a damaged picture"
    start = content[:1000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in start:
        return "an SVG drawing"
    if start.startswith((b"<!doctype html", b"<html")):
        return "a web page"
    if b"\0" not in start and all(byte >= 32 or byte in b"\t\r\n" for byte in start):
        return "a text file"
    return "not a picture that can be read"


def _check_size(name: str, width: int, height: int) -> None:
    if min(width, height) < MIN_SIDE_PX:
        raise ValueError(f"{name} is {width} × {height} px: each side needs at least {MIN_SIDE_PX} px")
    if max(width, height) > MAX_SIDE_PX or width * height > MAX_PIXELS:
        raise ValueError(f"{name} is {width} × {height} px: at most {MAX_PIXELS / 1e6:.0f} megapixels and {MAX_SIDE_PX} px a side work")


def _decode(image: Image.Image, name: str) -> UInt8[np.ndarray, "h w 3"]:
    _check_size(name, *image.size)
    kind = f"{image.format} picture" if image.format else "picture"
    try:
        upright = ImageOps.exif_transpose(image)  # loads the pixels of the first frame; never the caller's own object
        deep = upright.mode.startswith("I") or upright.mode == "F"  # grey of more than 8 bits
        levels = np.array(upright if deep else _over_white(_to_srgb(upright)))
    except MemoryError:
        raise ValueError(f"{name} needs more memory to open than there is: a smaller picture would work") from None
    except Exception as error:  # a damaged file raises anything: OSError, SyntaxError, struct.error, zlib.error, ...
        raise ValueError(f"{name} is a damaged or incomplete {kind} ({error}): save it again as JPEG or PNG") from None
    _check_size(name, levels.shape[1], levels.shape[0])
    return levels if levels.ndim == 3 else _grey_to_rgb(levels, name)


def _to_srgb(image: Image.Image) -> Image.Image:
    """Phones write Display P3 and scanners CMYK; shown as sRGB both look wrong."""
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "RGBA", "CMYK", "L"):
        return image
    if b"sRGB" in profile[:4096]:  # most files: a 12 MP conversion that changes nothing takes a second
        return image
    mode = "RGBA" if image.mode == "RGBA" else "RGB"
    try:
        embedded = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(image, embedded, ImageCms.createProfile("sRGB"), outputMode=mode)
    except (ImageCms.PyCMSError, OSError):
        return image  # a broken profile says nothing about colours: the pixels are then sRGB, as browsers take them
    return converted


def _over_white(image: Image.Image) -> Image.Image:
    """RGB; whatever is transparent (alpha, or one colour of a palette) lies over white."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    coloured = image.convert("RGBA")
    canvas = Image.new("RGB", image.size, "white")
    canvas.paste(coloured, mask=coloured.getchannel("A"))
    return canvas


def _grey_to_rgb(levels: np.ndarray, name: str) -> UInt8[np.ndarray, "h w 3"]:
    """Grey of 16 bits or floats (h, w) -> (h, w, 3) of 8 bits."""
    return np.repeat(_to_8_bits(levels, name)[:, :, None], 3, axis=2)


def _to_8_bits(levels: np.ndarray, name: str) -> UInt8[np.ndarray, "..."]:
    if levels.dtype == np.uint8:
        return levels
    if not np.isfinite(levels).all():
        raise ValueError(f"{name} holds values that are not numbers: save it again as JPEG or PNG")
    top = 1.0 if np.issubdtype(levels.dtype, np.floating) else 65535.0  # Pillow's mode I is 16 bits in practice
    if levels.min() < 0 or levels.max() > top:
        raise ValueError(f"{name} holds values from {levels.min():g} to {levels.max():g}: 0 to {top:g} would work")
    return np.rint(levels * (255 / top)).astype(np.uint8)


def _open_array(pixels: np.ndarray) -> UInt8[np.ndarray, "h w 3"]:
    name = "The picture"
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] not in (1, 3, 4)):
        raise ValueError(f"{name} is an array of shape {pixels.shape}: (h, w), (h, w, 3) or (h, w, 4) would work")
    if pixels.dtype not in (np.uint8, np.uint16, np.float32, np.float64):
        raise ValueError(f"{name} is an array of {pixels.dtype}: uint8, uint16 or floats in [0, 1] would work")
    _check_size(name, pixels.shape[1], pixels.shape[0])
    levels = _to_8_bits(pixels, name)
    if levels.ndim == 3 and levels.shape[2] == 1:
        levels = levels[:, :, 0]
    return np.array(_over_white(Image.fromarray(levels)))
