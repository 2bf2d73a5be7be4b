"""Augmentation for the helper networks: resized photos, blur, erasing, colour; many outputs."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from tqdm import tqdm

from facevae.files import write_atomic
from facevae.nets.classifier import resize
from facevae.photo import images
from train.data.prepared import PreparedData, save_array

Reconstruct = Callable[[Tensor], Tensor]
"""Pictures in [0, 1] to a VAE's pictures of them."""


def photos_at(size: int, data: PreparedData, run: Path) -> UInt8[np.ndarray, "n s s 3"]:
    """The photos of `data` at `size` px; where they have another size, made once and kept in `run`."""
    return data.images if data.size == size else cached_pictures(run / f"photos-{size}.npy", data, size)


def cached_pictures(path: Path, data: PreparedData, size: int, change: Reconstruct | None = None) -> UInt8[np.ndarray, "n s s 3"]:
    """All pictures of `data` at `size` px, passed through `change` before; made once, then memory-mapped from `path`.

    `ValueError` where `path` holds others.
    """
    if not path.is_file():
        small = np.empty((len(data.images), size, size, 3), np.uint8)
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        with torch.inference_mode(), tqdm(total=len(small), unit="img", desc=path.stem, mininterval=20) as bar:
            for start in range(0, len(small), 64):
                x = images.to_float(np.array(data.images[start : start + 64])).to(device)
                small[start : start + 64] = images.to_uint8(resize(x if change is None else change(x), size))
                bar.update(len(x))
        write_atomic(path, lambda temporary: save_array(temporary, small))
    pictures = np.load(path, mmap_mode="r")
    if pictures.shape != (len(data.images), size, size, 3):
        raise ValueError(
            f"{path} holds {pictures.shape} pictures, the data {(len(data.images), size, size, 3)}: choose another --run folder"
        )
    return pictures


@dataclass(frozen=True)
class Roughening:
    """Shares of the pictures that `roughen` takes something from."""

    soft: float
    """Lose detail, half of them by blur, half by downsampling."""
    erase: float
    """A rectangle is filled with grey."""
    grey: float
    """Lose their colours."""


def roughen(x: Float[Tensor, "b c s s"], generator: torch.Generator, shares: Roughening) -> Float[Tensor, "b c s s"]:
    """Flip, turn, shift and scale, soften, and shift colours, each picture by its own random amounts.

    A user's photo is aligned less well than CelebA and may be soft, dark or yellow; none of that
    changes an attribute.
    """
    b, _, s, _ = x.shape

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand((b, *shape), generator=generator)

    # Geometry: ±6°, ±6 % size, ±3 % shift; the grid spans [-1, 1].
    angle, zoom = uniform(-6, 6) * math.pi / 180, uniform(0.94, 1.06)
    mirror = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
    cos, sin = zoom * torch.cos(angle), zoom * torch.sin(angle)
    shift = uniform(-0.06, 0.06, 2)
    theta = torch.stack([mirror * cos, -mirror * sin, shift[:, 0], sin, cos, shift[:, 1]], dim=1).view(b, 2, 3)
    x = F.grid_sample(x, F.affine_grid(theta, list(x.shape), align_corners=False), padding_mode="border", align_corners=False)

    # Softness: some lose detail, by downsampling to between 30 % and 80 % of their size, or by a Gaussian of up to 2 % of it.
    chance, amount = uniform(0, 1), uniform(0, 1)[0]
    small, blurred = chance < shares.soft / 2, (chance >= shares.soft / 2) & (chance < shares.soft)
    if small.any():
        side = max(1, round(s * (0.3 + 0.5 * float(amount))))
        down = F.interpolate(x[small], (side, side), mode="bilinear", align_corners=False, antialias=True)
        x[small] = F.interpolate(down, (s, s), mode="bilinear", align_corners=False)
    if blurred.any():
        x[blurred] = blur(x[blurred], s * (0.004 + 0.016 * float(amount)))

    # Colour: contrast, brightness, and a small cast; or none at all.
    x = (x - 0.5) * uniform(0.8, 1.2, 1, 1, 1) + 0.5 + uniform(-0.1, 0.1, 1, 1, 1) + uniform(-0.03, 0.03, 3, 1, 1)
    if shares.grey:
        x = torch.where(uniform(0, 1, 1, 1, 1) < shares.grey, x.mean(1, keepdim=True), x)
    if shares.erase:
        centre, half = uniform(0, 1, 2, 1), uniform(0.05, 0.2, 2, 1)
        place = (torch.arange(s) + 0.5) / s
        inside = (place - centre).abs() < half  # (b, 2, s): rows and columns of the rectangle
        hidden = (uniform(0, 1, 1, 1) < shares.erase) & inside[:, 0, :, None] & inside[:, 1, None, :]
        x = torch.where(hidden[:, None], 0.5, x)
    return x.clamp_(0, 1).contiguous(memory_format=torch.channels_last)


def blur(x: Float[Tensor, "b c h w"], sigma_px: float) -> Float[Tensor, "b c h w"]:
    """A Gaussian blur, borders repeated."""
    radius = math.ceil(3 * sigma_px)
    kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / sigma_px) ** 2)
    kernel = (kernel / kernel.sum()).expand(x.shape[1], 1, 1, -1)
    x = F.conv2d(F.pad(x, (radius, radius, 0, 0), mode="replicate"), kernel, groups=x.shape[1])
    return F.conv2d(F.pad(x, (0, 0, radius, radius), mode="replicate"), kernel.mT, groups=x.shape[1])


@torch.inference_mode()
def outputs_of(net: nn.Module, pictures: UInt8[np.ndarray, "m h w 3"]) -> Float[Tensor, "m k"]:
    """A net's output for many pictures, on the CPU: logits of a classifier or a judge, embeddings of an identity net."""
    device = next(net.parameters()).device
    parts = np.array_split(pictures, -(-len(pictures) // 128))
    return torch.cat([net(images.to_float(np.array(p)).to(device)).cpu() for p in parts])
