"""Judge: a VGG-like classifier that only evaluates edits; nothing is trained by it."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from facevae.nets.classifier import PIXEL_MEAN, PIXEL_STD, resize


def vgg_levels(widths: tuple[int, ...]) -> nn.Sequential:
    """Plain convolutions of 3×3 without shortcuts: (b, 3, h, w) -> (b, c, h / 2^k, w / 2^k), for k + 1 widths of which c is the last.

    VGG's layers with BatchNorm (Simonyan and Zisserman, 2015), in the order that torchvision has them: one convolution at the first
    and the last level, two at each between, max-pooling after all but the last.
    """
    layers: list[nn.Module] = []
    before, last = 3, len(widths) - 1
    for level, width in enumerate(widths):
        for _ in range(2 if 0 < level < last else 1):
            conv = nn.Conv2d(before, width, 3, padding=1)
            if not conv.weight.is_meta:  # there PyTorch would import a compiler to draw nothing
                nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
            layers += [conv, nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
            before = width
        if level < last:
            layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


@dataclass(frozen=True)
class JudgeConfig:
    """What a `Judge` looks like: the attributes it answers for, its picture size, the channels of its levels."""

    attributes: tuple[str, ...]
    size: int = 96
    widths: tuple[int, ...] = (32, 64, 128, 256, 256)

    def __post_init__(self) -> None:
        if not self.attributes:
            raise ValueError("a judge needs at least one attribute; these pictures have no labels")


class Judge(nn.Module):
    """Pictures in [0, 1] -> one logit for each attribute, by plain convolutions without shortcuts.

    VGG's levels (see `vgg_levels`), then the mean over the picture. The guide is a ResNet of another input size, trained with
    another seed and other augmentations, so that the two share as few blind spots as may be.
    """

    def __init__(self, config: JudgeConfig) -> None:
        super().__init__()
        self.config = config
        self.levels = vgg_levels(config.widths)
        self.head = nn.Linear(config.widths[-1], len(config.attributes))

    def embed(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b f"]:
        """The features of pictures of any size that distances are measured in."""
        return self.levels((resize(x, self.config.size) - PIXEL_MEAN) / PIXEL_STD).mean(dim=(2, 3)).float()

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b a"]:
        """Logits of pictures of any size."""
        return self.head(self.embed(x)).float()
