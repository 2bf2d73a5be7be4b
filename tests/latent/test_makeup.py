"""Moves that are make-up: how far along each direction, and how much of it is worn."""

import pytest
import torch

from facevae.latent.directions import Direction
from facevae.latent.makeup import FULL, LIPSTICK, MAKEUP, MOST, PALEST_LIPS, TRACE, MakeupMoves

CHOLESKY = torch.randn(12, 12, generator=torch.Generator().manual_seed(0)).tril() * 0.3 + torch.eye(12)


@pytest.fixture
def directions() -> dict[str, Direction]:
    """Neither is at a right angle to the other, nor as long."""
    vectors = torch.randn(3, 12, generator=torch.Generator().manual_seed(1))
    vectors[1] += vectors[0]
    vectors /= vectors.norm(dim=1, keepdim=True)
    names, sigmas = ("Smiling", MAKEUP, LIPSTICK), (1.0, 0.7, 1.6)
    return {n: Direction(n, "centroid", v, s, -4.0, 4.0, 0.9) for n, v, s in zip(names, vectors, sigmas, strict=True)}


@pytest.fixture
def moves(directions: dict[str, Direction]) -> MakeupMoves:
    return MakeupMoves(directions, CHOLESKY)


@pytest.mark.parametrize(("name", "other"), [(MAKEUP, LIPSTICK), (LIPSTICK, MAKEUP)])
def test_a_step_goes_one_sigma_along_itself_alone(moves: MakeupMoves, directions: dict[str, Direction], name: str, other: str) -> None:
    seen = moves.strengths(-2.5 * directions[name].step)
    assert seen[name] == pytest.approx(-2.5, abs=1e-4) and seen[other] == pytest.approx(0, abs=1e-4)


def test_in_full_it_is_worn_on_lips_and_lids_and_lipstick_on_lips_alone(moves: MakeupMoves, directions: dict[str, Direction]) -> None:
    assert moves.amounts(FULL * directions[MAKEUP].step) == pytest.approx((1, 1), abs=1e-4)
    lips, face = moves.amounts(FULL * directions[LIPSTICK].step)
    assert lips == pytest.approx(1, abs=1e-4) and face == 0


def test_traces_are_none_and_it_begins_without_a_jump(moves: MakeupMoves, directions: dict[str, Direction]) -> None:
    step = FULL * TRACE * directions[MAKEUP].step
    assert moves.amounts(0.99 * step) == moves.amounts(-0.99 * step) == moves.amounts(0 * step) == (0, 0)
    assert all(0 < amount < 0.01 for amount in moves.amounts(1.05 * step))


def test_there_is_a_most_and_lips_lose_a_little_of_their_red(moves: MakeupMoves, directions: dict[str, Direction]) -> None:
    assert moves.amounts(20 * directions[MAKEUP].step) == (MOST, MOST)
    assert moves.amounts(-20 * directions[MAKEUP].step) == (PALEST_LIPS, 0)
    assert PALEST_LIPS < moves.amounts(-1 * directions[LIPSTICK].step)[0] < 0


def test_where_the_checkpoint_knows_one_of_the_two_that_one_counts(directions: dict[str, Direction]) -> None:
    moves = MakeupMoves({LIPSTICK: directions[LIPSTICK]}, CHOLESKY)
    assert moves.names == [LIPSTICK] and moves.amounts(FULL * directions[LIPSTICK].step) == pytest.approx((1, 0), abs=1e-4)


def test_where_it_knows_neither_nothing_is_worn(directions: dict[str, Direction]) -> None:
    moves = MakeupMoves({"Smiling": directions["Smiling"]}, CHOLESKY)
    assert moves.steps.shape == (0, 12) and not moves.names
    assert moves.strengths(torch.ones(12)) == {} and moves.amounts(torch.ones(12)) == (0, 0)
