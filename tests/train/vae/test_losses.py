"""The ELBO against exact answers."""

import math

import pytest
import torch
from torch import Tensor

from facevae.nets.gaussian import DiagonalGaussian
from train.vae.losses import Elbo, GaussianLikelihood, elbo, psnr_db

SIZE, LATENT, NOISE_VARIANCE = 4, 3, 0.09


class LinearGaussian:
    """Probabilistic PCA: z ~ N(0, I), x = W z + mean + noise. log p(x) and p(z | x) are known in closed form.

    The columns of W are orthogonal, so that the true posterior has a diagonal covariance.
    Source: Tipping and Bishop, Probabilistic Principal Component Analysis (1999), eqs. 6 and 8.
    """

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(1)
        basis = torch.linalg.qr(torch.randn(SIZE * SIZE, LATENT, generator=generator, dtype=torch.float64))[0]
        self.w = basis * torch.tensor([1.5, 0.7, 0.3], dtype=torch.float64)
        self.mean = torch.rand(SIZE * SIZE, generator=generator, dtype=torch.float64)
        self.x = self.decode(torch.randn(5, LATENT, generator=generator, dtype=torch.float64))
        self.x = self.x + math.sqrt(NOISE_VARIANCE) * torch.randn(self.x.shape, generator=generator, dtype=torch.float64)

    def decode(self, z: Tensor) -> Tensor:
        return (z @ self.w.T + self.mean).reshape(-1, 1, SIZE, SIZE)

    def log_evidence(self) -> Tensor:
        covariance = self.w @ self.w.T + NOISE_VARIANCE * torch.eye(SIZE * SIZE, dtype=torch.float64)
        return torch.distributions.MultivariateNormal(self.mean, covariance).log_prob(self.x.flatten(1))

    def posterior(self) -> DiagonalGaussian:
        m = self.w.T @ self.w + NOISE_VARIANCE * torch.eye(LATENT, dtype=torch.float64)
        mean = (self.x.flatten(1) - self.mean) @ self.w @ torch.linalg.inv(m)
        variance = NOISE_VARIANCE * torch.linalg.inv(m).diagonal()
        return DiagonalGaussian(mean, variance.log().expand_as(mean))

    def elbo(self, q: DiagonalGaussian, draws: int = 4000) -> tuple[Tensor, Tensor]:
        """Monte-Carlo ELBO of each x, by the project's own losses, and its standard error."""
        likelihood = GaussianLikelihood(SIZE).double()
        likelihood.variance.fill_(NOISE_VARIANCE)
        many = DiagonalGaussian(q.mean.repeat(draws, 1), q.logvar.repeat(draws, 1))
        z = many.sample(torch.Generator().manual_seed(2))
        bound = elbo(likelihood, self.x.repeat(draws, 1, 1, 1), self.decode(z), many)
        values = -(bound.distortion + bound.rate).reshape(draws, -1)
        return values.mean(0), values.std(0) / math.sqrt(draws)


def test_elbo_equals_log_evidence_at_the_true_posterior() -> None:
    model = LinearGaussian()
    value, error = model.elbo(model.posterior())
    assert ((value - model.log_evidence()).abs() <= 5 * error).all()


@pytest.mark.parametrize(("shift", "stretch"), [(0.3, 0.0), (-0.3, 0.0), (0.0, 0.8), (0.0, -0.8)])
def test_elbo_is_lower_at_a_wrong_posterior_by_the_exact_gap(shift: float, stretch: float) -> None:
    model = LinearGaussian()
    p = model.posterior()
    q = DiagonalGaussian(p.mean + shift, p.logvar + stretch)
    normal = lambda g: torch.distributions.Normal(g.mean, (0.5 * g.logvar).exp())  # noqa: E731
    gap = torch.distributions.kl_divergence(normal(q), normal(p)).sum(1)
    value, error = model.elbo(q)
    assert (value < model.log_evidence() - 5 * error).all()
    assert ((model.log_evidence() - gap - value).abs() <= 5 * error).all()


def test_kl_equals_torch_and_monte_carlo() -> None:
    generator = torch.Generator().manual_seed(0)
    q = DiagonalGaussian(torch.randn(2, 5, generator=generator).double(), torch.randn(2, 5, generator=generator).double())
    normal, standard = torch.distributions.Normal(q.mean, (0.5 * q.logvar).exp()), torch.distributions.Normal(0.0, 1.0)
    torch.testing.assert_close(q.kl(), torch.distributions.kl_divergence(normal, standard).sum(1))
    draws = 20_000
    many = DiagonalGaussian(q.mean.repeat(draws, 1), q.logvar.repeat(draws, 1))
    z = many.sample(generator).reshape(draws, 2, 5)
    ratio = (normal.log_prob(z) - standard.log_prob(z)).sum(2)
    assert ((ratio.mean(0) - q.kl()).abs() <= 5 * ratio.std(0) / math.sqrt(draws)).all()


def test_each_term_sends_gradient_where_it_should(tiny_net: torch.nn.Module) -> None:
    tiny_net.requires_grad_(True)
    for parameter in tiny_net.parameters():  # blocks start at zero, which would hide a missing path
        torch.nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(parameter.numel()))
    x = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))

    def touched(term: str) -> set[str]:
        tiny_net.zero_grad()
        mean, posterior = tiny_net(x, torch.Generator().manual_seed(0))
        bound = elbo(GaussianLikelihood(16), x, mean, posterior)
        getattr(bound, term).sum().backward()
        return {n for n, p in tiny_net.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}

    names = {n for n, _ in tiny_net.named_parameters()}
    assert touched("distortion") == names
    assert touched("rate") == {n for n in names if n.startswith("encoder.")}


def test_loss_weighs_the_rate() -> None:
    assert Elbo(torch.tensor([1.0, 3.0]), torch.tensor([10.0, 20.0])).loss(beta=2.0) == 2 + 2 * 15


def test_a_target_charges_the_distance_of_the_mean_rate_to_it() -> None:
    """Burgess et al. (2018), eq. 8: above the target the rate is pulled down, below it up."""
    rate = torch.tensor([10.0, 20.0], requires_grad=True)
    bound = Elbo(torch.tensor([1.0, 3.0]), rate)
    for target, loss, slope in ((11.0, 2 + 2 * 4, 1.0), (18.0, 2 + 2 * 3, -1.0), (0.0, 2 + 2 * 15, 1.0)):
        value = bound.loss(beta=2.0, target=target)
        (gradient,) = torch.autograd.grad(value, rate)
        assert value == loss and gradient.tolist() == [slope, slope]


def test_variance_map_follows_the_squared_error_of_each_place() -> None:
    likelihood = GaussianLikelihood(16, rate=0.5, window_px=3)
    x, mean = torch.zeros(4, 3, 16, 16), torch.zeros(4, 3, 16, 16)
    mean[..., 8:] = 0.2
    for _ in range(40):
        likelihood.update(x, mean)
    torch.testing.assert_close(likelihood.variance[:, :6], torch.full((16, 6), likelihood.floor))
    torch.testing.assert_close(likelihood.variance[:, 10:], torch.full((16, 6), 0.04))


def test_psnr() -> None:
    assert psnr_db(torch.zeros(1, 3, 2, 2), torch.full((1, 3, 2, 2), 0.1)).item() == pytest.approx(20.0)
