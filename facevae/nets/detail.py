"""Detail net: sharpens what a decoder drew into a photo; a small residual U-Net."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from facevae.nets.parser import PIXEL_MEAN, PIXEL_STD

GRAIN_SEED = 0
SEEN = 6
"""Planes: picture, mask, noise, and how sharp the photo is."""
LEAST_SLOPE = 0.2  # of the rectifiers


@dataclass(frozen=True)
class DetailConfig:
    """What a `DetailNet` looks like: one level for each entry of `widths`, the first at half the picture's grid, each at half the grid of
    the one before."""

    widths: tuple[int, ...] = (32, 64, 96)
    blocks: int = 2
    """Residual blocks of the last level."""
    last: int = 16
    """Channels at the picture's own grid."""

    def __post_init__(self) -> None:
        if len(self.widths) < 1 or self.blocks < 0:
            raise ValueError("a detail net has at least one level, and no fewer than 0 blocks")


class DetailNet(nn.Module):
    """Pictures in [0, 1] and a mask of what was drawn in them -> the pictures with detail there. Where the mask is 0 nothing changes.

    The first weights add nothing. Grain comes from noise that is always the same, so that the same picture gives the same answer.
    """

    def __init__(self, config: DetailConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.widths
        self.down = nn.ModuleList([_conv(4 * SEEN, widths[0])])  # 2 × 2 pixels
        self.down.extend(_conv(before, width, stride=2) for before, width in pairwise(widths))
        self.beside = nn.ModuleList(ResidualBlock(width) for width in widths[:-1])
        self.middle = nn.Sequential(*(ResidualBlock(widths[-1]) for _ in range(config.blocks)))
        self.narrow = nn.ModuleList(nn.Conv2d(below, width, 1) for width, below in pairwise(widths))
        self.up = nn.ModuleList(ResidualBlock(width) for width in widths[:-1])
        self.fold = nn.Sequential(nn.Conv2d(widths[0], 4 * config.last, 1), nn.PixelShuffle(2))
        self.fine = nn.Sequential(_conv(config.last + SEEN, config.last), nn.LeakyReLU(LEAST_SLOPE))
        self.out = _conv(config.last, 3)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(
        self, x: Float[Tensor, "b 3 h w"], mask: Float[Tensor, "b 1 h w"], noise: Float[Tensor, "b 1 h w"], sharpness: Float[Tensor, " b"]
    ) -> Float[Tensor, "b 3 h w"]:
        """See the class; the answer may leave [0, 1] a little. `noise` is another each time in training, and `grain` afterwards.

        `sharpness` is that of the photos: what was drawn may hide all of it that a net can see nearby.
        `ValueError` for sides that cannot be halved often enough.
        """
        halvings = len(self.config.widths)
        if any(side % 2**halvings for side in x.shape[-2:]):
            raise ValueError(f"{x.shape[-1]} x {x.shape[-2]} px cannot be halved {halvings} times")
        seen = torch.cat([(x - PIXEL_MEAN) / PIXEL_STD, mask, noise, sharpness[:, None, None, None].expand_as(mask)], 1)
        h, levels = F.pixel_unshuffle(seen, 2), []
        for down, beside in zip(self.down, [*self.beside, self.middle], strict=True):
            h = beside(F.leaky_relu(down(h), LEAST_SLOPE))
            levels.append(h)
        for level, narrow, up in reversed(list(zip(levels[:-1], self.narrow, self.up, strict=True))):
            h = up(level + F.interpolate(narrow(h), scale_factor=2, mode="nearest"))
        return x + mask * PIXEL_STD * self.out(self.fine(torch.cat([self.fold(h), seen], 1))).float()


class ResidualBlock(nn.Module):
    """Two convolutions without normalisation, added to what they are given (Lim et al., EDSR, 2017)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = _conv(width, width), _conv(width, width)
        with torch.no_grad():
            self.second.weight *= 0.1

    def forward(self, h: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """The sum."""
        return h + self.second(F.leaky_relu(self.first(h), LEAST_SLOPE))


@lru_cache(maxsize=8)
def grain(side: int) -> Float[Tensor, "1 1 s s"]:
    """Noise of standard deviation 1 for crops of `side` px, always the same."""
    return torch.randn((1, 1, side, side), generator=torch.Generator().manual_seed(GRAIN_SEED))


def _conv(before: int, width: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(before, width, 3, stride, padding=1)
