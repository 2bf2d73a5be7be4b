"""Where parts of a face are: in the crop, of which hair is it, how sharp is its outline."""

import math

import cv2
import numpy as np
import pytest
from colour_parser import PALETTE, by_colour, only

from facevae.nets.parser import PARTS
from facevae.photo.alignment import Alignment, Square, crop, whole
from facevae.photo.parts import LEAST_HAIR, WIDE, PhotoParts, parse_photo, share_of, solid
from facevae.photo.strips import strips

HAIR = PARTS.index("hair")


def place(x: float, y: float, side: float, degrees: float = 0) -> Alignment:
    return Alignment(Square(x, y, side, math.radians(degrees)).matrix(), found=True)


def portrait(side: int = 600) -> np.ndarray:
    """A head in the middle of a blue photo; the crop of its face is `side` / 3 wide."""
    y, x = np.mgrid[0:side, 0:side] / side
    photo = np.empty((side, side, 3), np.uint8)
    photo[:] = PALETTE["background"]
    photo[np.hypot((x - 0.5) / 0.15, (y - 0.49) / 0.17) < 1] = PALETTE["hair"]
    photo[np.hypot((x - 0.5) / 0.11, (y - 0.54) / 0.13) < 1] = PALETTE["skin"]
    return photo


def matte(photo: np.ndarray, parts: PhotoParts) -> np.ndarray:
    """The share of hair of each pixel of the photo."""
    found, canvas = [], photo.copy()
    for strip, outline, _ in strips(canvas, parts.hair_outline, parts.view):
        found.append(solid((outline[..., :3] * (strip.astype(np.float32) / 255)).sum(axis=2) + outline[..., 3]))
    return np.concatenate(found)


@pytest.mark.parametrize("degrees", [0, 25])
@pytest.mark.parametrize("size", [48, 128])
def test_parts_of_a_wide_view_lie_where_they_are_in_the_crop(size: int, degrees: float) -> None:
    photo, alignment = portrait(), place(305.3, 290.8, 200, degrees)
    parts = parse_photo(photo, alignment, by_colour(64))
    assert parts.window is WIDE and len(parts.pixels) == 128
    seen, true = parts.in_crop(size)[HAIR], by_colour(size).ask(crop(photo, alignment, size))[HAIR]
    at = np.arange(size) + 0.5
    for axis in (0, 1):
        centres = [(plane.sum(axis=axis) * at).sum() / plane.sum() for plane in (seen, true)]
        assert abs(centres[0] - centres[1]) < 0.006 * size
    assert np.abs(seen - true).mean() < 0.03


def test_a_photo_without_more_is_parsed_as_the_crop() -> None:
    picture = portrait()[190:400, 195:405]
    parts = parse_photo(picture, whole(210), by_colour(64))
    assert parts.window == Square(0.5, 0.5, 1.0) and len(parts.pixels) == 64
    assert np.array_equal(parts.in_crop(64), parts.shares)
    assert np.abs(parts.in_crop(210)[HAIR] - by_colour(210).ask(picture)[HAIR]).mean() < 0.03


def test_a_parser_answers_for_crops_of_any_size() -> None:
    assert by_colour(64)(portrait(90)).shape == (len(PARTS), 90, 90)
    assert share_of(only("skin")(portrait(20)), ("skin", "neck")).min() == 1


def test_what_looks_like_hair_beside_the_head_is_left_out() -> None:
    photo = portrait()
    photo[450:520, 250:350] = PALETTE["hair"]  # fur on the lap
    parts = parse_photo(photo, place(300, 300, 200), by_colour(64))
    share = parts.shares[HAIR]
    to_view = len(parts.pixels) * (parts.view.matrix @ (300, 485, 1))
    column, row = to_view.astype(int)
    assert share[row, column] == 1 and parts.hair[row, column] < 0.01
    column, row = (len(parts.pixels) * (parts.view.matrix @ (300, 220, 1))).astype(int)
    assert parts.hair[row, column] > 0.99


def test_the_outline_follows_strands_that_the_parser_cannot_see() -> None:
    """Strands of three pixels, where a pixel of the parser is eight: the photo's own edges tell hair from what is beside it."""
    photo = portrait(1536)
    top, bottom, left, right = 470, 495, 700, 836  # over the top of the hair
    fringe = photo[top:bottom, left:right]
    fringe[:] = PALETTE["background"]
    fringe[:, np.arange(right - left) % 6 < 3] = PALETTE["hair"]
    parts = parse_photo(photo, place(768, 768, 512), by_colour(64))
    found = matte(photo, parts)
    corner = np.clip(np.floor(parts.view.corners_px.min(axis=0)), 0, None).astype(int)
    found = np.pad(found, ((corner[1], 0), (corner[0], 0)))
    assert found[520:560, 700:836].min() > 0.99  # inside
    assert found[:380].max() < 0.01 and found[1100:].max() < 0.01  # far away
    hair = (fringe == PALETTE["hair"]).all(axis=2)[4:-4]
    strands = found[top + 4 : bottom - 4, left:right]
    assert strands[hair].mean() - strands[~hair].mean() > 0.7


def test_too_little_hair_has_no_colour_and_skin_tells_the_light() -> None:
    parts = parse_photo(portrait(), place(300, 300, 200), by_colour(64))
    own = cv2.cvtColor(np.float32([[PALETTE["hair"]]]) / 255, cv2.COLOR_RGB2LAB)[0, 0]
    assert np.abs(np.float32(parts.hair_colour) - own).max() < 1 and 0.9 < parts.light < 1.1
    dark = parse_photo((portrait() // 3).astype(np.uint8), place(300, 300, 200), only("skin"))
    assert dark.hair_colour is None and dark.light < 0.6
    for share, enough in ((0.9, False), (1.15, True)):  # of the least that can be dyed
        photo = np.full((128, 128, 3), PALETTE["skin"], np.uint8)
        photo[20 : 20 + round(share * LEAST_HAIR * 128**2 / 80), 24:104] = PALETTE["hair"]
        assert (parse_photo(photo, whole(128), by_colour(128)).hair_colour is not None) is enough
