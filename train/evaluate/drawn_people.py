"""Faces drawn with and without a label: does a seed stay the same person, and show it?"""

from typing import Any

import numpy as np
import torch

from facevae.checkpoint.checkpoint import Checkpoint
from facevae.editor import Editor
from facevae.photo import images
from train.evaluate.edit_matrix import MAIN
from train.measure.markdown import judged_by, percent, table
from train.networks.identity import IdentityNet
from train.networks.scores import Scorer

SEEDS = 64
SAME_GOAL = 0.8
OTHER_PEOPLE = ("Male",)
"""Labels that make somebody else: they are measured, but do not count in the mean."""


@torch.inference_mode()
def evaluate_draws(checkpoint: Checkpoint, judge: Scorer, embedding: IdentityNet, people: dict[str, float]) -> dict[str, Any]:
    """The seeds 0 … `SEEDS` - 1 with and without each main label, as `Editor.generate` draws them; {} where the prior knows no labels.

    `same`: share whose two faces are nearer to each other, by the cosine of an identity embedding, than 19 of 20 pairs of two people
    are. `with` and `without`: share in which the judge sees the label, and does not.
    """
    editor, labels = Editor(checkpoint), list(judge.config.attributes)
    names = [name for name in MAIN if editor.generation.told({name: True}, "fitted") and name in labels]
    found: dict[str, dict[str, float]] = {}
    for name in names:
        drawn = (editor.generate(range(SEEDS), wanted={name: want}) for want in (True, False))
        pictures = [images.to_float(np.stack([face.crop for face in faces])) for faces in drawn]
        (one, seen), (other, unseen) = ((embedding(x), judge(x)[:, labels.index(name)] > 0) for x in pictures)
        cosine = (one * other).sum(1)
        found[name] = {
            "cosine": round(float(cosine.mean()), 3),
            "same": round(float((cosine > people["different_95"]).float().mean()), 3),
            "with": round(float(seen.float().mean()), 3),
            "without": round(float((~unseen).float().mean()), 3),
        }
    if not found:
        return {}
    counted = [row for name, row in found.items() if name not in OTHER_PEOPLE]
    mean = {key: round(float(np.mean([row[key] for row in counted])), 3) for key in ("cosine", "same", "with", "without")}
    return {"n": SEEDS, "different_95": people["different_95"], "labels": found, "mean": mean}


def draws_text(section: dict[str, Any]) -> str:
    """The table, and whether the goal is met."""
    note = (
        f"{section['n']} seeds, drawn with and without each label. Same: share whose two faces have a cosine above "
        f"{section['different_95']:.2f}, which 19 of 20 pairs of two people stay below (identity embedding {section['identity']}); goal "
        f"{percent(SAME_GOAL)} on average, which is without {', '.join(OTHER_PEOPLE)}. With, without: share in which the judge sees the "
        f"label, and does not.{judged_by(section)}"
    )
    rows = [
        [f"**{name}**" if name == "mean" else name, f"{row['cosine']:.2f}", *(percent(row[key]) for key in ("same", "with", "without"))]
        for name, row in [*section["labels"].items(), ("mean", section["mean"])]
    ]
    return f"{note}\n\n{table(['label', 'cosine', 'same', 'with', 'without'], rows)}"
