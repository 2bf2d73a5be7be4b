"""What the editor takes and gives: faces, controls, results and steps. Plain values, never changed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Float32, UInt8

from facevae.latent.directions import Direction
from facevae.photo.alignment import Alignment
from facevae.photo.images import Photo


@dataclass(frozen=True)
class Drawn:
    """How a face was drawn: `Editor.generate([seed], temperature, prior)` draws it again."""

    seed: int
    temperature: float
    prior: str


@dataclass(frozen=True, eq=False)
class Face:
    """A face in the latent space and, where it came from a photo, its place in it. Plain NumPy, never changed.

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
    left: tuple["Left", ...] = ()
    """The other faces of the photo that were edited and then left for this one."""
    refined: int = 0
    """Steps of refinement behind `latent`."""
    seed: int | None = None
    drawn: Drawn | None = None
    applied: Float32[np.ndarray, " d"] | None = None
    """The move that `photo` shows already, where it is a saved edit that was opened again; `start` is G(latent + applied) then."""
    baked: Float32[np.ndarray, " d"] | None = None
    """What of `latent` is an edit that was made the new start; `photo` shows it."""
    name: str = "face"
    message: str = ""


@dataclass(frozen=True, eq=False)
class Left:
    """A face that was left for another one of the same photo: all of its edit in its `offset`, and its photo detail."""

    face: Face
    detail: float


@dataclass(frozen=True, eq=False)
class Opened:
    """A face with the edit that a recipe asks for: what the sliders say, what is held, and directions of the user's own."""

    face: Face
    strengths: Mapping[str, float] = field(default_factory=dict)
    locks: tuple[str, ...] = ()
    detail: float | None = None
    own: tuple[Direction, ...] = ()
    message: str = ""
    """What was opened, in a sentence."""


@dataclass(frozen=True, eq=False)
class Result:
    """An edit: as the bare decoder draws it, in the crop, and in the photo. The last two are drawn when they are first asked for."""

    decoded: UInt8[np.ndarray, "s s 3"]
    draw_crop: Callable[[], UInt8[np.ndarray, "s s 3"]]
    draw_photo: Callable[[], UInt8[np.ndarray, "h w 3"]]

    @cached_property
    def crop(self) -> UInt8[np.ndarray, "s s 3"]:
        """The crop with the edit in it."""
        return self.draw_crop()

    @cached_property
    def photo(self) -> UInt8[np.ndarray, "h w 3"]:
        """The photo, at the size that was asked for, with the edit in it."""
        return self.draw_photo()


@dataclass(frozen=True, eq=False)
class GuideStep:
    """A step of guidance: the face so far, and what the classifier sees in its crop as the user gets it."""

    face: Face
    step: int
    steps: int
    probability: float
    """How sure the classifier is of the hardest of what was asked for."""
    probabilities: dict[str, float]
    """Of each attribute that was asked for or against."""
    loss: float
    done: bool
    reason: str
    """Why it ended: "target", "plateau" or "steps"; "" while it goes on."""


@dataclass(frozen=True)
class GuideReport:
    """What guidance did: what was asked, how probable the guide and the judge find it now, what else moved.

    `judge` is None where the checkpoint has none; then the guide tells what moved. `moved` holds signed changes of logits in
    standard deviations over photos, the largest first; `leakage` is the mean of their sizes over all that was not asked.
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
