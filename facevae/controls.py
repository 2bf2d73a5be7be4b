"""The sliders of a checkpoint: which there are, in which order, and how far each goes. Without torch: `--help` needs them, too."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from facevae.attributes import SHOWN

BEYOND = 1.5  # a slider ends at so many times its safe range
SLIDER_STEP = 0.1


class Ranged(Protocol):
    """What a slider wants to know of a direction: `facevae.latent.directions.Direction` is one."""

    @property
    def name(self) -> str: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


@dataclass(frozen=True)
class Control:
    """A slider: strengths are in σ of the attribute's direction; within `safe_low` … `safe_high` it was measured to work."""

    name: str
    label: str
    group: str
    low: float
    high: float
    reversed: bool
    step: float = SLIDER_STEP
    safe_low: float = 0.0
    safe_high: float = 0.0

    def strength(self, value: float) -> float:
        """The strength of the attribute where the slider stands at `value`."""
        return -value if self.reversed else value

    @property
    def strengths(self) -> tuple[float, float]:
        """The ends of the slider as strengths of the attribute itself, the lower one first."""
        low, high = sorted((self.strength(self.low), self.strength(self.high)))
        return low, high

    @property
    def safe_strengths(self) -> tuple[float, float]:
        """The ends of the safe range as strengths of the attribute itself."""
        low, high = sorted((self.strength(self.safe_low), self.strength(self.safe_high)))
        return low, high


def list_controls(directions: Mapping[str, Ranged]) -> list[Control]:
    """The sliders for these directions, in the order shown; a reversed one takes its attribute away to the right."""
    return [control_of(directions[shown.name], shown.label, shown.group, shown.reversed) for shown in SHOWN if shown.name in directions]


def control_of(direction: Ranged, label: str, group: str, reversed: bool = False) -> Control:
    """The slider of a direction: it goes on beyond the safe range, by half of it."""
    safe = (-direction.high, -direction.low) if reversed else (direction.low, direction.high)
    low, high = (round(BEYOND * end, 1) for end in safe)
    return Control(direction.name, label, group, low, high, reversed, safe_low=safe[0], safe_high=safe[1])
