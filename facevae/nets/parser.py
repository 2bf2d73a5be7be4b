"""Face parser: a crop -> which pixels are hair, skin, lips, glasses, ...; a small U-Net."""

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

PARTS = ("background", "clothes", "neck", "skin", "hair", "brows", "eyes", "glasses", "lips", "mouth", "hat", "other")
"""The classes in the order of the logits. Clothes have the necklace, skin nose, ears and earrings, mouth what is between the lips.
"other" lies over the face and is none of it: a hand, a mask, lettering, a microphone."""
# Faces cover most of [0, 1]; this brings pixels near zero mean and unit variance without a table of data set statistics.
PIXEL_MEAN, PIXEL_STD = 0.5, 0.25


@dataclass(frozen=True)
class ParserConfig:
    """What a `FaceParser` looks like: one level for each entry of `widths`, each at half the grid of the one before.

    The first has half the picture's grid already and one convolution each way where the others have two: most of the time goes there.
    """

    size: int = 192
    widths: tuple[int, ...] = (32, 48, 96, 128)

    def __post_init__(self) -> None:
        if not self.widths or self.size % 2 ** len(self.widths):
            raise ValueError(f"size {self.size} cannot be halved {len(self.widths)} times")


class FaceParser(nn.Module):
    """Crops in [0, 1] -> logits of `PARTS` for each pixel. Use it in eval mode everywhere but in training."""

    def __init__(self, config: ParserConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.widths
        self.down = nn.ModuleList([_block(3, widths[0], side=4, stride=2, count=1)])
        self.down.extend(_block(before, width, stride=2) for before, width in pairwise(widths))
        self.narrow = nn.ModuleList(nn.Conv2d(below, width, 1, bias=False) for width, below in pairwise(widths))
        self.up = nn.ModuleList(_block(2 * width, width, count=2 if level else 1) for level, width in enumerate(widths[:-1]))
        self.fold = nn.Sequential(nn.Conv2d(widths[0], 4 * len(PARTS), 1), nn.PixelShuffle(2))
        # The one step at full size: corrects the outlines by the pixels themselves.
        self.sharpen = nn.Conv2d(len(PARTS) + 3, len(PARTS), 3, padding=1)

    def forward(self, x: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b k s s"]:
        """See the class. Views of more than the crop are read, too, at the crop's scale; `ValueError` for sides that cannot be halved."""
        if any(side % 2 ** len(self.config.widths) for side in x.shape[-2:]):
            raise ValueError(f"{x.shape[-1]} x {x.shape[-2]} px cannot be halved {len(self.config.widths)} times")
        x = (x - PIXEL_MEAN) / PIXEL_STD
        h, levels = x, []
        for down in self.down:
            h = down(h)
            levels.append(h)
        for level, narrow, up in reversed(list(zip(levels[:-1], self.narrow, self.up, strict=True))):
            h = up(torch.cat([level, F.interpolate(narrow(h), scale_factor=2, mode="nearest")], 1))
        logits = self.fold(h)
        return (logits + self.sharpen(torch.cat([logits, x.to(logits.dtype)], 1))).float()


def _block(before: int, width: int, side: int = 3, stride: int = 1, count: int = 2) -> nn.Sequential:
    """`count` convolutions, the first of which may halve the grid."""
    layers: list[nn.Module] = []
    for _ in range(count):
        layers += [nn.Conv2d(before, width, side, stride, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
        before, side, stride = width, 3, 1
    return nn.Sequential(*layers)
