"""Frames of a morph: two photos warped towards each other and dissolved, part by part.

Where both show the same part, its pixels dissolve. Outlines of hair, face and clothes move: their signed distances dissolve, and
what lies inside comes from whichever face has that part there, so that no long hair stands half transparent over a background.
The mean of two textures is fainter than either; the fine detail of a frame gets back the contrast that the photos have there.
"""

import math
from dataclasses import dataclass, field

import cv2
import numpy as np
from jaxtyping import Float32, Float64, UInt8

from facevae.photo.alignment import Alignment, compose, pixel_map
from facevae.photo.motion import ORIGIN, UNIT, FaceGrid, Field, find_motion, halfway, here, read_grid, sample
from facevae.photo.parts import Parser, share_of

LAYERS = (("background", "other"), ("clothes",), ("hair", "hat"), ("skin", "neck", "brows", "eyes", "glasses", "lips", "mouth"))
"""Parts whose outlines move as one."""
REACH, SOFT = 0.15, 0.012  # crop sides: how far from an outline it no longer matters how far, and how soft a moving outline is
OTHERS = 0.03  # how much a face counts where it does not have the part
COVER_SIGMA = 6.0  # px of the grid
FEATHER = 0.15  # how wide the border of a photo inside the frame fades at t = 0.5, in shorter sides of the photo
STRIP_PX = 2**20
FINE_SIGMA, NEAR_SIGMA = 0.02, 0.03  # crop sides: what is fine detail, and how far around its contrast is measured
MOST_GAIN, NOISE = 2.2, 1.0  # of fine detail, and the squared levels below which it is noise
FILL_PX, FILL_SIGMA = 64, 5.0  # what is around photos that do not fill a frame: a small copy, blurred
AROUND = 0.1  # how much what is around a photo counts against another photo there


@dataclass(frozen=True, eq=False)
class Picture:
    """A photo and where its face lies."""

    pixels: UInt8[np.ndarray, "h w 3"]
    alignment: Alignment
    smaller: list[UInt8[np.ndarray, "..."]] = field(default_factory=list)
    """Copies of half the size, and half of that, as far as they were needed."""

    def reduced(self, scale: float) -> "Picture":
        """A copy at a power of two, for what is drawn at `scale`: no pixel is skipped."""
        level, levels = max(0, math.floor(math.log2(1 / scale) + 0.25)), [self.pixels, *self.smaller]
        while len(levels) <= level and min(levels[-1].shape[:2]) > 8:
            height, width = levels[-1].shape[:2]
            levels.append(cv2.resize(levels[-1], (-(-width // 2), -(-height // 2)), interpolation=cv2.INTER_AREA))
        self.smaller[:] = levels[1:]
        return self._as(levels[min(level, len(levels) - 1)])

    def blurred(self) -> "Picture":
        """A small copy without detail, to fill frames with that the photo does not fill."""
        height, width = self.pixels.shape[:2]
        scale = FILL_PX / max(height, width)
        small = cv2.resize(self.pixels, (max(1, round(width * scale)), max(1, round(height * scale))), interpolation=cv2.INTER_AREA)
        return self._as(cv2.GaussianBlur(small, (0, 0), FILL_SIGMA))

    def _as(self, pixels: np.ndarray) -> "Picture":
        factors = np.array([self.pixels.shape[1] / pixels.shape[1], self.pixels.shape[0] / pixels.shape[0], 1.0])
        return self if pixels is self.pixels else Picture(pixels, Alignment(self.alignment.matrix * factors, self.alignment.found))


@dataclass(frozen=True, eq=False)
class Frame:
    """What is drawn: its size, and its pixels -> the unit crop of the face in it."""

    width: int
    height: int
    matrix: Float64[np.ndarray, "2 3"]

    @property
    def scale(self) -> float:
        """Crop sides in a pixel."""
        return math.hypot(self.matrix[0, 0], self.matrix[1, 0])

    def rows(self, first: int, last: int) -> "Frame":
        """Some rows of it."""
        return Frame(self.width, last - first, compose(self.matrix, np.array([[1.0, 0, 0], [0, 1, first]])))

    def fitted(self, width: int, height: int) -> "Frame":
        """This frame, as large as it fits, in the middle of one of another size."""
        scale = min(width / self.width, height / self.height)
        left, top = (width / scale - self.width) / 2, (height / scale - self.height) / 2
        return Frame(width, height, compose(self.matrix, np.array([[1 / scale, 0, -left], [0, 1 / scale, -top]])))


def frame_of(picture: Picture) -> Frame:
    """The whole photo as it is."""
    return Frame(picture.pixels.shape[1], picture.pixels.shape[0], picture.alignment.matrix)


def frame_between(a: Frame, b: Frame, t: float) -> Frame:
    """Size and framing on the way from one photo to another: the face's size grows by an even factor, its place and angle evenly."""
    width, height = (round((1 - t) * first + t * last) for first, last in ((a.width, b.width), (a.height, b.height)))
    ends = [cv2.invertAffineTransform(frame.matrix) for frame in (a, b)]  # unit crop -> pixels
    side = math.exp((1 - t) * math.log(1 / a.scale) + t * math.log(1 / b.scale))
    angles = [math.atan2(end[1, 0], end[0, 0]) for end in ends]
    turn = (angles[1] - angles[0] + math.pi) % (2 * math.pi) - math.pi
    angle = angles[0] + t * turn
    middles = [(end @ (0.5, 0.5, 1)) / (frame.width, frame.height) for end, frame in zip(ends, (a, b), strict=True)]
    middle = ((1 - t) * middles[0] + t * middles[1]) * (width, height)
    linear = side * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return Frame(width, height, cv2.invertAffineTransform(np.column_stack([linear, middle - linear @ (0.5, 0.5)])))


@dataclass(frozen=True, eq=False)
class Blend:
    """How each point of the grid is made of two faces: how far it lies from where it is in each, and the share of the second."""

    to_a: Field
    to_b: Field
    share: Float32[np.ndarray, "g g"]
    beyond: float
    """The share outside of the grid."""


class Morph:
    """Two faces and the motion between them, for pictures of these faces at any size."""

    def __init__(self, a: Picture, b: Picture, parser: Parser) -> None:
        grids = [read_grid(picture.pixels, picture.alignment, parser) for picture in (a, b)]
        self.motion: Field = find_motion(*grids)
        self.halves = tuple(halves_of(grid, here() + side * self.motion) for grid, side in zip(grids, (-1, 1), strict=True))

    def at(self, t: float) -> Blend:
        """How the face at share t is made of both."""
        (parts_a, outlines_a, seen_a), (parts_b, outlines_b, seen_b) = self.halves
        seen_a, seen_b = (1 - t) * seen_a, t * seen_b
        outlines = (outlines_a * seen_a + outlines_b * seen_b) / ((seen_a + seen_b) * SOFT)
        inside = np.exp(outlines - outlines.max(axis=2, keepdims=True))
        has_a, has_b = (1 - t) * parts_a, t * parts_b
        share = (inside * has_b / (has_a + has_b)).sum(axis=2) / inside.sum(axis=2)
        place = halfway(self.motion, t)
        moved = sample(self.motion, place)
        return Blend(-2 * t * moved, 2 * (1 - t) * moved, sample(share, place), t)


def halves_of(grid: FaceGrid, at: Field) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A face in the halfway grid, from `at`: shares of `LAYERS`, (g, g, 4); how far inside the outline of each a point lies, in crop
    sides; and how much the photo counts there, (g, g, 1)."""
    shares = np.dstack([share_of(grid.shares, names) for names in LAYERS])
    outlines = []
    for plane in cv2.split(shares):
        mask = (plane > 0.5).astype(np.uint8)
        outlines.append(cv2.distanceTransform(mask, cv2.DIST_L2, 5) - cv2.distanceTransform(1 - mask, cv2.DIST_L2, 5))
    outlines = (np.dstack(outlines) / UNIT).clip(-REACH, REACH).astype(np.float32)
    seen = cv2.GaussianBlur(grid.covered, (0, 0), COVER_SIGMA) + np.float32(1e-4)
    return sample(shares, at) + OTHERS, sample(outlines, at), sample(seen, at)[:, :, None]


def draw(blend: Blend, a: Picture, b: Picture, frame: Frame, feather: float = 0.0, fill: bool = False) -> UInt8[np.ndarray, "h w 3"]:
    """The frame. With `fill`, a photo counts only as far as it reaches, with a border that fades over `feather` of its shorter side."""
    pictures = [picture.reduced(1 / (frame.scale * picture.alignment.side_px)) for picture in (a, b)]
    result = np.empty((frame.height, frame.width, 3), np.uint8)
    margin = math.ceil(3 * (FINE_SIGMA + NEAR_SIGMA) / frame.scale)
    rows = max(STRIP_PX // frame.width, 2 * margin)
    for top in range(0, frame.height, rows):
        bottom = min(top + rows, frame.height)
        first, last = max(0, top - margin), min(frame.height, bottom + margin)
        result[top:bottom] = draw_strip(blend, pictures, frame.rows(first, last), feather, fill)[top - first : bottom - first]
    return result


def draw_strip(blend: Blend, pictures: list[Picture], frame: Frame, feather: float, fill: bool) -> UInt8[np.ndarray, "h w 3"]:
    """A frame in one piece; see `draw`."""
    to_grid = pixel_map(compose(np.array([[UNIT, 0, -ORIGIN[0] * UNIT], [0, UNIT, -ORIGIN[1] * UNIT]]), frame.matrix))
    size, flags = (frame.width, frame.height), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP

    def enlarged(x: np.ndarray, beyond: float = 0.0) -> np.ndarray:
        return cv2.warpAffine(x, to_grid, size, flags=flags, borderMode=cv2.BORDER_CONSTANT, borderValue=(beyond,) * 3)

    share = enlarged(blend.share, blend.beyond)
    weights, warped = [1 - share, share], []
    for k, (picture, moved) in enumerate(zip(pictures, (blend.to_a, blend.to_b), strict=True)):
        to_photo = cv2.invertAffineTransform(picture.alignment.matrix)
        at = index_map(compose(to_photo, frame.matrix), frame, enlarged(cv2.transform(moved, to_photo[:, :2] / UNIT)))
        warped.append(cv2.remap(picture.pixels, at, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE))
        there = coverage(at, picture.pixels.shape, feather) if fill else None
        if there is not None and there.min() < 0.999:
            warped[k] = cv2.blendLinear(warped[k], draw_around(picture.blurred(), frame), there, 1 - there)
            weights[k] = weights[k] * (AROUND + (1 - AROUND) * there)
    return with_contrast(cv2.blendLinear(*warped, *weights), warped, weights, frame.scale)


def draw_around(small: Picture, frame: Frame) -> UInt8[np.ndarray, "h w 3"]:
    """What is beyond a photo's borders: the photo itself, blurred and mirrored."""
    matrix = pixel_map(compose(cv2.invertAffineTransform(small.alignment.matrix), frame.matrix))
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(small.pixels, matrix, (frame.width, frame.height), flags=flags, borderMode=cv2.BORDER_REFLECT)


def coverage(at: Float32[np.ndarray, "h w 2"], shape: tuple[int, ...], feather: float) -> Float32[np.ndarray, "h w"]:
    """1 where a photo has pixels, 0 beyond its border, inside of which it fades."""
    height, width = shape[:2]
    x, y = at[..., 0], at[..., 1]
    inner = np.minimum(np.minimum(x + 0.5, width - 0.5 - x), np.minimum(y + 0.5, height - 0.5 - y))
    return ((inner + 0.5) / max(feather * min(height, width), 1.0)).clip(0, 1)


def with_contrast(
    mixed: UInt8[np.ndarray, "h w 3"], pictures: list[UInt8[np.ndarray, "h w 3"]], weights: list[Float32[np.ndarray, "h w"]], scale: float
) -> UInt8[np.ndarray, "h w 3"]:
    """The mixture with as much fine contrast nearby as the pictures that it is made of; `scale` in crop sides a pixel."""
    fine = FINE_SIGMA / scale
    if fine < 0.3:  # of a pixel
        return mixed
    height, width = mixed.shape[:2]
    shrink = max(1.0, NEAR_SIGMA / scale / 2)
    size = max(1, round(width / shrink)), max(1, round(height / shrink))

    def contrast(picture: np.ndarray, weight: np.ndarray | None = None) -> np.ndarray:
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        detail = cv2.subtract(grey, blurred(grey, fine), dtype=cv2.CV_32F)
        energy = detail * detail if weight is None else detail * detail * weight
        return cv2.GaussianBlur(cv2.resize(energy, size, interpolation=cv2.INTER_AREA), (0, 0), NEAR_SIGMA / scale / shrink)

    total = weights[0] + weights[1]
    wanted = sum(contrast(picture, weight / total) for picture, weight in zip(pictures, weights, strict=True))
    gain = np.sqrt((wanted + NOISE) / (contrast(mixed) + NOISE)).clip(1, MOST_GAIN) - 1
    gain = cv2.resize(gain, (width, height), interpolation=cv2.INTER_LINEAR)
    detail = cv2.subtract(mixed, blurred(mixed, fine), dtype=cv2.CV_32F)
    return cv2.add(mixed, detail * gain[:, :, None], dtype=cv2.CV_8U)


def blurred(picture: UInt8[np.ndarray, "h w ..."], sigma: float) -> UInt8[np.ndarray, "h w ..."]:
    """Gaussian; of a smaller copy where the kernel would be wide."""
    height, width = picture.shape[:2]
    shrink = max(1, int(sigma / 2))
    small = cv2.resize(picture, (-(-width // shrink), -(-height // shrink)), interpolation=cv2.INTER_AREA) if shrink > 1 else picture
    small = cv2.GaussianBlur(small, (0, 0), sigma / shrink)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR) if shrink > 1 else small


def index_map(matrix: np.ndarray, frame: Frame, moved: Float32[np.ndarray, "h w 2"]) -> Float32[np.ndarray, "h w 2"]:
    """Where each pixel of a frame comes from: an affine map, and how far it has `moved`, which is written over."""
    matrix = pixel_map(matrix).astype(np.float32)
    x, y = np.arange(frame.width, dtype=np.float32), np.arange(frame.height, dtype=np.float32)[:, None]
    for axis, (of_x, of_y, start) in enumerate(matrix):
        moved[..., axis] += of_x * x + (of_y * y + start)
    return moved
