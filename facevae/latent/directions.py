"""Attribute directions in latent space: estimators, locks, and edits made of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor


@dataclass(frozen=True)
class Direction:
    """A line through latent space along which one attribute changes.

    `vector` has length 1; one unit of strength is `sigma` of its length, the standard deviation of
    the encodings' score along it. `low` … `high` is the safe range, in strengths; `auroc` tells how well the
    score separates held-out faces, 0.5 where not measured.
    """

    name: str
    estimator: str
    vector: Float[Tensor, " d"]
    sigma: float
    low: float
    high: float
    auroc: float
    limits: tuple[str, str] = ("", "")
    """What ends the safe range below and above: "sure" (the judge is), "identity" (another person), "density" (no face of
    the data's kind), "best" (further on fewer faces change); "" where not measured."""
    leakage: Mapping[str, float] = field(default_factory=dict)
    """How far `high` moves the judge's logit of each other attribute, signed, in standard deviations of that logit."""
    reader: Float[Tensor, " d"] | None = None
    """The step of one σ whose score is a face's value of the attribute; its own step where None. What moves an attribute best in photos is
    not what tells best who has it."""

    @property
    def step(self) -> Float[Tensor, " d"]:
        """What strength 1 adds to a latent."""
        return self.sigma * self.vector


def steps_to_hold(direction: Direction) -> Float[Tensor, "k d"]:
    """What a lock on a direction may not let move: its step and, where it has one, its reader."""
    return torch.stack([direction.step] if direction.reader is None else [direction.step, direction.reader])


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


def balanced_centroid(
    z: Float[np.ndarray, "n d"], labels: Bool[np.ndarray, " n"], companions: Bool[np.ndarray, "n c"]
) -> Float[np.ndarray, " d"]:
    """The centroid among faces alike in `companions` (Male, Young, …), averaged over all their combinations, as the step of one σ.

    Each combination counts by n₁ n₀ / (n₁ + n₀), the weight of least variance; one without faces of both kinds says nothing.
    """
    cell = companions @ (1 << np.arange(companions.shape[1]))
    total = np.zeros(z.shape[1])
    for k in np.unique(cell):
        one, other = z[(cell == k) & labels], z[(cell == k) & ~labels]
        if len(one) and len(other):
            total += (one.mean(0) - other.mean(0)) * len(one) * len(other) / (len(one) + len(other))
    unit = total / np.linalg.norm(total)
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


def pearson(z: Float[np.ndarray, "n d"], scores: Float[np.ndarray, " n"]) -> Float[np.ndarray, " d"]:
    """Pearson correlation of each z_j with a score; 0 for a dimension that never changes."""
    away, score = z - z.mean(0), scores - scores.mean()
    return (away * score[:, None]).mean(0) / ((z.std(0) + 1e-12) * (score.std() + 1e-12))


def correlation(z: Float[np.ndarray, "n d"], scores: Float[np.ndarray, " n"], top: int | None = None) -> Float[np.ndarray, " d"]:
    """`pearson` in units of each z_j's own spread, as the step of one σ; of its `top` strongest dimensions alone, where given.

    top=1 amplifies one dimension, as the report on label guidance does.
    """
    r = pearson(z, scores)
    if top is not None:
        r = np.where(np.abs(r) >= np.sort(np.abs(r))[-min(top, len(r))], r, 0)
    step = r * (z.std(0) + 1e-12)
    unit = step / np.linalg.norm(step)
    return unit * (z @ unit).std()


def covariance_step(weights: Float[np.ndarray, " d"], covariance: Float[np.ndarray, "d d"]) -> Float[np.ndarray, " d"]:
    """Σw / sqrt(wᵀΣw): the step that raises the score wᵀz by one σ at the least Mahalanobis cost.

    w alone points where the score rises fastest in z, often out of the data; Σw stays with the
    encodings' own covariance.
    """
    moved = covariance @ weights
    return moved / np.sqrt(weights @ moved)


def readout(directions: Sequence[Direction], cholesky: Float[Tensor, "d d"]) -> Float[Tensor, "d k"]:
    """Σ⁻¹ · step of each direction's reader, with Σ = L Lᵀ the encodings' covariance: the scores whose cheapest moves these are.

    (z - mean) @ readout is the score of z, in σ: 0 for the mean face; a move along the reader itself adds its strength.
    """
    return torch.cholesky_solve(torch.stack([d.step if d.reader is None else d.reader for d in directions], dim=1), cholesky)


def hold(move: Float[Tensor, " d"], locked: Float[Tensor, "k d"], cholesky: Float[Tensor, "d d"]) -> Float[Tensor, " d"]:
    """The move without whatever lies along any of the locked steps.

    All of them at once: least squares in the metric of the encodings' covariance L Lᵀ, so that no locked score changes
    and the rest of the move is as near to the asked one as it can be. One after the other would undo the earlier ones.
    """
    if not len(locked):
        return move
    white = torch.linalg.solve_triangular(cholesky, torch.stack([move, *locked], dim=1), upper=False).double()  # (d, 1 + k)
    own, axes = white[:, 0], white[:, 1:]
    kept = own - axes @ (torch.linalg.pinv(axes) @ own)  # pinv: locked directions may coincide
    return cholesky @ kept.to(move.dtype)


def holding(locked: Float[Tensor, "k d"], cholesky: Float[Tensor, "d d"]) -> Float[Tensor, "d d"]:
    """The matrix of `hold`, for who holds many moves: matrix @ move."""
    lower = cholesky.double()
    axes = torch.linalg.solve_triangular(lower, locked.double().T, upper=False)  # (d, k)
    kept = lower - lower @ axes @ torch.linalg.pinv(axes)
    return torch.linalg.solve_triangular(lower, kept, upper=False, left=False).to(cholesky.dtype)


def remaining(direction: Direction, locked: Float[Tensor, "k d"], cholesky: Float[Tensor, "d d"]) -> float:
    """Share of a direction's strength that is left while others are locked: how far its score still rises, 0 to 1."""
    held = torch.stack([direction.step, hold(direction.step, locked, cholesky)], dim=1)
    own, kept = torch.linalg.solve_triangular(cholesky, held, upper=False).square().sum(0).tolist()
    return kept / own


def principal(covariance: Float[Tensor, "d d"], count: int) -> list[Direction]:
    """The first principal components of the encodings: directions without a name for what they change."""
    values, vectors = torch.linalg.eigh(covariance.double())
    found = []
    for k in range(count):
        vector = vectors[:, -1 - k] * vectors[:, -1 - k].sum().sign()  # eigh leaves the sign open
        found.append(Direction(f"PC {k + 1}", "pca", vector.float(), float(values[-1 - k].sqrt()), -3.0, 3.0, 0.5))
    return found


FEW_COMPONENTS = (8, 24, 64, 160)
LEAST_EXAMPLES = 8


def from_examples(
    name: str,
    with_it: Float[Tensor, "n d"],
    without: Float[Tensor, "m d"],
    mean: Float[Tensor, " d"],
    covariance: Float[Tensor, "d d"],
) -> Direction:
    """A direction from a handful of faces with something and a handful without: their centroids, within a few principal components.

    A difference of two small means is mostly noise where faces differ little; the number of components is the one that
    tells the examples apart best, each left out once. That AUROC is in the result. `ValueError` below eight examples a side.
    """
    if min(len(with_it), len(without)) < LEAST_EXAMPLES:
        raise ValueError(
            f"{name} needs at least {LEAST_EXAMPLES} faces with it and {LEAST_EXAMPLES} without, not {len(with_it)} and {len(without)}"
        )
    values, vectors = torch.linalg.eigh(covariance.double())
    values, vectors = values.flip(0), vectors.flip(1)
    white = ((torch.cat([with_it, without]) - mean).double() @ vectors) / values.sqrt()  # (n + m, d)
    labels = torch.cat([torch.ones(len(with_it)), torch.zeros(len(without))]).bool()
    found = {k: leave_one_out(white[:, :k], labels) for k in FEW_COMPONENTS if k <= white.shape[1]} or {
        white.shape[1]: leave_one_out(white, labels)
    }
    count = max(found, key=found.__getitem__)
    axis = white[labels, :count].mean(0) - white[~labels, :count].mean(0)
    step = (vectors[:, :count] * values[:count].sqrt()) @ (axis / axis.norm())
    sigma = float(step.norm())
    return Direction(name, "examples", (step / sigma).float(), sigma, -4.0, 4.0, found[count])


def leave_one_out(white: Float[Tensor, "n k"], labels: Bool[Tensor, " n"]) -> float:
    """AUROC of telling each example by the centroids of the others."""
    scores = []
    for i in range(len(labels)):
        rest = torch.arange(len(labels)) != i
        one, other = white[rest & labels].mean(0), white[rest & ~labels].mean(0)
        scores.append((white[i] - (one + other) / 2) @ (one - other) / (one - other).norm())
    values = torch.stack(scores)
    pairs = values[labels][:, None] - values[~labels][None, :]
    return float(((pairs > 0).double() + 0.5 * (pairs == 0)).mean())


def displacement(directions: Mapping[str, Direction], strengths: Mapping[str, float]) -> Float[Tensor, " d"]:
    """Σ strength · direction. `ValueError` names an attribute without a direction or a strength that is no number."""
    total = torch.zeros(next(iter(directions.values())).vector.shape[0])
    for name, strength in strengths.items():
        if name not in directions:
            raise ValueError(f"there is no attribute {name!r}; the checkpoint has {', '.join(sorted(directions))}")
        if not np.isfinite(strength):
            raise ValueError(f"the strength of {name} must be a number, not {strength}")
        total = total + float(strength) * directions[name].step
    return total
