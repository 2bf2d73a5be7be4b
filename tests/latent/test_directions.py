"""Estimators find a planted axis; edits are sums of steps; nonsense is refused by name."""

import numpy as np
import pytest
import torch

from facevae.latent.directions import (
    Direction,
    centroid,
    correlation,
    displacement,
    exclusive_centroid,
    natural,
    need_both,
    partial_centroid,
)

D, N = 8, 4000


def planted(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Encodings with an attribute that depends on one axis, labels, the axis."""
    rng = np.random.default_rng(seed)
    axis = rng.normal(size=D)
    axis /= np.linalg.norm(axis)
    z = rng.normal(size=(N, D)).astype(np.float32)
    return z, z @ axis + 0.3 * rng.normal(size=N) > 0.5, axis


@pytest.mark.parametrize("name", ["centroid", "correlation", "logistic", "partial"])
def test_planted_axis_is_found_with_its_sign_and_scale(name: str) -> None:
    from train.directions import fit_steps

    z, labels, axis = planted()
    step = fit_steps(z, labels[:, None], ["Smiling"], "Smiling")[name]
    length = np.linalg.norm(step)
    assert step @ axis / length > 0.98
    assert length == pytest.approx(1.0, abs=0.1)  # σ of N(0, I) along any axis is 1


def test_partial_centroid_leaves_out_what_comes_along() -> None:
    """Glasses (axis 0) go with age (axis 1) in the data; the plain centroid points to both."""
    rng = np.random.default_rng(0)
    age = rng.random(N) < 0.5
    glasses = rng.random(N) < np.where(age, 0.8, 0.2)
    z = rng.normal(size=(N, D)).astype(np.float32)
    z[:, 0] += 2 * glasses
    z[:, 1] += 2 * age
    plain, partial = centroid(z, glasses), partial_centroid(z, np.column_stack([glasses, age]), 0)
    assert plain[1] / plain[0] > 0.4
    assert abs(partial[1] / partial[0]) < 0.1


def test_exclusive_centroid_counts_rare_rivals_in_full() -> None:
    rng = np.random.default_rng(0)
    colour = rng.choice(3, size=N, p=[0.2, 0.78, 0.02])  # blond, black, rarely gray
    z = rng.normal(size=(N, D)).astype(np.float32) + 3 * np.eye(3, D)[colour]
    step = exclusive_centroid(z, colour[:, None] == np.arange(3), 0)
    assert step[0] > 0 and step[1] / step[2] == pytest.approx(1, abs=0.2)


def test_natural_step_raises_the_score_by_one_sigma() -> None:
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(D, D))
    z = rng.normal(size=(N, D)) @ mixing.T
    w = rng.normal(size=D)
    assert w @ natural(w, np.cov(z.T)) == pytest.approx((z @ w).std(), rel=1e-2)


def test_centroid_and_correlation_ignore_the_mean() -> None:
    z, labels, _ = planted()
    for estimate in (centroid, lambda z, y: correlation(z, y.astype(float))):
        np.testing.assert_allclose(estimate(z, labels), estimate(z + 5, labels), atol=1e-3)


def test_one_class_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="attribute Bald: 0 of 3 faces"):
        need_both("Bald", np.zeros(3, bool))


def test_displacement_adds_steps() -> None:
    directions = {n: Direction(n, "centroid", torch.eye(3)[i], 2.0, -3.0, 3.0, 0.9) for i, n in enumerate(("A", "B"))}
    assert torch.equal(displacement(directions, {"A": 1.5, "B": -1}), torch.tensor([3.0, -2.0, 0.0]))
    with pytest.raises(ValueError, match="no attribute 'C'; the checkpoint has A, B"):
        displacement(directions, {"C": 1})
    with pytest.raises(ValueError, match="strength of A must be a number"):
        displacement(directions, {"A": float("nan")})
