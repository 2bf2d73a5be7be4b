"""Dataclasses of the editor: faces, edits, steps, reports. Immutable."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8

from facevae.latent.directions import Direction
from facevae.photo.alignment import Alignment
from facevae.photo.images import Photo
from facevae.settings import ANY_TEMPERATURE, PRIOR, SEED, TEMPERATURE

MOST_LABELS, MAX_LABEL = 200, 40
LABELS = f"labels are at most {MOST_LABELS} names, each true or false"


@dataclass(frozen=True)
class Drawn:
    """How a face was drawn: `Editor.generate([seed], temperature, prior, dict(labels))` draws it again.

    `ValueError` in one sentence where a value is not of its kind or out of range.
    """

    seed: int
    temperature: float
    prior: str
    labels: tuple[tuple[str, bool], ...] = ()
    """What the prior was told: each label that the face should have, or should not, in the order of their names."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "seed", SEED.check(self.seed))
        object.__setattr__(self, "temperature", float(ANY_TEMPERATURE.check(self.temperature)))
        PRIOR.check(self.prior)
        if len(self.labels) > MOST_LABELS or not all(
            isinstance(name, str) and 0 < len(name) <= MAX_LABEL and isinstance(want, bool) for name, want in self.labels
        ):
            raise ValueError(LABELS)
        object.__setattr__(self, "labels", tuple(sorted(dict(self.labels).items())))

    def as_json(self) -> dict[str, Any]:
        """As `json.dumps` takes it and `read` reads it."""
        values = {"seed": self.seed, "temperature": self.temperature, "prior": self.prior}
        return values | ({"labels": dict(self.labels)} if self.labels else {})

    @classmethod
    def read(cls, given: Any) -> "Drawn":
        """What `as_json` wrote, from wherever it comes; without a temperature or a prior, the page's own."""
        values = given if isinstance(given, Mapping) else {}
        labels = values.get("labels", {})
        if not isinstance(labels, Mapping):
            raise ValueError(LABELS)
        return cls(
            values.get("seed"), values.get("temperature", TEMPERATURE.default), values.get("prior", PRIOR.default), tuple(labels.items())
        )


@dataclass(frozen=True, eq=False)
class EditPart:
    """What one edit among several does to a latent, and the attributes that it is about; None where it may be about any."""

    move: Float32[np.ndarray, " d"]
    about: tuple[str, ...] | None = None


@dataclass(frozen=True, eq=False)
class Look:
    """A look that a face wears: what it does to the latent in full, and how much of that, 0 to 1, is in the face's `offset`."""

    name: str
    label: str
    parts: tuple[EditPart, ...]
    amount: float = 1.0


@dataclass(frozen=True, eq=False)
class Face:
    """A face in the latent space and, where it came from a photo, its place in it. NumPy arrays, never changed.

    `offset` is what guidance has added to `latent`; `photo` is what edits are laid over: the pixels of `source` with
    the edits of its other faces; `screen` is `photo` at screen size; `start` is G(latent) in [0, 1], kept because
    every edit is a difference from it.
    """

    latent: Float32[np.ndarray, " d"]
    offset: Float32[np.ndarray, " d"]
    crop: UInt8[np.ndarray, "s s 3"]
    photo: UInt8[np.ndarray, "h w 3"] | None = None
    screen: UInt8[np.ndarray, "h2 w2 3"] | None = None
    alignment: Alignment | None = None
    start: Float32[np.ndarray, "3 s s"] | None = None
    source: Photo | None = None
    faces: tuple[Alignment, ...] = ()
    """Where the faces of the photo are, the largest first, as they were found; one entry, the middle, where none was."""
    index: int = 0
    """Which of `faces` this one is."""
    left: tuple["OtherFaceEdit", ...] = ()
    """The other faces of the photo that were edited before this one."""
    refined: int = 0
    """Steps of refinement behind `latent`."""
    seed: int | None = None
    drawn: Drawn | None = None
    about: tuple[str, ...] | None = None
    """The attributes that `offset` is about, but for its `earlier` parts; None where it may be about any."""
    earlier: tuple[EditPart, ...] = ()
    """The parts of `offset` that were there before its last one, each of which is laid on where it is about."""
    looks: tuple[Look, ...] = ()
    """The looks in `offset` that can be scaled and taken off again, the newest last."""
    applied: tuple[EditPart, ...] | None = None
    """What `photo` already shows of an edit, where it is a reopened saved one; `start` is G(latent + their sum) then."""
    baked: tuple[EditPart, ...] | None = None
    """What of `latent` is an edit that was made the new start; `photo` shows it."""
    name: str = "face"
    message: str = ""


@dataclass(frozen=True, eq=False)
class OtherFaceEdit:
    """An edited face of a photo of which another face is edited now: its edit is in its `offset`, `detail` its photo detail."""

    face: Face
    detail: float


@dataclass(frozen=True, eq=False)
class Opened:
    """A face with the edit of a recipe: strengths, locks, photo detail and the user's own directions."""

    face: Face
    strengths: Mapping[str, float] = field(default_factory=dict)
    locks: tuple[str, ...] = ()
    detail: float | None = None
    own: tuple[Direction, ...] = ()
    message: str = ""
    """A sentence that says what was opened."""


@dataclass(frozen=True, eq=False)
class Result:
    """An edit: as the bare decoder draws it, in the crop, and in the photo, each drawn when it is first read."""

    draw_decoded: Callable[[], UInt8[np.ndarray, "s s 3"]]
    draw_crop: Callable[[], UInt8[np.ndarray, "s s 3"]]
    draw_photo: Callable[[], UInt8[np.ndarray, "h w 3"]]

    @cached_property
    def decoded(self) -> UInt8[np.ndarray, "s s 3"]:
        """The face as the decoder draws it."""
        return self.draw_decoded()

    @cached_property
    def crop(self) -> UInt8[np.ndarray, "s s 3"]:
        """The crop with the edit in it."""
        return self.draw_crop()

    @cached_property
    def photo(self) -> UInt8[np.ndarray, "h w 3"]:
        """The photo, of at most the requested size, with the edit in it."""
        return self.draw_photo()


@dataclass(frozen=True, eq=False)
class GuideStep:
    """A step of guidance: the face so far, and what the classifier sees in its crop as the user gets it."""

    face: Face
    step: int
    steps: int
    probability: float
    """How sure the classifier is of the hardest wanted label."""
    probabilities: dict[str, float]
    """Of each wanted label."""
    loss: float
    done: bool
    reason: str
    """Why the search ended: "target", "plateau" or "steps", `PUT_ON` where it was a hair colour or make-up; "" before that."""


@dataclass(frozen=True)
class GuideReport:
    """What guidance did: `asked` are the wanted labels, `guide` and `judge` their probabilities now, `moved` what else changed.

    `judge` is None where the checkpoint has none; `moved` comes from the guide then. `moved` holds signed changes of logits in
    standard deviations over photos, the largest first; `leakage` is the mean size of all changes of other labels.
    """

    asked: dict[str, bool]
    guide: dict[str, float]
    judge: dict[str, float] | None
    moved: tuple[tuple[str, float], ...]
    leakage: float


@dataclass(frozen=True, eq=False)
class RefineStep:
    """A step of refinement: the face so far, and how near its reconstruction has come to the crop, in dB."""

    face: Face
    step: int
    steps: int
    psnr_before_db: float
    psnr_db: float
    done: bool
