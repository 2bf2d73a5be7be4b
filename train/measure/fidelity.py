"""SSIM, Fréchet and kernel distances, precision and recall, copies of training faces.

torchmetrics computes SSIM, MS-SSIM and the FID of Inception. What is measured on the features of our own judge is written out:
torchmetrics would need a module around the judge for each measure, and has neither this recall nor the search for copies.
"""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure, structural_similarity_index_measure
from torchmetrics.image.fid import FrechetInceptionDistance

from facevae.photo import images

BATCH = 64
SCALES = (0.0448, 0.2856, 0.3001)
"""The first three of the five weights of Wang et al. (2003): 128 px halved four times leave too little for a window of 11 px."""
LEAST_MULTISCALE_PX = 44
COPY_SHARE = 0.5
"""A sample counts as a copy where it lies nearer to a training face than this share of what is usual for held-out faces."""


def structural_similarity(a: UInt8[np.ndarray, "n h w c"], b: UInt8[np.ndarray, "n h w c"]) -> dict[str, float | None]:
    """Mean SSIM and MS-SSIM (three scales) of pairs of pictures; the latter is None below 44 px.

    Sources: Wang et al., Image Quality Assessment: From Error Visibility to Structural Similarity (2004); Wang, Simoncelli and Bovik,
    Multiscale Structural Similarity (2003), its first three weights scaled to sum to 1.
    """
    betas = tuple(w / sum(SCALES) for w in SCALES)
    single, multiple = [], []
    for i in range(0, len(a), BATCH):
        x, y = images.to_float(a[i : i + BATCH]), images.to_float(b[i : i + BATCH])
        single.append(structural_similarity_index_measure(y, x, data_range=1.0, reduction="none").reshape(-1))
        if min(x.shape[-2:]) >= LEAST_MULTISCALE_PX:
            found = multiscale_structural_similarity_index_measure(y, x, data_range=1.0, betas=betas, reduction="none")
            multiple.append(found.reshape(-1))
    return {"ssim": float(torch.cat(single).mean()), "ms_ssim": float(torch.cat(multiple).mean()) if multiple else None}


def frechet(a: Float[np.ndarray, "n f"], b: Float[np.ndarray, "m f"]) -> float:
    """Fréchet distance of two Gaussians fitted to judge features; not the FID, whose features are Inception's.

    Source: Heusel et al., GANs trained by a two time-scale update rule (2017), eq. 6.
    """
    mean_a, mean_b = a.mean(0, dtype=np.float64), b.mean(0, dtype=np.float64)
    cov_a, cov_b = np.cov(a.T.astype(np.float64)), np.cov(b.T.astype(np.float64))
    # tr sqrt(A B) by the eigenvalues of the symmetric sqrt(A) B sqrt(A), which has the same ones.
    values, vectors = np.linalg.eigh(cov_a)
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    cross = np.sqrt(np.linalg.eigvalsh(root @ cov_b @ root).clip(0)).sum()
    return float(((mean_a - mean_b) ** 2).sum() + np.trace(cov_a) + np.trace(cov_b) - 2 * cross)


def kernel_distance(a: Float[np.ndarray, "n f"], b: Float[np.ndarray, "m f"]) -> float:
    """Squared maximum mean discrepancy under the kernel (x · y / f + 1)³, unbiased: it may fall below 0.

    Source: Bińkowski et al., Demystifying MMD GANs (2018), section 4 and eq. 4; there in Inception's features.
    """
    a, b = a.astype(np.float64), b.astype(np.float64)
    within_a, within_b, between = ((x @ y.T / x.shape[1] + 1) ** 3 for x, y in ((a, a), (b, b), (a, b)))
    return float(off_diagonal_mean(within_a) + off_diagonal_mean(within_b) - 2 * between.mean())


def off_diagonal_mean(kernel: Float[np.ndarray, "n n"]) -> float:
    """Mean over the pairs of different points: with themselves in it, the estimate would be biased."""
    n = len(kernel)
    return (kernel.sum() - np.trace(kernel)) / (n * (n - 1))


def distances(a: Float[np.ndarray, "n f"], b: Float[np.ndarray, "m f"]) -> Float[Tensor, "n m"]:
    """Euclidean distances, without the shortcut by products that gives equal points a distance above 0."""
    return torch.cdist(torch.from_numpy(a).double(), torch.from_numpy(b).double(), compute_mode="donot_use_mm_for_euclid_dist")


def precision_recall(found: Float[np.ndarray, "n f"], real: Float[np.ndarray, "m f"], neighbours: int) -> tuple[float, float]:
    """Share of `found` within the manifold of `real`, and share of `real` within that of `found`.

    A manifold is the union of balls around its points, each as wide as the way to the k-th nearest other point.
    Source: Kynkäänniemi et al., Improved Precision and Recall Metric for Assessing Generative Models (2019), eq. 1 and 2.
    """
    radius_found, radius_real = (distances(x, x).kthvalue(neighbours + 1, dim=1).values for x in (found, real))  # each is its own first
    between = distances(found, real)  # (n, m)
    precision = (between <= radius_real).any(dim=1).double().mean()
    recall = (between <= radius_found[:, None]).any(dim=0).double().mean()
    return float(precision), float(recall)


def memorisation(
    samples: Float[np.ndarray, "n f"], held_out: Float[np.ndarray, "m f"], train: Float[np.ndarray, "t f"]
) -> tuple[dict[str, Any], Int[np.ndarray, " n"]]:
    """Are samples nearer to training faces than other people's photos are? And the nearest training face of each sample.

    `copies` counts the samples nearer than half the median distance of held-out faces.
    Source of the comparison: Meehan et al., A Non-Parametric Test to Detect Data-Copying in Generative Models (2020).
    """
    own, theirs = distances(samples, train).min(dim=1), distances(held_out, train).min(dim=1).values
    usual = theirs.quantile(0.5)
    values = {
        "n": len(samples),
        "train_faces": len(train),
        "samples_median": float(own.values.quantile(0.5)),
        "held_out_median": float(usual),
        "copies": int((own.values < COPY_SHARE * usual).sum()),
    }
    return values, own.indices.numpy()


def load_inception() -> FrechetInceptionDistance:
    """The standard FID (Heusel et al., 2017) as torchmetrics has it; `ValueError` where its net is not to be had."""
    try:
        return FrechetInceptionDistance(feature=2048, reset_real_features=False)
    except (ModuleNotFoundError, OSError, RuntimeError) as error:
        raise ValueError(
            "--fid needs torch-fidelity (pip install torch-fidelity) and Inception's weights, which it downloads once: "
            + " ".join(str(error).split())
        ) from None


def inception_distance(inception: FrechetInceptionDistance, pictures: UInt8[np.ndarray, "n h w c"]) -> float:
    """FID between the photos that `inception` was shown and these pictures."""
    show(inception, pictures, real=False)
    value = float(inception.compute())
    inception.reset()  # the photos stay
    return value


def show(inception: FrechetInceptionDistance, pictures: UInt8[np.ndarray, "n h w c"], real: bool) -> None:
    """Let Inception see pictures, grey ones in three channels; as bytes, since it would cut floats off and not round them."""
    for i in range(0, len(pictures), BATCH):
        inception.update(torch.from_numpy(pictures[i : i + BATCH]).permute(0, 3, 1, 2).expand(-1, 3, -1, -1), real=real)
