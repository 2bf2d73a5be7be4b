"""The sliders of a checkpoint: which there are, in which order, and how far each goes."""

from facevae.attributes import SHOWN
from facevae.checkpoint import Checkpoint
from facevae.faces import Control
from facevae.latent.directions import Direction

BEYOND = 1.5  # a slider ends at so many times its safe range


def list_controls(checkpoint: Checkpoint) -> list[Control]:
    """The sliders of a checkpoint, in the order shown; a reversed one takes its attribute away to the right."""
    return [
        control_of(checkpoint.directions[shown.name], shown.label, shown.group, shown.reversed)
        for shown in SHOWN
        if shown.name in checkpoint.directions
    ]


def control_of(direction: Direction, label: str, group: str, reversed: bool = False) -> Control:
    """The slider of a direction: it goes on beyond the safe range, by half of it."""
    safe = (-direction.high, -direction.low) if reversed else (direction.low, direction.high)
    low, high = (round(BEYOND * end, 1) for end in safe)
    return Control(direction.name, label, group, low, high, reversed, safe_low=safe[0], safe_high=safe[1])
