"""Residual U-Net without normalisation: what the detail net and the hair net are made of."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

GRAIN_SEED = 0
LEAST_SLOPE = 0.2  # of the rectifiers


@dataclass(frozen=True)
class ResidualUNetConfig:
    """What a `ResidualUNet` looks like: one level for each entry of `widths`, the first at half the picture's grid, each at half the grid
    of the one before."""

    widths: tuple[int, ...] = (32, 64, 96)
    blocks: int = 2
    """Residual blocks of the last level."""
    last: int = 16
    """Channels at the picture's own grid."""

    def __post_init__(self) -> None:
        if len(self.widths) < 1 or self.blocks < 0:
            raise ValueError("a U-Net has at least one level, and no fewer than 0 blocks")


class ResidualUNet(nn.Module):
    """Planes of a picture to other planes of it. The first weights answer 0 everywhere."""

    def __init__(self, config: ResidualUNetConfig, planes: int, answers: int) -> None:
        super().__init__()
        self.config = config
        widths = config.widths
        self.down = nn.ModuleList([_conv(4 * planes, widths[0])])  # 2 × 2 pixels
        self.down.extend(_conv(before, width, stride=2) for before, width in pairwise(widths))
        self.beside = nn.ModuleList(ResidualBlock(width) for width in widths[:-1])
        self.middle = nn.Sequential(*(ResidualBlock(widths[-1]) for _ in range(config.blocks)))
        self.narrow = nn.ModuleList(nn.Conv2d(below, width, 1) for width, below in pairwise(widths))
        self.up = nn.ModuleList(ResidualBlock(width) for width in widths[:-1])
        self.fold = nn.Sequential(nn.Conv2d(widths[0], 4 * config.last, 1), nn.PixelShuffle(2))
        self.fine = nn.Sequential(_conv(config.last + planes, config.last), nn.LeakyReLU(LEAST_SLOPE))
        self.out = _conv(config.last, answers)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def answer(self, seen: Float[Tensor, "b p h w"]) -> Float[Tensor, "b q h w"]:
        """See the class. `ValueError` for sides that cannot be halved often enough."""
        halvings = len(self.config.widths)
        if any(side % 2**halvings for side in seen.shape[-2:]):
            raise ValueError(f"{seen.shape[-1]} x {seen.shape[-2]} px cannot be halved {halvings} times")
        h, levels = F.pixel_unshuffle(seen, 2), []
        for down, beside in zip(self.down, [*self.beside, self.middle], strict=True):
            h = beside(F.leaky_relu(down(h), LEAST_SLOPE))
            levels.append(h)
        for level, narrow, up in reversed(list(zip(levels[:-1], self.narrow, self.up, strict=True))):
            h = up(level + F.interpolate(narrow(h), scale_factor=2, mode="nearest"))
        return self.out(self.fine(torch.cat([self.fold(h), seen], 1))).float()


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
    """Noise of standard deviation 1 for squares of `side` px, always the same, so that the same picture gives the same answer."""
    return torch.randn((1, 1, side, side), generator=torch.Generator().manual_seed(GRAIN_SEED))


def _conv(before: int, width: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(before, width, 3, stride, padding=1)
