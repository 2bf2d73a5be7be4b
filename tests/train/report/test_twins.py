"""PPCA and the scalar VAE against their closed forms, and what is measured of latents."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from facevae.files import write_tensors
from facevae.nets.ppca import PPCA
from train.latent.ppca import fit_ppca, load_ppca, save_ppca
from train.report.gaussianity import gaussian_kl, gaussianity, whitened
from train.report.scalar_model import DATA_COUNT, DRAWS, ScalarVAE, scalar_data, study_scalar_model

SHAPE, LATENT = (1, 4, 5), 3


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """Pictures (n, 4, 5, 1) of three factors and some noise."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((400, 3)) * (40, 25, 12) @ np.linalg.qr(rng.standard_normal((20, 3)))[0].T
    return (128 + x + 6 * rng.standard_normal(x.shape)).clip(0, 255).round().astype(np.uint8).reshape(-1, 4, 5, 1)


def as_float(pictures: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pictures.transpose(0, 3, 1, 2) / 255).float()


def dense_covariance(model: PPCA) -> torch.Tensor:
    weights = model.weights.double()
    return weights @ weights.T + model.noise_variance.double() * torch.eye(len(weights), dtype=torch.float64)


def test_ppca_likelihood_is_that_of_its_normal_distribution_and_of_scikit_learn(pictures: np.ndarray) -> None:
    model = fit_ppca(pictures[:300], LATENT)
    x = as_float(pictures[300:])
    exact = torch.distributions.MultivariateNormal(model.mean.double(), dense_covariance(model)).log_prob(x.flatten(1).double())
    torch.testing.assert_close(model.log_likelihood(x), exact)
    flat = pictures.reshape(400, -1) / 255
    assert float(model.log_likelihood(x).mean()) == pytest.approx(PCA(LATENT).fit(flat[:300]).score(flat[300:]), rel=1e-5)


def test_ppca_posterior_is_the_joint_normal_conditioned_on_the_picture(pictures: np.ndarray) -> None:
    model = fit_ppca(pictures, LATENT)
    x = as_float(pictures[:7])
    gain = model.weights.double().T @ torch.linalg.inv(dense_covariance(model))
    posterior = model.encode(x)
    torch.testing.assert_close(posterior.mode.double(), (x.flatten(1).double() - model.mean) @ gain.T, rtol=1e-4, atol=1e-5)
    covariance = torch.eye(LATENT, dtype=torch.float64) - gain @ model.weights.double()
    torch.testing.assert_close(torch.diag(posterior.logvar[0].exp()).double(), covariance, rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError, match=r"\(1, 4, 4\), this PPCA expects \(1, 4, 5\)"):
        model.encode(x[..., :4])


def test_ppca_draws_have_its_mean_and_covariance(pictures: np.ndarray) -> None:
    model, draws = fit_ppca(pictures, LATENT), 40_000
    x = model.sample(draws, torch.Generator().manual_seed(0)).flatten(1).double()
    covariance = dense_covariance(model)
    spread = covariance.diagonal()
    assert ((x.mean(0) - model.mean).abs() <= 5 * (spread / draws).sqrt()).all()
    error = ((spread[:, None] * spread + covariance**2) / draws).sqrt()
    assert ((torch.cov(x.T) - covariance).abs() <= 5 * error).all()


def test_ppca_comes_back_from_its_file_as_it_was(pictures: np.ndarray, tmp_path: Path) -> None:
    model = fit_ppca(pictures, LATENT)
    save_ppca(tmp_path / "ppca.safetensors", model)
    back = load_ppca(tmp_path / "ppca.safetensors")
    assert back.shape == SHAPE
    for part in ("mean", "weights", "noise_variance"):
        assert torch.equal(getattr(back, part), getattr(model, part))
    write_tensors(tmp_path / "other.safetensors", {"mean": model.mean})
    with pytest.raises(ValueError, match="other.safetensors holds mean"):
        load_ppca(tmp_path / "other.safetensors")


def test_scalar_elbo_is_a_bound_and_touches_where_q_is_the_posterior() -> None:
    study = study_scalar_model()
    assert study.exact.shape == (len(study.phis), len(study.thetas))
    assert study.worst_excess < 1e-12
    assert study.worst_deviation < 5
    # The gap is the KL from q to the posterior, which only the shift of the mean makes; it is 0 at one θ alone.
    x, model = scalar_data(), study.model
    for phi, exact in zip(study.phis, study.exact, strict=True):
        meeting = model.meeting(phi)
        assert model.exact_elbo(x, meeting, phi) == pytest.approx(model.log_evidence(x, meeting), abs=1e-12)
        q = model.encode(x, phi)
        for theta, value, evidence in zip(study.thetas, exact, study.evidence, strict=True):
            p = model.posterior(x, float(theta))
            normals = [torch.distributions.Normal(g.mean, (0.5 * g.logvar).exp()) for g in (q, p)]
            assert evidence - value == pytest.approx(float(torch.distributions.kl_divergence(*normals).mean()), abs=1e-9)


def test_scalar_elbo_by_draws_is_its_closed_form() -> None:
    model, x = ScalarVAE(centre=0.8), scalar_data()
    assert len(x) == DATA_COUNT
    values = [model.drawn_elbo(x, 0.83, 0.4, torch.Generator().manual_seed(seed)) for seed in range(20)]
    drawn, error = np.mean([v for v, _ in values]), np.mean([e for _, e in values]) / np.sqrt(20)
    assert abs(drawn - model.exact_elbo(x, 0.83, 0.4)) <= 5 * error
    # The stated error is the true one: the spread of 20 estimates lies within a factor that chance exceeds once in 10,000.
    assert 0.5 < np.std([v for v, _ in values], ddof=1) / np.mean([e for _, e in values]) < 1.7
    assert DRAWS == 200


def test_gaussianity_finds_what_was_planted() -> None:
    rng = np.random.default_rng(0)
    normal, same = rng.standard_normal((2, 2000, 4))
    found = gaussianity(same, normal)
    assert found.skew < 5 * np.sqrt(6 / 2000) and abs(found.kurtosis) < 5 * np.sqrt(24 / 8000)
    assert abs(found.auroc - 0.5) < 5 * np.sqrt(1 / 12 * 2 / 1000)
    skewed = gaussianity(rng.exponential(size=(2000, 4)) - 1, normal)
    assert skewed.skew > 1.5 and skewed.kurtosis > 3 and skewed.auroc > 0.7
    # Two moments in closed form: mean 1 and variance 4 in one of two dimensions.
    shifted = whitened(same[:, :2]) * (2.0, 1.0) + (1.0, 0.0)
    assert gaussian_kl(shifted) == pytest.approx(0.5 * (4 + 1 - 1 - np.log(4)))
