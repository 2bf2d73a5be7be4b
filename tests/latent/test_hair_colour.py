"""Moves of the hair's colour: what keeps it, what changes it by so much, and slopes that know of none."""

import numpy as np
import pytest
import torch

from facevae.latent.hair_colour import HairColour


@pytest.fixture
def hair() -> HairColour:
    rng = torch.Generator().manual_seed(0)
    return HairColour(5 * torch.randn(3, 12, generator=rng), torch.randn(12, 12, generator=rng).tril() * 0.3 + torch.eye(12))


def test_a_move_of_the_colour_changes_it_by_that_much(hair: HairColour) -> None:
    wanted = np.float32([20, -3, 11])
    move = hair.move(wanted)
    assert np.allclose(hair.shift(move), wanted, atol=1e-3)
    assert (hair.without @ move).abs().max() < 1e-4 * move.abs().max()


def test_it_is_the_cheapest_of_all_such_moves(hair: HairColour) -> None:
    move = hair.move(np.float32([20, -3, 11]))
    other = move + hair.without @ torch.ones(12)

    def cost(x: torch.Tensor) -> float:
        return float(torch.linalg.solve_triangular(hair.cholesky, x[:, None], upper=False).square().sum())

    assert np.allclose(hair.shift(other), hair.shift(move), atol=1e-3) and cost(move) < cost(other)


def test_the_rest_of_a_move_leaves_the_colour_alone(hair: HairColour) -> None:
    move = torch.linspace(-2, 2, 12)
    rest = hair.without @ move
    assert np.abs(hair.shift(move)).max() > 1 and np.abs(hair.shift(rest)).max() < 1e-4
    assert torch.allclose(hair.without @ rest, rest, atol=1e-5)


def test_slopes_of_zero_move_nothing() -> None:
    hair = HairColour(torch.zeros(3, 6), torch.eye(6))
    assert not hair.shift(torch.ones(6)).any() and not hair.move(np.float32([10, 0, 0])).any()
    assert torch.allclose(hair.without @ torch.ones(6), torch.ones(6))
