"""Make-up is a tint: lips get redder and keep their texture, all else stays the photo's own."""

import cv2
import numpy as np
import pytest
from colour_parser import PALETTE, by_colour

from facevae.photo.alignment import whole
from facevae.photo.makeup import LIPS, Makeup, apply_makeup
from facevae.photo.parts import PhotoParts, parse_photo

PAINTS = {name: PALETTE[name] for name in ("background", "skin", "eyes")} | {"lips": (185, 80, 70)}
MOUTH = np.s_[182:198, 98:158]
INSIDE = np.s_[186:194, 104:152]
EYES = (np.s_[122:142, 86:114], np.s_[122:142, 142:170])
CHEEKS = ((84, 161), (172, 161))
FULL = Makeup(1.0, 1.0)


def lab(pixels: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)


def near(*boxes: tuple[slice, slice], px: int) -> np.ndarray:
    """What is in these boxes, or this near to one of them."""
    mask = np.zeros((256, 256), np.uint8)
    for box in boxes:
        mask[box] = 1
    return cv2.dilate(mask, np.ones((2 * px + 1,) * 2)) > 0


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    """A face of 256 px whose lips have wrinkles, in ordinary light."""
    y, x = np.mgrid[0:256, 0:256]
    picture = np.empty((256, 256, 3), np.uint8)
    picture[:] = PAINTS["background"]
    picture[np.hypot(x - 128, y - 140) < 100] = PAINTS["skin"]
    wrinkles = 1 + 0.12 * np.sin(x / 2.0)
    picture[MOUTH] = np.rint(wrinkles[MOUTH][..., None] * PAINTS["lips"])
    for eye in EYES:
        picture[eye] = PAINTS["eyes"]
    return picture


@pytest.fixture(scope="module")
def parts(photo: np.ndarray) -> PhotoParts:
    return parse_photo(photo, whole(256), by_colour(128, PAINTS))


def made_up(photo: np.ndarray, parts: PhotoParts, makeup: Makeup, grey: bool = False) -> np.ndarray:
    result = photo.copy()
    apply_makeup(result, parts, whole(256), makeup, grey)
    return result


def test_lips_get_redder_and_keep_their_texture(photo: np.ndarray, parts: PhotoParts) -> None:
    before, after = lab(photo[INSIDE]), lab(made_up(photo, parts, Makeup(lips=1.0))[INSIDE])
    assert np.abs((after - before).mean(axis=(0, 1)) - parts.light * np.float32(LIPS)).max() < 1
    old, new = before[..., 0].ravel(), after[..., 0].ravel()
    assert np.corrcoef(old, new)[0, 1] > 0.99 and 0.95 < new.std() / old.std() < 1.05


def test_half_of_it_is_half_the_tint(photo: np.ndarray, parts: PhotoParts) -> None:
    half, full = (lab(made_up(photo, parts, Makeup(amount, amount))) - lab(photo) for amount in (0.5, 1.0))
    assert np.abs(full).max() > 10 and np.abs(half - full / 2).max() < 1.5  # levels are rounded


def test_nothing_but_lips_lids_and_cheeks_changes(photo: np.ndarray, parts: PhotoParts) -> None:
    lips = (made_up(photo, parts, Makeup(lips=1.0)) != photo).any(axis=2)
    assert lips[INSIDE].all() and not lips[~near(MOUTH, px=8)].any()
    face = (made_up(photo, parts, Makeup(face=1.0)) != photo).any(axis=2)
    cheeks = [np.s_[y - 20 : y + 21, x - 20 : x + 21] for x, y in CHEEKS]
    assert all(face[y - 8 : y + 8, x - 8 : x + 8].all() for x, y in CHEEKS) and face[114:120, 92:108].all()  # lids lie above eyes
    assert not face[~(near(*EYES, px=24) | near(*cheeks, px=0))].any()
    assert not any(face[y.start + 7 : y.stop - 7, x.start + 7 : x.stop - 7].any() for y, x in EYES)  # eyes are not lids


@pytest.mark.parametrize("makeup", [Makeup(), Makeup(0.0, 0.0), Makeup(0.001, 0.001)])
def test_none_and_next_to_none_leave_the_photo_bit_for_bit(photo: np.ndarray, parts: PhotoParts, makeup: Makeup) -> None:
    assert np.array_equal(made_up(photo, parts, makeup), photo)
    assert not Makeup() and not Makeup(0.0, 0.0) and Makeup(lips=-0.1) and Makeup(face=0.1)


def test_a_grey_photo_stays_grey(photo: np.ndarray, parts: PhotoParts) -> None:
    grey = np.repeat(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    result = made_up(grey, parts, FULL, grey=True)
    assert (result == result[..., :1]).all()
    assert (result[INSIDE] < grey[INSIDE]).all()  # darker is all that is left of red


def test_what_is_put_on_comes_off_again(photo: np.ndarray, parts: PhotoParts) -> None:
    on = made_up(photo, parts, FULL)
    off = made_up(on, parts, Makeup(-1.0, -1.0))
    assert np.abs(on.astype(int) - photo).max() > 20 and np.abs(off.astype(int) - photo).max() <= 2
