"""What runs for one visitor right now: the newest action wins, and what it overtakes ends without a word."""

import time
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary, WeakSet

from facevae.editor import Adjustment, Direction
from facevae.history import History
from facevae.morphing import KeyFrames


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

    def used(self) -> None:
        """Somebody is here: what the session knows of them is kept for another hour."""
        self.used_sec = time.monotonic()
        SESSIONS.add(self)

    def forget(self) -> None:
        """Nothing of a visitor's photos stays."""
        self.history = self.keys = None
        self.thumbnails.clear()

    def stop(self) -> None:
        """The Stop button: what runs ends, and keeps what it has reached."""
        self.stopped = True

    def move_crop(self, index: int, adjustment: Adjustment) -> None:
        """The crop of a face was moved by hand."""
        self.anew = self.take_turn()
        self.moved_sec = time.monotonic()
        self.adjustments[index] = adjustment

    def rests(self, seconds: float) -> bool:
        """The crop has not been moved for so long: the hand is off the slider."""
        return time.monotonic() - self.moved_sec >= seconds


SESSIONS: WeakSet[Session] = WeakSet()


def forget_idle(age_sec: float) -> None:
    """Forget what sessions hold of visitors who did nothing for so long: a Gradio state that is never written has no end."""
    for session in list(SESSIONS):
        if time.monotonic() - session.used_sec > age_sec:
            session.forget()
