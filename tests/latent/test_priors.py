"""The fitted prior draws from its mixture; temperature scales the spread, not the means."""

import torch

from facevae.latent.priors import GaussianMixture

PRIOR = GaussianMixture(
    torch.tensor([0.25, 0.75]), torch.tensor([[-5.0, 0.0], [5.0, 1.0]]), torch.tensor([[[1.0, 0.0], [0.5, 0.5]], [[0.3, 0.0], [0.0, 2.0]]])
)


def test_draws_have_the_moments_of_the_mixture() -> None:
    n = 8000
    z = torch.stack([PRIOR.from_seed(s) for s in range(n)])
    error = (PRIOR.covariance.diagonal() / n).sqrt()
    assert ((z.mean(0) - PRIOR.mean).abs() <= 5 * error).all()
    torch.testing.assert_close(torch.cov(z.T), PRIOR.covariance, rtol=0.08, atol=0.15)


def test_temperature_zero_is_a_mean_and_one_seed_stays_in_its_component() -> None:
    for seed in range(20):
        cold, warm = PRIOR.from_seed(seed, 0.0), PRIOR.from_seed(seed, 1.0)
        k = int((PRIOR.means - cold).norm(dim=1).argmin())
        assert torch.equal(cold, PRIOR.means[k])
        torch.testing.assert_close(PRIOR.from_seed(seed, 0.5) - cold, 0.5 * (warm - cold))


def test_log_prob_is_that_of_torch_distributions() -> None:
    z = 4 * torch.randn(50, 2, generator=torch.Generator().manual_seed(0))
    inside = torch.distributions.MultivariateNormal(PRIOR.means, scale_tril=PRIOR.cholesky)
    expected = torch.distributions.MixtureSameFamily(torch.distributions.Categorical(PRIOR.weights), inside).log_prob(z)
    torch.testing.assert_close(PRIOR.log_prob(z), expected)
