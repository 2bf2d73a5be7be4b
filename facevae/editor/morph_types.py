"""Dataclasses of a morph: its faces, path and film. No pixels, no latents."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from facevae.editor.types import Face

LEAST_FACES, MOST_FACES = 2, 6
MOST_FRAMES = 240
STRIP_CELLS = 8
"""A film strip shows at least so many pictures after the first."""
FILM_FACE_PX = 256
"""Least side of a film of faces: browsers would enlarge a smaller one without any smoothing."""
FILM_SIDE_PX = {"gif": 640, "webp": 960, "mp4": 1280}
"""Longest side of a film: GIF spends ten times the bytes of MP4 on a picture."""
MOST_CROP_PX = 1024
"""Largest side of a face that is drawn without its photo."""
KEPT_BYTES = 64 * 2**20
"""Frames that the way back shows again are kept as far as they fit; the others are drawn again."""

Repeat = Literal["back", "round", "once"]


@dataclass(frozen=True)
class MorphPath:
    """How a morph goes from face to face.

    `repeat` is what comes after the last face: "back" the same way back, "round" on to the first face, "once" nothing.
    `smooth` comes to rest at each face. `parts` names the attributes whose scores travel, in straight lines, while everything
    else stays that of the first face; () means that all of the face travels.
    """

    path: Literal["slerp", "lerp"] = "slerp"
    repeat: Repeat = "back"
    smooth: bool = False
    parts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.path not in ("slerp", "lerp"):
            raise ValueError(f"the path must be slerp or lerp, not {self.path}")
        if self.repeat not in ("back", "round", "once"):
            raise ValueError(f"a morph ends with back, round or once, not {self.repeat}")

    @property
    def closed(self) -> bool:
        """The last face is followed by the first."""
        return self.repeat == "round"

    def segments(self, faces: int) -> int:
        """Stretches from face to face."""
        return faces if self.closed else faces - 1

    def place(self, position: float, faces: int) -> tuple[int, float]:
        """On which stretch a position of the way lies, and which share of it is behind; 0 and 1 are the faces themselves."""
        at = position * self.segments(faces)
        k = min(int(at), self.segments(faces) - 1)
        share = at - k
        return k, share * share * (3 - 2 * share) if self.smooth else share

    def share_of(self, index: int, faces: int) -> float:
        """Where on the way, 0 to 1, one of the faces is reached."""
        return index / self.segments(faces)


@dataclass(frozen=True)
class FilmConfig:
    """How a morph is written: `frames` one way, each for `duration_ms`; `where` as in `Editor.morph_through`."""

    format: Literal["gif", "webp", "mp4"] = "gif"
    frames: int = 32
    duration_ms: int = 60
    where: Literal["face", "photo"] = "face"

    def __post_init__(self) -> None:
        if not 2 <= self.frames <= MOST_FRAMES:
            raise ValueError(f"{self.frames} frames were asked for; 2 to {MOST_FRAMES} can be drawn")


@dataclass(frozen=True, eq=False)
class FilmStep:
    """A frame has been written. The last step carries the file, its frames' size and how long it plays."""

    frame: int
    frames: int
    data: bytes = b""
    width_px: int = 0
    height_px: int = 0
    seconds: float = 0.0


def film_positions(frames: int, repeat: Repeat) -> list[float]:
    """Where on the way each frame of a film lies. "round" leaves out the end, which is the start of the next turn."""
    forth = np.linspace(0, 1, frames, endpoint=repeat != "round").tolist()
    return forth + forth[-2:0:-1] if repeat == "back" else forth


def strip_positions(segments: int) -> list[float]:
    """Where on the way the pictures of a film strip lie: evenly, each face among them."""
    return np.linspace(0, 1, segments * strip_step(segments) + 1).tolist()


def strip_step(segments: int) -> int:
    """Pictures of the strip from one face to the next."""
    return -(-STRIP_CELLS // segments)


@dataclass(frozen=True)
class Key:
    """A face that a morph goes through. A `lent` one is an example that nobody asked for: it gives way to a face of one's own."""

    face: Face
    lent: bool = False


@dataclass(frozen=True)
class KeyFrames:
    """The faces of a morph in their order, two to six of them; `chosen` is the one that is spoken of."""

    keys: tuple[Key, ...]
    chosen: int = 0

    def __len__(self) -> int:
        return len(self.keys)

    @classmethod
    def of_examples(cls, *faces: Face) -> "KeyFrames":
        """What the page begins with."""
        return cls(tuple(Key(face, lent=True) for face in faces))

    @property
    def faces(self) -> list[Face]:
        return [key.face for key in self.keys]

    def choose(self, index: int) -> "KeyFrames":
        """Speak of another one; numbers beyond the ends mean the ends."""
        return replace(self, chosen=min(max(index, 0), len(self) - 1))

    def add(self, face: Face, own: bool = True) -> "KeyFrames":
        """One more face, at the end, and chosen; an `own` one takes the place of the first that is lent, where there is one.

        `ValueError` where there are six.
        """
        lent = [k for k, key in enumerate(self.keys) if own and key.lent]
        if lent:
            return self.choose(lent[0]).put(face)
        if len(self) >= MOST_FACES:
            raise ValueError(f"a morph goes through at most {MOST_FACES} faces: remove or replace one of them")
        return KeyFrames((*self.keys, Key(face)), len(self))

    def put(self, face: Face) -> "KeyFrames":
        """Another face in the place of the chosen one."""
        return replace(self, keys=(*self.keys[: self.chosen], Key(face), *self.keys[self.chosen + 1 :]))

    def remove(self) -> "KeyFrames":
        """Without the chosen face. `ValueError` where only two are left."""
        if len(self) <= LEAST_FACES:
            raise ValueError(f"a morph needs at least {LEAST_FACES} faces: add another one first, or replace this one")
        return KeyFrames((*self.keys[: self.chosen], *self.keys[self.chosen + 1 :])).choose(self.chosen)

    def move(self, by: int) -> "KeyFrames":
        """The chosen face changes places with the one `by` places on; where there is none, nothing happens."""
        other = self.chosen + by
        if not 0 <= other < len(self):
            return self
        keys = list(self.keys)
        keys[self.chosen], keys[other] = keys[other], keys[self.chosen]
        return KeyFrames(tuple(keys), other)
