"""Normalising flow (coupling layers) as a prior of encodings."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from facevae.latent.paths import noise_from_seed

LOG_SCALE_LIMIT = 2.0  # one layer stretches a value by e² at most, so that no seed runs away


@dataclass(frozen=True)
class FlowConfig:
    """What a `CouplingFlow` looks like."""

    latent: int = 256
    layers: int = 8
    width: int = 64
    """Hidden units of each layer's perceptron."""
    dropout: float = 0.0
    """Share of the hidden units that a training step leaves out."""

    def __post_init__(self) -> None:
        sizes = (self.latent, self.layers, self.width)
        if not all(isinstance(size, int) for size in sizes) or self.latent < 2 or min(sizes) < 1:
            raise ValueError(
                "a flow needs a whole number of 2 or more as latent, of 1 or more as layers and width, not {}, {}, {}".format(*sizes)
            )
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must lie in [0, 1), not {self.dropout}")


class Coupling(nn.Module):
    """One half stays, the other is shifted and stretched by what the first half says.

    Source: Dinh et al., Density Estimation Using Real NVP (2017), eqs. 7, 8. The last layer starts at zero: the identity.
    """

    def __init__(self, config: FlowConfig, index: int) -> None:
        super().__init__()
        # Layer 2b leads from the positions whose bit b is 0 to those where it is 1, layer 2b + 1 back, so that after
        # 2 log2 d layers every value has met every other. Known from `index` alone, the halves need no place on disk.
        bit = index // 2 % (config.latent - 1).bit_length()
        side = (torch.arange(config.latent) >> bit & 1) ^ (index & 1)
        self.register_buffer("kept", torch.nonzero(side == 0)[:, 0], persistent=False)
        self.register_buffer("moved", torch.nonzero(side == 1)[:, 0], persistent=False)
        self.hidden = nn.Linear(len(self.kept) + 1, config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.out = nn.Linear(config.width, 2 * len(self.moved))
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def _move(self, x: Tensor) -> tuple[Tensor, Tensor]:
        kept = x[:, self.kept]
        # Encodings differ most in how far from their mean they lie, a sum of squares that a narrow perceptron learns slowly.
        # The logarithm keeps far latents from growing at every layer; 4 brings it near to unit variance.
        spread = 4 * kept.square().mean(1, keepdim=True).log1p()
        hidden = nn.functional.silu(self.hidden(torch.cat([kept, spread], dim=1)))
        shift, raw = self.out(self.dropout(hidden)).chunk(2, dim=1)
        return shift, LOG_SCALE_LIMIT * torch.tanh(raw / LOG_SCALE_LIMIT)

    def forward(self, x: Float[Tensor, "b d"]) -> tuple[Float[Tensor, "b d"], Float[Tensor, " b"]]:
        """One step towards the noise, and log|det| of it."""
        shift, log_scale = self._move(x)
        return x.index_copy(1, self.moved, (x[:, self.moved] - shift) * (-log_scale).exp()), -log_scale.sum(1)

    def inverse(self, y: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        """The way back."""
        shift, log_scale = self._move(y)
        return y.index_copy(1, self.moved, y[:, self.moved] * log_scale.exp() + shift)


class CouplingFlow(nn.Module):
    """Affine coupling layers between encodings, whitened by their mean and covariance, and N(0, I) noise.

    New, it is the full-covariance Gaussian N(mean, cholesky · choleskyᵀ). `mean` (d,) and `cholesky` (d, d) are those
    of the encodings and stay as they are; training moves the layers alone.
    """

    def __init__(self, config: FlowConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.zeros(config.latent))
        self.register_buffer("cholesky", torch.eye(config.latent))
        self.layers = nn.ModuleList(Coupling(config, index) for index in range(config.layers))

    @property
    def covariance(self) -> Float[Tensor, "d d"]:
        """Covariance of the encodings that the flow was fitted to."""
        return self.cholesky @ self.cholesky.T

    def forward(self, z: Float[Tensor, "b d"]) -> tuple[Float[Tensor, "b d"], Float[Tensor, " b"]]:
        """The noise of these latents, and log|det d noise / d z|."""
        x = torch.linalg.solve_triangular(self.cholesky, (z - self.mean).T, upper=False).T  # (b, d)
        log_det = -self.cholesky.diagonal().log().sum().expand(len(z))
        for layer in self.layers:
            x, change = layer(x)
            log_det = log_det + change
        return x, log_det

    def sample(self, noise: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        """The latents of this noise: the inverse of `forward`."""
        x = noise
        for layer in reversed(self.layers):
            x = layer.inverse(x)
        return self.mean + x @ self.cholesky.T

    def log_prob(self, z: Float[Tensor, "b d"]) -> Float[Tensor, " b"]:
        """log p(z) in nats: that of the noise plus log|det| (eq. 2)."""
        noise, log_det = self(z)
        return log_det - 0.5 * noise.square().sum(1) - 0.5 * self.config.latent * math.log(2 * math.pi)

    @torch.no_grad()
    def from_seed(self, seed: int, temperature: float = 1.0) -> Float[Tensor, " d"]:
        """The latent of this seed. Temperature scales the noise; at 0 every seed is the one latent of no noise."""
        return self.sample(temperature * noise_from_seed(seed, self.config.latent)[None])[0]
