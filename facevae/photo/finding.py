"""Find faces at any angle and size: cascades and a net propose, the alignment net decides."""

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from facevae.photo.alignment import WINDOW, WINDOW_PX, Aligner, Alignment, Square, ask, compose, refine_alignments, rescaled, shrunk

MAX_DETECT_PX = 640  # boxes are looked for in a copy of at most this side ...
MAX_LOOK_PX = 1280  # ... and put right in one of at most this side
ALT, DEFAULT, PROFILE = (f"haarcascade_{name}.xml" for name in ("frontalface_alt2", "frontalface_default", "profileface"))

# The training crop is the centre 178 x 178 of CelebA's 178 x 218 frames, which are aligned on the eyes. In crop sides,
# medians over 500 frames of the train partition, enlarged twice and with their borders repeated 60 px wide: where the
# face boxes lie in it, x and y of the centre, side (477 and 480 boxes; spread 0.007, 0.011 and 0.05).
# Profile boxes are placed by eye; the net puts them right.
BOX_IN_CROP = {ALT: (0.501, 0.583, 0.579), DEFAULT: (0.501, 0.586, 0.596), PROFILE: (0.5, 0.58, 0.60)}

SEARCH_SHARES, SEARCH_STEP = (0.95, 0.6, 0.38), 0.5  # of the picture's shorter side; of the window
MAX_PROPOSALS = 64  # of one look

# The face finder looks at a picture of at most so many pixels, whatever its shape, and at smaller and smaller ones.
MAX_FIND_PX = 2_000_000
PYRAMID = 0.6  # it knows faces of 0.7 to 1.4 times 24 px: each is near the middle of that in one of the sizes
MARGIN_PX = 16  # border pixels are repeated: of faces at the edge, the net sees what the crop has of them
SMALLEST_PX = 16  # of the shorter side of the smallest size
MIN_LOGIT, SURE_LOGIT = -3.0, -1.5  # a guess, for the alignment net decides; and beside a face that is known
PROMISING_LOGIT = -2.5  # of the alignment net, at its first look at what the finder proposes
ADDED_CONFIDENCE = 0.999  # nobody misses a doubtful face beside others; patches of cloth reached 0.9988
MAX_TURNED = 8
LEAST_SIDE_PX = 24  # of a crop: the net believes in faces in smaller patches of anything
MAX_FOUND = 160  # places that the alignment net is asked about

LEAST_LOOK_PX, LOOK_STEP = 20, 1.6  # a closer look at one place: the smallest window, and from one to the next

Finder = Callable[[UInt8[np.ndarray, "h w 3"]], Float32[np.ndarray, "6 h8 w8"]]
"""A picture whose sides are multiples of 8 -> what `facevae.nets.finder.FaceFinder` says to each cell of 8 px."""
CELL_PX, FACE_PX = 8, 24  # those of the net

_lock = threading.Lock()  # cv2.CascadeClassifier keeps its scratch memory inside


@dataclass(frozen=True)
class Box:
    """A square face box in pixels of the picture it was found in."""

    x: float
    y: float
    side: float
    cascade: str


def find_faces(photo: UInt8[np.ndarray, "h w 3"], aligner: Aligner, finder: Finder | None = None) -> list[Alignment]:
    """The crops of all faces, the largest first; empty where there is none.

    First upright boxes of three cascades, then large upright windows all over the picture, until one kind of look gives a face that
    the alignment net believes in; then what the finder, where there is one, sees at any angle and size, and where that is nobody,
    its best places at other turns. Of looks that lead to the same face the first one counts.
    """
    look = shrunk(photo, MAX_LOOK_PX)
    grey = cv2.cvtColor(shrunk(look, MAX_DETECT_PX), cv2.COLOR_RGB2GRAY)
    faces: list[Alignment] = []
    for squares in proposals(grey):
        starts = [rescaled(Alignment(square.matrix(), found=True), grey, look) for square in squares[:MAX_PROPOSALS]]
        faces = [rescaled(face, look, photo) for face in _believed(look, starts, aligner)]
        if faces:
            break
    if not faces:
        starts = [Alignment(square.matrix(), found=True) for square in search_windows(look.shape[1], look.shape[0])]
        faces = [rescaled(face, look, photo) for face in _believed(look, starts, aligner)]
    squares = find_squares(photo, finder, SURE_LOGIT if faces else MIN_LOGIT) if finder is not None else []
    faces += look_closely(photo, squares, aligner, faces)
    if not faces:  # the finder is surer of the place than of the turn
        turned = [replace(square, angle=square.angle + k * math.pi / 2) for square in squares[:MAX_TURNED] for k in (1, 2, 3)]
        faces = look_closely(photo, turned, aligner)
    return sorted(faces, key=lambda face: -face.side_px)


def look_closely(
    photo: UInt8[np.ndarray, "h w 3"], squares: Sequence[Square], aligner: Aligner, known: Sequence[Alignment] = ()
) -> list[Alignment]:
    """The crops of the faces that these windows lead to. Beside faces that are known, only others of which the net is sure."""
    starts = [Alignment(compose(WINDOW.inverse(), square.matrix()), found=True) for square in squares]
    starts = [start for start in starts if not any(_same(start, face) for face in known)]
    look = shrunk(photo, MAX_LOOK_PX)
    # Small ones need the pixels of the photo itself; large ones are cut out of a small copy in less time.
    fine = [start.side_px * WINDOW.side * look.shape[1] / photo.shape[1] >= WINDOW_PX for start in starts]
    large = [rescaled(start, photo, look) for start, there in zip(starts, fine, strict=True) if there]
    small = [start for start, there in zip(starts, fine, strict=True) if not there]
    faces = [rescaled(face, look, photo) for face in refine_alignments(look, promising(look, large, aligner), aligner)]
    faces += refine_alignments(photo, promising(photo, small, aligner), aligner)
    least = ADDED_CONFIDENCE if known else 0.0
    faces = [face for face in faces if face.found and face.side_px >= LEAST_SIDE_PX and face.confidence >= least]
    return [face for face in _distinct(faces) if not any(_same(face, other) for other in known)]


def promising(photo: UInt8[np.ndarray, "h w 3"], starts: list[Alignment], aligner: Aligner) -> list[Alignment]:
    """Those rough crops in which the alignment net sees at once that a face may be there: most proposals end here."""
    if not starts:
        return []
    logits = ask(photo, [compose(WINDOW.matrix(), start.matrix) for start in starts], aligner)[:, 4]
    return [start for start, logit in zip(starts, logits.tolist(), strict=True) if logit > PROMISING_LOGIT]


def look_at(photo: UInt8[np.ndarray, "h w 3"], x: float, y: float, aligner: Aligner) -> Alignment:
    """The face around a place of the photo, sought at all sizes and angles, or a crop around the place; `found` says which."""
    height, width = photo.shape[:2]
    largest = 1.2 * max(height, width)
    count = 1 + max(0, math.floor(math.log(largest / LEAST_LOOK_PX, LOOK_STEP)))
    sides = [largest / LOOK_STEP**k for k in range(count)]
    squares = [Square(x, y, side, turn * math.pi / 4) for side in sides for turn in range(8)]
    starts = [Alignment(compose(WINDOW.inverse(), square.matrix()), found=True) for square in squares]
    faces = [face for face in refine_alignments(photo, starts, aligner) if face.confidence > 0.5 and _off(face, x, y) < 0.5]
    if not faces:
        return Alignment(Square(x, y, min(height, width) / 4).matrix(), found=False)
    # Whom the net believes in, then who is nearest in units of its own size.
    return min(faces, key=lambda face: (not face.found, round(_off(face, x, y), 2), -face.confidence))


def nearest(faces: Sequence[Alignment], x: float, y: float) -> int | None:
    """Number of the face that a place of the photo belongs to."""
    away = [_off(face, x, y) for face in faces]
    return min((i for i, face in enumerate(faces) if face.found and away[i] < 0.4), key=away.__getitem__, default=None)


def _off(face: Alignment, x: float, y: float) -> float:
    """How far a place is from a crop's middle, in crop sides."""
    return float(np.linalg.norm(face.corners_px.mean(axis=0) - (x, y))) / face.side_px


def find_squares(photo: UInt8[np.ndarray, "h w 3"], finder: Finder, least: float = MIN_LOGIT) -> list[Square]:
    """Where the finder sees faces: windows of the alignment net in the photo, the surest first, at most `MAX_FOUND`."""
    found: list[tuple[float, Square]] = []
    for picture in pyramid(photo):
        to_photo = photo.shape[1] / picture.shape[1]
        bordered = _bordered(picture)
        logit, x, y, log_side, c, s = finder(bordered)
        for row, column in zip(*(at.tolist() for at in np.nonzero(logit > least)), strict=True):
            place = (row, column)
            across, down = ((k + 0.5) * CELL_PX + FACE_PX * float(off[place]) - MARGIN_PX for k, off in ((column, x), (row, y)))
            side = FACE_PX * math.exp(min(max(float(log_side[place]), -1.0), 1.0))
            square = Square(across * to_photo, down * to_photo, side * to_photo, math.atan2(float(s[place]), float(c[place])))
            found.append((float(logit[place]), square))
    found.sort(key=lambda entry: -entry[0])
    kept: list[Square] = []
    for _, square in found:
        if not any(_alike(square, other) for other in kept):
            kept.append(square)
            if len(kept) == MAX_FOUND:
                break
    return kept


def _alike(one: Square, other: Square) -> bool:
    """Whether the alignment net would come to the same crop from both: it puts right what is off by 38° and a factor of 2."""
    near = math.hypot(one.x - other.x, one.y - other.y) < 0.3 * max(one.side, other.side)
    return near and 0.6 < one.side / other.side < 1.67 and math.cos(one.angle - other.angle) > 0.75


def pyramid(photo: UInt8[np.ndarray, "h w 3"]) -> Iterator[UInt8[np.ndarray, "h2 w2 3"]]:
    """The photo at smaller and smaller sizes, down to where a face that fills it is small."""
    height, width = photo.shape[:2]
    shrink = min(1.0, math.sqrt(MAX_FIND_PX / (height * width)))
    picture = photo
    while True:
        picture = shrunk(picture, max(1, round(max(height, width) * shrink)))
        yield picture
        shrink *= PYRAMID
        if min(height, width) * shrink < SMALLEST_PX:
            return


def _bordered(picture: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h2 w2 3"]:
    """The picture with its border pixels repeated, to sides that cells fill."""
    below, right = (MARGIN_PX + -length % CELL_PX for length in picture.shape[:2])
    return cv2.copyMakeBorder(picture, MARGIN_PX, below, MARGIN_PX, right, cv2.BORDER_REPLICATE)


def _believed(look: np.ndarray, starts: list[Alignment], aligner: Aligner) -> list[Alignment]:
    return _distinct([face for face in refine_alignments(look, starts, aligner) if face.found])


def _same(one: Alignment, other: Alignment) -> bool:
    """Whether two crops lie on the same face."""
    away = np.linalg.norm(one.corners_px.mean(axis=0) - other.corners_px.mean(axis=0))
    return bool(away <= 0.3 * max(one.side_px, other.side_px))


def _distinct(faces: list[Alignment]) -> list[Alignment]:
    """Of crops that lie on the same face, the one that the net believes in most."""
    kept: list[Alignment] = []
    for face in sorted(faces, key=lambda face: -face.confidence):
        if not any(_same(face, other) for other in kept):
            kept.append(face)
    return kept


def proposals(grey: UInt8[np.ndarray, "h w"]) -> Iterator[list[Square]]:
    """Rough crops in the grey picture, look by look: frontal, frontal again, profiles."""
    for cascade in (ALT, DEFAULT, PROFILE):
        yield [_place(box) for box in _boxes(grey, cascade)]


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


@lru_cache
def _cascade(name: str) -> cv2.CascadeClassifier:
    return cv2.CascadeClassifier(cv2.data.haarcascades + name)


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
