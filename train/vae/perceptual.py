"""Perceptual feature loss and focal frequency loss; gradients to the reconstruction only.

Both are losses that a Gaussian likelihood lacks: what the guide sees, and the spectrum.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class Seer(Protocol):
    """A frozen net whose features are compared: the guide, or EfficientNet-lite0."""

    feature_channels: tuple[int, ...]

    def features(self, x: Float[Tensor, "b 3 h w"], levels: int, share: float) -> list[Float[Tensor, "b c i j"]]:
        """Features at its first level and `levels` more."""

    def eval(self) -> "nn.Module":
        """Keep its statistics."""


class FeatureLoss(nn.Module):
    """Distance of two pictures in the features of a frozen net.

    At each of the stem and the first `levels` residual levels: features scaled to length 1 at each position, squared difference,
    mean over positions; then the sum over levels (Zhang et al., The Unreasonable Effectiveness of Deep Features, 2018, eq. 1, with
    all weights 1). Positions differ by at most 4, so a level gives 0 to 4.
    """

    def __init__(self, guide: Seer, levels: int = 2) -> None:
        super().__init__()
        # Not a submodule: the guide belongs to whoever made it, and its weights to no optimizer and no state.
        self._guide = (guide.eval().requires_grad_(False),)
        self.levels = levels

    def forward(self, x: Float[Tensor, "b 3 h w"], mean: Float[Tensor, "b 3 h w"], share: float = 1.0) -> Float[Tensor, " b"]:
        """Distance of each reconstruction `mean` from its photo `x`; differentiable in `mean`. `share` as in the guide's `features`."""
        guide = self._guide[0]
        with torch.no_grad():  # the photo's features are constants; those of the reconstruction are not
            wanted = guide.features(x, self.levels, share)
        seen = guide.features(mean, self.levels, share)
        return sum((unit(a) - unit(b)).square().sum(1).mean((1, 2)) for a, b in zip(wanted, seen, strict=True))


@dataclass(frozen=True)
class Window:
    """A square cut out of pictures: what the losses that look are shown of them. A quarter of a picture is a quarter of the work."""

    top: int
    left: int
    side: int

    def of(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c side side"]:
        """The square of each picture."""
        return x[..., self.top : self.top + self.side, self.left : self.left + self.side]


def random_window(shape: tuple[int, int, int], side: int, random: torch.Generator) -> Window:
    """Anywhere in pictures of this shape, each place as likely as the next."""
    top, left = (int(torch.randint(0, n - side + 1, (), generator=random)) for n in shape[1:])
    return Window(top, left, side)


def unit(features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """Features of length 1 at each position."""
    return F.normalize(features.float(), dim=1, eps=1e-6)


def focal_frequency(x: Float[Tensor, "b c h w"], mean: Float[Tensor, "b c h w"]) -> Float[Tensor, " b"]:
    """Squared error of the spectra, each frequency weighted by its own error over the picture's largest one.

    Source: Jiang et al., Focal Frequency Loss for Image Reconstruction and Synthesis (2021), eq. 6 to 8 with α = 1.
    """
    error = torch.view_as_real(torch.fft.fft2(mean.float(), norm="ortho") - torch.fft.fft2(x.float(), norm="ortho")).square().sum(-1)
    weight = error.detach().sqrt()
    weight = weight / weight.amax(dim=(2, 3), keepdim=True).clamp(min=1e-12)
    return (weight * error).mean(dim=(1, 2, 3))
