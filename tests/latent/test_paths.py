"""Ways between two latents keep their promises for every pair, degenerate ones included."""

import math

import hypothesis.extra.numpy as arrays
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from facevae.latent.paths import lerp, noise_from_seed, slerp

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
