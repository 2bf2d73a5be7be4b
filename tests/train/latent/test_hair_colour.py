"""The colour of hair is that of what the parser calls hair, and what moves it in the latent space is found."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from facevae.nets.parser import PARTS
from train.data.parsing import HAIR
from train.latent.hair_colour import LEAST_FACES, explained_hair, fit_hair, hair_colours, hair_ranges

BROWN = (120, 70, 30)


class BlueIsNotHair(nn.Module):
    """Hair is whatever has no blue: with certainty in the upper half, in doubt in the lower one."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.config = SimpleNamespace(size=size)
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        assert x.shape[-1] == self.config.size
        logits = torch.zeros(len(x), len(PARTS), *x.shape[-2:])
        logits[:, HAIR] = torch.where(x[:, 2] < 0.2, 20.0, -20.0)
        logits[:, HAIR, x.shape[-1] // 2 :].clamp_(max=3.0)  # e³ to 11: 0.65
        return logits


@pytest.mark.parametrize("size", [32, 64, 128])
def test_the_colour_is_the_median_of_what_is_surely_hair(size: int) -> None:
    pictures = np.full((3, 64, 64, 3), 255, np.uint8)
    pictures[:2, :16] = BROWN  # a quarter
    pictures[0, :2, :16] = (255, 255, 0)  # a ribbon, which the median does not see
    pictures[:2, 48:] = (0, 255, 0)  # in doubt
    pictures[2, :1] = BROWN  # less than there must be
    found = hair_colours(BlueIsNotHair(size), pictures)  # type: ignore[arg-type]
    expected = cv2.cvtColor(np.array([[BROWN]], np.float32) / 255, cv2.COLOR_RGB2LAB)[0, 0]
    np.testing.assert_allclose(found[:2, :3], np.tile(expected, (2, 1)), atol=0.01)
    np.testing.assert_allclose(found[:, 3], [0.25, 0.25, 1 / 64], atol=0.02)
    assert np.isnan(found[2, :3]).all()


def test_slopes_say_how_far_a_move_changes_the_colour() -> None:
    rng = np.random.default_rng(0)
    cholesky = torch.linalg.cholesky(torch.tensor(np.cov(rng.normal(size=(9, 200)))).float())
    z = (torch.from_numpy(rng.normal(size=(3000, 9))).float() @ cholesky.T + 3).numpy()
    true = rng.normal(0, 5, (3, 9))
    colours = np.column_stack([z @ true.T + 40 + rng.normal(0, 0.2, (3000, 3)), np.full(3000, 0.3)]).astype(np.float32)
    colours[::3, :3] = np.nan
    slopes = fit_hair(z[:2000], colours[:2000], cholesky)
    np.testing.assert_allclose(slopes.numpy(), true, atol=0.1)
    assert slopes.dtype == torch.float32 and min(explained_hair(z[2000:], colours[2000:], slopes).values()) > 0.99
    # Twice the true change explains no more than none at all.
    assert max(explained_hair(z[2000:], colours[2000:], 2 * slopes).values()) == pytest.approx(0, abs=0.02)


def test_too_few_faces_with_hair_say_nothing() -> None:
    z, colours = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32), np.full((50, 4), np.nan, np.float32)
    colours[: LEAST_FACES - 1] = 30
    with pytest.warns(UserWarning, match="19 of 50 faces show hair"):
        assert not fit_hair(z, colours, torch.eye(4)).any()
    assert np.isnan(list(explained_hair(z, np.full((50, 4), np.nan, np.float32), torch.ones(3, 4)).values())).all()


def test_ranges_tell_what_colours_hair_has_by_its_lightness() -> None:
    rng = np.random.default_rng(4)
    lightness = rng.uniform(20, 40, 3000)
    colours = np.column_stack([lightness, rng.uniform(0, lightness), rng.uniform(5, 15, 3000), np.full(3000, 0.1)]).astype(np.float32)
    rows = hair_ranges(np.vstack([colours, np.full((9, 4), np.nan, np.float32)]))
    assert [row[0] for row in rows] == [20, 28, 36]
    assert all(0 < least_a < 2 and most_a > 0.8 * middle - 4 for middle, least_a, most_a, *_ in rows)
    assert all(5 < least_b < 6 and 14 < most_b < 15 for *_, least_b, most_b in rows)
