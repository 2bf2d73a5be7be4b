"""Find and align faces: OpenCV's Haar cascades propose, the alignment net refines.

Coordinates are continuous: the photo spans [0, w] x [0, h], pixel (i, j) has its centre at (j + 0.5, i + 0.5). The
unit crop is [0, 1] x [0, 1].
"""

import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Float64, UInt8
from PIL import Image

MAX_DETECT_PX = 640  # boxes are looked for in a copy of at most this side ...
MAX_LOOK_PX = 1280  # ... and put right in one of at most this side
ALT, DEFAULT, PROFILE = (f"haarcascade_{name}.xml" for name in ("frontalface_alt2", "frontalface_default", "profileface"))
TURNS_DEG = (-15, 15, -30, 30)

# The training crop is the centre 178 x 178 of CelebA's 178 x 218 frames, which are aligned on the eyes. In crop sides,
# medians over 500 frames of the train partition, enlarged twice and with their borders repeated 60 px wide: where the
# face boxes lie in it, x and y of the centre, side (477 and 480 boxes; spread 0.007, 0.011 and 0.05).
# Profile boxes are placed by eye; the net puts them right.
BOX_IN_CROP = {ALT: (0.501, 0.583, 0.579), DEFAULT: (0.501, 0.586, 0.596), PROFILE: (0.5, 0.58, 0.60)}

SEARCH_SHARES, SEARCH_STEP = (0.95, 0.6, 0.38), 0.5  # of the picture's shorter side; of the window
PASSES = 3  # the net looks again at what it has put right
WINDOW_PX = 64
MAX_PROPOSALS = 64
# On 60 photos of LFW the least sure face has 0.998, 0.067 and 0.032; the relief heads on scikit-image's coins reach 0.990,
# 0.117 and 0.065, ears and noses that fill a photo of FairFace about the same.
MIN_CONFIDENCE = 0.99
MAX_EXPECTED_ERROR = 0.10  # eye distances; what the net itself expects to be wrong by
MAX_SPREAD = 0.06  # eye distances; glances from a little off that lead to different places are on nothing
MAX_FACES = 24

Aligner = Callable[[UInt8[np.ndarray, "n s s 3"]], Float64[np.ndarray, "n 6"]]
"""Windows -> columns as `facevae.nets.aligner.AlignmentNet` gives them."""

_lock = threading.Lock()  # cv2.CascadeClassifier keeps its scratch memory inside


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


@dataclass(frozen=True)
class Box:
    """A square face box in pixels of the picture it was found in."""

    x: float
    y: float
    side: float
    cascade: str


def find_faces(photo: UInt8[np.ndarray, "h w 3"], aligner: Aligner) -> list[Alignment]:
    """The crops of all faces, the largest first; empty where there is none.

    Upright boxes of three cascades come first, then those in the turned picture; the search ends with the first kind
    of look that gives a face the net believes in. Boxes that it does not believe in are dropped.
    """
    look = shrunk(photo, MAX_LOOK_PX)
    grey = cv2.cvtColor(shrunk(look, MAX_DETECT_PX), cv2.COLOR_RGB2GRAY)
    for squares in proposals(grey):
        starts = [rescaled(Alignment(square.matrix(), found=True), grey, look) for square in squares[:MAX_PROPOSALS]]
        believed = _distinct([face for face in refine_alignments(look, starts, aligner) if face.found])
        if believed:
            return sorted((rescaled(face, look, photo) for face in believed), key=lambda face: -face.side_px)[:MAX_FACES]
    return []


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
    windows = [_compose(WINDOW.matrix(), start.matrix) for start in starts]
    for _ in range(PASSES):
        answers = _ask(photo, windows, aligner)
        windows = [_compose(step.matrix(), window) for step, window in zip(_steps(answers), windows, strict=True)]
    return [_look_closely(photo, window, aligner, logit) for window, logit in zip(windows, answers[:, 4].tolist(), strict=True)]


def _look_closely(photo: np.ndarray, window: np.ndarray, aligner: Aligner, logit: float) -> Alignment:
    """The mean of what the net says to windows around one that is nearly right, and how much it believes in a face there."""
    if logit < 0:  # most boxes without a face end here
        return Alignment(_compose(WINDOW.inverse(), window), found=False, confidence=_sigmoid(logit))
    looks = [_compose(glance.matrix(), window) for glance in GLANCES]
    answers = _ask(photo, looks, aligner, mirrored=True)  # (g, 6)
    ends = [_compose(step.matrix(), look) for step, look in zip(_steps(answers), looks, strict=True)]
    mean = np.mean(ends, axis=0)  # similarities are linear in their numbers: their mean is one, too
    in_window = WINDOW.to_unit(REFERENCE_POINTS)
    points = np.stack([Alignment(end, found=True).in_photo(in_window) for end in (mean, *ends)])  # (1 + g, 3, 2)
    spread = np.linalg.norm(points[1:] - points[0], axis=2).mean() / np.linalg.norm(points[0, 0] - points[0, 1])
    logit, log_expected = answers[:, 4:].mean(axis=0).tolist()
    believed = _sigmoid(logit) >= MIN_CONFIDENCE and math.exp(log_expected) <= MAX_EXPECTED_ERROR and spread <= MAX_SPREAD
    return Alignment(_compose(WINDOW.inverse(), mean), bool(believed), _sigmoid(logit))


def middle(photo: UInt8[np.ndarray, "h w 3"]) -> Alignment:
    """The centre square, where no face was found."""
    height, width = photo.shape[:2]
    return Alignment(Square(width / 2, height / 2, min(width, height)).matrix(), found=False)


def whole(size_px: int) -> Alignment:
    """Where a crop of this size lies in itself."""
    return Alignment(np.array([[1 / size_px, 0, 0], [0, 1 / size_px, 0]]), found=True)


def proposals(grey: UInt8[np.ndarray, "h w"]) -> Iterator[list[Square]]:
    """Rough crops in the grey picture, look by look: frontal, frontal again, profiles, frontal in the picture turned, everywhere."""
    for cascade in (ALT, DEFAULT, PROFILE):
        yield [_place(box) for box in _boxes(grey, cascade)]
    for turn in TURNS_DEG:
        to_turned, turned = _turn(grey, turn)
        back = cv2.invertAffineTransform(to_turned)
        for cascade in (ALT, DEFAULT):
            squares = [_place(box) for box in _boxes(turned, cascade)]
            yield [replace(square, x=x, y=y, angle=-math.radians(turn)) for square in squares for x, y in [back @ (square.x, square.y, 1)]]
    yield search_windows(grey.shape[1], grey.shape[0])


def search_windows(width: int, height: int) -> list[Square]:
    """Large windows all over a picture: the net alone finds the dark, the half turned and the tightly cropped, which Haar misses."""
    squares = []
    for share in SEARCH_SHARES:
        side = share * min(width, height)
        across, down = (max(1, round((length - side) / (SEARCH_STEP * side)) + 1) for length in (width, height))
        centres = ((np.arange(count) + 0.5) / count * (length - side) + side / 2 for count, length in ((across, width), (down, height)))
        columns, rows = (c.tolist() for c in centres)
        squares += [Square(x, y, side) for y in rows for x in columns]
    return squares[:MAX_PROPOSALS]


def adjust(alignment: Alignment, adjustment: Adjustment) -> Alignment:
    """The alignment after the user's shift, zoom and turn; `ValueError` for a zoom that is not positive."""
    if not adjustment.zoom > 0:
        raise ValueError(f"zoom is {adjustment.zoom:g}: a number above 0 would work")
    window = Square(0.5 + adjustment.shift_x, 0.5 + adjustment.shift_y, 1 / adjustment.zoom, math.radians(adjustment.angle_deg))
    return replace(alignment, matrix=_compose(window.matrix(), alignment.matrix))


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
    index_map = matrix * over
    index_map[:, 2] += index_map[:, :2].sum(axis=1) * 0.5 - 0.5  # pixel centres: i + 0.5 here, i in OpenCV
    large = cv2.warpAffine(photo, index_map, (over, over), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    if over == size_px:
        return large
    return np.array(Image.fromarray(large).resize((size_px, size_px), Image.Resampling.LANCZOS))


def _around(photo: np.ndarray, alignment: Alignment, margin_px: int) -> tuple[np.ndarray, np.ndarray]:
    """The part of the photo that the crop needs, and the alignment's matrix for it. Never empty: border pixels are repeated from it."""
    size = np.array(photo.shape[1::-1])
    corners = alignment.corners_px
    start = np.clip(np.floor(corners.min(axis=0)).astype(int) - margin_px, 0, size - 1)
    stop = np.clip(np.ceil(corners.max(axis=0)).astype(int) + margin_px, start + 1, size)
    matrix = alignment.matrix.copy()
    matrix[:, 2] += matrix[:, :2] @ start
    return photo[start[1] : stop[1], start[0] : stop[0]], matrix


@lru_cache
def _cascade(name: str) -> cv2.CascadeClassifier:
    return cv2.CascadeClassifier(cv2.data.haarcascades + name)


def _compose(second: np.ndarray, first: np.ndarray) -> Float64[np.ndarray, "2 3"]:
    """The affine map that applies `first`, then `second`."""
    return second @ np.vstack([first, [0, 0, 1]])


def _similar(matrix: np.ndarray) -> Float64[np.ndarray, "2 3"]:
    """The nearest similarity about the crop's centre: rounding the reduced size makes width and height differ a hair."""
    c, s = (matrix[0, 0] + matrix[1, 1]) / 2, (matrix[0, 1] - matrix[1, 0]) / 2
    centre = np.linalg.solve(matrix[:, :2], 0.5 - matrix[:, 2])
    linear = np.array([[c, s], [-s, c]])
    return np.column_stack([linear, 0.5 - linear @ centre])


def _turn(grey: np.ndarray, degrees: int) -> tuple[np.ndarray, np.ndarray]:
    """The picture turned clockwise on a canvas that holds all of it, and the map into it."""
    height, width = grey.shape
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    linear = np.array([[c, -s], [s, c]])
    size = np.ceil(np.abs(linear) @ (width, height)).astype(int)
    matrix = np.column_stack([linear, size / 2 - linear @ (width / 2, height / 2)])
    index_map = matrix.copy()
    index_map[:, 2] += linear.sum(axis=1) * 0.5 - 0.5
    turned = cv2.warpAffine(grey, index_map, tuple(size.tolist()), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return matrix, turned


def _boxes(grey: np.ndarray, cascade: str) -> list[Box]:
    smallest = max(24, min(grey.shape) // 16)
    with _lock:
        detect = _cascade(cascade).detectMultiScale
        boxes = [tuple(box) for box in detect(grey, scaleFactor=1.1, minNeighbors=3, minSize=(smallest, smallest))]
        if cascade == PROFILE:  # it knows faces that look to the left
            mirrored = detect(np.ascontiguousarray(grey[:, ::-1]), scaleFactor=1.1, minNeighbors=3, minSize=(smallest, smallest))
            boxes += [(grey.shape[1] - x - side, y, side, side) for x, y, side, _ in mirrored]
    boxes.sort(key=lambda box: -box[2])
    return [Box(float(x), float(y), float(side), cascade) for x, y, side, _ in boxes]


def _place(box: Box) -> Square:
    """The training crop by a box alone."""
    x, y, share = BOX_IN_CROP[box.cascade]
    side = box.side / share
    return Square(box.x + box.side / 2 + (0.5 - x) * side, box.y + box.side / 2 + (0.5 - y) * side, side)


def _ask(photo: np.ndarray, windows: list[np.ndarray], aligner: Aligner, mirrored: bool = False) -> Float64[np.ndarray, "n 6"]:
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


def _distinct(faces: list[Alignment]) -> list[Alignment]:
    """Of crops that lie on the same face, the one that the net believes in most."""
    kept: list[Alignment] = []
    for face in sorted(faces, key=lambda face: -face.confidence):
        centre, side = face.corners_px.mean(axis=0), face.side_px
        if all(np.linalg.norm(centre - other.corners_px.mean(axis=0)) > 0.3 * max(side, other.side_px) for other in kept):
            kept.append(face)
    return kept


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
