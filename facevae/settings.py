"""Settings: names, ranges and defaults for the page, command line and HTTP API.

Data only, and quick to import: `--help` reads it. The sliders of the attributes come from the checkpoint, see `facevae.attributes`.
"""

import math
from dataclasses import dataclass
from typing import Any


def is_number(value: Any, limit: float = math.inf) -> bool:
    """Whether a value is a finite number, in size at most `limit`; Python's JSON also reads NaN, infinity and integers of any length."""
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and abs(value) <= limit
    except OverflowError:
        return False


def check_number(value: Any, name: str, low: float, high: float) -> float:
    """The value, where it is a number within the range; `ValueError` names both."""
    if not is_number(value) or not low <= value <= high:
        raise ValueError(f"{name} is a number from {low:g} to {high:g}, not {value!r:.40}")
    return value


def check_whole(value: Any, name: str, low: int, high: int) -> int:
    """The value as an int, where it is a whole number within the range, 2.0 included: JavaScript has no integers."""
    if not is_number(value) or not low <= value <= high or value != int(value):
        raise ValueError(f"{name} is a whole number from {low} to {high}, not {value!r:.40}")
    return int(value)


@dataclass(frozen=True)
class Number:
    """A slider of the page; a whole number where `default` is one and `step` is, too."""

    name: str
    label: str
    """On the page."""
    low: float
    high: float
    default: float
    step: float
    about: str
    """What it does, in a few words without a full stop."""

    @property
    def whole(self) -> bool:
        return isinstance(self.default, int) and isinstance(self.step, int)

    def check(self, value: Any) -> float:
        """The value, where it is a number within the range; `ValueError` names both."""
        if self.whole:
            return check_whole(value, self.name, int(self.low), int(self.high))
        return check_number(value, self.name, self.low, self.high)


@dataclass(frozen=True)
class Choice:
    """A few choices side by side, the first one being the default: pairs of the page's words and of the value."""

    name: str
    label: str
    pairs: tuple[tuple[str, str], ...]
    about: str

    @property
    def values(self) -> tuple[str, ...]:
        return tuple(value for _, value in self.pairs)

    @property
    def default(self) -> str:
        return self.values[0]

    def check(self, value: Any) -> str:
        """The value, where it is one of the choices; `ValueError` names them."""
        if value not in self.values:
            raise ValueError(f"{self.name} is {' or '.join(self.values)}, not {value!r:.40}")
        return value


PHOTO_DETAIL = Number(
    "detail", "Sharpness of the original", 0, 1, 0.45, 0.05, "how much of the photo's own detail stays where the shape changes"
)
AMOUNT = Number("amount", "Amount", 0, 1, 1.0, 0.01, "how much of a look is put on")
CROP = (
    Number("shift_x", "Left, right", -1000, 1000, 0, 0.01, "move the crop right, in crop sides"),
    Number("shift_y", "Up, down", -1000, 1000, 0, 0.01, "move the crop down, in crop sides"),
    Number("zoom", "Zoom", 0.01, 1000, 1, 0.01, "2 shows the face twice as large in the crop"),
    Number("angle_deg", "Rotate", -180, 180, 0, 0.5, "turn the crop clockwise, in degrees"),
)
"""The fields of `facevae.photo.alignment.Adjustment`, in their order: any place of any photo, from any face. The crop has to lie in
the photo."""

FRAMES = Number("frames", "Frames one way", 8, 120, 32, 1, "frames one way")
DURATION_MS = Number("duration_ms", "ms per frame", 20, 300, 60, 10, "how long each frame is shown, in ms")
POSITION = Number("position", "Mix", 0, 1, 0.5, 0.01, "where on the way, 0 being the first face")
PATH = Choice("path", "Path", (("Curved", "slerp"), ("Straight", "lerp")), "of drawn faces: arcs around the mean face, or straight lines")
REPEAT = Choice(
    "repeat",
    "Ending",
    (("Back and forth", "back"), ("Loop", "round"), ("Stop", "once")),
    "the same way back, on to the first face, or nothing",
)
WHERE = Choice("where", "Show as", (("Face only", "face"), ("On photo 1", "photo")), "the face alone, or the whole photo")

SEED = Number("seed", "Seed", 0, 2**32 - 1, 1, 1, "the same seed is the same face")
COUNT = Number("count", "How many faces", 1, 48, 12, 1, "how many faces")
TEMPERATURE = Number("temperature", "Variety", 0.1, 1.2, 0.8, 0.05, "how far from the mean face they are drawn")
ANY_TEMPERATURE = Number("temperature", "Variety", 0, 3, 0.8, 0.05, "what recipes, links and programs may ask for, beyond the slider")
RADIUS = Number("radius", "How different", 0.1, 1, 0.5, 0.05, "how far from the face its neighbours are")
PRIOR = Choice("prior", "Source", (("Typical", "fitted"), ("Random", "normal")), "what faces are drawn from")
COLUMNS, NEAR_COLUMNS = 4, 3
"""Faces side by side on a sheet of seeds, and on one of neighbours, with the face in their middle."""
