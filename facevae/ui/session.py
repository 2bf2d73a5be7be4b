"""State of one visitor on the server; decides which action may still show its result."""

import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary, WeakSet, WeakValueDictionary

from facevae.editor import Adjustment, Direction, Editor, Face, morphing
from facevae.editor.history import History
from facevae.editor.morph_types import KeyFrames
from facevae.editor.renderer import forget_faces


@dataclass(eq=False)
class Session:
    """One visitor: counters that decide races between handlers, and what the server remembers of the edit.

    Gradio runs several handlers of a visitor at once and shows whatever comes last. Its own `cancels` would lose the last step of
    what is stopped, and would not hold back a step that is on its way to the page. So each handler takes a number when it begins
    and compares it before it answers.
    """

    action: int = 0
    """The newest action (open, choose, undo, guide, refine, draw faces …). Race: two actions; results of the older one are ignored."""
    opening: int = 0
    """The newest choice of a face to open. Race: a large photo is read for longer than a small one that was chosen after it."""
    stopped: bool = False
    """The Stop button was pressed since the newest action began."""
    reading: int = 0
    """The newest reading by the classifier. Race: two readings of one action; the older one may not write history and marks."""
    preview: int = 0
    """The newest preview through Gradio. Race: an edit that is still being drawn would cover the original, which takes no time."""
    slider_version: int = 0
    """How often the server has set the sliders; the page carries it as `#placed`. Race: slider values that left the page before the
    server set the sliders would be read against the new starts; an event with an older version is ignored."""
    encoded_in: int = -1
    """The action that encoded the face again, by a moved crop or a refinement; -1 once the sliders have followed. Race: the sliders
    follow such a face unless another action has begun, which sets them itself."""
    drag: Mapping[Any, Any] = field(default_factory=dict)
    """The newest values of the sliders during a drag, by widget. Race: a live preview reaches the server before any event of Gradio
    does; a slider that it reports as moved is not set back by an event that left the page earlier."""
    drag_end: tuple[Any, ...] | None = None
    """The values of the edit at the end of a drag. Race: the history hears of them by a reading, which may come before or after the
    end, and after readings from the middle; the one with these values completes the step."""
    working: int = 0
    """The action that is guiding; 0 while none is. Race: small pictures of looks would slow down the search that was tapped."""
    touched_sec: float = float("-inf")
    """When the page last asked for another picture."""
    pictured: str = ""
    """Of which crop the looks were drawn last; see `facevae.ui.edit.looks`."""
    moved_sec: float = float("-inf")
    """When the crop was last moved."""
    adjustments: dict[int, Adjustment] = field(default_factory=dict)
    """How the crop of each face of the photo was moved by the user."""
    starts: dict[str, float] = field(default_factory=dict)
    """Value of each slider, by its attribute, that means no change: the score of the face on the page."""
    own: list[Direction] = field(default_factory=list)
    """Directions of the visitor's own, in the order of their sliders."""
    history: History | None = None
    """The steps of the edit on the page."""
    keys: KeyFrames | None = None
    """The faces of the morph, as the newest change left them."""
    step_words: str = ""
    """What has just been done to the face besides sliders; the name of the next step of the history."""
    forgotten: bool = False
    """Whether photos of this visitor have been deleted."""
    used_sec: float = 0.0
    """When the visitor last did something."""
    thumbnails: WeakKeyDictionary = field(default_factory=WeakKeyDictionary)
    """Small pictures of the history's edits."""
    key: str = ""
    """With it the visitor's page asks for live previews, past Gradio; see `find_session`."""
    shown: tuple[int, Face] | None = None
    """The face on the page, and the action that showed it."""

    def begin_action(self) -> int:
        """Number of a new action; handlers that still run with an older one may not change the page."""
        self.action += 1
        self.stopped = False
        self.used()
        return self.action

    def begin_work(self) -> int:
        """Number of a new action that guides; see `working`."""
        self.working = self.begin_action()
        return self.working

    @property
    def guides(self) -> bool:
        """Whether the newest action is guiding."""
        return self.working != 0 and self.working == self.action

    def end_work(self, action: int) -> None:
        """It is over, unless another has taken its place."""
        self.working = 0 if self.working == action else self.working

    def begin_opening(self) -> int:
        """Number of a new choice; see `opening`."""
        self.opening += 1
        return self.opening

    def begin_reading(self) -> int:
        """Number of a new reading; see `reading`."""
        self.reading += 1
        return self.reading

    def begin_preview(self) -> int:
        """Number of a new preview; see `preview`."""
        self.preview += 1
        self.touched()
        return self.preview

    def touched(self) -> None:
        """The page asks for another picture: what is less urgent waits."""
        self.touched_sec = time.monotonic()

    def touched_within(self, seconds: float) -> bool:
        """Whether that was so lately."""
        return time.monotonic() - self.touched_sec < seconds

    def show(self, action: int, face: Face) -> Face:
        """Record the face that an action sends to the page. That of a superseded action has no effect; see `face_now`."""
        self.shown = action, face
        return face

    def editor(self, editor: Editor) -> Editor:
        """The editor with the visitor's own directions."""
        return editor.knowing(self.own) if self.own else editor

    @contextmanager
    def keeping(self, action: int, face: Face) -> Iterator[None]:
        """An action that fails before it has shown anything leaves the page with the face that it began with."""
        try:
            yield
        except Exception:
            if self.action == action and self.face_now is None:
                self.show(action, face)
            raise

    @property
    def face_now(self) -> Face | None:
        """The face on the page; None while a new action has begun and has shown none yet."""
        return self.shown[1] if self.shown is not None and self.shown[0] == self.action else None

    def overtaken(self, face: Face) -> bool:
        """Whether an action newer than this face has begun: what was to follow the face comes too late."""
        return self.shown is not None and self.face_now is not face

    def encoding(self, face: Face) -> bool:
        """Whether the newest action has encoded the face again, or cut it out elsewhere, and this is an older one: the new one is still on
        its way to the page."""
        now = self.face_now
        return (self.encoded_in == self.action and self.overtaken(face)) or (now is not None and now.crop is not face.crop)

    def open_key(self) -> str:
        """The visitor's key; it cannot be guessed, and is forgotten with the session."""
        if not self.key:
            self.key = secrets.token_urlsafe(24)
            KEYS[self.key] = self
        return self.key

    @property
    def begins(self) -> bool:
        """Whether it is new, and has shown no face yet."""
        return self.shown is None and not self.forgotten

    def used(self) -> None:
        """Restart the hour for which the session is remembered."""
        self.used_sec = time.monotonic()
        SESSIONS.add(self)

    def forget(self) -> None:
        """Drop everything that holds a visitor's photos."""
        self.forgotten = True
        self.history = self.keys = self.shown = None
        self.thumbnails.clear()

    def stop(self) -> None:
        """The Stop button: the running action ends, and keeps what it has reached."""
        self.stopped = True

    def move_crop(self, index: int, adjustment: Adjustment) -> int:
        """The user moved the crop of a face. Gives the number of the action."""
        action = self.encoded_in = self.begin_action()
        self.moved_sec = time.monotonic()
        self.adjustments[index] = adjustment
        return action

    def rests(self, seconds: float) -> bool:
        """Whether the crop has not been moved for so long."""
        return time.monotonic() - self.moved_sec >= seconds


SESSIONS: WeakSet[Session] = WeakSet()
KEYS: WeakValueDictionary[str, Session] = WeakValueDictionary()


def find_session(key: str) -> Session | None:
    """The session with this key; None where there is none, or it has ended."""
    return KEYS.get(key)


def forget_idle(age_sec: float) -> None:
    """Forget the photos of visitors who did nothing for so long: a `gr.State` that is never written is never deleted.

    What compositing and the latent flow remember of faces goes at each call, whosever it is.
    """
    forget_faces()
    morphing.forget()
    for session in list(SESSIONS):
        if time.monotonic() - session.used_sec > age_sec:
            session.forget()
