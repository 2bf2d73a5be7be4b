"""The colour of hair in photos, and how far a move in the latent space changes it."""

import warnings
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float, Float32, Int, UInt8
from sklearn.linear_model import RidgeCV
from torch import Tensor

from facevae.attributes import HAIR_COLOURS
from facevae.checkpoint.manifest import read_bytes, tensors_from
from facevae.latent.directions import hold
from facevae.nets.parser import FaceParser
from facevae.photo import images
from train.data.parsing import HAIR
from train.latent.skin_tone import PENALTIES
from train.measure.encodings import device_of

BATCH = 32
SURE = 0.8
"""A pixel counts as hair where the parser gives hair more than this probability: at the outline it has the colours behind it, too."""
LEAST_SHARE = 0.03
"""Of a picture's pixels; less hair than this has no colour that could be trusted."""
LEAST_FACES = 20
"""With a colour of hair; fewer say nothing of what moves it."""
NAMES = ("L*", "a*", "b*")
RANGE_STEP = 8
"""In L*."""


@torch.inference_mode()
def hair_colours(parser: FaceParser, pictures: UInt8[np.ndarray, "n s s 3"]) -> Float32[np.ndarray, "n 4"]:
    """Median colour of the hair in CIELAB (L* 0 ... 100), and its share of the picture's pixels; no colour (NaN) below `LEAST_SHARE`."""
    size, found = parser.config.size, np.full((len(pictures), 4), np.nan, np.float32)
    how = cv2.INTER_AREA if pictures.shape[1] > size else cv2.INTER_CUBIC
    for start in range(0, len(pictures), BATCH):
        part = np.stack([cv2.resize(picture, (size, size), interpolation=how) for picture in pictures[start : start + BATCH]])
        hair = (parser(images.to_float(part).to(device_of(parser))).softmax(1)[:, HAIR] > SURE).cpu().numpy()
        for row, picture, pixels in zip(found[start:], part, hair, strict=False):
            row[3] = pixels.mean()
            if row[3] >= LEAST_SHARE:
                row[:3] = np.median(cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[pixels], axis=0)
    return found


def hair_colours_at(parser: FaceParser, pictures: UInt8[np.ndarray, "n s s 3"], index: Int[np.ndarray, " m"]) -> Float32[np.ndarray, "m 4"]:
    """The same of some of many pictures, which need not fit into memory."""
    return np.concatenate([hair_colours(parser, np.asarray(pictures[part])) for part in np.array_split(index, -(-len(index) // 512))])


def fit_hair(z: Float32[np.ndarray, "n d"], colours: Float32[np.ndarray, "n 4"], cholesky: Float[Tensor, "d d"]) -> Float[Tensor, "3 d"]:
    """Change of L*, a* and b* of the hair per unit of z: `slopes @ move` for a move of z.

    Ridge regression of the colours of `hair_colours` on whitened encodings, over the faces that have one; its penalty is chosen by
    leaving faces out. All 0, with a warning, where fewer than `LEAST_FACES` faces show hair.
    """
    seen = np.isfinite(colours[:, 0])
    if seen.sum() < LEAST_FACES:
        warnings.warn(f"{seen.sum()} of {len(seen)} faces show hair: what moves its colour is not known", stacklevel=2)
        return torch.zeros(3, z.shape[1])
    white = torch.linalg.solve_triangular(cholesky, torch.from_numpy(z - z.mean(0)).float().T, upper=False).T.numpy()[seen]
    fits = [RidgeCV(alphas=PENALTIES).fit(white, column) for column in colours[seen, :3].T]
    on_white = torch.from_numpy(np.stack([fit.coef_ for fit in fits])).float()
    return torch.linalg.solve_triangular(cholesky, on_white, upper=False, left=False)


def explained_hair(z: Float32[np.ndarray, "n d"], colours: Float32[np.ndarray, "n 4"], slopes: Float[Tensor, "3 d"]) -> dict[str, float]:
    """R² of the three colours on faces that were not fitted to; only differences between them count. NaN where none shows hair."""
    seen = np.isfinite(colours[:, 0])
    if not seen.any():
        return dict.fromkeys(NAMES, np.nan)
    true, left = colours[seen, :3], colours[seen, :3] - z[seen] @ slopes.numpy().T
    return {name: 1 - float(rest / total) for name, rest, total in zip(NAMES, left.var(0), true.var(0), strict=True)}


def hair_ranges(colours: Float32[np.ndarray, "n 4"]) -> list[list[float]]:
    """What colours hair has: L*, then the 3rd and 97th percentile of a* and of b* among faces of about that L*.

    `facevae.photo.recolour` holds such a table, so that no dye leaves it.
    """
    seen, rows = colours[np.isfinite(colours[:, 0]), :3], []
    for low in range(0, 80, RANGE_STEP):
        near = seen[(seen[:, 0] >= low) & (seen[:, 0] < low + RANGE_STEP), 1:]
        if len(near) >= LEAST_FACES:
            rows.append([low + RANGE_STEP / 2, *np.percentile(near, (3, 97), axis=0).T.ravel().tolist()])
    return rows


def hold_hair(name: str, step: Float[Tensor, " d"], slopes: Float[Tensor, "3 d"], cholesky: Float[Tensor, "d d"]) -> Float[Tensor, " d"]:
    """A direction's step with what it may do to the colour of hair: hair colours do nothing else, all others leave it alone."""
    kept = hold(step, slopes @ cholesky @ cholesky.T, cholesky)
    return step - kept if name in HAIR_COLOURS and slopes.any() else kept


def read_hair(run: Path) -> Float[Tensor, "3 d"]:
    """The slopes that `python -m train directions` found; `ValueError` where it has not."""
    path = run / "hair.safetensors"
    return tensors_from(read_bytes(path, "run"), path)["slopes"]
