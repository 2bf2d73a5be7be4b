"""Pictures of a run, drawn at every tick: fixed samples and reconstructions."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from facevae.files import write_atomic
from facevae.nets.vae import VAE
from facevae.photo import images


def tile(pictures: UInt8[np.ndarray, "n h w c"], columns: int, gap_px: int = 2) -> UInt8[np.ndarray, "H W c"]:
    """A sheet of pictures, row by row, on white."""
    n, h, w, c = pictures.shape
    rows = -(-n // columns)
    sheet = np.full((rows * (h + gap_px) - gap_px, columns * (w + gap_px) - gap_px, c), 255, np.uint8)
    for i, picture in enumerate(pictures):
        top, left = i // columns * (h + gap_px), i % columns * (w + gap_px)
        sheet[top : top + h, left : left + w] = picture
    return sheet


def caption(text: str, width: int, height: int = 20) -> UInt8[np.ndarray, "h w 3"]:
    """Black words on white."""
    picture = Image.new("RGB", (width, height), "white")
    ImageDraw.Draw(picture).text((width / 2, height / 2), text, fill="black", anchor="mm", font=ImageFont.load_default(13))
    return np.asarray(picture)


def save_png(path: Path, pixels: UInt8[np.ndarray, "h w c"]) -> None:
    """Write a PNG, grey where it has one channel, atomically."""
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    write_atomic(path, lambda p: picture.save(p, format="PNG"))


@torch.inference_mode()
def draw_sheets(net: VAE, pictures: UInt8[np.ndarray, "n h w c"], mean: Float[Tensor, "n d"], folder: Path, nimg: int) -> None:
    """`samples-N.png`: rows from N(0, I), then the same noise through the Gaussian fitted to `mean`, the encodings
    of `pictures`; `reconstructions-N.png`: photo above reconstruction. Same noise at every tick."""
    noise = torch.randn((16, mean.shape[1]), generator=torch.Generator().manual_seed(0)).to(mean.device)
    centre, covariance = mean.mean(0), torch.cov(mean.T) + 1e-4 * torch.eye(mean.shape[1], device=mean.device)
    fitted = centre + noise @ torch.linalg.cholesky(covariance).T
    save_png(folder / f"samples-{nimg:08d}.png", tile(images.to_uint8(net.decode(torch.cat([noise, fitted]))), columns=8))
    back = images.to_uint8(net.decode(mean[:16]))
    rows = [r for i in (0, 8) for r in (pictures[i : i + 8], back[i : i + 8])]
    save_png(folder / f"reconstructions-{nimg:08d}.png", tile(np.concatenate(rows), columns=8))
