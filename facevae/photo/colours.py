"""Convert any Pillow picture to sRGB over white, strip by strip to save memory.

A 50 MP photo must not need 200 MB more for each step. And back: an edit made in sRGB is put into the picture's own colours, and
pixels that were not edited stay as they are.
"""

import io
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image, ImageCms

STRIP_PIXELS = 1_000_000
WORKERS = 2
SAME_COLOURS = 2
"""A profile that moves no colour by more than this many levels is sRGB: many files name it in their own rounding."""
DEEP_MODES = ("I", "I;16", "I;16L", "I;16B", "I;16N", "F")  # grey of more than 8 bits
TURNS = {2: (False, 1), 3: (False, -1), 4: (False, 0), 5: (True, None), 6: (True, 1), 7: (True, -1), 8: (True, 0)}
"""EXIF orientation -> (transpose?, then this flip of OpenCV)."""


class Colours:
    """What a picture's numbers mean: its embedded profile, or, without a usable one, sRGB.

    `mode` is how its colours are stored once palettes and rarities are undone: L, RGB, CMYK or LAB. A broken
    profile says nothing about colours: the pixels are then sRGB, as browsers take them.
    """

    def __init__(self, image: Image.Image) -> None:
        self.mode: str = colour_mode(image)
        self.profile: bytes | None = None
        """The embedded profile, where it fits the picture."""
        self.to_srgb: ImageCms.ImageCmsTransform | None = None
        self._embedded: ImageCms.ImageCmsProfile | None = None
        srgb = ImageCms.createProfile("sRGB")
        if self.mode == "LAB":
            self.to_srgb = ImageCms.buildTransform(ImageCms.createProfile("LAB"), srgb, "LAB", "RGB")
            return
        content = image.info.get("icc_profile")
        if not content:
            return
        try:
            self._embedded = ImageCms.ImageCmsProfile(io.BytesIO(content))
            transform = ImageCms.buildTransform(self._embedded, srgb, self.mode, "RGB")
            moved = self.mode == "CMYK" or _moves_colours(transform, self.mode)
        except (ImageCms.PyCMSError, OSError, ValueError):
            return
        self.profile = content
        self.to_srgb = transform if moved else None  # a 12 MP conversion that changes nothing takes a third of a second

    def from_srgb(self) -> ImageCms.ImageCmsTransform | None:
        """The way back into the profile; None where the profile (a scanner's, say) describes one way only."""
        try:
            return ImageCms.buildTransform(ImageCms.createProfile("sRGB"), self._embedded, "RGB", self.mode)
        except (ImageCms.PyCMSError, OSError, ValueError):
            return None

    def as_srgb(self, colours: Image.Image) -> Image.Image:
        """A picture in `mode` as sRGB."""
        if self.to_srgb is None:
            return colours if colours.mode == "RGB" else colours.convert("RGB")  # converting RGB to RGB copies it
        return ImageCms.applyTransform(colours, self.to_srgb)


def colour_mode(image: Image.Image) -> str:
    """How the colours of a picture are stored once palettes and rarities are undone."""
    if image.mode in ("1", "L", "LA", "La") and not isinstance(image.info.get("transparency"), tuple):
        return "L"
    return image.mode if image.mode in ("CMYK", "LAB") else "RGB"


def split(image: Image.Image, mode: str) -> tuple[Image.Image, Image.Image | None]:
    """Colours in `mode`, and the transparency (L) where there is any: an alpha channel, or one colour of a palette."""
    if not image.has_transparency_data:
        return (image if image.mode == mode else image.convert(mode)), None
    coloured = image.convert("RGBA")
    colours = coloured.getchannel("R") if mode == "L" else coloured.convert("RGB")
    return colours, coloured.getchannel("A")


def upright_srgb(image: Image.Image) -> UInt8[np.ndarray, "h w 3"]:
    """A loaded picture of at most 8 bits: upright sRGB, transparency over white."""
    colours = Colours(image)
    pixels = np.empty((image.height, image.width, 3), np.uint8)

    def show(rows: slice) -> None:
        part, alpha = split(image.crop((0, rows.start, image.width, rows.stop)), colours.mode)
        shown = colours.as_srgb(part)
        if alpha is not None:
            shown = Image.composite(shown, Image.new("RGB", shown.size, "white"), alpha)
        pixels[rows] = np.asarray(shown)

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(show, strips(image)))
    return turn(pixels, orientation(image))


def decode_pixels(image: Image.Image, mode: str) -> tuple[UInt8[np.ndarray, "h w *c"], UInt8[np.ndarray, "h w"] | None]:
    """A loaded picture's own numbers, upright: colours in `mode`, and alpha."""
    colours = np.empty((image.height, image.width, *((3,) if mode == "RGB" else ())), np.uint8)
    alpha = np.empty((image.height, image.width), np.uint8) if image.has_transparency_data else None
    for rows in strips(image):
        part, part_alpha = split(image.crop((0, rows.start, image.width, rows.stop)), mode)
        colours[rows] = np.asarray(part)
        if alpha is not None:
            alpha[rows] = np.asarray(part_alpha)
    side = orientation(image)
    return turn(colours, side), None if alpha is None else turn(alpha, side)


def strips(image: Image.Image) -> list[slice]:
    """Rows from top to bottom in pieces of about a megapixel."""
    height = max(1, STRIP_PIXELS // image.width)
    return [slice(top, min(top + height, image.height)) for top in range(0, image.height, height)]


def orientation(image: Image.Image) -> int:
    """EXIF orientation 1 to 8; broken metadata is no reason to refuse a photo."""
    try:
        return int(image.getexif().get(0x0112, 1))
    except Exception:  # damaged EXIF raises anything: SyntaxError, struct.error, TypeError, ...
        return 1


def turn(pixels: UInt8[np.ndarray, "h w *c"], side: int) -> UInt8[np.ndarray, "h2 w2 *c"]:
    """Pixels as stored -> upright, for an EXIF orientation."""
    transposed, flip = TURNS.get(side, (False, None))
    if transposed:
        pixels = cv2.transpose(pixels)
    return pixels if flip is None else cv2.flip(pixels, flip)


def with_edit(
    image: Image.Image, before: UInt8[np.ndarray, "h w 3"], after: UInt8[np.ndarray, "h w 3"]
) -> tuple[Image.Image, bytes | None]:
    """The picture's own colours and transparency with the edit `before` -> `after` (upright sRGB over white) in them, and their profile.

    Numbers of pixels that were not edited stay as they are, whatever the profile. A grey picture whose edit is grey
    stays grey, a palette becomes RGB. Colours that cannot take an edit (CMYK, LAB, more than 8 bits, grey in a
    profile that takes a coloured edit, one-way profiles) become sRGB, without a profile.
    """
    colours = Colours(image)
    deep = image.mode in DEEP_MODES
    mode = "L" if colours.mode == "L" and not deep and (after[:, :, :1] == after).all() else "RGB"
    keeps = not deep and (colours.mode == mode or (colours.mode == "L" and colours.to_srgb is None))
    back = colours.from_srgb() if keeps and colours.to_srgb is not None else None
    keeps = keeps and (colours.to_srgb is None or back is not None)
    profile = colours.profile if keeps and colours.mode == mode else None
    if back is None and (deep or not image.has_transparency_data):  # `after` is what the file's own numbers would become
        return Image.fromarray(np.ascontiguousarray(after[:, :, 0]) if mode == "L" else after), profile
    image.load()
    base, alpha = decode_pixels(image, mode if keeps else colours.mode)
    if not keeps:
        base = np.array(colours.as_srgb(Image.fromarray(base)))
    rows, columns = box_of((before != after).any(axis=2))
    if rows.stop > rows.start:
        box = base[rows, columns], None if alpha is None else alpha[rows, columns], before[rows, columns], after[rows, columns]
        base[rows, columns] = _edit_box(*box, colours, back)
    return Image.fromarray(base if alpha is None else np.dstack([base, alpha])), profile


def box_of(mask: Bool[np.ndarray, "h w"]) -> tuple[slice, slice]:
    """The rows and columns that hold everything that is true; empty slices where nothing is."""
    ranges = []
    for axis in (1, 0):
        hits = np.flatnonzero(mask.any(axis=axis))
        ranges.append(slice(int(hits[0]), int(hits[-1]) + 1) if len(hits) else slice(0, 0))
    return ranges[0], ranges[1]


def _edit_box(
    base: np.ndarray,
    alpha: np.ndarray | None,
    before: np.ndarray,
    after: np.ndarray,
    colours: Colours,
    back: ImageCms.ImageCmsTransform | None,
) -> np.ndarray:
    """base + (after - before), the difference taken in the base's own colours and, under transparency, before compositing.

    Shown over white is a·x + (1 - a)·255, so a change d that is seen needs d / a in x.
    """
    if alpha is not None:
        change = after.astype(np.float32) - before
        before = base if back is None else np.asarray(colours.as_srgb(Image.fromarray(np.ascontiguousarray(base))))
        before = before if before.ndim == 3 else np.repeat(before[:, :, None], 3, axis=2)
        change /= np.maximum(alpha, 1)[:, :, None] / np.float32(255)
        change[alpha == 0] = 0  # invisible
        after = np.rint(before + change).clip(0, 255).astype(np.uint8)
    if back is not None:
        before, after = (np.asarray(ImageCms.applyTransform(Image.fromarray(np.ascontiguousarray(x)), back)) for x in (before, after))
    elif base.ndim == 2:
        before, after = before[:, :, 0], after[:, :, 0]
    return (base.astype(np.int16) + after - before.astype(np.int16)).clip(0, 255).astype(np.uint8)


def _moves_colours(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Whether a transform to sRGB changes any of 9 x 9 x 9 colours (256 greys) by more than rounding."""
    if mode == "L":
        colours = np.arange(256, dtype=np.uint8)[None]
        expected = colours[:, :, None]
    else:
        levels = np.linspace(0, 255, 9).round().astype(np.uint8)
        colours = expected = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(27, 27, 3)
    moved = np.asarray(ImageCms.applyTransform(Image.fromarray(colours), transform))
    return int(np.abs(moved.astype(np.int16) - expected).max()) > SAME_COLOURS
