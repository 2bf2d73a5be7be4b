"""Direction estimators: from encodings, labels and the guide's scores to a step of one σ."""

import numpy as np
from jaxtyping import Bool, Float, Float32
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from facevae.attributes import HAIR_COLOURS
from facevae.latent.directions import balanced_centroid, centroid, correlation, covariance_step, exclusive_centroid, partial_centroid

COMPANIONS = ("Male", "Young", "Heavy_Makeup", "Smiling")
"""What most labels of the data go together with: the balanced centroid compares faces that are alike in these."""
TOP = 16
INVERSE_PENALTIES = (0.002, 0.02, 0.2)


def auroc_of(score: Float[np.ndarray, " n"], labels: Bool[np.ndarray, " n"]) -> float:
    """How well a score separates; 0.5, that is not at all, where there is one class only."""
    return float(roc_auc_score(labels, score)) if 0 < labels.sum() < len(labels) else 0.5


def fit_logistic(
    z: Float32[np.ndarray, "n d"],
    labels: Bool[np.ndarray, " n"],
    held: Float32[np.ndarray, "m d"],
    held_labels: Bool[np.ndarray, " m"],
) -> Float[np.ndarray, " d"]:
    """Weights, for z, of a logistic regression on standardised encodings; the penalty separates held-out faces best."""
    mean, spread = z.mean(0), z.std(0) + 1e-8
    fitted = [LogisticRegression(C=c, max_iter=300).fit((z - mean) / spread, labels).coef_[0] / spread for c in INVERSE_PENALTIES]
    return max(fitted, key=lambda w: auroc_of(held @ w, held_labels))


def fit_steps(
    z: Float32[np.ndarray, "n d"],
    labels: Bool[np.ndarray, "n a"],
    scores: Float[np.ndarray, " k"],
    held: Float32[np.ndarray, "m d"],
    held_labels: Bool[np.ndarray, " m"],
    attributes: list[str],
    name: str,
) -> dict[str, Float[np.ndarray, " d"]]:
    """The step of one σ by each estimator that an attribute allows.

    `labels` (n, a) are those of all `attributes`; `scores` the guide's probability of `name` for the first k faces; `held` and
    `held_labels` are encodings of held-out faces and their labels of `name`.
    """
    column = attributes.index(name)
    own = labels[:, column]
    companions = [attributes.index(a) for a in COMPANIONS if a in attributes and a != name]
    weights, covariance, k = fit_logistic(z, own, held, held_labels), np.cov(z.T), len(scores)
    steps = {
        "centroid": centroid(z, own),
        "balanced": balanced_centroid(z, own, labels[:, companions]) if companions else centroid(z, own),
        "partial": partial_centroid(z, labels, column),
        "correlation": correlation(z[:k], scores),
        f"correlation top {TOP}": correlation(z[:k], scores, TOP),
        "correlation top 1": correlation(z[:k], scores, 1),
        "logistic": weights / np.linalg.norm(weights) ** 2 * np.sqrt(weights @ covariance @ weights),
        "natural": covariance_step(weights, covariance),
    }
    rivals = [a for a in HAIR_COLOURS if a in attributes]
    if name in rivals and len(rivals) > 1:
        steps["exclusive"] = exclusive_centroid(z, labels[:, [attributes.index(a) for a in rivals]], rivals.index(name))
    return steps


def unit_of_score(step: Float[np.ndarray, " d"], precision: Float[np.ndarray, "d d"]) -> Float[np.ndarray, " d"]:
    """The step made so long that the score w = Σ⁻¹ · step, whose cheapest move it is, rises by one σ.

    One unit for all estimators, the Mahalanobis length, so that their strengths can be compared.
    """
    return step / np.sqrt(step @ precision @ step)
