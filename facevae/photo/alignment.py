"""Where the face is: OpenCV's Haar boxes and eyes -> similarity transform -> the crop the model was trained on.

Coordinates are continuous: the photo spans [0, w] x [0, h], pixel (i, j) has its centre at (j + 0.5, i + 0.5). The
unit crop is [0, 1] x [0, 1].
"""

import math
import threading
from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Float64, UInt8
from PIL import Image

MAX_DETECT_PX = 640
FRONTAL_CASCADES = ("haarcascade_frontalface_alt2.xml", "haarcascade_frontalface_default.xml")
EYE_CASCADES = ("haarcascade_eye.xml", "haarcascade_eye_tree_eyeglasses.xml")
EYE_SEARCH_PX = 200  # eyes are looked for in a box of this side
TURNS_DEG = (0, -15, 15, -30, 30)

# The training crop is the centre 178 x 178 of CelebA's 178 x 218 frames, which are aligned on the eyes. All in crop sides,
# medians over 500 frames of the train partition, enlarged twice and with their borders repeated 60 px wide:
# where haarcascade_eye sees the eyes (464 left, 468 right ones; spread 0.012 in x, 0.006 in y) ...
EYE_CENTRE = (0.494, 0.517)
EYE_DISTANCE = 0.220
# ... and where the face boxes lie: x and y of the centre, side (477 and 480 boxes; spread 0.007, 0.011 and 0.05).
BOX_IN_CROP = {
    "haarcascade_frontalface_alt2.xml": (0.501, 0.583, 0.579),
    "haarcascade_frontalface_default.xml": (0.501, 0.586, 0.596),
}
# Share of the eyes in scale (geometric mean) and place; the box has the rest. Chosen on 210 frames of the valid partition,
# turned by up to 15°, scaled 0.7 to 1.6 and moved: the crop error (mean over eyes and mouth, in eye distances) is 11 % in
# the median by the box alone, 4.8 % in the 189 frames with both eyes (95th percentile: 18 and 11). The optimum is flat:
# eyes alone in scale, or in place, cost 0.1 to 0.4 in the median and 1 to 2 at the 95th percentile.
EYES_IN_SCALE, EYES_IN_PLACE = 0.6, 0.8
MAX_IMPLAUSIBILITY = 20.0  # on those frames any limit from 10 to 60 takes the same pairs

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
    found: bool  # a face box was found
    eyes: bool  # both eyes were found in it

    @property
    def side_px(self) -> float:
        """The side of the crop in photo pixels."""
        return 1 / math.hypot(self.matrix[0, 0], self.matrix[1, 0])

    @property
    def corners_px(self) -> Float64[np.ndarray, "4 2"]:
        """The crop's corners in the photo, clockwise from its top left."""
        unit = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=np.float64)
        return (unit - self.matrix[:, 2]) @ np.linalg.inv(self.matrix[:, :2]).T


@dataclass(frozen=True)
class Square:
    """A crop window in the photo: centre and side in pixels, turned clockwise by `angle` (radians)."""

    x: float | int
    y: float | int
    side: float | int
    angle: float = 0.0

    def matrix(self) -> Float64[np.ndarray, "2 3"]:
        c, s = math.cos(self.angle) / self.side, math.sin(self.angle) / self.side
        return np.array([[c, s, 0.5 - c * self.x - s * self.y], [-s, c, 0.5 + s * self.x - c * self.y]])


@dataclass(frozen=True)
class Box:
    """A square face box in pixels of the picture it was found in."""

    x: float
    y: float
    side: float
    cascade: str


def align(photo: UInt8[np.ndarray, "h w 3"]) -> Alignment:
    """The largest face's crop; the centre square with `found=False` where there is none."""
    height, width = photo.shape[:2]
    shrink = min(1.0, MAX_DETECT_PX / max(height, width))
    small = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    grey = cv2.cvtColor(cv2.resize(photo, small, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    to_small = np.array([[small[0] / width, 0, 0], [0, small[1] / height, 0]])
    with _lock:
        for turn in TURNS_DEG:
            to_turned, turned = _turn(grey, turn)
            for cascade in FRONTAL_CASCADES:
                box = _largest_box(turned, cascade)
                if box is None:
                    continue
                eyes = _find_eyes(turned, box)
                if turn and eyes is None:  # ten looks at a picture without a face find a box in most of them
                    continue
                matrix = _compose(_place(box, eyes).matrix(), _compose(to_turned, to_small))
                return Alignment(_similar(matrix), found=True, eyes=eyes is not None)
    return Alignment(Square(width / 2, height / 2, min(width, height)).matrix(), found=False, eyes=False)


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
        height, width = photo.shape[:2]
        reduced = (max(1, round(width * 2 / shrink)), max(1, round(height * 2 / shrink)))
        photo = cv2.resize(photo, reduced, interpolation=cv2.INTER_AREA)
        matrix = matrix * np.array([width / reduced[0], height / reduced[1], 1])
        shrink = 2.0
    # Oversample so that no photo pixel is skipped, then reduce as the training pictures were reduced (train/data.py).
    over = size_px * max(1, math.ceil(shrink))
    index_map = matrix * over
    index_map[:, 2] += index_map[:, :2].sum(axis=1) * 0.5 - 0.5  # pixel centres: i + 0.5 here, i in OpenCV
    large = cv2.warpAffine(photo, index_map, (over, over), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    if over == size_px:
        return large
    return np.array(Image.fromarray(large).resize((size_px, size_px), Image.Resampling.LANCZOS))


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
    if degrees == 0:
        return np.array([[1.0, 0, 0], [0, 1.0, 0]]), grey
    height, width = grey.shape
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    linear = np.array([[c, -s], [s, c]])
    size = np.ceil(np.abs(linear) @ (width, height)).astype(int)
    matrix = np.column_stack([linear, size / 2 - linear @ (width / 2, height / 2)])
    index_map = matrix.copy()
    index_map[:, 2] += linear.sum(axis=1) * 0.5 - 0.5
    turned = cv2.warpAffine(grey, index_map, tuple(size.tolist()), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return matrix, turned


def _largest_box(grey: np.ndarray, cascade: str) -> Box | None:
    smallest = max(24, min(grey.shape) // 12)
    boxes = _cascade(cascade).detectMultiScale(grey, scaleFactor=1.1, minNeighbors=4, minSize=(smallest, smallest))
    if len(boxes) == 0:
        return None
    x, y, side, _ = max(boxes, key=lambda box: box[2])
    return Box(float(x), float(y), float(side), cascade)


def _find_eyes(grey: np.ndarray, box: Box) -> Float64[np.ndarray, "2 2"] | None:
    """Centres (x, y) of the picture's left and right eye in the upper half of a face box, if a plausible pair is there.

    Each cascade misses eyes that the other finds, and finds nostrils and brows: all candidates of both compete.
    """
    top, bottom = round(box.y + 0.10 * box.side), round(box.y + 0.65 * box.side)
    left, right = round(box.x), round(box.x + box.side)
    region = grey[max(0, top) : bottom, max(0, left) : right]
    if min(region.shape) < 8:
        return None
    zoom = EYE_SEARCH_PX / box.side
    size = (max(1, round(region.shape[1] * zoom)), max(1, round(region.shape[0] * zoom)))
    enlarged = cv2.resize(region, size, interpolation=cv2.INTER_LINEAR if zoom > 1 else cv2.INTER_AREA)
    smallest, largest = round(0.14 * EYE_SEARCH_PX), round(0.42 * EYE_SEARCH_PX)
    candidates = []  # (x, y, side) in box sides
    for cascade in EYE_CASCADES:
        for x, y, side, _ in _cascade(cascade).detectMultiScale(
            enlarged, scaleFactor=1.05, minNeighbors=3, minSize=(smallest, smallest), maxSize=(largest, largest)
        ):
            centre = ((x + side / 2) / zoom + max(0, left), (y + side / 2) / zoom + max(0, top))
            candidates.append(((centre[0] - box.x) / box.side, (centre[1] - box.y) / box.side, side / EYE_SEARCH_PX))
    pairs = [(_implausibility(a, b, box.cascade), a, b) for a in candidates for b in candidates if a[0] < b[0]]
    cost, a, b = min(pairs, default=(math.inf, None, None))
    if a is None or b is None or cost > MAX_IMPLAUSIBILITY:
        return None
    return np.array([[box.x, box.y]]) + np.array([a[:2], b[:2]]) * box.side


def _implausibility(a: tuple[float, float, float], b: tuple[float, float, float], cascade: str) -> float:
    """How far two candidates (x, y, side, in box sides) are from a pair of eyes: a sum of squared deviations."""
    box_x, box_y, box_side = BOX_IN_CROP[cascade]
    dx, dy = b[0] - a[0], b[1] - a[1]
    stretch, tilt = math.hypot(dx, dy) * box_side / EYE_DISTANCE, math.atan2(dy, dx)
    if not 0.7 < stretch < 1.4 or abs(tilt) > math.radians(25):
        return math.inf
    # Where the point between the eyes lies from the box's centre, in box sides, when the face is tilted.
    expected = _rotation(tilt) @ ((np.array(EYE_CENTRE) - (box_x, box_y)) / box_side)
    off_x, off_y = (a[0] + b[0]) / 2 - 0.5 - expected[0], (a[1] + b[1]) / 2 - 0.5 - expected[1]
    deviations = (off_x / 0.06, off_y / 0.06, math.log(stretch) / 0.15, tilt / math.radians(12), math.log(a[2] / b[2]) / 0.25)
    return sum(deviation**2 for deviation in deviations)


def _place(box: Box, eyes: np.ndarray | None) -> Square:
    """The training crop from a box and, where there are, two eyes."""
    in_crop = np.array(BOX_IN_CROP[box.cascade])
    box_centre = np.array([box.x, box.y]) + box.side / 2
    side = box.side / in_crop[2]
    if eyes is None:
        return Square(*(box_centre + (0.5 - in_crop[:2]) * side), side)
    across = eyes[1] - eyes[0]
    angle = math.atan2(across[1], across[0])
    side = side ** (1 - EYES_IN_SCALE) * (math.hypot(*across) / EYE_DISTANCE) ** EYES_IN_SCALE
    by_box = box_centre + _rotation(angle) @ (0.5 - in_crop[:2]) * side
    by_eyes = eyes.mean(axis=0) + _rotation(angle) @ (0.5 - np.array(EYE_CENTRE)) * side
    return Square(*(EYES_IN_PLACE * by_eyes + (1 - EYES_IN_PLACE) * by_box), side, angle)


def _rotation(angle: float) -> Float64[np.ndarray, "2 2"]:
    """Clockwise on a screen, where y points down."""
    return np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
