"""Measure the hair net on held-out photos: its matte, and the light hair that it draws."""

from pathlib import Path
from typing import Any

from facevae.checkpoint.checkpoint import Checkpoint
from facevae.photo.parts import parser_of
from train.data.darkened_hair import read_hair
from train.data.parsing import list_parts
from train.measure.markdown import table
from train.networks.hair import measure

SEED = 0
NOTE = (
    "Held-out photos of light hair that was made dark. Matte: absolute error, beside that of the parser's share. Light, in the hair: "
    "absolute error of L* around its median, and standard deviation over the photo's, beside what the same gain for all strands gives."
)


def evaluate_hair_net(checkpoint: Checkpoint, parsing: Path, celeba: Path) -> dict[str, float]:
    """What `train.networks.hair.measure` finds, rounded; `ValueError` for a checkpoint without a hair net."""
    if checkpoint.hair_net is None:
        raise ValueError("the checkpoint has no hair net")
    photos = read_hair([item for item in list_parts(parsing, celeba) if item.held_out], parser_of(checkpoint.parser), SEED)
    return {name: round(value, 3) for name, value in measure(checkpoint.hair_net, photos).items()}


def hair_net_text(section: dict[str, Any]) -> str:
    """The table."""
    found = section["held_out"]
    rows = [
        [name, f"{found[key]:.3f}", f"{found[beside]:.3f}"]
        for name, key, beside in (
            ("error of the matte", "valid_matte", "valid_matte_parser"),
            ("error of the light, L*", "valid_light", "valid_light_shift"),
            ("spread of the light", "valid_spread", "valid_spread_shift"),
        )
    ]
    return f"{NOTE}\n\n{table(['figure', 'hair net', 'without it'], rows)}"
