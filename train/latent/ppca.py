"""Fit probabilistic PCA in closed form; read and write it."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from safetensors.torch import load_file
from sklearn.decomposition import PCA

from facevae.files import write_tensors
from facevae.nets.ppca import PPCA

PARTS = ("mean", "weights", "noise_variance", "shape")


def fit_ppca(pictures: UInt8[np.ndarray, "n h w c"], latent: int) -> PPCA:
    """The maximum-likelihood PPCA: scikit-learn's PCA with its noise variance (of n - 1 instead of n in the covariance)."""
    n, height, width, channels = pictures.shape
    if latent >= min(n, height * width * channels):
        raise ValueError(f"{n} pictures of {height * width * channels} values are too few for {latent} latent dimensions")
    x = pictures.transpose(0, 3, 1, 2).reshape(n, -1) / 255.0
    pca = PCA(latent, svd_solver="covariance_eigh").fit(x)
    weights = pca.components_.T * np.sqrt(pca.explained_variance_ - pca.noise_variance_)
    mean, weights, noise = (torch.as_tensor(v, dtype=torch.float32) for v in (pca.mean_, weights, pca.noise_variance_))
    return PPCA(mean, weights, noise, (channels, height, width))


def save_ppca(path: Path, model: PPCA) -> None:
    """Write it as safetensors."""
    parts = (model.mean, model.weights, model.noise_variance, torch.tensor(model.shape))
    write_tensors(path, dict(zip(PARTS, parts, strict=True)))


def load_ppca(path: Path) -> PPCA:
    """What `save_ppca` wrote; `ValueError` where the file holds something else."""
    parts = load_file(path)
    if set(parts) != set(PARTS):
        raise ValueError(f"{path} holds {', '.join(sorted(parts))}, a PPCA has {', '.join(sorted(PARTS))}")
    channels, height, width = parts["shape"].tolist()
    return PPCA(parts["mean"], parts["weights"], parts["noise_variance"], (channels, height, width))
