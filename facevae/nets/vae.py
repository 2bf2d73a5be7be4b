"""Base class of all VAEs: encode, decode, reconstruct."""

from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor, nn

from facevae.nets.gaussian import DiagonalGaussian, Point

# exp(logvar / 2) between 0.0025 and 20: wide enough for every posterior, narrow enough for exp in bf16.
LOGVAR_RANGE = (-12.0, 6.0)


class NetConfig(Protocol):
    """What a config tells of its net, beside its layers."""

    @property
    def latent(self) -> int:
        """Dimensions of z."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of its pictures."""


class VAE(nn.Module):
    """Encoder and decoder; it computes and judges nothing (the losses live in `train.vae.losses`).

    A subclass gives `encoder`, x (b, c, h, w) in [0, 1] -> (b, 2 · latent), the mean and the log variance
    of the posterior, and `decoder`, z (b, latent) -> x. With `variational` False it is an autoencoder:
    its encoder gives (b, latent), the code itself.
    """

    config: NetConfig
    encoder: nn.Module
    decoder: nn.Module
    variational: bool = True

    def encode(self, x: Float[Tensor, "b c h w"]) -> DiagonalGaussian | Point:
        """Posterior of images in [0, 1]; `ValueError` where their shape is not the net's."""
        if tuple(x.shape[1:]) != self.config.shape:
            raise ValueError(f"image has shape {tuple(x.shape[1:])}, the net expects {self.config.shape}")
        out = self.encoder(x).float()
        if not self.variational:
            return Point(out)
        mean, logvar = out.chunk(2, dim=1)
        return DiagonalGaussian(mean, logvar.clamp(*LOGVAR_RANGE))

    def decode(self, z: Float[Tensor, "b d"]) -> Float[Tensor, "b c h w"]:
        """Mean of the pixels; values may leave [0, 1] by a little, `images.to_uint8` clamps them."""
        if z.shape[1] != self.config.latent:
            raise ValueError(f"latent has {z.shape[1]} values, the net expects {self.config.latent}")
        return self.decoder(z).float()

    def forward(
        self, x: Float[Tensor, "b c h w"], generator: torch.Generator | None = None, noise: Float[Tensor, "b d"] | None = None
    ) -> tuple[Float[Tensor, "b c h w"], DiagonalGaussian | Point]:
        """Reconstruct through one posterior draw, by a generator or with given noise; gives the picture and the posterior."""
        posterior = self.encode(x)
        return self.decode(posterior.sample(generator, noise)), posterior
