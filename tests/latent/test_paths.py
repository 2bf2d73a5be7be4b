"""Ways between two latents keep their promises for every pair, degenerate ones included."""

import math

import hypothesis.extra.numpy as arrays
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from facevae.latent.directions import Direction, readout
from facevae.latent.paths import interpolate_keys, lerp, noise_from_seed, restrict_to_attributes, slerp

values = st.floats(-10, 10, width=32).filter(lambda v: v == 0 or abs(v) > 1e-3)
vectors = arrays.arrays("float32", 4, elements=values).map(torch.from_numpy)
shares = st.floats(0, 1, width=32)


@pytest.mark.parametrize("path", [lerp, slerp])
@given(a=vectors, b=vectors, t=shares)
def test_ends_and_symmetry(path, a: torch.Tensor, b: torch.Tensor, t: float) -> None:
    torch.testing.assert_close(path(a, b, 0.0), a, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(path(a, b, 1.0), b, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(path(a, b, t), path(b, a, 1 - t), atol=1e-2, rtol=1e-2)


@given(a=vectors, t=shares)
def test_slerp_of_parallel_antiparallel_and_zero_vectors_is_the_line(a: torch.Tensor, t: float) -> None:
    for b in (2 * a, -a, torch.zeros(4)):
        torch.testing.assert_close(slerp(a, b, t), lerp(a, b, t), atol=1e-3, rtol=1e-3)


def test_slerp_turns_evenly_and_keeps_the_length() -> None:
    a, b = torch.tensor([2.0, 0.0]), torch.tensor([0.0, 2.0])
    for t in (0.25, 0.5, 0.75):
        expected = 2 * torch.tensor([math.cos(t * math.pi / 2), math.sin(t * math.pi / 2)])
        torch.testing.assert_close(slerp(a, b, t), expected)


def test_noise_belongs_to_the_seed_alone() -> None:
    torch.manual_seed(1)
    first = noise_from_seed(7, 5)
    torch.manual_seed(2)
    assert torch.equal(first, noise_from_seed(7, 5))
    assert not torch.equal(first, noise_from_seed(8, 5))


@pytest.mark.parametrize("path", [lerp, slerp])
@pytest.mark.parametrize("smooth", [False, True])
def test_a_way_passes_its_keys_evenly_and_closes(path, smooth: bool) -> None:
    keys = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    for k in range(4):
        assert torch.equal(interpolate_keys(keys, k / 3, path, smooth=smooth), keys[k])
        assert torch.equal(interpolate_keys(keys, k / 4, path, closed=True, smooth=smooth), keys[k])
    assert torch.equal(interpolate_keys(keys, 1.0, path, closed=True), keys[0])
    torch.testing.assert_close(interpolate_keys(keys, 0.5, path, smooth=smooth), path(keys[1], keys[2], 0.5))


def test_a_smooth_way_rests_at_its_keys() -> None:
    keys, step = torch.tensor([[0.0], [1.0], [3.0]], dtype=torch.float64), 1e-3
    for t in (0.0, 0.5 - step / 2, 1 - step):
        moved = interpolate_keys(keys, t + step, lerp, smooth=True) - interpolate_keys(keys, t, lerp, smooth=True)
        assert moved.abs().item() < 25 * step**2  # 3t² of a length of 2
    assert interpolate_keys(keys, 0.25, lerp, smooth=True).item() == pytest.approx(0.5)


def test_only_the_chosen_scores_move_as_far_as_all_of_it_would_move_them() -> None:
    generator = torch.Generator().manual_seed(1)
    cholesky = torch.randn(8, 8, generator=generator).tril() + 3 * torch.eye(8)
    vectors = torch.nn.functional.normalize(torch.randn(4, 8, generator=generator) + 1, dim=1)  # they go together
    directions = [Direction(str(k), "centroid", vector, 1.5, -3, 3, 0.9) for k, vector in enumerate(vectors)]
    readers, scores = torch.stack([d.step for d in directions]), readout(directions, cholesky)
    move = torch.randn(8, generator=generator)
    assert abs(readers[0] @ scores[:, 1]) > 0.3
    for chosen in ([True, False, True, False], [False] * 4, [True] * 4):
        part = restrict_to_attributes(move, readers, torch.tensor(chosen), cholesky)
        expected = torch.where(torch.tensor(chosen), move @ scores, 0.0)
        torch.testing.assert_close(part @ scores, expected, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(restrict_to_attributes(part, readers, torch.tensor(chosen), cholesky), part, atol=1e-4, rtol=1e-4)
    twice = restrict_to_attributes(move, readers[[0, 0]], torch.tensor([True, True]), cholesky)
    torch.testing.assert_close(twice, restrict_to_attributes(move, readers[:1], torch.tensor([True]), cholesky), atol=1e-4, rtol=1e-4)


def test_what_no_score_tells_of_does_not_move() -> None:
    readers, move = torch.eye(3)[:2], torch.tensor([1.0, 2.0, 3.0])
    assert restrict_to_attributes(move, readers, torch.tensor([True, True]), torch.eye(3)).tolist() == pytest.approx([1, 2, 0])
