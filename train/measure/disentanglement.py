"""Disentanglement scores: MIG and SAP."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

BINS = 20
MOST_CLASSES = 10  # a factor with more values than this is a number, not a class


@dataclass(frozen=True)
class Gaps:
    """Of each factor, how much better the best latent dimension tells it than the second best one does.

    With attributes of a data set as proxies for factors, the score also punishes what the attributes share among
    themselves: it compares nets on the same faces, and is not a figure for its own sake.
    """

    scores: Float[np.ndarray, "d k"]
    """What latent dimension i tells about factor j."""

    @property
    def best(self) -> Int[np.ndarray, " k"]:
        """The latent dimension that tells most about each factor."""
        return self.scores.argmax(axis=0)

    @property
    def gaps(self) -> Float[np.ndarray, " k"]:
        """Best score of each factor minus the second best."""
        second, first = np.sort(self.scores, axis=0)[-2:]
        return first - second

    @property
    def score(self) -> float:
        """Mean gap over the factors: the number that carries the metric's name."""
        return float(self.gaps.mean())


def mig(latents: Float[np.ndarray, "n d"], factors: Float[np.ndarray, "n k"], bins: int = BINS) -> Gaps:
    """Mutual information gap; `scores` are I(z_i; v_j) / H(v_j), from 0 to 1.

    Source: Chen et al., Isolating Sources of Disentanglement in VAEs (2018), eq. 6. The mutual information is that of
    histograms, as in Locatello et al., Challenging Common Assumptions (2019), but with bins of equal counts, so that
    outliers and the scale of z do not matter. `latents` are posterior means or draws; a factor may be binary, a class, or
    a number, which is cut into bins as well. Histograms of n faces see about (bins - 1) · (values - 1) / 2n nats where
    there is nothing: small for binary factors, but numbers want n far above bins². `ValueError` names what cannot be
    measured.
    """
    check(latents, factors, 2 * bins)
    tables = [indicators(codes_of(column, bins)) for column in factors.T]
    ends = np.cumsum([table.shape[1] for table in tables])[:-1]
    together, entropies = np.hstack(tables), np.array([entropy(table.mean(axis=0)) for table in tables])
    out = np.empty((latents.shape[1], factors.shape[1]))
    for i, z in enumerate(latents.T):
        joint = indicators(codes_of(z, bins)).T @ together / len(z)  # shares of bins × values of all factors
        out[i] = [information(p) for p in np.split(joint, ends, axis=1)]
    return Gaps(out / entropies)


def sap(latents: Float[np.ndarray, "n d"], factors: Float[np.ndarray, "n k"], bins: int = BINS) -> Gaps:
    """Separated attribute predictability: `scores` are how well z_i alone predicts v_j.

    Source: Kumar et al., Variational Inference of Disentangled Latent Concepts (2018), section 3. For two values it is
    the balanced accuracy of the best single threshold, with either side as the positive one; for up to ten values,
    balanced accuracy with thresholds between bins of equal counts; for numbers, R² of the straight line. Nothing
    scores below chance, so the gap of a binary factor is 0.5 at most. `ValueError` names what cannot be measured.
    """
    check(latents, factors, 2 * bins)
    values = np.array([len(np.unique(column)) for column in factors.T])
    binary, classes = np.flatnonzero(values == 2), np.flatnonzero((values > 2) & (values <= MOST_CLASSES))
    out = squared_correlations(latents, factors)
    positive = factors[:, binary] == factors[:, binary].max(axis=0)
    tables = [indicators(codes_of(factors[:, j], bins)) for j in classes]
    for i, z in enumerate(latents.T):
        out[i, binary] = threshold_accuracies(z, positive)
        boxes = indicators(codes_of(z, bins)) if tables else None
        out[i, classes] = [((boxes.T @ table) / table.sum(axis=0)).max(axis=1).sum() / table.shape[1] for table in tables]
    return Gaps(out)


def check(latents: np.ndarray, factors: np.ndarray, least: int) -> None:
    """`ValueError` where no gap can be measured: too few rows or columns, values that are not finite, a constant factor."""
    if len(latents) != len(factors):
        raise ValueError(f"{len(latents)} latents but {len(factors)} rows of factors")
    if len(latents) < least:
        raise ValueError(f"{len(latents)} faces are too few for histograms; give at least {least}, or fewer bins")
    if latents.shape[1] < 2:
        raise ValueError("a gap between the best and the second best latent dimension needs two of them")
    if not (np.isfinite(latents).all() and np.isfinite(factors).all()):
        raise ValueError("latents or factors hold values that are not finite")
    if constant := np.flatnonzero(np.ptp(factors, axis=0) == 0).tolist():
        raise ValueError(f"factors in columns {constant} have one value only")


def codes_of(values: Float[np.ndarray, " n"], bins: int) -> Int[np.ndarray, " n"]:
    """The number of each value's bin: bins of equal counts, or one for each value where there are no more values than bins."""
    distinct, codes = np.unique(values, return_inverse=True)
    if len(distinct) <= bins:
        return codes
    edges = np.quantile(values, np.arange(1, bins) / bins)
    return np.searchsorted(edges, values, side="right")


def indicators(codes: Int[np.ndarray, " n"]) -> Float[np.ndarray, "n values"]:
    """One column of 0 and 1 for each value."""
    return np.eye(codes.max() + 1)[codes]


def entropy(p: Float[np.ndarray, "..."]) -> float:
    """Of a table of probabilities, in nats."""
    p = p[p > 0]
    return float(-(p * np.log(p)).sum())


def information(joint: Float[np.ndarray, "r c"]) -> float:
    """I(a; b) = H(a) + H(b) - H(a, b) of their joint probabilities, in nats."""
    return entropy(joint.sum(axis=1)) + entropy(joint.sum(axis=0)) - entropy(joint)


def threshold_accuracies(z: Float[np.ndarray, " n"], positive: Bool[np.ndarray, "n k"]) -> Float[np.ndarray, " k"]:
    """Balanced accuracy of the best threshold on z for each column; 0.5 is chance."""
    order = np.argsort(z)
    z, positive = z[order], positive[order]
    below = np.cumsum(positive, axis=0) / positive.sum(axis=0) - np.cumsum(~positive, axis=0) / (~positive).sum(axis=0)
    apart = np.append(z[1:] > z[:-1], True)  # equal values cannot be told apart
    return 0.5 + 0.5 * np.abs(below[apart]).max(axis=0)


def squared_correlations(latents: Float[np.ndarray, "n d"], factors: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "d k"]:
    """R² of the straight line through each pair (z_i, v_j); 0 where z does not move."""
    z, v = (a.astype(np.float64) - a.mean(axis=0, dtype=np.float64) for a in (latents, factors))
    scale = (z**2).sum(axis=0)[:, None] * (v**2).sum(axis=0)
    return np.divide((z.T @ v) ** 2, scale, out=np.zeros(scale.shape), where=scale > 0)
