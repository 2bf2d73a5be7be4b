"""Gaussian likelihoods and the ELBO, in nats: sums over pixels and latents, mean over batch."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from facevae.nets.gaussian import DiagonalGaussian, Point

LOG_2PI = math.log(2 * math.pi)


@dataclass(frozen=True)
class Elbo:
    """The two halves of the bound: log p(x) >= -(distortion + rate); nats per image, shape (b,)."""

    distortion: Float[Tensor, " b"]
    rate: Float[Tensor, " b"]

    def loss(self, beta: float = 1.0, target: float | None = None) -> Float[Tensor, ""]:
        """Mean of distortion + beta · rate (Higgins et al., beta-VAE, 2017, eq. 4); the negative ELBO at beta = 1.

        With a target in nats, distortion + beta · |rate − target| (Burgess et al., 2018, eq. 8).
        """
        return self.distortion.mean() + weighted_rate(self.rate.mean(), beta, target)


def weighted_rate(rate: Float[Tensor, ""], beta: float, target: float | None) -> Float[Tensor, ""]:
    """What the rate costs: beta · rate, or, with a target in nats, beta · |rate − target|."""
    return beta * (rate if target is None else (rate - target).abs())


class GaussianLikelihood(nn.Module):
    """p(x | z) = N(mean(z), variance), one variance for each pixel position, shared by the channels.

    `update` keeps the variance at the running mean of the squared error, smoothed over a window:
    the maximum-likelihood variance (Rybkin et al., sigma-VAE, 2021, eq. 6), but a map. The
    background, which no latent can hold, costs less; the face gets the nats. `shared` keeps one
    variance for all positions, as sigma-VAE does.
    """

    def __init__(
        self,
        size: int | tuple[int, int],
        start: float = 0.05,
        rate: float = 0.01,
        window_px: int = 9,
        floor: float = 1e-4,
        shared: bool = False,
    ) -> None:
        """`size` is the side, or height and width; with rate 0 the variance stays at `start`, 0.5 being the plain sum of squared errors."""
        super().__init__()
        self.rate, self.window_px, self.floor, self.shared = rate, window_px, floor, shared
        self.register_buffer("variance", torch.full((size, size) if isinstance(size, int) else size, start))
        self.variance: Tensor

    @torch.no_grad()
    def update(
        self, x: Float[Tensor, "b c h w"], mean: Float[Tensor, "b c h w"], across: Callable[[Tensor], Tensor] = lambda value: value
    ) -> None:
        """Move the variance a step towards this batch's squared error; `across` gives the mean over all processes that share the batch.

        An error that is not finite moves nothing: the step that it belongs to is left out, and the variance would never be finite again.
        """
        if not self.rate:
            return
        error = across((x - mean).square_().mean(dim=(0, 1)))  # (h, w)
        error = torch.where(torch.isfinite(error), error, self.variance)
        if self.shared:
            self.variance.lerp_(error.mean().expand_as(error), self.rate).clamp_(min=self.floor)
            return
        pad = self.window_px // 2
        padded = F.pad(error[None, None], (pad, pad, pad, pad), mode="replicate")
        smooth = F.avg_pool2d(padded, self.window_px, stride=1)[0, 0]
        self.variance.lerp_(smooth, self.rate).clamp_(min=self.floor)

    def distortion(self, x: Float[Tensor, "b c h w"], mean: Float[Tensor, "b c h w"]) -> Float[Tensor, " b"]:
        """-log p(x | z) in nats per image, constants included."""
        log_variance = x.shape[1] * (self.variance.log() + LOG_2PI).sum()
        squares = ((x - mean).square().sum(dim=1) / self.variance).sum(dim=(1, 2))
        return 0.5 * (squares + log_variance)


def free_rate(posterior: DiagonalGaussian, free_nats: float, across: Callable[[Tensor], Tensor] = lambda value: value) -> Float[Tensor, ""]:
    """The mean rate of a batch, each latent dimension counted with at least `free_nats`: below that, using it costs nothing.

    `across` gives the mean over all processes that share the batch.

    Source: Kingma et al., Improved Variational Inference with Inverse Autoregressive Flow (2016), eq. 15, one group a dimension.
    """
    return across(posterior.kl_of_dimensions().mean(dim=0)).clamp(min=free_nats).sum()


def elbo(likelihood: GaussianLikelihood, x: Tensor, mean: Tensor, posterior: DiagonalGaussian | Point) -> Elbo:
    """Distortion and rate of a batch x (b, c, h, w) reconstructed as `mean` through `posterior`."""
    return Elbo(likelihood.distortion(x, mean), posterior.kl())


def psnr_db(x: Float[Tensor, "b c h w"], y: Float[Tensor, "b c h w"]) -> Float[Tensor, " b"]:
    """Peak signal-to-noise ratio of each image in dB, peak 1, y clamped to [0, 1]."""
    return -10 * torch.log10((x - y.clamp(0, 1)).square().mean(dim=(1, 2, 3)).clamp(min=1e-12))
