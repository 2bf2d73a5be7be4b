import math
from itertools import pairwise

import cv2
import numpy as np
import pytest
from colour_parser import only

from facevae.photo import compositing, strips
from facevae.photo.alignment import Alignment, Square, crop
from facevae.photo.compositing import DETAIL, CropBackground, paste, soft_mask, structural
from facevae.photo.ovals import Oval

SKIN = only("skin")
SAME_HAIR = np.zeros(3, np.float32)
MOUTH = Oval(0.5, 0.74, 0.13, 0.08, 0.6)


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)


def lay(
    photo: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    alignment: Alignment,
    detail: float = DETAIL,
    ground: CropBackground | None = None,
) -> np.ndarray:
    """A change laid over a photo that shows skin and nothing else."""
    return paste(photo, before, after, SAME_HAIR, alignment, SKIN, detail, ground)


def place(x: float, y: float, side: float, degrees: float = 0) -> Alignment:
    return Alignment(Square(x, y, side, math.radians(degrees)).matrix(), found=True)


def flat(level: float, size: int = 128) -> np.ndarray:
    return np.full((size, size, 3), level, np.float32)


def stripes(size: int, period: float, contrast: float = 0.2) -> np.ndarray:
    """Upright sine stripes about 0.5, `period` in crop sides."""
    at = (np.arange(size) + 0.5) / size
    row = (0.5 + contrast * np.sin(2 * np.pi * at / period)).astype(np.float32)
    return np.broadcast_to(row[None, :, None], (size, size, 3)).copy()


def to_photo(picture: np.ndarray) -> np.ndarray:
    return np.rint(picture * 255).astype(np.uint8)


def contrast_in(oval: Oval, picture: np.ndarray, period: float) -> float:
    """Amplitude of the stripes of `period` inside the oval, in levels."""
    size = len(picture)
    inside = oval.draw(size) > 0.8
    x = np.broadcast_to((np.arange(size) + 0.5) / size, (size, size))[inside]
    values = picture[:, :, 1].astype(float)[inside]
    values -= values.mean()
    return 2 * abs((values * np.exp(-2j * np.pi * x / period)).mean())


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
@pytest.mark.parametrize("detail", [0.0, 0.45, 1.0])
def test_no_change_keeps_every_bit(noise, alignment, detail):
    same = np.random.default_rng(1).random((128, 128, 3)).astype(np.float32)
    result = lay(noise, same, same.copy(), alignment, detail)
    assert np.array_equal(result, noise) and result is not noise


@pytest.mark.parametrize("detail", [0.0, 1.0])
@pytest.mark.parametrize("alignment", [place(200, 150, 180, 20), place(30, 40, 220, -10), place(200, 150, 60)])
def test_nothing_outside_the_crop_is_touched(noise, alignment, detail):
    before_call = noise.copy()
    rng = np.random.default_rng(2)
    before, after = rng.random((2, 128, 128, 3)).astype(np.float32)
    result = lay(noise, before, after, alignment, detail)
    assert np.array_equal(noise, before_call)  # the argument stays as it was
    inside = cv2.fillConvexPoly(np.zeros((300, 400), np.uint8), np.rint(alignment.corners_px).astype(int), 1)
    outside = cv2.dilate(inside, np.ones((3, 3), np.uint8)) == 0
    assert np.array_equal(result[outside], noise[outside]) and not np.array_equal(result, noise)


def test_a_flat_change_arrives_rounded():
    photo = np.full((300, 400, 3), 100, np.uint8)
    result = lay(photo, flat(0.4), flat(0.4 + 25.8 / 255), place(200, 150, 180, 20))
    assert (result[140:160, 190:210] == 126).all()  # truncation would give 125


@pytest.mark.parametrize("detail", [0.0, 0.45, 1.0])
def test_a_smooth_recolouring_keeps_the_stripes_at_every_detail(detail):
    """Make-up and tan over fine stripes that the decoder never saw: the colour arrives, the stripes stay."""
    photo = to_photo(stripes(512, 0.02, contrast=0.1))
    photo[0, 0, 2] = 0  # one coloured pixel: a grey photo would take no colour
    y, x = np.mgrid[0:128, 0:128] / 128
    blush = 0.15 * np.exp(-((x - 0.5) ** 2 + (y - 0.7) ** 2) / (2 * 0.12**2)).astype(np.float32)[:, :, None]
    after = flat(0.5) + blush * np.float32([1, 0.5, 0.2]) + np.float32([0.1, 0.1, 0])
    result = lay(photo, flat(0.5), after, place(256, 256, 512), detail)
    assert contrast_in(MOUTH, result, 0.02) > 0.95 * contrast_in(MOUTH, photo, 0.02)
    assert np.abs((result.astype(float) - photo)[340:378, 230:282].mean((0, 1)) - [62, 44, 7]).max() < 62 / 8


@pytest.mark.parametrize("gain", [0.6, 1.7])
def test_more_or_less_contrast_is_a_recolouring(gain):
    """Hair that turns dark or light: what was there stays, brighter or darker, so nothing gives way even at detail 0."""
    before = stripes(128, 0.06)
    assert structural(before, 0.2 + gain * (before - 0.4)).max() < compositing.STRUCTURE[0]


def close_mouth(oval: Oval) -> tuple[np.ndarray, np.ndarray]:
    """Before: a bright bar (teeth) between dark lips; after: a thin dark line."""
    away = np.abs((np.arange(128) + 0.5) / 128 - oval.y)[:, None, None]
    lips = oval.draw(128)[:, :, None] * np.ones(3, np.float32)
    before = flat(0.5) + lips * np.where(away < 0.03, 0.15, -0.15).astype(np.float32)
    return before, flat(0.5) - lips * np.where(away < 0.01, 0.25, 0).astype(np.float32)


def test_a_structural_change_takes_the_stripes_away_at_detail_0_and_keeps_them_at_1():
    """The decoder saw teeth and closes the mouth; the photo's teeth are finer than it can draw."""
    photo, period = to_photo(stripes(512, 0.02)), 0.02
    pasted = [lay(photo, *close_mouth(MOUTH), place(256, 256, 512), d) for d in (0.0, 0.3, 0.6, 0.9, 1.0)]
    contrasts = [contrast_in(MOUTH, p, period) for p in pasted]
    there = contrast_in(MOUTH, photo, period)
    assert contrasts[0] < 0.1 * there and contrasts[-1] > 0.85 * there
    assert all(a <= b + 0.01 * there for a, b in pairwise(contrasts))
    forehead = Oval(0.5, 0.3, 0.1, 0.06, 0.5)  # far from the mouth nothing gives way
    assert contrast_in(forehead, pasted[0], period) > 0.95 * there


def test_hair_keeps_its_strands_even_where_the_change_is_structural():
    """The same change as the mouth's, up in the hair: detail gives way in the face only."""
    photo, hair = to_photo(stripes(512, 0.02)), Oval(0.5, 0.16, 0.13, 0.06, 0.6)
    before, after = close_mouth(hair)
    assert np.median(structural(before, after)[hair.draw(128) > 0.8]) > 2 * compositing.STRUCTURE[0]
    pasted = lay(photo, before, after, place(256, 256, 512), 0.0)
    assert contrast_in(hair, pasted, 0.02) > 0.8 * contrast_in(hair, photo, 0.02)


def test_the_change_starts_from_nothing():
    """A slider just off zero must not show a jump: the first hundredth of an edit changes the photo by a level or so."""
    rng = np.random.default_rng(3)
    photo = to_photo(stripes(256, 0.03))
    before = cv2.GaussianBlur(rng.random((128, 128, 3)).astype(np.float32), (0, 0), 3)
    after = cv2.GaussianBlur(rng.random((128, 128, 3)).astype(np.float32), (0, 0), 3)
    result = lay(photo, before, before + 0.01 * (after - before), place(128, 128, 256), 0.0)
    assert np.abs(result.astype(int) - photo).max() <= 5


def test_approaches_black_and_white_without_wrapping_or_crushing():
    bright, dark = np.full((200, 200, 3), 235, np.uint8), np.full((200, 200, 3), 20, np.uint8)
    alignment = place(100, 100, 150)
    assert 248 <= lay(bright, flat(0.2), flat(0.7), alignment)[100, 100, 0] <= 255
    assert 0 <= lay(dark, flat(0.7), flat(0.2), alignment)[100, 100, 0] <= 7
    strands = np.full((200, 200, 3), 60, np.uint8)
    strands[:, 100:] = 76
    blackened = lay(strands, flat(0.6), flat(0.3), alignment)[100]  # by 76.5 levels: clipping would make both 0
    assert int(blackened[120, 0]) - int(blackened[80, 0]) >= 3


@pytest.mark.parametrize("side, degrees", [(90, 0), (128, 0), (260, 15), (900, -25)])
def test_change_lands_where_the_crop_came_from(side, degrees):
    """Crop a dot, paste the dot back: it lies within half a pixel of where it was, at every scale and angle."""
    alignment = place(251.3, 248.6, side, degrees)
    at = np.linalg.solve(alignment.matrix[:, :2], np.array([0.52, 0.62]) - alignment.matrix[:, 2])
    y, x = np.mgrid[0:500, 0:500] + 0.5
    sigma = max(3.0, side / 40)
    dot = np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * sigma**2))
    photo = np.rint(150 * dot).astype(np.uint8)[:, :, None].repeat(3, axis=2)
    change = crop(photo, alignment, 128).astype(np.float32) / 255
    pasted = lay(np.full_like(photo, 40), flat(0.2), 0.2 + change, alignment, 0.0)[:, :, 0].astype(float) - 40
    pasted[np.abs(pasted) < 3] = 0
    centre = np.array([(pasted * x).sum(), (pasted * y).sum()]) / pasted.sum()
    assert np.abs(centre - at).max() < min(0.5, side / 128)
    assert pasted.max() > 100


def test_antialiased_when_the_face_is_small_and_smooth_when_it_is_large():
    rng = np.random.default_rng(4)
    checks = (np.indices((128, 128)).sum(0) % 2).astype(np.float32)[:, :, None] * np.ones(3, np.float32)
    photo = np.full((100, 100, 3), 128, np.uint8)
    tiny = lay(photo, flat(0.5), 0.3 + 0.4 * checks, place(50.3, 49.6, 37, 8), 1.0)
    assert np.abs(tiny.astype(int) - 128).max() <= 6  # picking single pixels would give ±51
    soft = cv2.GaussianBlur(rng.random((128, 128, 3)).astype(np.float32), (0, 0), 4) - 0.5
    wall = np.full((1500, 1500, 3), (128, 128, 127), np.uint8)
    large = lay(wall, flat(0.5), 0.5 + 2 * soft, place(750, 750, 1400, 5), 1.0)
    steps = np.abs(np.diff(large[300:1200, 300:1200].astype(int), axis=1))
    assert steps.max() <= 2 and steps.mean() > 0.05  # 11 photo pixels for each of the decoder's: no blocks, no stairs


def test_the_same_result_every_time_and_with_any_strips(noise, monkeypatch):
    before, after = np.random.default_rng(5).random((2, 128, 128, 3)).astype(np.float32)
    results = []
    for pixels in (strips.STRIP_PX, strips.STRIP_PX, 7 * 230, 2**24):
        monkeypatch.setattr(strips, "STRIP_PX", pixels)
        results.append(lay(noise, before, after, place(201.7, 149.2, 230, 17), 0.3))
    assert np.array_equal(results[0], results[1])
    assert all(np.array_equal(results[0], r) for r in results[2:])


@pytest.mark.parametrize("alignment", [place(-500, -500, 100), place(5000, 150, 100), place(200, 150, 3), place(200, 150, 3000)])
@pytest.mark.parametrize("size", [8, 128])
def test_crops_far_outside_tiny_or_huge(noise, alignment, size):
    assert lay(noise, flat(0.5, size), flat(0.7, size), alignment).shape == noise.shape


@pytest.mark.parametrize("detail", [-0.1, 1.1, float("nan")])
def test_detail_outside_its_range_is_refused(noise, detail):
    with pytest.raises(ValueError, match="detail must lie between 0 and 1"):
        lay(noise, flat(0.5), flat(0.7), place(200, 150, 180), detail)


def test_a_grey_photo_stays_grey():
    rng = np.random.default_rng(3)
    grey = np.repeat(rng.integers(0, 256, (90, 80, 1), dtype=np.uint8), 3, axis=2)
    before, after = (rng.random((32, 32, 3), dtype=np.float32) for _ in range(2))
    result = lay(grey, before, after, Alignment(Square(40, 45, 60, 0.1).matrix(), found=True))
    assert (result != grey).any() and (result == result[:, :, :1]).all()
