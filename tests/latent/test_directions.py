"""Estimators find a planted axis; edits are sums of steps; nonsense is refused by name."""

import numpy as np
import pytest
import torch

from facevae.latent.directions import (
    Direction,
    balanced_centroid,
    centroid,
    correlation,
    covariance_step,
    displacement,
    exclusive_centroid,
    from_examples,
    hold,
    holding,
    need_both,
    partial_centroid,
    pearson,
    principal,
    readout,
    remaining,
)

D, N = 8, 4000


def planted(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Encodings with an attribute that depends on one axis, labels, the axis."""
    rng = np.random.default_rng(seed)
    axis = rng.normal(size=D)
    axis /= np.linalg.norm(axis)
    z = rng.normal(size=(N, D)).astype(np.float32)
    return z, z @ axis + 0.3 * rng.normal(size=N) > 0.5, axis


ESTIMATORS = ["centroid", "balanced", "correlation", "logistic", "natural", "partial"]


@pytest.mark.parametrize("name", ESTIMATORS)
def test_planted_axis_is_found_with_its_sign_and_scale(name: str) -> None:
    from train.latent.estimators import fit_steps

    z, labels, axis = planted()
    guide = (z @ axis > 0.5).astype(np.float32)
    step = fit_steps(z, labels[:, None], guide, z[:500], labels[:500], ["Smiling"], "Smiling")[name]
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
    assert w @ covariance_step(w, np.cov(z.T)) == pytest.approx((z @ w).std(), rel=1e-2)


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


def test_balanced_centroid_compares_faces_that_are_alike() -> None:
    """Makeup (axis 0) goes with women (axis 1): within men and within women, only the makeup differs."""
    rng = np.random.default_rng(0)
    woman = rng.random(N) < 0.5
    makeup = rng.random(N) < np.where(woman, 0.7, 0.1)
    z = rng.normal(size=(N, D)).astype(np.float32)
    z[:, 0] += 2 * makeup
    z[:, 1] += 2 * woman
    balanced = balanced_centroid(z, makeup, np.column_stack([woman, rng.random(N) < 0.5]))
    assert balanced[0] > 0 and abs(balanced[1] / balanced[0]) < 0.1


def test_top_dimensions_alone_are_amplified() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(N, D)) * np.arange(1, D + 1)
    scores = z[:, 3] / 4 - 0.5 * z[:, 5] / 6
    r = pearson(z, scores)
    assert r[3] == pytest.approx(0.894, abs=0.03) and r[5] == pytest.approx(-0.447, abs=0.03)
    one, two = correlation(z, scores, 1), correlation(z, scores, 2)
    assert np.flatnonzero(one).tolist() == [3] and one[3] == pytest.approx(4, rel=0.05)
    assert np.flatnonzero(two).tolist() == [3, 5] and two[5] < 0


# Locks ----------------------------------------------------------------------------------------------------------------


def skewed(seed: int = 0) -> torch.Tensor:
    """The Cholesky factor of a covariance that is far from a sphere."""
    rng = np.random.default_rng(seed)
    return torch.linalg.cholesky(torch.from_numpy(np.cov(rng.normal(size=(200, D)) @ rng.normal(size=(D, D)), rowvar=False)).float())


def steps_of(count: int, cholesky: torch.Tensor) -> list[Direction]:
    """Directions whose steps have Mahalanobis length 1, none of them at right angles to another."""
    generator = torch.Generator().manual_seed(1)
    found = []
    for k in range(count):
        u = torch.randn(D, generator=generator) + 0.5
        step = cholesky @ (u / u.norm())
        found.append(Direction(f"d{k}", "planted", step / step.norm(), float(step.norm()), -3.0, 3.0, 0.9))
    return found


def test_all_locked_scores_stay_at_once_and_the_rest_is_as_near_as_can_be() -> None:
    cholesky = skewed()
    own, *others = steps_of(4, cholesky)
    locked = torch.stack([d.step for d in others])
    kept = hold(own.step, locked, cholesky)
    torch.testing.assert_close(holding(locked, cholesky) @ own.step, kept, atol=1e-5, rtol=1e-5)
    scores = readout(others, cholesky)  # (d, 3)
    assert (own.step @ scores).abs().min() > 0.05  # it would have moved all of them ...
    torch.testing.assert_close(kept @ scores, torch.zeros(3), atol=1e-4, rtol=0)  # ... and now moves none
    # Any other move with the same promise lies further from what was asked, in the encodings' metric.
    white = lambda move: torch.linalg.solve_triangular(cholesky, move[:, None], upper=False).norm()  # noqa: E731
    generator = torch.Generator().manual_seed(2)
    for _ in range(10):
        other = hold(kept + 0.1 * torch.randn(D, generator=generator), locked, cholesky)
        assert white(own.step - kept) <= white(own.step - other) + 1e-4


def test_one_lock_after_the_other_would_not_do() -> None:
    cholesky = skewed()
    own, first, second = steps_of(3, cholesky)
    in_turn = hold(hold(own.step, first.step[None], cholesky), second.step[None], cholesky)
    assert (in_turn @ readout([first], cholesky)).abs() > 1e-2


def test_the_share_left_is_how_far_the_own_score_still_rises() -> None:
    cholesky = skewed()
    own, *others = steps_of(3, cholesky)
    locked = torch.stack([d.step for d in others])
    left = remaining(own, locked, cholesky)
    assert 0 < left < 1
    assert float(hold(own.step, locked, cholesky) @ readout([own], cholesky)) == pytest.approx(left, abs=1e-4)
    assert remaining(own, torch.zeros(0, D), cholesky) == pytest.approx(1, abs=1e-5)
    twice = torch.stack([own.step, own.step, others[0].step])  # locked directions that coincide
    assert remaining(own, twice, cholesky) == pytest.approx(0, abs=1e-5)


# Directions without labels --------------------------------------------------------------------------------------------


def test_principal_components_are_steps_of_one_sigma_the_widest_first() -> None:
    covariance = torch.diag(torch.tensor([1.0, 9.0, 4.0]))
    first, second = principal(covariance, 2)
    torch.testing.assert_close(first.step.abs(), torch.tensor([0.0, 3.0, 0.0]))
    torch.testing.assert_close(second.step.abs(), torch.tensor([0.0, 0.0, 2.0]))
    assert first.name == "PC 1" and first.estimator == "pca"


def test_eight_examples_a_side_find_what_sets_them_apart() -> None:
    generator = torch.Generator().manual_seed(0)
    spread = torch.linspace(3, 0.1, 64)
    z = torch.randn(20, 64, generator=generator) * spread
    z[:10, 2] += 8
    found = from_examples("Dimples", z[:10], z[10:], torch.zeros(64), torch.diag(spread**2))
    assert found.vector[2] > 0.8 and found.auroc > 0.95
    white = found.step / spread
    assert float(white.norm()) == pytest.approx(1, abs=1e-3)
    alike = torch.randn(80, 64, generator=generator) * spread
    assert from_examples("Nothing", alike[:40], alike[40:], torch.zeros(64), torch.diag(spread**2)).auroc < 0.75
    with pytest.raises(ValueError, match="Dimples needs at least 8 faces with it and 8 without, not 7 and 10"):
        from_examples("Dimples", z[:7], z[10:], torch.zeros(64), torch.diag(spread**2))
