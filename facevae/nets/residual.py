"""Residual VAE: pre-activation blocks between a patch stem and a patch head."""

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facevae.nets.vae import VAE


@dataclass(frozen=True)
class ResidualConfig:
    """What a `ResidualVAE` looks like.

    `widths` are the channels of each level, from the size / patch grid downwards; every level
    but the first halves the grid.
    """

    size: int = 128
    channels: int = 3
    patch: int = 4
    widths: tuple[int, ...] = (48, 96, 192, 256)
    encoder_blocks: tuple[int, ...] = (0, 1, 1, 1)
    decoder_blocks: tuple[int, ...] = (1, 1, 1, 1)
    groups: int = 8
    latent: int = 256
    head_channels: int = 4
    pixel_blocks: int = 0
    """Small residual convolutions of the decoder at full resolution, which see across the borders of patches."""
    detail_widths: tuple[int, ...] = ()
    """Widths of finer levels, from twice the patch grid to full resolution, whose picture is added to the head's: they can place an
    edge where it belongs, which patches cannot. Empty: none."""

    def __post_init__(self) -> None:
        if self.detail_widths and 2 ** len(self.detail_widths) != self.patch:
            raise ValueError(
                f"detail_widths {self.detail_widths} must lead from patches of {self.patch} px to single ones, a half at a time"
            )
        step = self.patch * 2 ** (len(self.widths) - 1)
        if self.size % step:
            raise ValueError(f"size {self.size} must be a multiple of patch · 2^(levels - 1) = {step}")
        odd = [w for w in self.widths if w % self.groups]
        if odd:
            raise ValueError(f"widths {odd} are not multiples of groups = {self.groups}")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of its pictures."""
        return (self.channels, self.size, self.size)

    @property
    def grid(self) -> int:
        """Side of the smallest feature map, in cells."""
        return self.size // (self.patch * 2 ** (len(self.widths) - 1))


class ResidualBlock(nn.Module):
    """x + conv(act(norm(conv(act(norm(x)))))), the last convolution starting at zero.

    Source: He et al., Identity Mappings in Deep Residual Networks (2016), fig. 4e.
    """

    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, width)
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.norm2 = nn.GroupNorm(groups, width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        # A block that starts as the identity lets the whole net learn from the first step.
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        return x + self.conv2(F.silu(self.norm2(h)))


class PixelBlock(nn.Module):
    """x + conv(act(conv(x))), the last convolution starting at zero; no norm, which would cost more than the convolutions."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, hidden, 3, padding=1)
        self.conv2 = nn.Conv2d(hidden, width, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.silu(self.conv1(x)))


class Detail(nn.Module):
    """Features of the patch grid (b, w, g, g) -> what is added to the picture (b, c, s, s); nothing at first."""

    def __init__(self, config: ResidualConfig) -> None:
        super().__init__()
        widths = (config.widths[0], *config.detail_widths)
        layers: list[nn.Module] = []
        for before, width in pairwise(widths):
            layers += [
                nn.Conv2d(before, width, 3, padding=1),
                nn.SiLU(),
                nn.Upsample(scale_factor=2, mode="bilinear"),  # of doubled pixels an adversary makes a weave with the patch's period
                PixelBlock(width, width),
            ]
        self.layers = nn.Sequential(*layers, nn.SiLU())
        self.out = nn.Conv2d(widths[-1], config.channels, 3, padding=1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, h: Tensor) -> Tensor:
        return self.out(self.layers(h))


class Encoder(nn.Module):
    """x (b, c, s, s) -> parameters of the posterior (b, 2 · latent)."""

    def __init__(self, config: ResidualConfig) -> None:
        super().__init__()
        widths, patch = config.widths, config.patch
        self.side = config.size // patch  # of the grid after the stem
        self.stem = nn.Sequential(nn.PixelUnshuffle(patch), nn.Conv2d(config.channels * patch**2, widths[0], 3, padding=1))
        levels: list[nn.Module] = []
        for i, width in enumerate(widths):
            if i > 0:
                levels.append(nn.Conv2d(widths[i - 1], width, 4, stride=2, padding=1))
            levels += [ResidualBlock(width, config.groups) for _ in range(config.encoder_blocks[i])]
        self.levels = nn.Sequential(*levels)
        self.norm = nn.GroupNorm(config.groups, widths[-1])
        self.out = nn.Linear(widths[-1] * config.grid**2, 2 * config.latent)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.features(x))

    def features(self, x: Tensor) -> Tensor:
        """What the parameters are a linear function of (b, w · grid²)."""
        h = self.levels(self.stem(2 * x - 1))  # (b, w, grid, grid)
        return F.silu(self.norm(h)).flatten(1)


class Decoder(nn.Module):
    """z (b, latent) -> mean of the pixels (b, c, s, s), around [0, 1] but not clamped to it."""

    def __init__(self, config: ResidualConfig) -> None:
        super().__init__()
        widths, patch = config.widths, config.patch
        self.grid = config.grid
        self.stem = nn.Linear(config.latent, widths[-1] * config.grid**2)
        levels: list[nn.Module] = []
        for i in reversed(range(len(widths))):
            levels += [ResidualBlock(widths[i], config.groups) for _ in range(config.decoder_blocks[i])]
            if i > 0:
                # Channels shrink before the grid grows: a quarter of the work of the other order, and the
                # residual block that follows smooths the doubled pixels just as well.
                levels += [nn.Conv2d(widths[i], widths[i - 1], 3, padding=1), nn.Upsample(scale_factor=2, mode="nearest")]
        self.levels = nn.Sequential(*levels)
        self.norm = nn.GroupNorm(config.groups, widths[0])
        self.to_pixels = nn.Conv2d(widths[0], config.head_channels * patch**2, 3, padding=1)
        self.shuffle = nn.PixelShuffle(patch)
        # PixelShuffle alone leaves a faint grid with the period of the patch; one small convolution at
        # full resolution sees across patch borders and takes it away.
        self.pixels = nn.Sequential(*[PixelBlock(config.head_channels, 2 * config.head_channels) for _ in range(config.pixel_blocks)])
        self.smooth = nn.Conv2d(config.head_channels, config.channels, 3, padding=1)
        self.detail = Detail(config) if config.detail_widths else None
        init_icnr(self.to_pixels, patch)

    def forward(self, z: Tensor) -> Tensor:
        h = self.stem(z).unflatten(1, (-1, self.grid, self.grid)).contiguous(memory_format=torch.channels_last)
        h = F.silu(self.norm(self.levels(h)))
        picture = self.smooth(self.pixels(self.shuffle(self.to_pixels(h))))
        return 0.5 + 0.5 * (picture if self.detail is None else picture + self.detail(h))


def init_icnr(conv: nn.Conv2d, patch: int) -> None:
    """Give all sub-pixels of a patch the same weights, so that the first pictures have no grid.

    Source: Aitken et al., Checkerboard artifact free sub-pixel convolution (2017), section 2.3.
    """
    with torch.no_grad():
        first = conv.weight[:: patch**2]
        conv.weight.copy_(first.repeat_interleave(patch**2, dim=0))
        conv.bias.zero_()


class ResidualVAE(VAE):
    """The VAE of the editor."""

    def __init__(self, config: ResidualConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
