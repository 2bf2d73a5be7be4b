"""Face finder: a picture -> a map of where faces lie, how large and turned how; any angle."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

# Brings pixels near zero mean and unit variance without a table of data set statistics.
PIXEL_MEAN, PIXEL_STD = 0.5, 0.25
CELL_PX = 8
FACE_PX = 24
"""The side of the alignment net's window (`facevae.photo.alignment.WINDOW`) that the net is made for; up to a factor of √2 off is."""
OUTPUTS = 6


@dataclass(frozen=True)
class FinderConfig:
    """What a `FaceFinder` looks like: channels at a half, a quarter, a quarter, and three times an eighth of the picture's side."""

    widths: tuple[int, ...] = (24, 32, 48, 64, 64, 64)

    def __post_init__(self) -> None:
        if len(self.widths) != 6:
            raise ValueError(f"a face finder has 6 widths, not {len(self.widths)}")


class FaceFinder(nn.Module):
    """Pictures in [0, 1], of any size that cells of 8 px fill -> six numbers for each cell.

    The logit of "a face of about 24 px lies here"; from the middle of the cell to the middle of the face, x and y, in 24 px;
    the logarithm of the side of its window over 24 px; cosine and sine of its clockwise turn. Faces of other sizes are found in other
    sizes of the picture. Use it in eval mode everywhere but in training.
    """

    def __init__(self, config: FinderConfig) -> None:
        super().__init__()
        self.config = config
        layers: list[nn.Module] = [nn.PixelUnshuffle(2)]
        before = 12
        for width, stride in zip(config.widths, (1, 2, 1, 2, 1, 1), strict=True):
            layers += [nn.Conv2d(before, width, 3, stride, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
            before = width
        self.trunk = nn.Sequential(*layers)
        self.head = nn.Conv2d(before, OUTPUTS, 1)
        if not self.head.weight.is_meta:
            nn.init.zeros_(self.head.weight)
            nn.init.constant_(self.head.bias, 0.0)

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 6 h8 w8"]:
        """See the class; `ValueError` for sides that are no multiple of 8."""
        if x.shape[-1] % CELL_PX or x.shape[-2] % CELL_PX:
            raise ValueError(f"the picture has {x.shape[-1]} × {x.shape[-2]} px, the face finder wants multiples of {CELL_PX}")
        return self.head(self.trunk((x - PIXEL_MEAN) / PIXEL_STD)).float()
