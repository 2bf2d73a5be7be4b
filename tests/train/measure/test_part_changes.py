"""Measures on made pictures: outside the mask, irises, skin at five places; detectability."""

import numpy as np
import pytest

from facevae.nets.parser import PARTS
from train.data.part_maps import as_maps
from train.measure.irises import iris_change
from train.measure.outside import change_outside
from train.measure.skin_places import place_changes
from train.measure.told_apart import told_apart

SIZE = 64
SKIN, EYES, HAIR, NECK = (PARTS.index(name) for name in ("skin", "eyes", "hair", "neck"))


def face() -> tuple[np.ndarray, np.ndarray]:
    """A grey picture and its labels: skin in the middle, eyes in it, of which a few pixels are dark; a neck below."""
    labels = np.zeros((SIZE, SIZE), np.uint8)
    labels[12:58, 14:50], labels[58:, 20:44], labels[31:35, 20:44] = SKIN, NECK, EYES
    picture = np.full((SIZE, SIZE, 3), 150, np.uint8)
    picture[32:34, 24:26] = picture[32:34, 38:40] = 20
    return picture, labels


def test_outside_counts_what_lies_outside_alone() -> None:
    before, labels = face()
    after, mask = before.copy(), labels == SKIN
    after[mask] = 0
    assert change_outside(before, after, mask) == 0
    after[0, 0] = (160, 150, 140)
    assert change_outside(before, after, mask) == pytest.approx(20 / (3 * (~mask).sum()))
    assert np.isnan(change_outside(before, after, np.ones_like(mask)))


def test_irises_are_the_darkest_pixels_of_the_eyes_before() -> None:
    before, labels = face()
    after = before.copy()
    after[50:60] = 0  # dark places elsewhere are no irises
    assert iris_change(before, after, as_maps(labels)) == 0
    after[(labels == EYES)] = 120
    assert iris_change(before, after, as_maps(labels)) == pytest.approx(50.4 - 6.3, abs=1)  # L* of 120 and of 20
    assert np.isnan(iris_change(before, after, as_maps(np.where(labels == EYES, SKIN, labels).astype(np.uint8))))


def test_skin_that_hair_comes_to_lie_over_is_not_measured() -> None:
    before, labels = face()
    after, hidden = before.copy(), labels.copy()
    hidden[12:30, 14:50] = HAIR
    after[12:30, 14:50], after[58:] = 10, 180
    found = place_changes(before, after, as_maps(labels), as_maps(hidden))
    assert np.isnan(found["forehead"]) and found["nose"] == found["cheeks"] == found["chin"] == 0
    assert found["neck"] == pytest.approx(11.5, abs=1)
    assert place_changes(before, after, as_maps(labels), as_maps(labels))["forehead"] < -40


def test_a_mark_is_found_and_no_mark_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.measure.told_apart.EPOCHS", 6)
    rng = np.random.default_rng(0)
    one, other, marked = (rng.integers(0, 256, (64, 16, 16, 3), np.uint8) for _ in range(3))
    marked[:, 4:12, 4:12] //= 2
    assert told_apart((one[:32], marked[:32]), (one[32:], marked[32:])) > 0.95
    first, again = (told_apart((one[:32], other[:32]), (one[32:], other[32:])) for _ in range(2))
    assert first == again and 0.25 < first < 0.75
