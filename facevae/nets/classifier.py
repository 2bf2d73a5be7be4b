"""Attribute classifier: a ResNet-18 with a 3×3 stem, small enough to guide on a CPU."""

from dataclasses import dataclass

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from facevae.nets.resnet import ResNet

# Faces cover most of [0, 1]; this brings pixels near zero mean and unit variance without a table of data set statistics.
PIXEL_MEAN, PIXEL_STD = 0.5, 0.25


@dataclass(frozen=True)
class ClassifierConfig:
    """What an `AttributeClassifier` looks like: the attributes it answers for, its picture size, its blocks."""

    attributes: tuple[str, ...]
    size: int = 64
    layers: tuple[int, int, int, int] = (2, 2, 2, 2)
    """Residual blocks at each level; (2, 2, 2, 2) is ResNet-18."""

    def __post_init__(self) -> None:
        if not self.attributes:
            raise ValueError("a classifier needs at least one attribute; these pictures have no labels")
        if self.size < 16:
            raise ValueError(f"size {self.size} is below 16 px, the least that a classifier of four levels can read")


class AttributeClassifier(nn.Module):
    """Pictures in [0, 1] -> one logit for each attribute; sigmoid(logit) is its probability.

    Use it in eval mode everywhere but in training: BatchNorm must not see the other pictures of a batch.
    """

    feature_channels = (64, 64, 128, 256, 512)
    """Of what `features` gives, at most."""

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__()
        self.config = config
        self.resnet = ResNet(config.layers, len(config.attributes))

    def features(self, x: Float[Tensor, "b 3 h w"], levels: int = 3, share: float = 1.0) -> list[Float[Tensor, "b c h2 w2"]]:
        """What the stem and the first `levels` (0 to 4) residual levels see in pictures of any size; differentiable.

        Where the pictures are squares cut out of larger ones, `share` is their side over the whole one's: they keep their scale.
        """
        net = self.resnet
        h = net.maxpool(net.relu(net.bn1(net.conv1((resize(x, round(share * self.config.size)) - PIXEL_MEAN) / PIXEL_STD))))
        seen = [h]
        for level in (net.layer1, net.layer2, net.layer3, net.layer4)[:levels]:
            seen.append(level(seen[-1]))
        return seen

    @property
    def head(self) -> nn.Linear:
        """The last layer: its rows are the attributes."""
        return self.resnet.fc

    def embed(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b f"]:
        """The last level, averaged over pictures of any size: 512 numbers a face."""
        return self.features(x, levels=4)[-1].mean(dim=(2, 3)).float()

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b a"]:
        """Logits of pictures of any size; differentiable in the pixels."""
        x = resize(x, self.config.size)
        return self.resnet((x - PIXEL_MEAN) / PIXEL_STD).float()


def resize(x: Float[Tensor, "b c h w"], size: int) -> Float[Tensor, "b c {size} {size}"]:
    """To a square of `size` px, antialiased and differentiable; a whole divisor is a plain mean of cells."""
    height, width = x.shape[-2:]
    if (height, width) == (size, size):
        return x
    if height == width and height % size == 0:
        return F.avg_pool2d(x, height // size)
    return F.interpolate(x, (size, size), mode="bilinear", align_corners=False, antialias=True)
