"""Detectability of edits: a net tells edited from untouched crops of held-out people."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Int
from tqdm import tqdm

from facevae.checkpoint.checkpoint import Checkpoint
from facevae.editor import Editor
from train.data.prepared import PreparedData
from train.evaluate.edited_crops import edited_crops, look_strength
from train.measure.encodings import encode_many
from train.measure.markdown import table
from train.measure.told_apart import Pictures, told_apart

GOALS = {"Black_Hair": 0.75, "Blond_Hair": 0.75, "Brown_Hair": 0.75, "Gray_Hair": 0.75, "Smiling": 0.65}
OTHERS_GOAL = 0.85
ALIKE = ("Male", "Young", "Smiling")
"""Labels in which the untouched faces resemble the edited ones, where the edit is not about them."""
NOTE = (
    "AUROC of a small net, trained afresh for each edit on train faces, at telling edited from untouched crops of test faces; 0.5: nobody "
    "can tell. Anyone: edited and untouched faces are drawn at random. The net may then simply see that all edited faces are blond, so "
    "that even a perfect edit is found. Alike: faces that lack the label are edited, and stand against untouched ones that have it, with "
    "as many men, young and smiling faces on both sides: there a perfect edit gives 0.5."
)
Sides = tuple[Int[np.ndarray, " n"], Int[np.ndarray, " m"]]  # untouched, to be edited


def evaluate_detectability(
    checkpoint: Checkpoint, data: PreparedData, split: str, attributes: Sequence[str], examples: int, tried: int, seed: int = 0
) -> dict[str, Any]:
    """attribute -> strength, AUROC against "anyone" and against faces "alike", and how many were told apart.

    The nets learn from at most `examples` edited and as many untouched faces of the train split, and are tried on at most `tried` and
    `tried` of `split`. All attributes of the checkpoint where none is named; `ValueError` for one that it has no direction for.
    """
    if unknown := [name for name in attributes if name not in checkpoint.directions]:
        raise ValueError(f"the checkpoint has no slider for {', '.join(unknown)}; it has {', '.join(checkpoint.directions)}")
    editor, found = Editor(checkpoint), {}
    for number, name in enumerate(tqdm(attributes or list(checkpoint.directions), desc="detectability")):
        strength, row = look_strength(name), {}
        rng = np.random.default_rng((seed, 9, number if not attributes else list(checkpoint.directions).index(name)))
        for kind, draw in (("anyone", anyone), ("alike", alike)):
            train, test = (draw(data, part, name, strength > 0, most, rng) for part, most in (("train", examples), (split, tried)))
            if min(map(len, (*train, *test))) < 2:
                continue
            crops = [crops_of(editor, checkpoint, data, sides, name, strength) for sides in (train, test)]
            row[kind] = {"auroc": round(told_apart(*crops, seed=seed), 3), "train": len(train[1]), "test": len(test[1])}
            tqdm.write(f"{name}, {kind}: {row[kind]}")  # each takes minutes: whoever stops early has seen some
        found[name] = {"strength": strength, **row}
    return {"split": split, "seed": seed, "edits": found}


def crops_of(
    editor: Editor, checkpoint: Checkpoint, data: PreparedData, sides: Sides, name: str, strength: float
) -> tuple[Pictures, Pictures]:
    """The untouched crops as they are, and the others edited."""
    untouched, chosen = sides
    z = encode_many(checkpoint.net, data, chosen)
    return np.array(data.images[untouched]), edited_crops(editor, np.array(data.images[chosen]), z, name, strength)


def anyone(data: PreparedData, split: str, name: str, adding: bool, most: int, rng: np.random.Generator) -> Sides:
    """Faces drawn at random, no face on both sides."""
    order = rng.permutation(data.indices(split))
    count = min(most, len(order) // 2)
    return order[:count], order[count : 2 * count]


def alike(data: PreparedData, split: str, name: str, adding: bool, most: int, rng: np.random.Generator) -> Sides:
    """Faces that have what the edit is for, and as many that lack it, with the labels of `ALIKE` as often on both sides.

    Nobody where the data do not know the label.
    """
    if name not in data.attributes:
        return np.array([], int), np.array([], int)
    members = rng.permutation(data.indices(split))
    has = data.label(name)[members] == adding
    columns = [data.attributes.index(label) for label in ALIKE if label != name and label in data.attributes]
    group = (data.labels[members][:, columns] * 2 ** np.arange(len(columns))).sum(1)
    sides: tuple[list[int], list[int]] = [], []
    for own in np.unique(group):
        with_it, without = members[(group == own) & has], members[(group == own) & ~has]
        count = min(len(with_it), len(without))
        sides[0].extend(with_it[:count])
        sides[1].extend(without[:count])
    kept = rng.permutation(len(sides[0]))[:most]
    return np.array(sides[0], int)[kept], np.array(sides[1], int)[kept]


def detectability_text(section: dict[str, Any]) -> str:
    """The table, with the goals."""
    rows = []
    for name, row in section["edits"].items():
        cells = [f"{row[k]['auroc']:.3f}" if k in row else "–" for k in ("anyone", "alike")]
        counts = [f"{row[k]['train']} · {row[k]['test']}" if k in row else "–" for k in ("anyone", "alike")]
        rows.append([name, f"{row['strength']:+g}", cells[0], f"{GOALS.get(name, OTHERS_GOAL):.2f}", counts[0], cells[1], counts[1]])
    head = ["edit", "σ", "anyone", "goal", "train · test, each", "alike", "train · test, each"]
    return f"{NOTE}\n\n{table(head, rows)}"
