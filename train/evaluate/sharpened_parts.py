"""Measure the detail net on held-out photos: how near and how sharp replaced parts become."""

from pathlib import Path
from typing import Any

from facevae.checkpoint.checkpoint import Checkpoint
from facevae.editor import Editor
from train.data.random_edits import reconstruct_by
from train.data.replaced_parts import SIZES, held_out_crops
from train.measure.markdown import table
from train.networks.detail import HELD_OUT, measure

GOALS = {"dist": "at most 0.6", "sharp": "0.9 to 1.05"}
NOTE = (
    f"{HELD_OUT} held-out faces of each size, a part of each replaced by its decode. Distance: of the part to the photo, in features of "
    "the guide, which the detail net has not learned from, over the decode's. Sharpness: energy of the gradient over the photo's."
)


def evaluate_detail(checkpoint: Checkpoint, parsing: Path, celeba: Path) -> dict[str, float]:
    """What `train.networks.detail.measure` finds, rounded; `ValueError` for a checkpoint without a detail net."""
    if checkpoint.detail is None:
        raise ValueError("the checkpoint has no detail net")
    editor = Editor(checkpoint)
    sets = tuple(held_out_crops(size, parsing, celeba, reconstruct_by(editor), editor.renderer.size, HELD_OUT) for size in SIZES)
    return {name: round(value, 3) for name, value in measure(checkpoint.detail, sets, checkpoint.classifier).items()}


def detail_text(section: dict[str, Any]) -> str:
    """The table, with the goals."""
    found = section["held_out"]
    rows = [
        [name, *(f"{found[key.format(size)]:.2f}" for size in SIZES), goal]
        for name, key, goal in (
            ("distance", "dist{}", GOALS["dist"]),
            ("sharpness", "sharp{}", GOALS["sharp"]),
            ("sharpness of the decode", "sharp{}_decode", ""),
        )
    ]
    return f"{NOTE}\n\n{table(['figure', *(f'{size} px' for size in SIZES), 'goal'], rows)}"
