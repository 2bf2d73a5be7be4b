"""Detail net: sharpens what a decoder drew into a photo; a small residual U-Net."""

import torch
from jaxtyping import Float
from torch import Tensor

from facevae.nets.parser import PIXEL_MEAN, PIXEL_STD
from facevae.nets.residual_unet import ResidualUNet, ResidualUNetConfig

SEEN = 6
"""Planes: picture, mask, noise, and how sharp the photo is."""


class DetailNet(ResidualUNet):
    """Pictures in [0, 1] and a mask of what was drawn in them -> the pictures with detail there. Where the mask is 0 nothing changes.

    The first weights add nothing.
    """

    def __init__(self, config: ResidualUNetConfig) -> None:
        super().__init__(config, SEEN, 3)

    def forward(
        self, x: Float[Tensor, "b 3 h w"], mask: Float[Tensor, "b 1 h w"], noise: Float[Tensor, "b 1 h w"], sharpness: Float[Tensor, " b"]
    ) -> Float[Tensor, "b 3 h w"]:
        """See the class; the answer may leave [0, 1] a little. `noise` is another each time in training, and `grain` afterwards.

        `sharpness` is that of the photos: what was drawn may hide all of it that a net can see nearby.
        `ValueError` for sides that cannot be halved often enough.
        """
        seen = torch.cat([(x - PIXEL_MEAN) / PIXEL_STD, mask, noise, sharpness[:, None, None, None].expand_as(mask)], 1)
        return x + mask * PIXEL_STD * self.answer(seen)
