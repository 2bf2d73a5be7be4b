"""Residual VAE of the first report: ConvNormAct blocks at full resolution."""

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

from facevae.nets.vae import VAE


@dataclass(frozen=True)
class PostActivationConfig:
    """What a `PostActivationVAE` looks like: `width` channels at full size, doubled at each of `levels` halvings."""

    size: int = 64
    channels: int = 3
    width: int = 64
    levels: int = 3
    groups: int = 8
    latent: int = 256

    def __post_init__(self) -> None:
        if self.size % 2**self.levels:
            raise ValueError(f"size {self.size} cannot be halved {self.levels} times")
        if self.width % self.groups:
            raise ValueError(f"width {self.width} is not a multiple of groups = {self.groups}")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of its pictures."""
        return (self.channels, self.size, self.size)

    @property
    def grid(self) -> tuple[int, int, int]:
        """Channels, height and width of the smallest feature map."""
        side = self.size // 2**self.levels
        return (self.width * 2**self.levels, side, side)


class ConvNormAct(nn.Sequential):
    """Convolution, GroupNorm, SiLU."""

    def __init__(self, before: int, width: int, groups: int, stride: int = 1) -> None:
        super().__init__(nn.Conv2d(before, width, 3, stride, padding=1), nn.GroupNorm(groups, width), nn.SiLU())


class PostActivationBlock(nn.Module):
    """x + three ConvNormAct of x: the activation comes last, so a block can only add."""

    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*(ConvNormAct(width, width, groups) for _ in range(3)))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class PostActivationVAE(VAE):
    """Encoder: ConvNormAct, then at each level a residual block and a strided convolution; the decoder mirrors it, bilinear upsampling."""

    def __init__(self, config: PostActivationConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.width * 2**i for i in range(config.levels + 1)]
        encoder: list[nn.Module] = [ConvNormAct(config.channels, widths[0], config.groups)]
        for before, width in pairwise(widths):
            encoder += [PostActivationBlock(before, config.groups), nn.Conv2d(before, width, 3, stride=2, padding=1)]
        flat = config.grid[0] * config.grid[1] * config.grid[2]
        # One matrix for the two linear layers, mean and logvar: the same map, computed at once.
        self.encoder = nn.Sequential(*encoder, nn.Flatten(), nn.Linear(flat, 2 * config.latent))
        decoder: list[nn.Module] = [nn.Linear(config.latent, flat), nn.Unflatten(1, config.grid)]
        for before, width in pairwise(widths[::-1]):
            decoder += [
                # The report lists "upsample, residual block, fewer channels". Channels shrink first here: the other order
                # costs twice as much in training and lies further from the report's figure (see training_gflop).
                nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False),
                ConvNormAct(before, width, config.groups),
                PostActivationBlock(width, config.groups),
            ]
        self.decoder = nn.Sequential(*decoder, nn.Conv2d(widths[0], config.channels, 3, padding=1), nn.Sigmoid())
