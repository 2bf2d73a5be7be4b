"""How far latents are from N(0, I): moments, KL, Fréchet distance, a classifier's AUROC."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

from train.measure.fidelity import frechet


@dataclass(frozen=True)
class Gaussianity:
    """What is measured of a cloud z (n, d). Of N(0, I) itself all would be 0, but 0.5 for `auroc`, and no value the largest."""

    skew: float
    """Mean |skewness| of the dimensions."""
    kurtosis: float
    """Mean excess kurtosis of the dimensions."""
    largest: float
    """Largest |z| of all values."""
    largest_sigma: float
    """The same in standard deviations of its dimension, from the mean of its dimension."""
    kl: float
    """KL of the Gaussian with the mean and the covariance of the cloud to N(0, I), nats."""
    frechet: float
    """Squared Fréchet distance of the cloud to as many draws of N(0, I), both as Gaussians."""
    auroc: float
    """Of boosted trees that tell held-out values of the cloud from held-out draws of N(0, I); they see more than two moments."""


def gaussianity(z: Float[np.ndarray, "n d"], normal: Float[np.ndarray, "n d"]) -> Gaussianity:
    """Measure z against as many draws of N(0, I)."""
    z = z.astype(np.float64)
    scaled = (z - z.mean(0)) / z.std(0)
    return Gaussianity(
        skew=float(np.abs((scaled**3).mean(0)).mean()),
        kurtosis=float((scaled**4).mean() - 3),
        largest=float(np.abs(z).max()),
        largest_sigma=float(np.abs(scaled).max()),
        kl=gaussian_kl(z),
        frechet=frechet(z, normal),
        auroc=separability(z, normal),
    )


def gaussian_kl(z: Float[np.ndarray, "n d"]) -> float:
    """KL(N(mean, covariance of z) ‖ N(0, I)), nats."""
    mean, covariance = z.mean(0), np.cov(z.T)
    return float(0.5 * (np.trace(covariance) + mean @ mean - len(mean) - np.linalg.slogdet(covariance)[1]))


def separability(a: Float[np.ndarray, "n d"], b: Float[np.ndarray, "n d"]) -> float:
    """AUROC of boosted trees that see z and its length, fitted to the first halves of a and b and scored on the second ones.

    0.5: they cannot tell a from b; 1: they always can. Other methods may do better, none can make it less.
    Source: Lopez-Paz and Oquab, Revisiting Classifier Two-Sample Tests (2017).
    """
    half = len(a) // 2
    # Trees cut along the axes and would need very many to see a radius, in which latents differ most from N(0, I).
    a, b = (np.column_stack([z, (z**2).sum(axis=1)]) for z in (a, b))
    label = np.repeat([0, 1], half)
    trees = HistGradientBoostingClassifier(random_state=0).fit(np.concatenate([a[:half], b[:half]]), label)
    return float(roc_auc_score(label, trees.predict_proba(np.concatenate([a[half : 2 * half], b[half : 2 * half]]))[:, 1]))


def whitened(z: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    """z with mean 0 and covariance I, along its principal components, the widest first: what is left is not a matter of scale."""
    values, vectors = np.linalg.eigh(np.cov(z.T))
    return (z - z.mean(0)) @ (vectors / np.sqrt(values))[:, ::-1]
