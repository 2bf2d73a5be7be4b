"""Priors of latents: N(0, I), or a Gaussian mixture fitted to encodings."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from facevae.latent.paths import noise_from_seed


@dataclass(frozen=True)
class GaussianMixture:
    """Weights (k,), means (k, d) and lower Cholesky factors (k, d, d) of the covariances.

    An encoder with a high rate leaves holes in N(0, I); the mixture follows the encodings
    themselves (Ghosh et al., From Variational to Deterministic Autoencoders, 2020, section 4).
    """

    weights: Float[Tensor, " k"]
    means: Float[Tensor, "k d"]
    cholesky: Float[Tensor, "k d d"]

    @property
    def mean(self) -> Float[Tensor, " d"]:
        """Mean of the whole mixture."""
        return self.weights @ self.means

    @property
    def covariance(self) -> Float[Tensor, "d d"]:
        """Covariance of the whole mixture: within the components plus between them."""
        within = torch.einsum("k,kij,klj->il", self.weights, self.cholesky, self.cholesky)
        away = self.means - self.mean
        return within + torch.einsum("k,ki,kj->ij", self.weights, away, away)

    def log_prob(self, z: Float[Tensor, "b d"]) -> Float[Tensor, " b"]:
        """log p(z) in nats."""
        away = (z - self.means[:, None]).mT  # (k, d, b)
        noise = torch.linalg.solve_triangular(self.cholesky, away, upper=False)
        log_det = self.cholesky.diagonal(dim1=1, dim2=2).log().sum(1, keepdim=True)  # (k, 1)
        inside = -0.5 * noise.square().sum(1) - log_det - 0.5 * z.shape[1] * math.log(2 * math.pi)  # (k, b)
        return torch.logsumexp(self.weights.log()[:, None] + inside, dim=0)

    def from_seed(self, seed: int, temperature: float = 1.0) -> Float[Tensor, " d"]:
        """The latent of this seed. Temperature scales the spread inside a component, not its mean."""
        return self.point(noise_from_seed(seed, self.means.shape[1] + 1), temperature)

    def from_seeds(self, seeds: Sequence[int], temperature: float = 1.0) -> Float[Tensor, "b d"]:
        """The latents of these seeds, each as `from_seed` gives it."""
        return torch.stack([self.from_seed(seed, temperature) for seed in seeds])

    def point(self, noise: Float[Tensor, " n"], temperature: float) -> Float[Tensor, " d"]:
        """The point of this standard normal noise, d + 1 values."""
        # The last value, turned into a uniform one, picks the component.
        share = 0.5 * (1 + torch.erf(noise[-1] / 2**0.5))
        k = int(torch.searchsorted(self.weights.cumsum(0), share).clamp(max=len(self.weights) - 1))
        return self.means[k] + temperature * self.cholesky[k] @ noise[:-1]


def standard_normal(seed: int, dimensions: int, temperature: float = 1.0) -> Float[Tensor, " d"]:
    """The latent of this seed under N(0, temperature² I)."""
    return temperature * noise_from_seed(seed, dimensions)
