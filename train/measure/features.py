"""Encode, decode, judge features, face confidence, sharpness: measures that studies share."""

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32, UInt8
from torch import Tensor

from facevae.latent.paths import lerp, noise_from_seed
from facevae.nets.aligner import AlignmentNet
from facevae.nets.gaussian import DiagonalGaussian
from facevae.nets.vae import VAE
from facevae.photo import images
from train.networks.scores import Scorer

BATCH = 64
FACE_LOGIT = 4  # the column of the alignment net's answer, see facevae.nets.aligner


@torch.inference_mode()
def encode(net: VAE, pictures: UInt8[np.ndarray, "n h w c"]) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]]:
    """Posterior means and log variances (-inf for an autoencoder)."""
    found = [net.encode(images.to_float(pictures[i : i + BATCH])) for i in range(0, len(pictures), BATCH)]
    mean = torch.cat([q.mean for q in found])
    logvar = torch.cat([q.logvar if isinstance(q, DiagonalGaussian) else torch.full_like(q.mean, -torch.inf) for q in found])
    return mean, logvar


@torch.inference_mode()
def decode(net: VAE, z: Float[Tensor, "n d"]) -> UInt8[np.ndarray, "n h w c"]:
    """The pictures of latents."""
    return np.concatenate([images.to_uint8(net.decode(z[i : i + BATCH])) for i in range(0, len(z), BATCH)])


def interpolate(net: VAE, a: Float[Tensor, " d"], b: Float[Tensor, " d"], count: int) -> UInt8[np.ndarray, "n h w c"]:
    """`count` pictures along the straight line from a to b."""
    return decode(net, torch.stack([lerp(a, b, i / (count - 1)) for i in range(count)]))


def noises(count: int, dimensions: int, start: int = 0) -> Float[Tensor, "n d"]:
    """N(0, I) noise of the seeds start, start + 1, …: the same faces wherever they are drawn."""
    return torch.stack([noise_from_seed(start + i, dimensions) for i in range(count)])


def kl_of_dimensions(mean: Float[Tensor, "n d"], logvar: Float[Tensor, "n d"]) -> Float[Tensor, " d"]:
    """Mean KL to N(0, 1) of each latent dimension, in nats."""
    return DiagonalGaussian(mean, logvar).kl_of_dimensions().mean(dim=0)


def psnr(a: UInt8[np.ndarray, "n h w c"], b: UInt8[np.ndarray, "n h w c"]) -> float:
    """Mean over the pictures of the peak signal-to-noise ratio, dB."""
    error = ((a.astype(np.float64) - b) / 255) ** 2
    return float(np.mean(-10 * np.log10(error.mean(axis=(1, 2, 3)).clip(1e-12))))


def sharpness(pictures: UInt8[np.ndarray, "n h w c"]) -> float:
    """High-frequency energy: mean squared Laplacian of the grey picture in [0, 1], times 1000."""
    grey = torch.from_numpy(pictures.astype(np.float32) / 255).mean(dim=-1)[:, None]
    kernel = torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]]).view(1, 1, 3, 3)
    return float(1000 * F.conv2d(grey, kernel).square().mean())


def for_judge(pictures: UInt8[np.ndarray, "n h w c"]) -> Float[Tensor, "n 3 s s"]:
    """Pictures as a classifier wants them: three channels, square (the border repeated), in [0, 1]."""
    x = images.to_float(pictures).expand(-1, 3, -1, -1)
    height, width = x.shape[-2:]
    across, down = max(height - width, 0), max(width - height, 0)
    return F.pad(x, (across // 2, across - across // 2, down // 2, down - down // 2), mode="replicate") if across or down else x


@torch.inference_mode()
def logits(judge: Scorer, pictures: UInt8[np.ndarray, "n h w c"]) -> Float32[np.ndarray, "n a"]:
    """What a classifier says of pictures of any size."""
    return torch.cat([judge(for_judge(pictures[i : i + BATCH])) for i in range(0, len(pictures), BATCH)]).numpy()


def probabilities(judge: Scorer, pictures: UInt8[np.ndarray, "n h w c"]) -> Float32[np.ndarray, "n a"]:
    """Probabilities of all attributes."""
    return 1 / (1 + np.exp(-logits(judge, pictures)))


@torch.inference_mode()
def features(judge: Scorer, pictures: UInt8[np.ndarray, "n h w c"]) -> Float32[np.ndarray, "n f"]:
    """What the judge's head reads, averaged over the picture."""
    parts = [judge.embed(for_judge(pictures[i : i + BATCH])) for i in range(0, len(pictures), BATCH)]
    return torch.cat(parts).numpy()


def diversity(found: Float32[np.ndarray, "n f"]) -> float:
    """Mean distance between two faces in judge features."""
    distance = np.linalg.norm(found[:, None] - found[None], axis=-1)
    return float(distance.sum() / (len(found) * (len(found) - 1)))


@torch.inference_mode()
def face_confidence(aligner: AlignmentNet, pictures: UInt8[np.ndarray, "n h w c"]) -> float:
    """Mean probability of "there is a face", by the alignment net: it has learned on windows with and without one.

    Distances in the judge's features would not do: it knows faces only, and takes nearly any smooth picture for one.
    """
    size, logits = aligner.config.size, []
    for i in range(0, len(pictures), BATCH):
        x = F.interpolate(for_judge(pictures[i : i + BATCH]), (size, size), mode="bilinear", align_corners=False, antialias=True)
        logits.append(aligner(x)[:, FACE_LOGIT])
    return float(torch.cat(logits).sigmoid().mean())


def step_changes(pictures: UInt8[np.ndarray, "n h w c"]) -> Float[np.ndarray, " m"]:
    """Root mean square change from each picture of a strip to the next, in grey levels."""
    steps = pictures[1:].astype(np.float64) - pictures[:-1]
    return np.sqrt((steps**2).mean(axis=(1, 2, 3)))
