import math
import time

import cv2
import numpy as np
import pytest

from facevae.photo.alignment import Alignment, Square, crop
from facevae.photo.compositing import add_change, soft_mask


@pytest.fixture
def photo() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)


def place(x: float, y: float, side: float, degrees: float = 0) -> Alignment:
    return Alignment(Square(x, y, side, math.radians(degrees)).matrix(), found=True, eyes=True)


def flat(level: float, size: int = 128) -> np.ndarray:
    return np.full((size, size, 3), level, np.float32)


@pytest.mark.parametrize("size", [8, 64, 128])
def test_mask_is_one_on_the_face_and_zero_at_the_border(size):
    mask = soft_mask(size)
    assert mask.dtype == np.float32 and mask.min() == 0 and mask.max() == 1
    assert not mask[[0, -1]].any() and not mask[:, [0, -1]].any()
    assert np.array_equal(mask, mask[:, ::-1])
    # Eyes, mouth and chin of the training crop lie where the change is laid on in full.
    for x, y in [(0.39, 0.51), (0.61, 0.51), (0.5, 0.74), (0.5, 0.83)]:
        assert mask[int(y * size), int(x * size)] == 1
    assert np.abs(np.diff(mask, axis=0)).max() < 12 / size


@pytest.mark.parametrize("alignment", [place(200, 150, 180, 20), place(0, 0, 300), place(200, 150, 40, -30)])
def test_zero_change_keeps_every_bit(photo, alignment):
    result = add_change(photo, flat(0.0), alignment)
    assert np.array_equal(result, photo) and result is not photo


def test_full_change_in_the_face_none_outside_the_crop():
    photo = np.full((300, 400, 3), 100, np.uint8)
    alignment = place(200, 150, 180, 20)
    result = add_change(photo, flat(25.8 / 255), alignment)
    assert np.array_equal(photo, np.full_like(photo, 100))  # the argument stays as it was
    assert (result[140:160, 190:210] == 126).all()  # truncation would give 125
    inside = cv2.fillConvexPoly(np.zeros((300, 400), np.uint8), np.rint(alignment.corners_px).astype(int), 1)
    outside = cv2.dilate(inside, np.ones((3, 3), np.uint8)) == 0
    assert (result[outside] == 100).all()


def test_saturates_instead_of_wrapping():
    bright, dark = np.full((200, 200, 3), 250, np.uint8), np.full((200, 200, 3), 5, np.uint8)
    alignment = place(100, 100, 150)
    assert add_change(bright, flat(0.5), alignment)[100, 100, 0] == 255
    assert add_change(dark, flat(-0.5), alignment)[100, 100, 0] == 0


@pytest.mark.parametrize("side, degrees", [(90, 0), (128, 0), (260, 15), (900, -25)])
def test_change_lands_where_the_crop_came_from(side, degrees):
    """Crop a dot, paste the dot back: it lies within half a pixel of where it was, at every scale and angle."""
    alignment = place(251.3, 248.6, side, degrees)
    at = np.array([260.2, 239.4])
    y, x = np.mgrid[0:500, 0:500] + 0.5
    sigma = max(3.0, side / 40)
    dot = np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * sigma**2))
    photo = np.rint(200 * dot).astype(np.uint8)[:, :, None].repeat(3, axis=2)
    change = crop(photo, alignment, 128).astype(np.float32) / 255
    pasted = add_change(np.zeros_like(photo), change, alignment)[:, :, 0].astype(float)
    centre = np.array([(pasted * x).sum(), (pasted * y).sum()]) / pasted.sum()
    assert np.abs(centre - at).max() < min(0.5, side / 128)
    assert np.abs(pasted - photo[:, :, 0]).max() < 12


@pytest.mark.parametrize("alignment", [place(-500, -500, 100), place(5000, 150, 100), place(200, 150, 3), place(200, 150, 3000)])
def test_crops_far_outside_tiny_or_huge(photo, alignment):
    assert add_change(photo, flat(0.2), alignment).shape == photo.shape


def test_a_12_megapixel_photo_composes_quickly():
    photo = np.full((3000, 4000, 3), 90, np.uint8)
    started = time.perf_counter()
    result = add_change(photo, flat(0.1), place(2000, 1500, 2600, 10))
    assert time.perf_counter() - started < 8  # a loaded machine's bound; well under a second on two quiet cores
    assert abs(int(result[1500, 2000, 0]) - 115) <= 1
