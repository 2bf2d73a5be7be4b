"""MIG and SAP on latents whose answer is known, and on the true factors of toy faces."""

import numpy as np
import pytest
from numpy.random import default_rng

from train.data.synthetic import FACTORS, draw_factors
from train.measure.disentanglement import codes_of, mig, sap

METRICS = {"mig": mig, "sap": sap}
N = 4000


@pytest.fixture(scope="module")
def faces() -> np.ndarray:
    return draw_factors(300, 8, seed=0)[1]


def turn(z: np.ndarray, quarter: bool = False) -> np.ndarray:
    """Standardised columns, each pair (1, 2), (3, 4), … turned by an eighth of a circle (or by a quarter, which only swaps them)."""
    z = (z - z.mean(0)) / z.std(0)
    cos, sin = (0.0, 1.0) if quarter else (np.sqrt(0.5), np.sqrt(0.5))
    a, b = z[:, ::2], z[:, 1::2]
    return np.hstack([cos * a + sin * b, cos * b - sin * a])


def test_information_and_accuracy_of_a_noisy_bit_are_those_on_paper() -> None:
    """A latent that repeats the factor but for one time in ten: 1 − H(0.1) / H(0.5), and 0.9."""
    bit = np.arange(N) % 2
    wrong = np.arange(N) % 20 < 2  # one in ten of either value
    z = np.stack([np.where(wrong, 1 - bit, bit), default_rng(0).normal(size=N)], axis=1)
    h = -(0.1 * np.log(0.1) + 0.9 * np.log(0.9)) / np.log(2)
    assert mig(z, bit[:, None]).scores[0, 0] == pytest.approx(1 - h, abs=1e-12)
    assert sap(z, bit[:, None]).scores[0, 0] == pytest.approx(0.9, abs=1e-12)
    assert sap(-z, bit[:, None]).scores[0, 0] == pytest.approx(0.9, abs=1e-12)  # either side may be the positive one


def test_a_number_is_told_by_the_square_of_its_correlation() -> None:
    v, noise = default_rng(0).normal(size=(2, N))
    z = np.stack([0.8 * v + 0.6 * noise, noise], axis=1)
    assert np.corrcoef(z[:, 0], v)[0, 1] ** 2 == pytest.approx(sap(z, v[:, None]).scores[0, 0], abs=1e-12)
    assert sap(z, v[:, None]).score == pytest.approx(0.64, abs=5 * 2 * 0.8 * 0.36 / np.sqrt(N))


def test_planted_bits() -> None:
    """One bit a latent: 1, and 0.5 where chance leaves no more. Shared by two latents, or unrelated: 0."""
    bits = default_rng(1).integers(0, 2, (N, 4)).astype(float)
    noise = default_rng(2).normal(size=(N, 4))
    axes = bits + 0.05 * noise
    assert mig(axes, bits).gaps.min() > 0.95 and mig(turn(bits), bits).gaps.max() < 0.02
    assert sap(axes, bits).gaps.min() > 0.46 and sap(turn(bits), bits).gaps.max() < 0.04
    assert mig(axes, bits).best.tolist() == sap(axes, bits).best.tolist() == [0, 1, 2, 3]
    assert mig(noise, bits).gaps.max() < 0.01 and sap(noise, bits).gaps.max() < 0.03


def test_sap_tells_classes_by_several_thresholds() -> None:
    classes = default_rng(3).integers(0, 5, N)
    z = np.stack([10 * classes + default_rng(4).random(N), default_rng(5).normal(size=N)], axis=1)
    found = sap(z, classes[:, None].astype(float)).scores[:, 0]
    assert found[0] > 0.9 and 0.2 <= found[1] < 0.3


@pytest.mark.parametrize("name", METRICS)
def test_dead_latents_and_monotone_maps_change_nothing(name: str, faces: np.ndarray) -> None:
    bits = faces[:, [0, 2]]
    z = default_rng(0).normal(size=(len(bits), 3)) + np.hstack([bits, bits[:, :1]])
    plain = METRICS[name](z, bits)
    assert METRICS[name](np.hstack([np.exp(3 * z), np.zeros((len(z), 2))]), bits).gaps == pytest.approx(plain.gaps, abs=1e-9)


@pytest.mark.parametrize("name", METRICS)
def test_true_factors_of_faces_against_mixtures_of_them(name: str, faces: np.ndarray) -> None:
    metric = METRICS[name]
    own, mixed, noise = (metric(z, faces, 10) for z in (faces, turn(faces), default_rng(0).normal(size=faces.shape)))
    assert own.best.tolist() == list(range(len(FACTORS)))
    ceiling = {"Smiling": 0.5, "Eyeglasses": 0.5, "Hair_Colour": 0.8} if name == "sap" else {}  # 1 less what chance gives the second
    assert (own.gaps > 0.85 * np.array([ceiling.get(factor, 1.0) for factor in FACTORS])).all()
    assert mixed.score < 0.1 and noise.score < 0.05
    assert metric(turn(faces, quarter=True), faces, 10).score == pytest.approx(own.score)  # a permutation of axes is as good


def test_a_random_rotation_costs_most_of_the_score(faces: np.ndarray) -> None:
    z = (faces - faces.mean(0)) / faces.std(0)
    for seed in range(5):
        basis = np.linalg.qr(default_rng(seed).normal(size=(6, 6)))[0]
        for metric in METRICS.values():
            assert metric(z @ basis, faces, 10).score < 0.6 * metric(faces, faces, 10).score


def test_rare_values_are_not_merged_into_one_bin() -> None:
    rare = np.r_[np.ones(2), np.zeros(98)]
    assert np.array_equal(codes_of(rare, 20), rare) and np.array_equal(codes_of(1 - rare, 20), 1 - rare)


@pytest.mark.parametrize("name", METRICS)
def test_what_cannot_be_measured_is_named(name: str) -> None:
    metric, z, v = METRICS[name], default_rng(0).normal(size=(50, 3)), np.arange(50)[:, None] % 2.0
    with pytest.raises(ValueError, match="50 latents but 49 rows"):
        metric(z, v[1:])
    with pytest.raises(ValueError, match="39 faces are too few"):
        metric(z[:39], v[:39])
    with pytest.raises(ValueError, match="needs two of them"):
        metric(z[:, :1], v)
    with pytest.raises(ValueError, match="not finite"):
        metric(np.where(z == z[0, 0], np.nan, z), v)
    with pytest.raises(ValueError, match=r"columns \[1\] have one value only"):
        metric(z, np.hstack([v, np.ones_like(v)]))
