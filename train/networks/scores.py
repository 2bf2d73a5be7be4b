"""Accuracy, balanced accuracy, AUROC and Brier score of classifiers and judges."""

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from sklearn.metrics import roc_auc_score

from facevae.nets.classifier import AttributeClassifier
from facevae.nets.judge import Judge
from train.data.augment import outputs_of

Scorer = AttributeClassifier | Judge
"""A judge (see facevae/nets/judge.py), or, where there is none, another classifier."""
SCORES = ("accuracy", "majority", "balanced", "auroc", "brier", "calibration")


@torch.inference_mode()
def score_pictures(
    net: Scorer, pictures: UInt8[np.ndarray, "m h w 3"], labels: UInt8[np.ndarray, "m a"], attributes: list[str]
) -> dict[str, dict[str, float | None]]:
    """Scores of each attribute, and their "mean".

    Each row has `accuracy` at probability 0.5, `majority` (accuracy of always giving the commoner answer), `balanced`
    (mean of the accuracies among those with and without) and `auroc`; the last two are None where all have the same
    answer, and such rows stay out of their means. `brier` is the mean squared error of the probability, `calibration` its
    expected calibration error, see `calibration_error`. `ValueError` where net, pictures and labels do not fit each other.
    """
    if list(net.config.attributes) != list(attributes):
        raise ValueError(f"the classifier answers for {', '.join(net.config.attributes)}, the data has {', '.join(attributes)}")
    if len(pictures) != len(labels):
        raise ValueError(f"{len(pictures)} pictures do not fit {len(labels)} rows of labels")
    logits = outputs_of(net, pictures).numpy()  # (m, a)
    table: dict[str, dict[str, float | None]] = {}
    for column, name in enumerate(attributes):
        truth, said = labels[:, column].astype(bool), logits[:, column] > 0
        probability = 1 / (1 + np.exp(-logits[:, column].astype(np.float64)))
        right, mixed = said == truth, 0 < truth.sum() < len(truth)
        table[name] = {
            "accuracy": float(right.mean()),
            "majority": float(max(truth.mean(), 1 - truth.mean())),
            "balanced": float((right[truth].mean() + right[~truth].mean()) / 2) if mixed else None,
            "auroc": float(roc_auc_score(truth, logits[:, column])) if mixed else None,
            "brier": float(((probability - truth) ** 2).mean()),
            "calibration": calibration_error(probability, truth),
        }
    columns = {k: [row[k] for row in table.values() if row[k] is not None] for k in SCORES}
    return table | {"mean": {k: float(np.mean(v)) if v else None for k, v in columns.items()}}


def calibration_error(probability: Float[np.ndarray, " m"], truth: Bool[np.ndarray, " m"], bins: int = 10) -> float:
    """Mean |share that is true − mean probability| over bins of equal width, weighted by what falls into each (Guo et al., 2017, eq. 3)."""
    place = np.minimum((probability * bins).astype(int), bins - 1)
    return float(np.abs(np.bincount(place, truth, bins) - np.bincount(place, probability, bins)).sum() / len(truth))
