"""Strands that are added: along the hair, where there are none, and nowhere else."""

import numpy as np
import pytest

from facevae.photo.hair_flow import CONTRAST, add_strands

SIDE, CORNER, UNIT = 256, (0.0, 0.0), 256.0
FLAT = np.full((SIDE, SIDE), 60.0, np.float32)


def lines(turn: float) -> np.ndarray:
    """Faint strands of 8 px at this angle from the vertical."""
    y, x = np.mgrid[:SIDE, :SIDE]
    return (4 + 2 * np.sin((x * np.cos(turn) + y * np.sin(turn)) * 2 * np.pi / 8)).astype(np.float32)


def direction(picture: np.ndarray) -> float:
    """How a picture's lines are turned from the vertical, by its structure tensor."""
    down, across = np.gradient(picture)
    return 0.5 * np.arctan2(2 * (across * down).mean(), (across**2).mean() - (down**2).mean())


@pytest.mark.parametrize("turn", [-0.9, 0.0, 0.6])
def test_strands_lie_as_the_hair_does(turn: float) -> None:
    found = add_strands(FLAT, lines(turn), np.ones_like(FLAT), CORNER, UNIT)
    assert abs(found.std() - CONTRAST) < 2 and abs(direction(found[32:-32, 32:-32]) - turn) < 0.15


def test_hair_of_one_black_falls_from_the_crown() -> None:
    found = add_strands(FLAT, np.full_like(FLAT, 3), np.ones_like(FLAT), CORNER, UNIT)
    assert abs(direction(found[150:, 118:138])) < 0.15  # straight below it
    assert direction(found[100:200, :60]) > 0.2 and direction(found[100:200, -60:]) < -0.2


def test_hair_with_strands_stays_as_it_is_and_so_does_what_is_no_hair() -> None:
    striped = FLAT + 20 * np.sign(lines(0.0) - 4)
    assert np.array_equal(add_strands(striped, lines(0.0), np.ones_like(FLAT), CORNER, UNIT), striped)
    matte = np.zeros_like(FLAT)
    assert np.array_equal(add_strands(FLAT, lines(0.0), matte, CORNER, UNIT), FLAT)
    matte[:, :100] = 1
    found = add_strands(FLAT, lines(0.0), matte, CORNER, UNIT)
    assert np.array_equal(found[:, 100:], FLAT[:, 100:]) and not np.array_equal(found[:, :100], FLAT[:, :100])


def test_small_photos_show_no_strands_and_light_hair_has_its_own() -> None:
    for unit, seen in ((100.0, lines(0.0)), (UNIT, lines(0.0) + 30)):
        assert np.array_equal(add_strands(FLAT, seen, np.ones_like(FLAT), CORNER, unit), FLAT)


def test_the_same_hair_gets_the_same_strands() -> None:
    one, other = (add_strands(FLAT, lines(0.3), np.ones_like(FLAT), CORNER, UNIT) for _ in range(2))
    assert np.array_equal(one, other)
