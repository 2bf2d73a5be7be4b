"""What runs for one visitor right now: the newest action wins, and what it overtakes ends without a word."""

import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary, WeakSet, WeakValueDictionary

from facevae.editor import Adjustment, Direction, Face
from facevae.editor.history import History
from facevae.editor.morph_types import KeyFrames
from facevae.photo import compositing


@dataclass(eq=False)
class Session:
    """One visitor's counter of actions and stop sign, shared by everything that runs for that visitor.

    Gradio's own `cancels` would lose the last step of what is stopped, and would not hold back a step that is on its
    way to the page.
    """

    turn: int = 0
    stopped: bool = False
    ticket: int = 0
    """The reading that began last; those of before may not speak any more."""
    picture: int = 0
    """The picture of the sliders that was begun last; those of before may not come to the page any more."""
    moved_sec: float = float("-inf")
    """When the crop was last moved."""
    adjustments: dict[int, Adjustment] = field(default_factory=dict)
    """How the crop of each face of the photo was moved by hand."""
    anew: int = -1
    """The turn in which the face that is shown was encoded anew, by a moved crop or a refinement."""
    starts: dict[str, float] = field(default_factory=dict)
    """Where each slider, by its attribute, stood when it was put to the face that is shown: there it asks for no change."""
    placed: int = 0
    """How often the sliders were put anew; the page carries the number, too."""
    own: list[Direction] = field(default_factory=list)
    """Directions of the visitor's own, in the order of their sliders."""
    history: History | None = None
    """What was done to the face that is shown."""
    keys: KeyFrames | None = None
    """The faces of the morph, as the newest change left them."""
    deed: str = ""
    """In words, what has just been done to the face besides sliders; the next step of the history is called so."""
    released: tuple[dict[str, float], float] | None = None
    """Strengths and photo detail as they were when the hand left a slider: what comes after these is a step of its own."""
    used_sec: float = 0.0
    """When the visitor last did something."""
    thumbnails: WeakKeyDictionary = field(default_factory=WeakKeyDictionary)
    """Small pictures of the history's edits."""
    key: str = ""
    """By which the visitor's page, and nobody else's, asks for pictures past Gradio; see `find_session`."""
    shown: tuple[int, Face] | None = None
    """The face that the page shows, and the turn that showed it."""
    hand: Sequence[Any] = ()
    """What the sliders said last while a hand moved them: the request for a live picture tells it before any event of Gradio's does."""

    def take_turn(self) -> int:
        """A new action begins: whatever still runs with an older number may not touch the page any more."""
        self.turn += 1
        self.stopped = False
        self.used()
        return self.turn

    def take_ticket(self) -> int:
        """A reading of the sliders begins, which are newer than what any other holds."""
        self.ticket += 1
        return self.ticket

    def begin_picture(self) -> int:
        """A picture of what the page says is begun; see `picture`."""
        self.picture += 1
        return self.picture

    def show(self, turn: int, face: Face) -> Face:
        """A face goes to the page. What an overtaken turn shows stays without effect; see `face_now`."""
        self.shown = turn, face
        return face

    @contextmanager
    def keeping(self, turn: int, face: Face) -> Iterator[None]:
        """A turn that ends in an error before it has shown anything leaves the page with the face that it began with."""
        try:
            yield
        except Exception:
            if self.turn == turn and self.face_now is None:
                self.show(turn, face)
            raise

    @property
    def face_now(self) -> Face | None:
        """The face on the page; None while a new action has begun and has shown none yet."""
        return self.shown[1] if self.shown is not None and self.shown[0] == self.turn else None

    def overtaken(self, face: Face) -> bool:
        """Whether something newer than this face goes on: what was to follow the face comes too late."""
        return self.shown is not None and self.face_now is not face

    def open_key(self) -> str:
        """The visitor's key; it cannot be guessed, and is forgotten with the session."""
        if not self.key:
            self.key = secrets.token_urlsafe(24)
            KEYS[self.key] = self
        return self.key

    def used(self) -> None:
        """Somebody is here: what the session knows of them is kept for another hour."""
        self.used_sec = time.monotonic()
        SESSIONS.add(self)

    def forget(self) -> None:
        """Nothing of a visitor's photos stays."""
        self.history = self.keys = self.shown = None
        self.thumbnails.clear()

    def stop(self) -> None:
        """The Stop button: what runs ends, and keeps what it has reached."""
        self.stopped = True

    def move_crop(self, index: int, adjustment: Adjustment) -> int:
        """The crop of a face was moved by hand. Gives the turn of it."""
        turn = self.anew = self.take_turn()
        self.moved_sec = time.monotonic()
        self.adjustments[index] = adjustment
        return turn

    def rests(self, seconds: float) -> bool:
        """The crop has not been moved for so long: the hand is off the slider."""
        return time.monotonic() - self.moved_sec >= seconds


SESSIONS: WeakSet[Session] = WeakSet()
KEYS: WeakValueDictionary[str, Session] = WeakValueDictionary()


def find_session(key: str) -> Session | None:
    """Whose key this is; None where it is nobody's (any more)."""
    return KEYS.get(key)


def forget_idle(age_sec: float) -> None:
    """Forget what sessions hold of visitors who did nothing for so long: a Gradio state that is never written has no end.

    What compositing remembers of faces goes at each call, whosever it is.
    """
    compositing.forget()
    for session in list(SESSIONS):
        if time.monotonic() - session.used_sec > age_sec:
            session.forget()
