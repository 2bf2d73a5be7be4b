"""The skin-tone subspace of the latent space, which other edits must not move along."""

from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float, Float32, Int, UInt8
from sklearn.linear_model import RidgeCV
from torch import Tensor

from facevae.checkpoint.manifest import read_bytes, tensors_from
from facevae.photo.skin import cheeks

PENALTIES = (1.0, 10.0, 100.0, 1000.0)
CHUNK = 512


def tones(pictures: UInt8[np.ndarray, "n s s 3"]) -> Float32[np.ndarray, "n 3"]:
    """Mean colour of the cheeks, in CIELAB (L* 0 ... 100): what light and skin make of it together."""
    weight = cheeks(pictures.shape[1]) / np.float32(255)
    parts = (pictures[start : start + CHUNK] for start in range(0, len(pictures), CHUNK))
    means = np.concatenate([np.einsum("nhwc,hw->nc", part, weight, dtype=np.float32) for part in parts])
    return cv2.cvtColor(means[None].clip(0, 1), cv2.COLOR_RGB2LAB)[0]


def tones_at(images: UInt8[np.ndarray, "n s s 3"], index: Int[np.ndarray, " m"]) -> Float32[np.ndarray, "m 3"]:
    """The same of some of many pictures, which need not fit into memory."""
    return np.concatenate([tones(np.asarray(images[index[start : start + CHUNK]])) for start in range(0, len(index), CHUNK)])


def fit_skin(z: Float32[np.ndarray, "n d"], tone: Float32[np.ndarray, "n 3"], cholesky: Float[Tensor, "d d"]) -> Float[Tensor, "3 d"]:
    """The cheapest moves that make skin lighter, redder and yellower, each of Mahalanobis length 1.

    Ridge regression of the tone on whitened encodings; its penalty is chosen by leaving faces out.
    """
    white = torch.linalg.solve_triangular(cholesky, torch.from_numpy(z - z.mean(0)).float().T, upper=False).T.numpy()
    fits = [RidgeCV(alphas=PENALTIES).fit(white, column) for column in tone.T]
    axes = torch.from_numpy(np.stack([fit.coef_ / max(np.linalg.norm(fit.coef_), 1e-12) for fit in fits])).float()
    return axes @ cholesky.T


def explained(
    z: Float32[np.ndarray, "n d"], tone: Float32[np.ndarray, "n 3"], skin: Float[Tensor, "3 d"], cholesky: Float[Tensor, "d d"]
) -> list[float]:
    """Squared correlation of the tone's lightness, redness and yellowness with the scores whose cheapest moves are `skin`."""
    scores = (torch.from_numpy(z).float() @ torch.cholesky_solve(skin.T, cholesky)).numpy()
    return [round(float(np.corrcoef(score, column)[0, 1] ** 2), 3) for score, column in zip(scores.T, tone.T, strict=True)]


def read_skin(run: Path) -> Float[Tensor, "3 d"]:
    """The moves that `python -m train directions` found; `ValueError` where it has not."""
    path = run / "skin.safetensors"
    return tensors_from(read_bytes(path, "run"), path)["steps"]
