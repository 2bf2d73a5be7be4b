"""The flow is one density: there and back, its Jacobian, its whole mass, its temperature."""

import pytest
import torch

from facevae.latent.flow import CouplingFlow, FlowConfig


def bent(latent: int, layers: int = 6, dtype: torch.dtype = torch.float64) -> CouplingFlow:
    """A flow far from the identity."""
    generator = torch.Generator().manual_seed(0)
    draw = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)  # noqa: E731
    flow = CouplingFlow(FlowConfig(latent=latent, layers=layers, width=16)).double().requires_grad_(False).eval()
    for parameter in flow.parameters():
        parameter.copy_(0.2 * draw(*parameter.shape))
    flow.mean.copy_(draw(latent))
    flow.cholesky.copy_(0.3 * draw(latent, latent).tril(-1) + torch.diag(0.5 + draw(latent).abs()))
    return flow.to(dtype)


@pytest.mark.parametrize("latent", [2, 5, 16])
def test_there_and_back(latent: int) -> None:
    flow = bent(latent)
    z = 2 * torch.randn(50, latent, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    noise, _ = flow(z)
    assert (noise - z).abs().max() > 0.5
    torch.testing.assert_close(flow.sample(noise), z, rtol=1e-8, atol=1e-8)


def test_log_prob_is_that_of_the_noise_and_the_jacobian() -> None:
    flow = bent(4)
    z = torch.randn(6, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    normal = torch.distributions.Normal(0.0, 1.0)
    for row, log_prob in zip(z, flow.log_prob(z), strict=True):
        jacobian = torch.autograd.functional.jacobian(lambda v: flow(v[None])[0][0], row)
        expected = normal.log_prob(flow(row[None])[0]).sum() + torch.linalg.slogdet(jacobian).logabsdet
        torch.testing.assert_close(log_prob, expected, rtol=1e-9, atol=1e-9)


def test_every_value_meets_every_other() -> None:
    """After 2 log2 d layers no value of the noise is blind to any value of z."""
    flow = bent(8, layers=6)
    flow.cholesky.copy_(torch.eye(8))
    jacobian = torch.autograd.functional.jacobian(lambda v: flow(v[None])[0][0], torch.ones(8, dtype=torch.float64))
    assert (jacobian.abs() > 0).all()


def test_mass_is_one() -> None:
    flow = bent(2)
    axis = torch.linspace(-20, 20, 501, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    mass = flow.log_prob(grid).exp().sum() * (axis[1] - axis[0]) ** 2
    torch.testing.assert_close(mass, torch.ones_like(mass), rtol=2e-3, atol=0)


def test_new_flow_is_the_gaussian_of_the_encodings() -> None:
    flow = CouplingFlow(FlowConfig(latent=6, layers=4, width=8)).double()
    source = bent(6)
    flow.mean.copy_(source.mean)
    flow.cholesky.copy_(source.cholesky)
    z = torch.randn(20, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    gaussian = torch.distributions.MultivariateNormal(flow.mean, flow.covariance)
    torch.testing.assert_close(flow.log_prob(z), gaussian.log_prob(z), rtol=1e-9, atol=1e-9)


def test_temperature_zero_is_one_latent_and_a_seed_is_its_own() -> None:
    flow = bent(6, dtype=torch.float32)
    cold = [flow.from_seed(seed, 0.0) for seed in range(10)]
    assert all(torch.equal(z, flow.sample(torch.zeros(1, 6))[0]) for z in cold)
    assert torch.equal(flow.from_seed(3, 0.7), flow.from_seed(3, 0.7))
    assert not torch.equal(flow.from_seed(3), flow.from_seed(4))
    # Temperature scales the noise that the latent stands for.
    warm, half = (flow(flow.from_seed(3, t)[None])[0] for t in (1.0, 0.5))
    torch.testing.assert_close(half, 0.5 * warm, rtol=1e-3, atol=1e-4)
    noise = torch.stack([flow(flow.from_seed(s)[None])[0][0] for s in range(4)])
    torch.testing.assert_close(flow.sample(noise), torch.stack([flow.from_seed(s) for s in range(4)]), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("values", [{"latent": 1}, {"layers": 0}, {"width": 0}, {"dropout": 1.0}])
def test_impossible_flows(values: dict) -> None:
    with pytest.raises(ValueError, match="flow needs|dropout must"):
        FlowConfig(**values)
