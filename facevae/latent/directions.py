"""Directions of attributes: how they are estimated from encodings, and how an edit is put together from them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor


@dataclass(frozen=True)
class Direction:
    """A line through latent space along which one attribute changes.

    `vector` has length 1; one unit of strength is `sigma` of its length, the standard deviation of
    the encodings' score along the attribute. `low` and `high` bound the range, in strengths, that
    was measured to work; `auroc` tells how well the score separates held-out faces.
    """

    name: str
    estimator: str
    vector: Float[Tensor, " d"]
    sigma: float
    low: float
    high: float
    auroc: float

    @property
    def step(self) -> Float[Tensor, " d"]:
        """What strength 1 adds to a latent."""
        return self.sigma * self.vector


def need_both(name: str, labels: Bool[np.ndarray, " n"]) -> None:
    """`ValueError` where an attribute has one class only: no direction leads from nothing."""
    count = int(labels.sum())
    if count in (0, len(labels)):
        raise ValueError(f"attribute {name}: {count} of {len(labels)} faces carry it, so there is no direction to find")


def centroid(z: Float[np.ndarray, "n d"], labels: Bool[np.ndarray, " n"]) -> Float[np.ndarray, " d"]:
    """Mean of the faces with the attribute minus mean of those without, as the step of one σ.

    Source: Larsen et al., Autoencoding beyond pixels (2016), section 4.2.
    """
    difference = z[labels].mean(0) - z[~labels].mean(0)
    unit = difference / np.linalg.norm(difference)
    return unit * (z @ unit).std()


def partial_centroid(z: Float[np.ndarray, "n d"], labels: Bool[np.ndarray, "n a"], column: int) -> Float[np.ndarray, " d"]:
    """What label `column` adds to the mean encoding with all other labels held fixed, as the step of one σ.

    Least squares of z on all labels at once: glasses without the age that comes with them in the data.
    """
    design = np.column_stack([np.ones(len(z)), labels])
    effect = np.linalg.lstsq(design, z, rcond=None)[0][1 + column]
    unit = effect / np.linalg.norm(effect)
    return unit * (z @ unit).std()


def exclusive_centroid(z: Float[np.ndarray, "n d"], labels: Bool[np.ndarray, "n a"], column: int) -> Float[np.ndarray, " d"]:
    """Mean of one of several exclusive labels (hair colours) minus the plain mean of its rivals' means, as the step of one σ.

    Rivals count alike however rare they are: a step to blond must lead away from gray as much as from black.
    Faces with none or several of the labels do not count.
    """
    single = labels[labels.sum(1) == 1], z[labels.sum(1) == 1]
    means = [single[1][single[0][:, k]].mean(0) for k in range(labels.shape[1]) if k != column and single[0][:, k].any()]
    difference = single[1][single[0][:, column]].mean(0) - np.mean(means, axis=0)
    unit = difference / np.linalg.norm(difference)
    return unit * (z @ unit).std()


def correlation(z: Float[np.ndarray, "n d"], scores: Float[np.ndarray, " n"]) -> Float[np.ndarray, " d"]:
    """Pearson correlation of each z_j with a score, in units of z_j's own spread, as the step of one σ."""
    away, score = z - z.mean(0), scores - scores.mean()
    spread = z.std(0) + 1e-12
    r = (away * score[:, None]).mean(0) / (spread * (score.std() + 1e-12))
    step = r * spread
    unit = step / np.linalg.norm(step)
    return unit * (z @ unit).std()


def natural(weights: Float[np.ndarray, " d"], covariance: Float[np.ndarray, "d d"]) -> Float[np.ndarray, " d"]:
    """Σw / sqrt(wᵀΣw): the step that raises the score wᵀz by one σ at the least Mahalanobis cost.

    w alone points where the score rises fastest in z, often out of the data; Σw stays with the
    encodings' own covariance.
    """
    moved = covariance @ weights
    return moved / np.sqrt(weights @ moved)


def displacement(directions: Mapping[str, Direction], strengths: Mapping[str, float]) -> Float[Tensor, " d"]:
    """Σ strength · direction; `ValueError` names an attribute without a direction or a strength that is no number."""
    dimensions = next(iter(directions.values())).vector.shape[0]
    total = torch.zeros(dimensions)
    for name, strength in strengths.items():
        if name not in directions:
            raise ValueError(f"there is no attribute {name!r}; the checkpoint has {', '.join(sorted(directions))}")
        if not np.isfinite(strength):
            raise ValueError(f"the strength of {name} must be a number, not {strength}")
        total = total + float(strength) * directions[name].step
    return total
