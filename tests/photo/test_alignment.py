import math
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facevae.editor import Editor
from facevae.photo.alignment import (
    REFERENCE_POINTS,
    WINDOW,
    Adjustment,
    Alignment,
    Square,
    adjust,
    adjustment_to,
    crop,
    middle,
    refine_alignments,
)
from facevae.photo.finding import find_faces

ASTRONAUT = Path(__file__).parents[2] / "assets" / "examples" / "astronaut.jpg"
EYES = np.array([[205.8, 103.0], [252.6, 104.6]])  # the pupils in the picture, read off by eye


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return np.asarray(Image.open(ASTRONAUT))


def place(x: float, y: float, side: float, degrees: float = 0) -> Alignment:
    return Alignment(Square(x, y, side, math.radians(degrees)).matrix(), found=True)


def apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    return points @ matrix[:, :2].T + matrix[:, 2]


def eye_error(alignment: Alignment, eyes: np.ndarray) -> float:
    """Mean distance of the eyes in the crop from where the training crop has them, in eye distances."""
    wanted = REFERENCE_POINTS[:2]
    return np.linalg.norm(apply(alignment.matrix, eyes) - wanted, axis=1).mean() / np.linalg.norm(wanted[0] - wanted[1])


@pytest.fixture(scope="module")
def aligner():
    """The trained alignment net of the embedded checkpoint."""
    return Editor().aligner


@pytest.fixture(scope="module")
def upright(astronaut, aligner) -> Alignment:
    """The astronaut's face in the photo as it is."""
    (face,) = find_faces(astronaut, aligner)
    return face


def test_face_lies_in_the_crop_as_in_training(upright):
    assert upright.found and upright.confidence > 0.97
    # This face is a little wider than the mean of CelebA: a fit of eyes and mouth leaves the pupils outside of the mean places.
    assert eye_error(upright, EYES) < 0.2
    assert np.abs(apply(upright.matrix, EYES).mean(axis=0) - REFERENCE_POINTS[:2].mean(axis=0)).max() < 0.03


def test_no_face_gives_the_centre_square():
    alignment = middle(np.full((200, 300, 3), 128, np.uint8))
    assert not alignment.found and alignment.confidence == 0
    assert np.allclose(alignment.corners_px, [[50, 0], [250, 0], [250, 200], [50, 200]])
    assert np.isclose(alignment.side_px, 200)


def test_put_right_follows_the_answers_to_the_pixel():
    """In this photo colours say where they are, so that an answer can be computed without a net; it must lead to the goal."""
    y, x = np.mgrid[0:512, 0:512] + 0.5
    chart = np.rint(np.dstack([x, y, np.zeros_like(x)]) * (255 / 512)).astype(np.uint8)
    goal = place(261, 240, 120, 25)
    right = WINDOW.matrix() @ np.vstack([goal.matrix, [0, 0, 1]])

    def aligner(windows: np.ndarray) -> np.ndarray:
        answers = []
        for window in windows:
            at = (np.arange(64) + 0.5) / 64
            v, u = np.meshgrid(at, at, indexing="ij")
            design = np.column_stack([u.ravel(), v.ravel(), np.ones(64 * 64)])
            to_photo = np.linalg.lstsq(design, window[:, :, :2].reshape(-1, 2) * (512 / 255), rcond=None)[0].T  # (2, 3)
            if np.linalg.det(to_photo[:, :2]) < 0:  # the mirrored look: answer for the window as it was, mirrored
                to_photo = to_photo @ np.array([[-1, 0, 1], [0, 1, 0], [0, 0, 1]])
                mirror = np.array([-1, 1, 1, -1, 1, 1])
            else:
                mirror = np.ones(6)
            correction = np.linalg.inv(np.vstack([right @ np.vstack([to_photo, [0, 0, 1]]), [0, 0, 1]]))  # right unit -> this unit
            centre = correction[:2] @ (0.5, 0.5, 1)
            side, turn = math.hypot(*correction[:2, 0]), math.atan2(correction[1, 0], correction[0, 0])
            answers.append(np.array([*(centre - 0.5), math.log(side), turn, 9.0, -9.0]) * mirror)
        return np.array(answers)

    (face,) = refine_alignments(chart, [place(240, 262, 150, -5)], aligner)
    assert face.found and np.abs(face.corners_px - goal.corners_px).max() < 1


def test_adjust_moves_zooms_and_turns_the_window():
    start = place(100, 80, 60, 10)
    assert np.array_equal(adjust(start, Adjustment()).matrix, start.matrix)
    moved = adjust(place(100, 80, 60), Adjustment(shift_x=0.5, shift_y=-0.25, zoom=2))
    assert np.allclose(moved.corners_px[[0, 2]], [[115, 50], [145, 80]])
    turned = adjust(start, Adjustment(angle_deg=20))
    assert np.allclose(turned.matrix, place(100, 80, 60, 30).matrix) and turned.found
    with pytest.raises(ValueError, match="zoom is 0"):
        adjust(start, Adjustment(zoom=0))


def test_any_window_in_the_photo_is_an_adjustment_of_what_was_found():
    found, frame = place(100, 80, 60, 10), Square(-20, 300, 45, math.radians(-170))
    adjustment = adjustment_to(found, frame)
    assert np.allclose(adjust(found, adjustment).matrix, frame.matrix())
    assert adjustment.angle_deg == pytest.approx(180) or adjustment.angle_deg == pytest.approx(-180)
    assert astuple(adjust(found, adjustment).square)[:3] == pytest.approx(astuple(frame)[:3])


def test_crop_at_the_photos_own_scale_copies_pixels():
    photo = np.random.default_rng(0).integers(0, 256, (100, 120, 3), dtype=np.uint8)
    assert np.array_equal(crop(photo, place(50, 42, 64), 64), photo[10:74, 18:82])
    quarter = crop(photo, place(50, 42, 64, 90), 64)  # the window turns clockwise, the picture in it the other way
    assert np.array_equal(quarter, np.rot90(photo[10:74, 18:82]))


@pytest.mark.parametrize("shrink", [2, 3, 3.7, 8, 25])
def test_crop_is_antialiased_and_exact_when_it_shrinks(shrink):
    size, side = 32, 32 * shrink
    y, x = np.mgrid[0:1000, 0:1000]
    checks = np.where((x + y) % 2, 255, 0).astype(np.uint8)[:, :, None].repeat(3, axis=2)
    assert np.abs(crop(checks, place(500, 500, side, 7), size).astype(int) - 127.5).max() < 20
    ramp = ((x + 0.5) * 0.25).astype(np.float32)
    ramp = np.rint(ramp).astype(np.uint8)[:, :, None].repeat(3, axis=2)
    columns = 500 - side / 2 + (np.arange(size) + 0.5) * shrink
    assert np.abs(crop(ramp, place(500, 500, side), size)[16, 2:-2, 0] - columns[2:-2] * 0.25).max() < 1


def test_crop_repeats_the_border_outside_the_photo():
    photo = np.full((64, 64, 3), 10, np.uint8)
    photo[:, -1] = 200
    outside = crop(photo, place(64, 32, 64), 64)
    assert (outside[:, :31] == 10).all() and (outside[:, 32:] == 200).all()


@pytest.mark.parametrize("side, degrees", [(100, 0), (190, 17), (640, -25), (1100, 33)])
def test_there_and_back_within_half_a_pixel(side, degrees):
    """A dot at a known place of the photo appears in the crop where the matrix says, within half a crop pixel."""
    alignment, at = place(603.3, 598.6, side, degrees), np.array([620.7, 575.2])
    y, x = np.mgrid[0:1200, 0:1200] + 0.5
    dot = 255 * np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * max(2.5, side / 50) ** 2))
    cropped = crop(np.rint(dot).astype(np.uint8)[:, :, None].repeat(3, axis=2), alignment, 128)[:, :, 0].astype(float)
    v, u = np.mgrid[0:128, 0:128] + 0.5
    centre = np.array([(cropped * u).sum(), (cropped * v).sum()]) / cropped.sum()
    back = (centre / 128 - alignment.matrix[:, 2]) @ np.linalg.inv(alignment.matrix[:, :2]).T
    assert np.abs(back - at).max() < 0.5 * min(1, side / 128)
