"""Hair is dyed: the shade is reached, strands stay strands, what is no hair stays as it is."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from colour_parser import PALETTE, by_colour

from facevae.photo.alignment import whole
from facevae.photo.parts import PhotoParts, parse_photo
from facevae.photo.recolour import SHADES, Dye, dye_hair, dye_of, in_light, like_hair, no_lighter_than

INSIDE = np.s_[24:56, 40:216]


def lab(pixels: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)


@pytest.fixture
def photo() -> np.ndarray:
    """A head of 256 px, with strands in its hair."""
    y, x = np.mgrid[0:256, 0:256]
    picture = np.empty((256, 256, 3), np.uint8)
    picture[:] = PALETTE["background"]
    picture[np.hypot(x - 128, y - 150) < 80] = PALETTE["skin"]
    strands = 1 + 0.3 * np.sin(x / 3.0) + 0.1 * np.sin(y / 7.0)
    picture[16:64, 32:224] = np.rint(strands[16:64, 32:224, None] * PALETTE["hair"])
    return picture


@pytest.fixture
def parts(photo: np.ndarray) -> PhotoParts:
    return parse_photo(photo, whole(256), by_colour(128))


@pytest.mark.parametrize("shade", SHADES)
def test_the_median_reaches_the_shade_and_strands_keep_their_order(photo: np.ndarray, parts: PhotoParts, shade: str) -> None:
    dyed = photo.copy()
    dye_hair(dyed, parts, Dye(parts.hair_colour, SHADES[shade]))
    before, after = lab(photo[INSIDE]), lab(dyed[INSIDE])
    assert np.abs(np.median(after, axis=(0, 1)) - SHADES[shade])[0] < 1
    assert np.abs(np.median(after, axis=(0, 1)) - SHADES[shade]).max() < 2
    order = np.argsort(before[..., 0], axis=None)
    lightness = after[..., 0].ravel()[order]
    assert np.diff(np.maximum.accumulate(lightness) - lightness).max() < 2.5  # one level of the dark is up to that much
    assert lightness[-100:].mean() - lightness[:100].mean() > 5


def test_pixels_without_hair_stay_bit_for_bit(photo: np.ndarray, parts: PhotoParts) -> None:
    dyed = photo.copy()
    dye_hair(dyed, parts, Dye(parts.hair_colour, SHADES["blond"]))
    changed = (dyed != photo).any(axis=2)
    assert changed[INSIDE].all()
    assert not changed[90:].any() and not changed[:, :12].any() and not changed[:, 244:].any()
    plain = (photo == PALETTE["background"]).all(axis=2) | (photo == PALETTE["skin"]).all(axis=2)
    beyond = cv2.erode(plain.astype(np.uint8), np.ones((5, 5))) > 0
    assert changed[beyond].mean() < 0.01


@pytest.mark.parametrize("shift", [(0, 0, 0), (0.5, -0.5, 0.4)])
def test_next_to_no_change_is_no_dye(parts: PhotoParts, shift: tuple[float, float, float]) -> None:
    assert dye_of(parts.hair_colour, np.float32(shift)) is None


def test_a_small_change_starts_from_nothing(parts: PhotoParts) -> None:
    own = parts.hair_colour
    moved = [np.linalg.norm(np.subtract(dye_of(own, np.float32([change, 0, 0])).wanted, own)) for change in (1.01, 2, 3)]
    assert moved[0] < 0.05 and moved[2] == pytest.approx(3, abs=0.01) and moved[0] < moved[1] < moved[2]


def test_a_grey_photo_stays_grey(photo: np.ndarray, parts: PhotoParts) -> None:
    grey = np.repeat(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    dyed = grey.copy()
    dye_hair(dyed, parts, Dye((22.0, 0.0, 0.0), SHADES["red"]), grey=True)
    assert (dyed != grey).any() and (dyed == dyed[..., :1]).all()


def test_black_never_turns_blue_nor_anything_a_colour_that_hair_has_not() -> None:
    lightness, a, b = like_hair((14, 5, -40), (30.0, 8.0, 12.0))
    assert lightness == 14 and b >= -3 and -1 <= a <= 14
    assert like_hair((-30, 0, 0), (30.0, 8.0, 12.0))[0] == 8 and like_hair((120, 0, 0), (30.0, 8.0, 12.0))[0] == 78
    dyed_blue = (35.0, 5.0, -40.0)  # what the photo's own hair has is never out of reach
    assert like_hair(dyed_blue, dyed_blue) == dyed_blue
    assert all(np.allclose(like_hair(shade, (30.0, 8.0, 12.0)), shade, atol=2) for shade in SHADES.values())


def test_a_shade_is_darker_in_the_dark() -> None:
    assert in_light(SHADES["blond"], 1) == SHADES["blond"] and in_light(SHADES["blond"], 0.5) == (31.0, 3.0, 13.0)


def test_a_shade_that_may_not_be_as_light_is_a_darker_one_of_its_kind() -> None:
    assert no_lighter_than(SHADES["brown"], 50.0) == SHADES["brown"]
    (lightness, a, b), (_, full_a, full_b) = no_lighter_than(SHADES["blond"], 50.0), SHADES["blond"]
    assert lightness == 50 and b < full_b and a / b > full_a / full_b  # redder, as dark blond is
    assert np.hypot(*no_lighter_than(SHADES["gray"], 40.0)[1:]) < 5  # gray stays gray


def test_no_bright_line_runs_along_dark_hair_that_is_dyed_light() -> None:
    """Pixels in which black hair and a mid grey wall mix are lighter than neither of the two afterwards."""
    hair, wall, light = (cv2.cvtColor(np.float32(lab).reshape(1, 1, 3), cv2.COLOR_LAB2RGB) for lab in ((7, 1, 1), (40, 0, 0), (43, 7, 21)))
    share = np.linspace(0.2, 0.95, 16, dtype=np.float32)[None]
    mixed = share[..., None] * hair + (1 - share[..., None]) * wall
    dyed = Dye((7, 1, 1), (43, 7, 21)).mix(mixed, share)
    assert (dyed.max(axis=1) < np.maximum(wall, light)[0] + 0.02).all()


def looking(picture: np.ndarray, shares: np.ndarray, median: float) -> tuple[np.ndarray, np.ndarray]:
    """A hair net that believes the parser, and draws strands of 11 px from a lightness of about 30 up."""
    strands = 12 * np.sin(2 * np.pi * np.arange(len(picture)) / 11)
    return shares[:, :, 0].copy(), np.broadcast_to(np.float32(30 + strands), picture.shape[:2]).copy()


@pytest.fixture
def looked_at(photo: np.ndarray) -> PhotoParts:
    return parse_photo(photo, whole(256), replace(by_colour(128), ask_hair=looking))


def test_lighter_hair_has_the_strands_of_the_hair_net(photo: np.ndarray, parts: PhotoParts, looked_at: PhotoParts) -> None:
    plain, drawn = photo.copy(), photo.copy()
    dye_hair(plain, parts, Dye(parts.hair_colour, SHADES["blond"]))
    dye_hair(drawn, looked_at, Dye(looked_at.hair_colour, SHADES["blond"]))
    after = lab(drawn[INSIDE])
    assert np.abs(np.median(after, axis=(0, 1)) - SHADES["blond"])[0] < 3
    waves = [np.abs(np.fft.rfft(lab(x[INSIDE])[..., 0].mean(axis=0)))[16] for x in (plain, drawn)]  # 16 waves of 11 px
    assert waves[1] > 4 * waves[0]
    assert (drawn[100:] == photo[100:]).all()


def test_small_photos_have_strands_too(photo: np.ndarray) -> None:
    """The net is shown more pixels than the photo has."""
    small = cv2.resize(photo, (96, 96), interpolation=cv2.INTER_AREA)
    parts = parse_photo(small, whole(96), replace(by_colour(128), ask_hair=looking))
    dyed = small.copy()
    dye_hair(dyed, parts, Dye(parts.hair_colour, SHADES["blond"]))
    assert np.median(lab(dyed[9:21, 15:81])[..., 0]) > 50 and (dyed[40:] == small[40:]).all()


def test_darker_hair_has_its_own_strands(photo: np.ndarray, parts: PhotoParts, looked_at: PhotoParts) -> None:
    plain, drawn = photo.copy(), photo.copy()
    dye_hair(plain, parts, Dye(parts.hair_colour, SHADES["black"]))
    dye_hair(drawn, looked_at, Dye(looked_at.hair_colour, SHADES["black"]))
    assert np.abs(lab(plain[INSIDE]) - lab(drawn[INSIDE])).max() < 3


def test_half_of_a_pixel_is_hair() -> None:
    """Of dark hair over skin, half of each: what is seen of the skin stays, and the hair is dyed."""
    hair, skin, blond = np.float32([10, 2, 2]), np.float32([70, 12, 18]), np.float32([60, 5, 25])
    mixed = (cv2.cvtColor((0.5 * hair + 0.5 * skin).reshape(1, 1, 3), cv2.COLOR_LAB2RGB)).astype(np.float32)
    gain, around = np.full((1, 1), 50.0, np.float32), np.full((1, 1), 75.0, np.float32)
    found = Dye(tuple(hair.tolist()), tuple(blond.tolist())).draw(mixed, np.full((1, 1), 0.5, np.float32), gain, around)
    assert np.abs(cv2.cvtColor(found, cv2.COLOR_RGB2LAB)[0, 0] - (0.5 * blond + 0.5 * skin)).max() < 4


def test_what_the_matte_takes_for_hair_by_mistake_does_not_shine() -> None:
    wall, one = np.full((1, 1, 3), 0.5, np.float32), np.ones((1, 1), np.float32)
    light = cv2.cvtColor(wall, cv2.COLOR_RGB2LAB)[0, 0, 0]
    found = Dye((10.0, 2.0, 2.0), SHADES["blond"]).draw(wall, 0.8 * one, 40 * one, 60 * one)
    assert light < cv2.cvtColor(found, cv2.COLOR_RGB2LAB)[0, 0, 0] < 75 < light + 0.8 * 40


def test_with_strands_a_grey_photo_stays_grey(photo: np.ndarray) -> None:
    grey = np.repeat(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    palette = {name: (round(float(np.dot(colour, (0.299, 0.587, 0.114)))),) * 3 for name, colour in PALETTE.items()}
    parts = parse_photo(grey, whole(256), replace(by_colour(128, palette), ask_hair=looking))
    dyed = grey.copy()
    dye_hair(dyed, parts, Dye((22.0, 0.0, 0.0), SHADES["blond"]), grey=True)
    assert (dyed != grey).any() and (dyed == dyed[..., :1]).all()
