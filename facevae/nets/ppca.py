"""Probabilistic PCA: encode and decode in closed form, the linear twin of a VAE."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from facevae.nets.gaussian import DiagonalGaussian


@dataclass(frozen=True)
class PPCA:
    """z ~ N(0, I), x = mean + weights z + noise, the noise N(0, noise_variance) in every pixel; pictures x in [0, 1], flattened.

    The columns of the weights are orthogonal, so that the posterior has a diagonal covariance.
    Source: Tipping and Bishop, Probabilistic Principal Component Analysis (1999), eqs. 2 to 8.
    """

    mean: Float[Tensor, " p"]
    weights: Float[Tensor, "p d"]
    noise_variance: Float[Tensor, ""]
    shape: tuple[int, int, int]
    """Channels, height and width of the pictures."""

    @property
    def latent(self) -> int:
        """Dimensions of z."""
        return self.weights.shape[1]

    @property
    def axes(self) -> Float[Tensor, "p d"]:
        """The principal axes, as unit vectors, the widest first."""
        return self.weights / self.weights.norm(dim=0)

    @property
    def precision(self) -> Float[Tensor, " d"]:
        """The diagonal of Tipping and Bishop's matrix M, which has nothing beside it."""
        return self.weights.square().sum(dim=0) + self.noise_variance

    def encode(self, x: Float[Tensor, "b c h w"]) -> DiagonalGaussian:
        """The posterior p(z | x), exact; its `mode` is the posterior mean."""
        if tuple(x.shape[1:]) != self.shape:
            raise ValueError(f"image has shape {tuple(x.shape[1:])}, this PPCA expects {self.shape}")
        mean = (x.flatten(1) - self.mean) @ self.weights / self.precision
        return DiagonalGaussian(mean, (self.noise_variance / self.precision).log().expand_as(mean))

    def decode(self, z: Float[Tensor, "b d"]) -> Float[Tensor, "b c h w"]:
        """Mean of the pixels, as the VAE's decoder gives it; values may leave [0, 1]."""
        if z.shape[1] != self.latent:
            raise ValueError(f"latent has {z.shape[1]} values, this PPCA expects {self.latent}")
        return (z @ self.weights.T + self.mean).unflatten(1, self.shape)

    def sample(self, count: int, generator: torch.Generator) -> Float[Tensor, "n c h w"]:
        """Draws from the whole model: z, and the noise of the pixels."""
        means = self.decode(torch.randn((count, self.latent), generator=generator))
        return means + self.noise_variance.sqrt() * torch.randn(means.shape, generator=generator)

    def log_likelihood(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, " b"]:
        """log p(x) in nats per image, exact, in double precision."""
        noise = self.noise_variance.double().expand(len(self.mean))
        model = torch.distributions.LowRankMultivariateNormal(self.mean.double(), self.weights.double(), noise)
        return model.log_prob(x.flatten(1).double())
