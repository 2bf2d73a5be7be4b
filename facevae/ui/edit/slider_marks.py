"""Marks beside the sliders (tick, safe range, classifier) as CSS properties for style.css.

A style sheet and not updates of the sliders themselves: it may come in the middle of a drag.
"""

from collections.abc import Iterable
from dataclasses import dataclass

BEYOND = "may look wrong"
HALF_STEP = 0.051
"""Sliders have a grid of 0.1, the photo's own score does not."""


@dataclass(frozen=True)
class Mark:
    """One slider in its own units, σ: its axis, the photo's own score, the start, the safe range, and its value."""

    place: str
    """CSS selector of the slider."""
    axis: tuple[float, float]
    own: float
    start: float
    safe: tuple[float, float]
    value: float
    seen: float | None = None
    """The classifier's probability of what the slider's right end means; None where it knows no such label."""
    held: bool = False
    """A lock holds it as it is."""

    @property
    def beyond(self) -> bool:
        """Whether the value is beyond the range that was measured."""
        return not self.safe[0] - HALF_STEP <= self.value <= self.safe[1] + HALF_STEP

    def rule(self) -> str:
        """As CSS: shares of the axis from 0 to 1, and words."""
        low, high = self.axis

        def share(value: float) -> str:
            return f"{min(max((value - low) / (high - low), 0.0), 1.0):.4f}"

        # Where a side of the range lies outside the axis, nothing of that side is dotted, the half of the thumb included.
        start, end = ("-1" if self.safe[0] <= low else share(self.safe[0])), ("2" if self.safe[1] >= high else share(self.safe[1]))
        shares = f"--own: {share(self.own)}; --safe-from: {start}; --safe-to: {end}; --start: {self.start:g};"
        words = f'--photo: "{self.own:+.1f}"; --seen: "{percent(self.seen)}"; --words: "{BEYOND if self.beyond else ""}";'
        return f"{self.place} {{ {shares} {words} --held: {int(self.held)}; }}"


def percent(probability: float | None) -> str:
    """A probability beside a slider, or nothing."""
    return "" if probability is None else f"{probability:.0%}"


def style_sheet(rules: Iterable[str]) -> str:
    """All of them, as the content of an HTML widget."""
    return "<style>" + "\n".join(rules) + "</style>"
