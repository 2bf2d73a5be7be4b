"""Distances have their closed forms, precision and recall their clear cases, and copies are found."""

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torchmetrics.image.fid import FrechetInceptionDistance

from train.measure.fidelity import (
    frechet,
    inception_distance,
    kernel_distance,
    load_inception,
    memorisation,
    precision_recall,
    show,
    structural_similarity,
)


def white(n: int, f: int, seed: int) -> np.ndarray:
    """Points whose mean is exactly 0 and whose covariance is exactly I."""
    x = np.random.default_rng(seed).standard_normal((n, f))
    x -= x.mean(0)
    return x @ np.linalg.inv(np.linalg.cholesky(np.cov(x.T))).T


def test_frechet_of_known_gaussians() -> None:
    rng = np.random.default_rng(0)
    way_a, way_b, mean = rng.standard_normal((3, 3)), rng.standard_normal((3, 3)), np.array([1.0, -2.0, 0.5])
    a, b = white(50, 3, 1) @ way_a.T, white(70, 3, 2) @ way_b.T + mean
    cov_a, cov_b = way_a @ way_a.T, way_b @ way_b.T
    expected = mean @ mean + np.trace(cov_a + cov_b - 2 * sqrtm(cov_a @ cov_b).real)
    assert frechet(a, b) == pytest.approx(expected, rel=1e-9)
    assert frechet(b, a) == pytest.approx(expected, rel=1e-9)
    assert frechet(a, a) == pytest.approx(0, abs=1e-9)


def test_kernel_distance_is_the_mean_over_pairs() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((6, 4)), rng.standard_normal((5, 4)) + 1
    k = lambda x, y: (float(x @ y) / 4 + 1) ** 3  # noqa: E731
    expected = (
        np.mean([k(a[i], a[j]) for i in range(6) for j in range(6) if i != j])
        + np.mean([k(b[i], b[j]) for i in range(5) for j in range(5) if i != j])
        - 2 * np.mean([k(x, y) for x in a for y in b])
    )
    assert kernel_distance(a, b) == pytest.approx(expected, rel=1e-12)


def test_kernel_distance_is_unbiased_and_sees_a_shift() -> None:
    rng = np.random.default_rng(0)
    same = [kernel_distance(rng.standard_normal((60, 4)), rng.standard_normal((60, 4))) for _ in range(200)]
    shifted = [kernel_distance(rng.standard_normal((60, 4)), rng.standard_normal((60, 4)) + 0.5) for _ in range(200)]
    error = lambda values: np.std(values, ddof=1) / np.sqrt(len(values))  # noqa: E731
    assert abs(np.mean(same)) < 5 * error(same)
    assert np.mean(shifted) > 5 * error(shifted)


def test_precision_and_recall_of_clear_cases() -> None:
    rng = np.random.default_rng(0)
    real = rng.uniform(0, 1, (400, 2))
    assert precision_recall(real, real, 3) == (1, 1)
    assert precision_recall(real + 10, real, 3) == (0, 0)
    half = real[real[:, 0] < 0.5]
    precision, recall = precision_recall(half, real, 3)
    # The balls of the half reach over its edge by about the way to the third neighbour: sqrt(3 / (π 400)) = 0.05 of the width.
    assert precision == 1 and len(half) / 400 <= recall < len(half) / 400 + 0.1
    assert precision_recall(real, half, 3) == (recall, precision)


def test_identical_pictures_are_alike_and_noise_makes_them_less_so() -> None:
    rng = np.random.default_rng(0)
    a = rng.integers(0, 256, (3, 48, 48, 3), dtype=np.uint8)
    noisy = (a.astype(float) + rng.normal(0, 40, a.shape)).clip(0, 255).astype(np.uint8)
    assert structural_similarity(a, a) == {"ssim": pytest.approx(1), "ms_ssim": pytest.approx(1)}
    found = structural_similarity(a, noisy)
    assert 0 < found["ssim"] < 0.95 and 0 < found["ms_ssim"] < 0.99
    assert structural_similarity(a[:1], noisy[:1])["ssim"] == pytest.approx(
        3 * found["ssim"] - 2 * structural_similarity(a[1:], noisy[1:])["ssim"], abs=1e-5
    )
    assert structural_similarity(a[:, :24], a[:, :24])["ms_ssim"] is None


def test_a_model_that_repeats_its_training_faces_is_found_out() -> None:
    rng = np.random.default_rng(0)
    train, held_out, fresh = (rng.standard_normal((n, 8)).astype(np.float32) for n in (300, 16, 16))
    index = rng.permutation(300)[:16]
    values, nearest = memorisation(train[index] + 0.01, held_out, train)
    assert values["copies"] == 16 and nearest.tolist() == index.tolist()
    assert values["samples_median"] == pytest.approx(0.01 * 8**0.5, rel=1e-3)
    honest, _ = memorisation(fresh, held_out, train)
    assert honest["copies"] == 0 and honest["held_out_median"] == values["held_out_median"] > 10 * values["samples_median"]


def test_inception_that_cannot_be_had_ends_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(**_: object) -> None:
        raise OSError("<urlopen error\nno route to host>")

    monkeypatch.setattr("train.measure.fidelity.FrechetInceptionDistance", offline)
    with pytest.raises(ValueError, match="pip install torch-fidelity.*no route to host") as error:
        load_inception()
    assert "\n" not in str(error.value)


def test_inception_distance_keeps_the_photos() -> None:
    # torchmetrics' own metric on features that need no download: the mean of each channel.
    class Means(torch.nn.Module):
        num_features = 3

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            assert x.dtype == torch.uint8
            return x.double().mean(dim=(2, 3))

    metric = FrechetInceptionDistance(feature=Means(), reset_real_features=False)
    rng = np.random.default_rng(0)
    photos, other = (rng.integers(0, 256, (70, 8, 8, 1), dtype=np.uint8) for _ in range(2))
    show(metric, photos, real=True)
    shift = other.mean() / 2 - photos.mean()
    first = inception_distance(metric, other // 2)
    assert first == pytest.approx(3 * shift**2, rel=0.05)  # the distance of the means, three channels; spreads are small beside it
    assert inception_distance(metric, photos) == pytest.approx(0, abs=1e-3)
    assert inception_distance(metric, other // 2) == first
