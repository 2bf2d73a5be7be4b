"""Hair net: how much hair is in each pixel, and what light hair there would look like."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from facevae.nets.parser import PIXEL_MEAN, PIXEL_STD
from facevae.nets.residual_unet import ResidualUNet, ResidualUNetConfig

SEEN = 7
"""Planes: picture, the parser's shares of hair and of the face, noise, and how much lighter a pixel is than the median of the hair."""
LIGHT = 60.0
"""The median L* of light hair."""
REACH = 13
"""Side of the squares around what the parser takes for hair where there may be some, in pixels."""
LEAST_SHARE = 0.05
PER_ANSWER = 25.0  # L* that the net's 1 stands for
SURENESS = 6.0


class HairNet(ResidualUNet):
    """Pictures in [0, 1] -> their matte of hair, and the L* that its hair would gain if its median were `LIGHT`.

    Both come with strands: light hair shows many that dark hair hides. The first weights give the
    parser's hair, and the same light to all of it.
    """

    def __init__(self, config: ResidualUNetConfig) -> None:
        super().__init__(config, SEEN, 2)

    def forward(
        self, x: Float[Tensor, "b 3 h w"], shares: Float[Tensor, "b 2 h w"], noise: Float[Tensor, "b 1 h w"], median: Float[Tensor, " b"]
    ) -> tuple[Float[Tensor, "b 1 h w"], Float[Tensor, "b 1 h w"]]:
        """See the class. `shares` are the parser's of hair and of the face, `noise` as for the detail net, `median` the L* of the hair.

        `ValueError` for sides that cannot be halved often enough.
        """
        median = median[:, None, None, None]
        lighter = (100 * lightness(x) - median) / PER_ANSWER
        answer = self.answer(torch.cat([(x - PIXEL_MEAN) / PIXEL_STD, shares, noise, lighter], 1))
        hair = shares[:, :1]
        near = F.max_pool2d((hair > LEAST_SHARE).float(), REACH, 1, REACH // 2)
        near = F.avg_pool2d(near, REACH, 1, REACH // 2, count_include_pad=False)
        matte = torch.sigmoid(SURENESS * (hair - 0.5) + 4 * answer[:, :1]) * near
        return matte, LIGHT - median + PER_ANSWER * answer[:, 1:]


def lightness(x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1 h w"]:
    """L* over 100 of sRGB pictures in [0, 1]."""
    linear = torch.where(x > 0.04045, ((x.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4, x / 12.92)
    y = (linear * x.new_tensor([0.2126, 0.7152, 0.0722])[:, None, None]).sum(1, keepdim=True)
    return torch.where(y > 216 / 24389, 1.16 * y.clamp(min=216 / 24389) ** (1 / 3) - 0.16, y * 24389 / 2700)
