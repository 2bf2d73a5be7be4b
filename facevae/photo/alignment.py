"""Align faces: the alignment net puts rough crops right; crops are cut out by similarities.

Coordinates are continuous: the photo spans [0, w] x [0, h], pixel (i, j) has its centre at (j + 0.5, i + 0.5). The
unit crop is [0, 1] x [0, 1].
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Float64, UInt8
from PIL import Image

PASSES = 3  # the net looks again at what it has put right
WINDOW_PX = 64
# On 60 photos of LFW the least sure face has 0.998, 0.067 and 0.032; the relief heads on scikit-image's coins reach 0.990,
# 0.117 and 0.065, ears and noses that fill a photo of FairFace about the same.
MIN_CONFIDENCE = 0.99
MAX_EXPECTED_ERROR = 0.10  # eye distances; what the net itself expects to be wrong by
MAX_SPREAD = 0.06  # eye distances; glances from a little off that lead to different places are on nothing

Aligner = Callable[[UInt8[np.ndarray, "n s s 3"]], Float64[np.ndarray, "n 6"]]
"""Windows -> columns as `facevae.nets.aligner.AlignmentNet` gives them."""


@dataclass(frozen=True)
class Adjustment:
    """The user's "Adjust crop", relative to what was found.

    The crop's window moves right and down by `shift_x`, `shift_y` (in crop sides, along its own axes), is made smaller
    by `zoom` (2 shows the face twice as large) and turns clockwise by `angle_deg`, about its centre.
    """

    shift_x: float | int = 0.0
    shift_y: float | int = 0.0
    zoom: float | int = 1.0
    angle_deg: float | int = 0.0


@dataclass(frozen=True, eq=False)
class Alignment:
    """A similarity transform from photo pixels to the unit crop, and how it came about."""

    matrix: Float64[np.ndarray, "2 3"]
    found: bool  # there is a face
    confidence: float | int = 0.0  # of the alignment net, 0 to 1; 0 where no net has looked

    @property
    def side_px(self) -> float:
        """The side of the crop in photo pixels."""
        return 1 / math.hypot(self.matrix[0, 0], self.matrix[1, 0])

    @property
    def corners_px(self) -> Float64[np.ndarray, "4 2"]:
        """The crop's corners in the photo, clockwise from its top left."""
        return self.in_photo(np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=np.float64))

    @property
    def square(self) -> "Square":
        """The crop as a window in the photo."""
        x, y = self.in_photo(np.array([[0.5, 0.5]]))[0].tolist()
        return Square(x, y, self.side_px, math.atan2(self.matrix[0, 1], self.matrix[0, 0]))

    def in_photo(self, points: Float64[np.ndarray, "n 2"]) -> Float64[np.ndarray, "n 2"]:
        """Points of the unit crop, in photo pixels."""
        return (points - self.matrix[:, 2]) @ np.linalg.inv(self.matrix[:, :2]).T


@dataclass(frozen=True)
class Square:
    """A crop window in the photo: centre and side in pixels, turned clockwise by `angle` (radians)."""

    x: float | int
    y: float | int
    side: float | int
    angle: float = 0.0

    def matrix(self) -> Float64[np.ndarray, "2 3"]:
        """From pixels to the window's unit square."""
        c, s = math.cos(self.angle) / self.side, math.sin(self.angle) / self.side
        return np.array([[c, s, 0.5 - c * self.x - s * self.y], [-s, c, 0.5 + s * self.x - c * self.y]])

    def inverse(self) -> Float64[np.ndarray, "2 3"]:
        """From the window's unit square to pixels."""
        linear = self.side * _rotation(self.angle)
        return np.column_stack([linear, (self.x, self.y) - linear @ (0.5, 0.5)])

    def to_unit(self, points: Float64[np.ndarray, "n 2"]) -> Float64[np.ndarray, "n 2"]:
        """Points in pixels, in the window's unit square."""
        matrix = self.matrix()
        return points @ matrix[:, :2].T + matrix[:, 2]


# The two eyes and the mouth in the unit crop: where CelebA's aligned landmarks have their means. Errors are measured on them.
REFERENCE_POINTS = np.array([[0.389, 0.513], [0.602, 0.513], [0.500, 0.739]])
# What the alignment net looks at, in the unit crop: the face and a little hair, without the corners.
WINDOW = Square(0.5, 0.56, 0.8)
# Where the net looks at the end, in the window that it has found: answers to these differ by chance, their mean less so.
GLANCES = tuple(
    Square(0.5 + x, 0.5 + y, side, math.radians(turn))
    for x, y, side, turn in ((0, 0, 1, 0), (0.03, 0.02, 1.06, 4), (-0.03, 0.03, 0.95, -4), (0.02, -0.03, 1.1, -3), (-0.02, -0.02, 0.91, 3))
)


def rescaled(alignment: Alignment, here: UInt8[np.ndarray, "..."], there: UInt8[np.ndarray, "..."]) -> Alignment:
    """The alignment in the picture `here`, for the same picture at the size of `there`."""
    factors = np.array([here.shape[1] / there.shape[1], here.shape[0] / there.shape[0], 1.0])
    return replace(alignment, matrix=_similar(alignment.matrix * factors))


def refine_alignments(photo: UInt8[np.ndarray, "h w 3"], starts: list[Alignment], aligner: Aligner) -> list[Alignment]:
    """Each rough crop, put right by the net in a few passes; `found` and `confidence` say whether it believes in a face there.

    After the last pass it looks once more, at windows that are a little off in known ways and at their mirror images,
    and the mean of its answers counts.
    """
    if not starts:
        return []
    windows = [compose(WINDOW.matrix(), start.matrix) for start in starts]
    for _ in range(PASSES):
        answers = ask(photo, windows, aligner)
        windows = [compose(step.matrix(), window) for step, window in zip(_steps(answers), windows, strict=True)]
    return [_look_closely(photo, window, aligner, logit) for window, logit in zip(windows, answers[:, 4].tolist(), strict=True)]


def _look_closely(photo: np.ndarray, window: np.ndarray, aligner: Aligner, logit: float) -> Alignment:
    """The mean of what the net says to windows around one that is nearly right, and how much it believes in a face there."""
    if logit < 0:  # most boxes without a face end here
        return Alignment(compose(WINDOW.inverse(), window), found=False, confidence=_sigmoid(logit))
    looks = [compose(glance.matrix(), window) for glance in GLANCES]
    answers = ask(photo, looks, aligner, mirrored=True)  # (g, 6)
    ends = [compose(step.matrix(), look) for step, look in zip(_steps(answers), looks, strict=True)]
    mean = np.mean(ends, axis=0)  # similarities are linear in their numbers: their mean is one, too
    in_window = WINDOW.to_unit(REFERENCE_POINTS)
    points = np.stack([Alignment(end, found=True).in_photo(in_window) for end in (mean, *ends)])  # (1 + g, 3, 2)
    spread = np.linalg.norm(points[1:] - points[0], axis=2).mean() / np.linalg.norm(points[0, 0] - points[0, 1])
    logit, log_expected = answers[:, 4:].mean(axis=0).tolist()
    believed = _sigmoid(logit) >= MIN_CONFIDENCE and math.exp(log_expected) <= MAX_EXPECTED_ERROR and spread <= MAX_SPREAD
    return Alignment(compose(WINDOW.inverse(), mean), bool(believed), _sigmoid(logit))


def middle(photo: UInt8[np.ndarray, "h w 3"]) -> Alignment:
    """The centre square, where no face was found."""
    height, width = photo.shape[:2]
    return Alignment(Square(width / 2, height / 2, min(width, height)).matrix(), found=False)


def whole(size_px: int) -> Alignment:
    """Where a crop of this size lies in itself."""
    return Alignment(np.array([[1 / size_px, 0, 0], [0, 1 / size_px, 0]]), found=True)


def adjust(alignment: Alignment, adjustment: Adjustment) -> Alignment:
    """The alignment after the user's shift, zoom and turn; `ValueError` for a zoom that is not positive."""
    if not adjustment.zoom > 0:
        raise ValueError(f"zoom is {adjustment.zoom:g}: a number above 0 would work")
    window = Square(0.5 + adjustment.shift_x, 0.5 + adjustment.shift_y, 1 / adjustment.zoom, math.radians(adjustment.angle_deg))
    return replace(alignment, matrix=compose(window.matrix(), alignment.matrix))


def adjustment_to(found: Alignment, frame: Square) -> Adjustment:
    """The adjustment that leads from what was found to a window in the photo."""
    shift_x, shift_y = (found.matrix @ (frame.x, frame.y, 1) - 0.5).tolist()
    turn = math.degrees(frame.angle - found.square.angle)
    return Adjustment(shift_x, shift_y, found.side_px / frame.side, (turn + 180) % 360 - 180)


def check_place(alignment: Alignment, width: int, height: int) -> None:
    """`ValueError` where a crop lies outside of its photo, or is far larger or smaller: whatever is cut can also be opened again."""
    determinant = np.linalg.det(alignment.matrix[:, :2])
    scale = math.sqrt(determinant) * max(width, height) if determinant > 0 else 0
    if not 0.1 < scale < 1000 or np.abs(alignment.in_photo(np.array([[0.5, 0.5]])) / (width, height) - 0.5).max() > 1:
        raise ValueError("the crop does not lie in the picture")


def crop(photo: UInt8[np.ndarray, "h w 3"], alignment: Alignment, size_px: int) -> UInt8[np.ndarray, "s s 3"]:
    """The aligned crop, antialiased where it shrinks, the photo's border pixels repeated where it reaches outside."""
    matrix, shrink = alignment.matrix, alignment.side_px / size_px  # photo pixels per crop pixel
    if shrink > 4:  # averaging first keeps the oversampled crop below small
        photo, matrix = _around(photo, alignment, margin_px=math.ceil(4 * shrink))
        height, width = photo.shape[:2]
        reduced = (max(1, round(width * 2 / shrink)), max(1, round(height * 2 / shrink)))
        photo = cv2.resize(photo, reduced, interpolation=cv2.INTER_AREA)
        matrix = matrix * np.array([width / reduced[0], height / reduced[1], 1])
        shrink = 2.0
    # Oversample so that no photo pixel is skipped, then reduce as the training pictures were reduced (train/data/prepared.py).
    over = size_px * max(1, math.ceil(shrink))
    large = cv2.warpAffine(photo, pixel_map(matrix * over), (over, over), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    if over == size_px:
        return large
    return np.array(Image.fromarray(large).resize((size_px, size_px), Image.Resampling.LANCZOS))


def pixel_map(matrix: np.ndarray) -> Float64[np.ndarray, "2 3"]:
    """A map of continuous coordinates as one of OpenCV's pixel indices: pixel i has its centre at i + 0.5 there, at i here."""
    matrix = np.array(matrix[:2], np.float64)
    matrix[:, 2] += matrix[:, :2].sum(axis=1) * 0.5 - 0.5
    return matrix


def _around(photo: np.ndarray, alignment: Alignment, margin_px: int) -> tuple[np.ndarray, np.ndarray]:
    """The part of the photo that the crop needs, and the alignment's matrix for it. Never empty: border pixels are repeated from it."""
    size = np.array(photo.shape[1::-1])
    corners = alignment.corners_px
    start = np.clip(np.floor(corners.min(axis=0)).astype(int) - margin_px, 0, size - 1)
    stop = np.clip(np.ceil(corners.max(axis=0)).astype(int) + margin_px, start + 1, size)
    matrix = alignment.matrix.copy()
    matrix[:, 2] += matrix[:, :2] @ start
    return photo[start[1] : stop[1], start[0] : stop[0]], matrix


def compose(second: Float64[np.ndarray, "2 3"], first: Float64[np.ndarray, "2 3"]) -> Float64[np.ndarray, "2 3"]:
    """The affine map that applies `first`, then `second`."""
    return second @ np.vstack([first, [0, 0, 1]])


def _similar(matrix: np.ndarray) -> Float64[np.ndarray, "2 3"]:
    """The nearest similarity about the crop's centre: rounding the reduced size makes width and height differ a hair."""
    c, s = (matrix[0, 0] + matrix[1, 1]) / 2, (matrix[0, 1] - matrix[1, 0]) / 2
    centre = np.linalg.solve(matrix[:, :2], 0.5 - matrix[:, 2])
    linear = np.array([[c, s], [-s, c]])
    return np.column_stack([linear, 0.5 - linear @ centre])


def ask(photo: np.ndarray, windows: list[np.ndarray], aligner: Aligner, mirrored: bool = False) -> Float64[np.ndarray, "n 6"]:
    """What the net says to windows of the photo; with `mirrored` the mean with what it says to their mirror images."""
    pixels = np.stack([crop(photo, Alignment(window, found=True), WINDOW_PX) for window in windows])
    if not mirrored:
        return aligner(pixels)
    both = aligner(np.concatenate([pixels, pixels[:, :, ::-1]]))
    return (both[: len(windows)] + both[len(windows) :] * (-1, 1, 1, -1, 1, 1)) / 2


def _steps(answers: np.ndarray) -> list[Square]:
    """Answers of the net as windows in the windows that it was shown; a step is at most a factor of e."""
    return [Square(0.5 + x, 0.5 + y, math.exp(np.clip(log_side, -1, 1)), turn) for x, y, log_side, turn in answers[:, :4].tolist()]


def _sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-min(max(logit, -30.0), 30.0)))


def shrunk(photo: UInt8[np.ndarray, "h w 3"], side_px: int) -> UInt8[np.ndarray, "h2 w2 3"]:
    """The photo, averaged down where its longer side exceeds `side_px`."""
    height, width = photo.shape[:2]
    shrink = side_px / max(height, width)
    if shrink >= 1:
        return photo
    return cv2.resize(photo, (max(1, round(width * shrink)), max(1, round(height * shrink))), interpolation=cv2.INTER_AREA)


def _rotation(angle: float) -> Float64[np.ndarray, "2 2"]:
    """Clockwise on a screen, where y points down."""
    return np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
