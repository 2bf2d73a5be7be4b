"""Pixel conventions, opening and saving pictures: uint8 (h, w, c), float32 (b, c, h, w).

uint8 is for disk and screen, float32 in [0, 1] for the nets. `open_photo` reads any file of a user, `save_photo` writes a photo as
the kind of file it was, `png_bytes` a picture that never was a photo.
"""

import io
import stat
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from PIL import Image, JpegImagePlugin
from torch import Tensor

from facevae.photo.colours import DEEP_MODES, orientation, turn, upright_srgb, with_edit
from facevae.photo.extras import lost_parts
from facevae.photo.formats import SUFFIXES, WHAT_WORKS, open_header
from facevae.photo.iptc import TIFF_TAG, noted
from facevae.photo.metadata import (
    EDITED,
    EXIF_IFD,
    GENERATED,
    XMP_TAG,
    Owners,
    clean_exif,
    find_owners,
    jpeg_extra,
    png_info,
    recipe_text,
    xmp_packet,
)
from facevae.photo.raw import raw_kind
from facevae.photo.validation import address_sentence, describe, is_bomb, is_directory_bomb, shown_name

GREY = (0.299, 0.587, 0.114)  # ITU-R 601
MAX_PIXELS = 50_000_000
MAX_ANIMATED_WEBP_PIXELS = 36_000_000
"""Pillow's decoder for animated WebP holds 16 bytes a pixel: more would take over 600 MB."""
MAX_FILE_BYTES = 30_000_000
HEAD_BYTES = 2_000_000
"""Of a file that is too large, as much is read as it takes to say what it is."""
MIN_SIDE_PX = 32
MAX_SIDE_PX = 16_384
LOSSLESS_TIFF = ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits")
PNG_LEVEL = 2  # level 4 takes twice as long for 4 %, level 6 five times for 9 %

# Pillow's warnings about a file reach the user as sentences of ours, not on the terminal.
for category in (Image.DecompressionBombWarning, UserWarning):
    warnings.filterwarnings("ignore", category=category, module="PIL")


@dataclass(frozen=True, eq=False)
class Photo:
    """A user's picture: upright sRGB pixels, transparency over white, and the file they came in.

    `content` is the file as it came and `format` Pillow's name of what it is ("JPEG", "PNG", ...); arrays and Pillow
    images have neither. `remark` is a sentence on what a saved edit will not keep of the file; empty for most.
    """

    pixels: UInt8[np.ndarray, "h w 3"]
    content: bytes | None = None
    format: str = ""
    name: str = ""
    remark: str = ""
    saved_as: str = "PNG"
    """Pillow's name of the format that an edit is saved in, where nothing else is asked for."""
    recipe: str = ""
    """The JSON that this program left in the file, whatever it says; empty where there is none."""


def to_float(pixels: UInt8[np.ndarray, "*b h w c"]) -> Float[Tensor, "b c h w"]:
    """One picture or a batch of pictures, 0..255, to a channels-last float batch in [0, 1]."""
    batch = torch.from_numpy(np.ascontiguousarray(pixels if pixels.ndim == 4 else pixels[None]))
    return batch.permute(0, 3, 1, 2).float().div_(255)  # a permuted NHWC buffer is already channels_last


def to_uint8(x: Float[Tensor, "b c h w"]) -> UInt8[np.ndarray, "b h w c"]:
    """A float batch to pixels 0..255, clamped and rounded to the nearest level."""
    levels = x.detach().float().clamp(0, 1).mul(255).round_().to(torch.uint8)
    return np.ascontiguousarray(levels.permute(0, 2, 3, 1).cpu().numpy())


def shrink(pictures: UInt8[np.ndarray, "n s t 3"], shape: tuple[int, int, int]) -> UInt8[np.ndarray, "n h w c"]:
    """Pictures as a net of another shape (channels, height, width) sees them.

    Cut around the centre, shrunk with antialiasing, grey for one channel.
    """
    channels, height, width = shape
    _, rows, columns, _ = pictures.shape
    scale = min(rows / height, columns / width)
    tall, wide = round(height * scale), round(width * scale)
    top, left = (rows - tall) // 2, (columns - wide) // 2
    x = torch.from_numpy(pictures[:, top : top + tall, left : left + wide].copy()).permute(0, 3, 1, 2).float()
    if channels == 1:
        x = (x * torch.tensor(GREY).view(3, 1, 1)).sum(1, keepdim=True)
    x = F.interpolate(x, (height, width), mode="bilinear", align_corners=False, antialias=True)
    return x.round().clamp(0, 255).byte().permute(0, 2, 3, 1).contiguous().numpy()


# In -------------------------------------------------------------------------------------------------------------------


def open_photo(source: str | Path | bytes | Image.Image | np.ndarray, name: str = "") -> Photo:
    """A user's picture as upright sRGB pixels, with the file it came in.

    A path, the bytes of a file, a Pillow image, or an array (h, w), (h, w, 1 | 3 | 4) of uint8, uint16 or floats in
    [0, 1]. EXIF orientation is applied, an embedded colour profile is converted to sRGB, transparency lies over white,
    the first frame of an animation is taken, 16-bit grey keeps its range. The content decides what a file is, its
    extension is not asked. `name` is what the sentences call it; by default the path's.

    Raises `ValueError` with one sentence that names the file, what it is and what would work. Size limits
    (`MAX_PIXELS`, `MIN_SIDE_PX`, `MAX_SIDE_PX`, `MAX_FILE_BYTES`) are checked before any pixel is decoded.
    """
    if isinstance(source, str | Path):
        if sentence := address_sentence(str(source)):
            raise ValueError(sentence)
        name = name or Path(source).name or str(source)
    shown = shown_name(name) or "The picture"
    if isinstance(source, np.ndarray):
        return Photo(_open_array(source, shown), name=name)
    if isinstance(source, Image.Image):
        _check_size(*source.size, shown)
        return Photo(_decode(source, shown), name=name)
    content = source if isinstance(source, bytes) else _read_file(Path(str(source).replace("\0", "\ufffd")), shown)
    _check_bytes(len(content), shown)
    with _open(content, shown) as image:
        format, lost = _format(image), _lost_of_picture(image)
        saved_as, recipe = _saved_as(image), recipe_text(image)
        pixels = _decode(_still_webp(image, content) or image, shown)
        lost += _lost_beside(image, content)  # asked last: to look for EXIF, Pillow decodes a PNG, and hides that it is damaged
    remark = f"About this file: {', '.join(lost)}." if lost else ""
    return Photo(pixels, content, format, name, remark, saved_as, recipe)


def _read_file(path: Path, name: str) -> bytes:
    try:
        status = path.stat()
        if stat.S_ISREG(status.st_mode):
            if status.st_size > MAX_FILE_BYTES:
                with path.open("rb") as file:
                    _check_raw(file.read(HEAD_BYTES), name)
            _check_bytes(status.st_size, name)
            return path.read_bytes()
    except FileNotFoundError:
        raise ValueError(f"{name} is missing: there is no such file") from None
    except OSError as error:
        raise ValueError(f"{name} cannot be read ({error.strerror})") from None
    kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a device or a pipe, not a file"
    raise ValueError(f"{name} is {kind}: {WHAT_WORKS}")


def _check_raw(content: bytes, name: str) -> None:
    """`ValueError` for a camera's raw file: its first picture is often a preview, which is not the photo."""
    if kind := raw_kind(content):
        called = "" if kind == "raw" else f" ({kind})"
        raise ValueError(f"{name} is a camera's raw file{called}, which has to be developed first: {WHAT_WORKS}")


def _check_bytes(size: int, name: str) -> None:
    if not size:
        raise ValueError(f"{name} is empty: {WHAT_WORKS}")
    if size > MAX_FILE_BYTES:
        raise ValueError(f"{name} is too large a file ({size / 1e6:.1f} MB): at most {MAX_FILE_BYTES / 1e6:.0f} MB work")


def _open(content: bytes, name: str) -> Image.Image:
    """The header of a picture; its pixels are not decoded yet."""
    bomb = f"{name} is built in a way that takes too much time or memory to read: save it again as JPEG or PNG"
    if is_bomb(content):
        raise ValueError(bomb)
    _check_raw(content, name)
    try:
        image = open_header(io.BytesIO(content))
    except Image.DecompressionBombError:
        raise ValueError(f"{name} has too many pixels: {_limits()}") from None
    except Exception:  # Pillow's plugins raise a dozen kinds of errors on hostile headers; all mean "not a picture"
        raise ValueError(f"{name} is {describe(content)}: {WHAT_WORKS}") from None
    _check_size(*image.size, name, image.format == "WEBP" and image.is_animated)
    if is_directory_bomb((image.info.get("exif") or b"").removeprefix(b"Exif\0\0")):
        raise ValueError(bomb)
    return image


def _limits(most: int = MAX_PIXELS) -> str:
    return f"at most {most / 1e6:.0f} megapixels and {MAX_SIDE_PX} px a side work"


def _check_size(width: int, height: int, name: str, animated_webp: bool = False) -> None:
    if min(width, height) < MIN_SIDE_PX:
        raise ValueError(f"{name} is {width} × {height} px: each side needs at least {MIN_SIDE_PX} px")
    most = MAX_ANIMATED_WEBP_PIXELS if animated_webp else MAX_PIXELS
    if max(width, height) > MAX_SIDE_PX or width * height > most:
        raise ValueError(f"{name} is {width} × {height} px{' and animated' if animated_webp else ''}: {_limits(most)}")


def _format(image: Image.Image) -> str:
    return "JPEG" if image.format == "MPO" else image.format or ""  # a phone's JPEG with more pictures behind the first


def _saved_as(image: Image.Image) -> str:
    """What the file comes back as: itself; JPEG for HEIC, which few programs read, and PNG for what cannot hold the edit."""
    if image.format == "HEIF":
        return "PNG" if image.has_transparency_data else "JPEG"
    return _format(image) if _format(image) in SUFFIXES else "PNG"


def _lost_of_picture(image: Image.Image) -> list[str]:
    """What a saved edit will not keep of the picture itself; asked before the pixels are decoded."""
    lost = []
    try:
        if _format(image) != "JPEG" and getattr(image, "is_animated", False):
            lost.append("only its first picture is opened")
    except Exception:  # a damaged second page raises anything; the first one is what counts
        image.seek(0)
    deep = any("16" in str(tile[3]) for tile in image.tile) or image.info.get("bit_depth", 8) > 8
    if deep or image.mode in DEEP_MODES:
        lost.append("8 of its bits per channel are kept")
    if image.mode in ("CMYK", "LAB"):
        lost.append(f"its {image.mode} colours become sRGB")
    if image.format in ("BMP", "GIF"):
        lost.append(f"it is saved as PNG, as {image.format} cannot hold the edit and its note")
    if image.format == "HEIF":
        lost.append(f"it is HEIC and is saved as {_saved_as(image)} where HEIC is not asked for")
    return lost


def _lost_beside(image: Image.Image, content: bytes) -> list[str]:
    """What a saved edit will not keep of what is in the file beside the picture."""
    *first, last = lost_parts(image, content) or [""]
    listed = " and ".join(filter(None, [", ".join(first), last]))
    return [f"its {listed} {'are' if first or last.endswith('s') else 'is'} not kept"] if listed else []


def _still_webp(image: Image.Image, content: bytes) -> Image.Image | None:
    """A WebP that is not animated, decoded by OpenCV: same library, same pixels, a third of the memory of Pillow's way."""
    if image.format != "WEBP" or getattr(image, "is_animated", False):
        return None
    try:
        levels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None  # Pillow then says what it thinks of it
    if levels is None or levels.ndim != 3 or levels.shape[1::-1] != image.size:
        return None
    cv2.cvtColor(levels, cv2.COLOR_BGRA2RGBA if levels.shape[2] == 4 else cv2.COLOR_BGR2RGB, levels)
    decoded = Image.fromarray(levels)
    decoded.info, decoded.format = dict(image.info), image.format
    return decoded


def _decode(image: Image.Image, name: str) -> UInt8[np.ndarray, "h w 3"]:
    kind = f"{_format(image)} picture" if image.format else "picture"
    try:
        image.load()
        if image.mode not in DEEP_MODES:
            return upright_srgb(image)
        levels = np.asarray(image)
        side = orientation(image)
    except MemoryError:
        raise ValueError(f"{name} needs more memory to open than there is: a smaller picture would work") from None
    except Exception:  # a damaged file raises anything: OSError, SyntaxError, struct.error, zlib.error, ...
        raise ValueError(f"{name} is a damaged or incomplete {kind}: save it again as JPEG or PNG") from None
    return turn(np.repeat(_to_8_bits(levels, name)[:, :, None], 3, axis=2), side)


def _to_8_bits(levels: np.ndarray, name: str) -> UInt8[np.ndarray, "..."]:
    if levels.dtype == np.uint8:
        return levels
    if not np.isfinite(levels).all():
        raise ValueError(f"{name} holds values that are not numbers: save it again as JPEG or PNG")
    top = 1.0 if np.issubdtype(levels.dtype, np.floating) else 65535.0  # Pillow's mode I is 16 bits in practice
    if levels.min() < 0 or levels.max() > top:
        raise ValueError(f"{name} holds values from {levels.min():g} to {levels.max():g}: 0 to {top:g} would work")
    out = np.empty(levels.shape, np.uint8)
    for row, values in zip(out, levels, strict=True):  # row by row: floats of a whole photo take 400 MB
        row[...] = np.rint(values * (255 / top))
    return out


def _open_array(pixels: np.ndarray, name: str) -> UInt8[np.ndarray, "h w 3"]:
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] not in (1, 3, 4)):
        raise ValueError(f"{name} is an array of shape {pixels.shape}: (h, w), (h, w, 3) or (h, w, 4) would work")
    if pixels.dtype not in (np.uint8, np.uint16, np.float32, np.float64):
        raise ValueError(f"{name} is an array of {pixels.dtype}: uint8, uint16 or floats in [0, 1] would work")
    levels = pixels[:, :, 0] if pixels.shape[2:] == (1,) else pixels
    _check_size(pixels.shape[1], pixels.shape[0], name)
    return upright_srgb(Image.fromarray(_to_8_bits(levels, name)))


# Out ------------------------------------------------------------------------------------------------------------------


def save_photo(
    photo: Photo, edited: UInt8[np.ndarray, "h w 3"], notes: Mapping[str, str], format: Literal["original", "png", "heic"] = "original"
) -> tuple[bytes, str]:
    """The edited photo as the kind of file it was (`photo.saved_as`), as PNG or as HEIC, and the file's suffix (".jpg").

    `edited` is `photo.pixels` with an edit in it. What was not edited keeps the file's own numbers: colour profile and
    transparency stay, lossless formats give them back bit for bit, JPEG is written with the original's quantisation
    tables. What a format or this program cannot keep is in `photo.remark`. Every format says that the picture was
    edited by AI, as EXIF and as XMP, with the recipe (`notes["facevae"]`); of the photo's own EXIF camera, exposure,
    dates, captions and rights stay, place, thumbnail and maker's notes do not. Captions, credit, rights and keywords
    in XMP and IPTC, comments and texts stay, with the note behind the caption.
    """
    if edited.shape != photo.pixels.shape:
        raise ValueError(
            f"the edit is {edited.shape[1]} × {edited.shape[0]} px, the photo {photo.pixels.shape[1]} × {photo.pixels.shape[0]}"
        )
    if photo.content is None:
        return _encode(Image.fromarray(edited), "PNG", {"exif": clean_exif(None, notes, edited.shape[1::-1])}, notes, Owners())
    target = target_format(photo, format)
    with _open(photo.content, shown_name(photo.name) or "The picture") as image:
        options = _as_it_was(image, photo.content, target)
        try:
            original = image.getexif()
        except Exception:  # damaged EXIF raises anything
            original = None
        picture, profile = with_edit(image, photo.pixels, edited)
        options["exif"] = clean_exif(original, notes, picture.size)
        owners = find_owners(image, photo.content)
    return _encode(picture, target, options | ({"icc_profile": profile} if profile else {}), notes, owners)


def target_format(photo: Photo, format: str) -> str:
    """Pillow's name of the format that is written for "original", "png" or "heic"."""
    return {"png": "PNG", "heic": "HEIF"}.get(format, photo.saved_as)


def png_bytes(pixels: UInt8[np.ndarray, "h w 3"], notes: Mapping[str, str]) -> bytes:
    """A generated picture as a PNG file with `notes` as its text chunks (keyword -> text, any Unicode) and XMP."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", pnginfo=png_info(notes, GENERATED), compress_level=PNG_LEVEL)
    return file.getvalue()


def _as_it_was(image: Image.Image, content: bytes, target: str) -> dict[str, Any]:
    """How the file was encoded, as options for `target`; asked before the pixels are loaded."""
    options: dict[str, Any] = {"dpi": image.info["dpi"]} if image.info.get("dpi") and target in ("JPEG", "PNG", "TIFF") else {}
    if target == "JPEG":
        if image.format != "JPEG" and image.format != "MPO":
            return options | {"quality": 93, "subsampling": "4:4:4" if image.info.get("chroma") == 444 else "4:2:0"}
        tables = [image.quantization[key] for key in sorted(image.quantization)][:2]
        sampling = JpegImagePlugin.get_sampling(image)
        sideways = orientation(image) >= 5  # 4:2:2 would now halve the colours the other way too
        options["subsampling"] = 0 if sampling == -1 or (sideways and sampling == 1) else sampling
        options["qtables"] = tables * (2 // len(tables))  # a grey photo has one, colours need two
        options["progressive"] = bool(image.info.get("progressive"))
    elif target == "WEBP":
        options["lossless"] = options["exact"] = b"VP8L" in content[:64] or (b"VP8L" in content and b"VP8 " not in content)
        options |= {"quality": 20, "method": 1} if options["lossless"] else {"quality": 92, "method": 3}
    elif target == "HEIF":
        options |= {"quality": 90, "chroma": 420, "enc_params": {"preset": "ultrafast"}}  # "medium" takes five times as long for 5 %
    elif target == "AVIF":
        options |= {"quality": 88, "speed": 8, "subsampling": "4:4:4"}
    elif target == "TIFF":
        compression = image.info.get("compression", "raw")
        options["compression"] = compression if compression in LOSSLESS_TIFF else "tiff_adobe_deflate"
    return options


def _encode(picture: Image.Image, target: str, options: dict[str, Any], notes: Mapping[str, str], owners: Owners) -> tuple[bytes, str]:
    """The file and its suffix, with the note that says AI-edited, and what the owner wrote."""
    file = io.BytesIO()
    if target == "PNG":
        options |= {"pnginfo": png_info(notes, EDITED, owners), "compress_level": PNG_LEVEL}
    elif target == "TIFF":
        exif = options["exif"]
        exif[XMP_TAG] = xmp_packet(notes, EDITED, owners.xmp)
        if block := noted(owners.iptc, notes.get("Comment", "")):
            exif[TIFF_TAG] = block
        if details := exif.get_ifd(EXIF_IFD):
            exif[EXIF_IFD] = details  # Pillow's TIFF writer looks at these keys alone
    else:
        options["xmp"] = xmp_packet(notes, EDITED, owners.xmp)
        if target == "JPEG":
            options["extra"] = jpeg_extra(owners, notes)
    picture.save(file, target, **options)
    return file.getvalue(), SUFFIXES[target]
