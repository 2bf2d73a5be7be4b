"""Residual VAE for inference on a CPU: same weights and function, faster, no gradients."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facevae.nets.mkldnn import Packed, PackedTransposed, packable
from facevae.nets.residual import Decoder, Detail, Encoder, PixelBlock, ResidualBlock, ResidualVAE
from facevae.nets.vae import VAE

MERGED_FROM_PX = 16  # on smaller grids the larger kernels of an upsampling convolution take more time to read than they save
PARTS = 8
STRIP_PX = 4  # so many pixels of a row make twelve channels, where three would leave the processor's registers empty


def fast_copy(net: ResidualVAE) -> VAE:
    """What encodes and decodes as `net` does but for the last bits; `net` itself where it is not `packable`.

    Packed weights are copies: later changes of the net's do not reach them.
    """
    if not packable(net):
        return net
    with torch.inference_mode(False), torch.no_grad():
        return FastVAE(net)


class FastVAE(VAE):
    """See `fast_copy`."""

    def __init__(self, net: ResidualVAE) -> None:
        super().__init__()
        self.config, self.variational = net.config, net.variational
        self.encoder, self.decoder = FastEncoder(net.encoder), FastDecoder(net.decoder)


class FastEncoder(nn.Module):
    """x (b, c, s, s) -> parameters of the posterior (b, 2 · latent)."""

    def __init__(self, net: Encoder) -> None:
        super().__init__()
        self.norm, self.unshuffle = net.norm, net.stem[0]
        self.out = SplitLinear(net.out.weight, net.out.bias, turned=False)
        side = net.side
        self.layers = [pack(net.stem[1], side)]
        for module in net.levels:
            self.layers.append(pack(module, side))
            side = side // 2 if isinstance(module, nn.Conv2d) else side

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        h = self.unshuffle(2 * x - 1)
        for layer in self.layers:
            h = layer(h)
        return self.out(activated(h, self.norm).flatten(1))


class FastDecoder(nn.Module):
    """z (b, latent) -> mean of the pixels (b, c, s, s)."""

    def __init__(self, net: Decoder) -> None:
        super().__init__()
        self.grid, self.norm, self.shuffle = net.grid, net.norm, net.shuffle
        # Rows in the order of channels last: nothing has to move afterwards.
        rows = (t.unflatten(0, (-1, self.grid, self.grid)).movedim(0, 2).flatten(0, 2) for t in (net.stem.weight, net.stem.bias))
        self.stem = SplitLinear(*rows, turned=True)
        side, self.levels, doubled = self.grid, [], False
        for module, after in zip(net.levels, [*net.levels[1:], None], strict=True):
            if isinstance(module, nn.Upsample):
                side *= 2
                doubled = isinstance(after, ResidualBlock) and side >= MERGED_FROM_PX
                self.levels += [] if doubled else [module]
            else:
                self.levels.append(DoublingBlock(module, side) if doubled else pack(module, side))
                doubled = False
        self.to_pixels, full = pack(net.to_pixels, side), side * net.shuffle.upscale_factor
        self.pixels = [FastPixelBlock(block, full) for block in net.pixels]
        # The picture is 0.5 + 0.5 · (smooth + detail): both factors and the first summand are part of the weights here.
        self.smooth = Strips(net.smooth, full, 0.5, 0.5)
        self.detail = None if net.detail is None else FastDetail(net.detail, side)

    @torch.no_grad()
    def forward(self, z: Tensor) -> Tensor:
        h = self.stem(z).unflatten(1, (self.grid, self.grid, -1)).permute(0, 3, 1, 2)
        for layer in self.levels:
            h = layer(h)
        h = activated(h, self.norm)
        pixels = self.shuffle(self.to_pixels(h))
        for block in self.pixels:
            pixels = block(pixels)
        return unrolled(self.smooth(pixels) if self.detail is None else self.smooth.add_to(self.detail(h), pixels))


class SplitLinear:
    """A linear layer, (b, i) -> (b, o), as a few products side by side: for a single row torch gives one product to one core.

    `turned` weights are a copy whose columns lie in one piece, which reads faster where outputs are many; others are shared.
    """

    def __init__(self, weight: Tensor, bias: Tensor, turned: bool) -> None:
        parts = math.gcd(PARTS, len(weight))
        self.weight = weight.detach().unflatten(0, (parts, -1)).transpose(1, 2)  # (p, i, o / p)
        self.weight = self.weight.contiguous() if turned else self.weight
        self.bias = bias.detach().view(parts, 1, -1)

    def __call__(self, x: Tensor) -> Tensor:
        found = torch.baddbmm(self.bias, x.expand(len(self.weight), -1, -1), self.weight)  # (p, b, o / p)
        return found.transpose(0, 1).flatten(1)


class FastDetail:
    """Features of the patch grid (b, w, g, g) -> half of what is added to the picture, as strips."""

    def __init__(self, net: Detail, side: int) -> None:
        self.layers = []
        for module in net.layers:
            if isinstance(module, nn.Upsample):
                side *= 2
            self.layers.append(nn.SiLU(inplace=True) if isinstance(module, nn.SiLU) else pack(module, side))
        self.out = Strips(net.out, side, 0.5, 0.0)

    def __call__(self, h: Tensor) -> Tensor:
        for layer in self.layers:
            h = layer(h)
        return self.out(h)


class FastBlock:
    """A `ResidualBlock` on a grid of `side`; x is overwritten."""

    def __init__(self, block: ResidualBlock, side: int) -> None:
        self.norm1, self.norm2 = block.norm1, block.norm2
        self.conv1, self.conv2 = (pack(conv, side) for conv in (block.conv1, block.conv2))

    def __call__(self, x: Tensor) -> Tensor:
        h = self.conv1(activated(x, self.norm1))
        return self.conv2.add_to(x, activated(h, self.norm2))


class DoublingBlock:
    """Pixels doubled to a grid of `side`, and a `ResidualBlock` on them, norm and first convolution on the small grid.

    Doubled pixels have the norms of single ones, and three taps on them are two on single ones: less than half the arithmetic.
    """

    def __init__(self, block: ResidualBlock, side: int) -> None:
        self.norm1, self.norm2 = block.norm1, block.norm2
        weight = block.conv1.weight  # (o, i, 3, 3)
        doubled = weight.new_zeros(*weight.shape[:2], 4, 4)
        for down in (0, 1):
            for right in (0, 1):
                doubled[:, :, down : down + 3, right : right + 3] += weight.flip(2, 3)
        shape = (1, weight.shape[1], side // 2, side // 2)
        self.conv1 = PackedTransposed(doubled.transpose(0, 1).contiguous(), block.conv1.bias, shape, (2, 2), (1, 1))
        self.conv2 = pack(block.conv2, side)

    def __call__(self, x: Tensor) -> Tensor:
        h = self.conv1(activated(x, self.norm1))
        return self.conv2.add_to(F.interpolate(x, scale_factor=2, mode="nearest"), activated(h, self.norm2))


class FastPixelBlock:
    """A `PixelBlock` on a grid of `side`; x is overwritten."""

    def __init__(self, block: PixelBlock, side: int) -> None:
        self.conv1, self.conv2 = (pack(conv, side) for conv in (block.conv1, block.conv2))

    def __call__(self, x: Tensor) -> Tensor:
        return self.conv2.add_to(x, F.silu(self.conv1(x), inplace=True))


class Strips(Packed):
    """`factor` · a 3×3 convolution + `offset`, (b, i, s, s) -> (b, p · o, s, s / p): strips of p pixels, see `unrolled`.

    A processor computes sixteen channels in the time of three, so the pixels of a strip are channels, and the kernel is as much wider.
    """

    def __init__(self, conv: nn.Conv2d, side: int, factor: float, offset: float) -> None:
        pixels = STRIP_PX if side % STRIP_PX == 0 else 1
        weight = conv.weight.new_zeros(pixels, *conv.weight.shape[:3], 2 + pixels)
        for k in range(pixels):
            weight[k, ..., k : k + 3] = factor * conv.weight
        bias = (factor * conv.bias + offset).repeat(pixels)
        super().__init__(weight.flatten(0, 1), bias, (1, conv.in_channels, side, side), (1, pixels), (1, 1))


def unrolled(strips: Tensor) -> Tensor:
    """(b, p · o, s, s / p) -> (b, o, s, s); in channels last nothing has to move."""
    b, _, side, _ = strips.shape
    return strips.permute(0, 2, 3, 1).reshape(b, side, side, -1).permute(0, 3, 1, 2)


def pack(module: nn.Module, side: int) -> Packed | FastBlock | FastPixelBlock | nn.Module:
    """The quick form of a layer on a grid of `side`; what has none, as it is."""
    if isinstance(module, nn.Conv2d):
        return Packed(module.weight, module.bias, (1, module.in_channels, side, side), module.stride, module.padding)
    kinds = {ResidualBlock: FastBlock, PixelBlock: FastPixelBlock}
    return kinds[type(module)](module, side) if type(module) in kinds else module


def activated(x: Tensor, norm: nn.GroupNorm) -> Tensor:
    """silu(norm(x)), in one new tensor."""
    return F.silu(torch.group_norm(x, norm.num_groups, norm.weight, norm.bias, norm.eps), inplace=True)
