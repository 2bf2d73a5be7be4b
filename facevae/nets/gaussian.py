"""Posterior of an encoder: a diagonal Gaussian, or a point from an autoencoder."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class DiagonalGaussian:
    """q(z | x) = N(mean, diag(exp(logvar))), one row for each image.

    Source: Kingma and Welling, Auto-Encoding Variational Bayes (2014), eq. 9 and appendix B.
    """

    mean: Float[Tensor, "b d"]
    logvar: Float[Tensor, "b d"]

    @property
    def mode(self) -> Float[Tensor, "b d"]:
        """The most probable z, which is the mean."""
        return self.mean

    def sample(self, generator: torch.Generator | None = None, noise: Float[Tensor, "b d"] | None = None) -> Float[Tensor, "b d"]:
        """Draw one z for each row by the reparameterisation trick: mean + std · noise.

        Noise that is not given is drawn on the CPU, so that a seed means the same draw on every device.
        """
        if noise is None:
            noise = torch.randn(self.mean.shape, generator=generator, dtype=self.mean.dtype)
        return self.mean + torch.exp(0.5 * self.logvar) * noise.to(self.mean.device)

    def kl_of_dimensions(self) -> Float[Tensor, "b d"]:
        """KL to N(0, 1) of each latent dimension, in nats."""
        return 0.5 * (self.mean**2 + self.logvar.exp() - 1 - self.logvar)

    def kl(self) -> Float[Tensor, " b"]:
        """KL(q(z | x) ‖ N(0, I)) in nats per image, summed over the latent dimensions."""
        return self.kl_of_dimensions().sum(dim=1)


@dataclass(frozen=True)
class Point:
    """The code of an autoencoder in the place of a posterior, one row for each image: no spread, and no rate."""

    mean: Float[Tensor, "b d"]

    @property
    def mode(self) -> Float[Tensor, "b d"]:
        """The code."""
        return self.mean

    def sample(self, generator: torch.Generator | None = None, noise: Float[Tensor, "b d"] | None = None) -> Float[Tensor, "b d"]:
        """The code: an autoencoder draws nothing."""
        return self.mean

    def kl(self) -> Float[Tensor, " b"]:
        """Zeros: an autoencoder is charged no rate (that of an exact point would be infinite)."""
        return torch.zeros_like(self.mean[:, 0])
