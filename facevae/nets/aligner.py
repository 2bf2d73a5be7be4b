"""Alignment net: a rough window on a face -> the transform that aligns it."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

# Faces cover most of [0, 1]; this brings pixels near zero mean and unit variance without a table of data set statistics.
PIXEL_MEAN, PIXEL_STD = 0.5, 0.25
OUTPUTS = 6


@dataclass(frozen=True)
class AlignerConfig:
    """What an `AlignmentNet` looks like: two convolutions for each entry of `widths`, each entry at half the grid of the one before.

    The first grid is half the picture's already: its pixels are folded into channels, because convolutions at full size
    would take most of the time.
    """

    size: int = 64
    widths: tuple[int, ...] = (48, 96, 128)
    hidden: int = 64

    def __post_init__(self) -> None:
        if not self.widths or self.size % 2 ** len(self.widths) or self.size < 2 ** (len(self.widths) + 1):
            raise ValueError(f"size {self.size} cannot be halved {len(self.widths)} times")


class AlignmentNet(nn.Module):
    """Windows in [0, 1] -> where the right window lies, and how sure the net is.

    Columns of the output: the right window's centre minus this one's, x and y, in sides of this window; the
    logarithm of its side over this one's; its clockwise turn in radians; the logit of "there is a face"; and the
    logarithm of the error to expect, in eye distances. Use it in eval mode everywhere but in training.
    """

    def __init__(self, config: AlignerConfig) -> None:
        super().__init__()
        self.config = config
        layers: list[nn.Module] = [nn.PixelUnshuffle(2)]
        channels = 12
        for level, width in enumerate(config.widths):
            for stride in (1 if level == 0 else 2, 1):
                layers += [nn.Conv2d(channels, width, 3, stride, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
                channels = width
        grid = config.size // 2 ** len(config.widths)
        self.trunk = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(channels * grid**2, config.hidden), nn.ReLU(), nn.Linear(config.hidden, OUTPUTS))
        nn.init.zeros_(self.head[-1].weight)  # the first answer is "the window is right", with an error of one eye distance
        nn.init.zeros_(self.head[-1].bias)

    def forward(self, x: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b 6"]:
        """See the class; `ValueError` for windows of another size."""
        if x.shape[-1] != self.config.size:
            raise ValueError(f"the window has {x.shape[-1]} px, the alignment net expects {self.config.size}")
        return self.head(self.trunk((x - PIXEL_MEAN) / PIXEL_STD).contiguous()).float()
