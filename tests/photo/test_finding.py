"""Faces are found at any angle, size and number, and where one points."""

import math
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage import data

from facevae.editor import Editor
from facevae.photo.alignment import REFERENCE_POINTS, Alignment, Square
from facevae.photo.finding import MAX_FIND_PX, find_faces, find_squares, look_at, nearest, pyramid

ASTRONAUT = Path(__file__).parents[2] / "assets" / "examples" / "astronaut.jpg"


@pytest.fixture(scope="module")
def nets() -> Editor:
    """Alignment net and finder of the embedded checkpoint."""
    return Editor()


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return np.asarray(Image.open(ASTRONAUT))


@pytest.fixture(scope="module")
def head(astronaut) -> np.ndarray:
    """The astronaut's head, 256 px wide: its crop has 180."""
    return astronaut[:256, 100:356]


def find(photo: np.ndarray, nets: Editor) -> list[Alignment]:
    return find_faces(photo, nets.aligner, nets.finder)


def apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    return points @ matrix[:, :2].T + matrix[:, 2]


def warp(photo: np.ndarray, degrees: float, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """The picture turned clockwise and scaled about its centre on a canvas of the same proportions."""
    height, width = photo.shape[:2]
    size = np.rint(np.array([width, height]) * max(scale, 1)).astype(int)
    c, s = scale * math.cos(math.radians(degrees)), scale * math.sin(math.radians(degrees))
    linear = np.array([[c, -s], [s, c]])
    matrix = np.column_stack([linear, size / 2 - linear @ (width / 2, height / 2)])
    index_map = matrix.copy()
    index_map[:, 2] += linear.sum(axis=1) / 2 - 0.5
    return cv2.warpAffine(photo, index_map, tuple(size.tolist()), borderMode=cv2.BORDER_REPLICATE), matrix


def canvas(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), 90, np.uint8)


@pytest.mark.parametrize("degrees, scale", [(0, 2.5), (28, 1), (-25, 0.5), (90, 1), (180, 0.6), (-135, 1), (62, 0.3)])
def test_face_is_found_turned_and_scaled(astronaut, nets, degrees, scale):
    (upright,) = find(astronaut, nets)
    photo, matrix = warp(astronaut, degrees, scale)
    (face,) = find(photo, nets)
    moved = apply(face.matrix, apply(matrix, upright.in_photo(REFERENCE_POINTS)))
    eye_distance = np.linalg.norm(REFERENCE_POINTS[0] - REFERENCE_POINTS[1])
    assert np.linalg.norm(moved - REFERENCE_POINTS, axis=1).mean() / eye_distance < 0.06
    assert np.allclose(face.matrix[0, 0], face.matrix[1, 1]) and np.allclose(face.matrix[0, 1], -face.matrix[1, 0])


def test_all_faces_are_found_whichever_way_up_the_largest_first(head, nets):
    photo = canvas(300, 900)
    photo[20:276, 20:276] = head
    photo[40:260, 330:550] = cv2.resize(head[::-1, ::-1], (220, 220), interpolation=cv2.INTER_AREA)
    photo[60:230, 640:810] = cv2.resize(np.rot90(head), (170, 170), interpolation=cv2.INTER_AREA)
    faces = find(photo, nets)
    assert [round(face.corners_px[:, 0].mean() / 300 - 0.5) for face in faces] == [0, 1, 2]
    turns = [math.degrees(math.atan2(face.matrix[0, 1], face.matrix[0, 0])) % 360 for face in faces]
    assert np.allclose((np.array(turns) - [turns[0], turns[0] + 180, turns[0] + 270] + 180) % 360, 180, atol=4)


def test_a_small_face_is_found_in_a_long_strip(head, nets):
    strip = canvas(400, 5000)
    strip[200:260, 3900:3960] = cv2.resize(head, (60, 60), interpolation=cv2.INTER_AREA)
    (face,) = find(strip, nets)
    assert 30 < face.side_px < 60 and nearest([face], 3930, 225) == 0


def test_a_crowd_is_found_whole(head, nets):
    crowd, small = canvas(480, 800), cv2.resize(head, (80, 80), interpolation=cv2.INTER_AREA)
    for k in range(60):
        y, x = divmod(k, 10)
        crowd[80 * y : 80 * y + 80, 80 * x : 80 * x + 80] = small
    assert len(find(crowd, nets)) == 60


@pytest.mark.parametrize("name", ["text", "rocket", "chelsea"])
def test_no_face_is_seen_where_there_is_none(nets, name):
    picture = getattr(data, name)()
    assert find(picture if picture.ndim == 3 else np.repeat(picture[:, :, None], 3, axis=2), nets) == []


def test_a_closer_look_finds_the_face_that_is_pointed_at(head, nets):
    photo = canvas(300, 600)
    photo[20:276, 20:276] = head
    photo[100:220, 400:520] = cv2.resize(np.rot90(head), (120, 120), interpolation=cv2.INTER_AREA)
    face = look_at(photo, 452, 168, nets.aligner)
    assert face.found and 60 < face.side_px < 110 and abs(face.corners_px[:, 0].mean() - 455) < 20
    there = look_at(photo, 350, 30, nets.aligner)
    assert not there.found and np.allclose(there.corners_px.mean(axis=0), (350, 30)) and there.side_px == pytest.approx(75)
    faces = [face, Alignment(Square(150, 120, 180).matrix(), found=True)]
    assert nearest(faces, 160, 110) == 1 and nearest(faces, 300, 250) is None


def test_squares_lie_where_the_cells_say(nets):
    """Stands in for the net: it says that a face of 36 px, turned by a quarter, lies 6 px right of the middle of one cell."""

    def finder(picture: np.ndarray) -> np.ndarray:
        said = np.zeros((6, picture.shape[0] // 8, picture.shape[1] // 8), np.float32)
        said[0] = -9
        if picture.shape[1] == 160 + 32:
            said[:, 5, 7] = 3, 6 / 24, 0, math.log(36 / 24), 0, 1
        return said

    (square,) = find_squares(canvas(120, 160), finder)
    assert (square.x, square.y) == pytest.approx((7.5 * 8 + 6 - 16, 5.5 * 8 - 16))
    assert square.side == pytest.approx(36) and square.angle == pytest.approx(math.pi / 2)


@pytest.mark.parametrize("height, width", [(32, 32), (400, 16_000), (5000, 8000)])
def test_every_size_of_the_photo_is_looked_at(height, width):
    sizes = [picture.shape[:2] for picture in pyramid(np.zeros((height, width, 3), np.uint8))]
    assert sizes[0][0] * sizes[0][1] <= MAX_FIND_PX * 1.01 and min(sizes[-1]) < 30
    assert all(0.55 < small[1] / large[1] < 0.65 for large, small in pairwise(sizes))
