"""A tiny latent flow that is far from the identity."""

import torch

from facevae.latent.conditional_flow import ConditionalFlow
from facevae.latent.priors import GaussianMixture
from facevae.nets.velocity import VelocityConfig

CONFIG = VelocityConfig(latent=6, labels=4, width=8, hidden=8, blocks=2)


def bent(components: int = 2, config: VelocityConfig = CONFIG) -> ConditionalFlow:
    """A flow far from the identity."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    with torch.random.fork_rng():
        torch.manual_seed(0)
        flow = ConditionalFlow(config, components).requires_grad_(False).eval()
    for parameter in flow.parameters():
        parameter.copy_(parameter + 0.2 * draw(*parameter.shape))
    flow.mean.copy_(draw(6))
    flow.cholesky.copy_(0.3 * draw(6, 6).tril(-1) + torch.diag(0.5 + draw(6).abs()))
    flow.set_labels(
        GaussianMixture(
            torch.full((components,), 1 / components),
            2 * draw(components, config.labels),
            torch.eye(config.labels).repeat(components, 1, 1),
        )
    )
    return flow
