"""What the Edit tab shows: an edit as a whole, its picture while sliders move, what is seen in it, and what the history hears."""

import time
from typing import Any

import gradio as gr

from facevae.editor import DETAIL, Adjustment, Editor, Face
from facevae.editor.history import Edit
from facevae.ui.components import here, say
from facevae.ui.edit.crop import CropPart
from facevae.ui.edit.guidance import GoalsPart
from facevae.ui.edit.guidance_report import list_scores
from facevae.ui.edit.history import PastPart
from facevae.ui.edit.preview import StagePart
from facevae.ui.edit.sliders import Asked, SlidersPart
from facevae.ui.face_tiles import draw_tiles
from facevae.ui.session import Session

SCORES_SEC = 0.4
"""While a slider moves, the classifier is asked at most this often."""


class EditRendering:
    """Handlers over the parts of the tab, which `EditTab` lays out."""

    editor: Editor
    face: gr.State
    status: gr.HTML
    detail: gr.Slider
    scores: gr.HTML
    stage: StagePart
    panel: SlidersPart
    past: PastPart
    goals: GoalsPart
    crop: CropPart
    readings: list[Any]

    def edit_of(self, session: Session, face: Face, detail: float, strengths: Any, locks: Any) -> Edit:
        """An edit of a face that was encoded anew: its sliders start where it stands."""
        starts = {name: round(score, 1) for name, score in self.panel.scores(session, face).items()}
        return Edit(face, dict(strengths), tuple(locks), detail, dict(session.adjustments), starts)

    @staticmethod
    def edit_now(session: Session, face: Face, asked: Asked, detail: float) -> Edit:
        """What stands on the page, as the history keeps it."""
        return Edit(face, asked.strengths, asked.locks, detail, dict(session.adjustments), dict(session.starts))

    def taken(self, session: Session, face: Face | None, detail: float, values: tuple[Any, ...]) -> Edit:
        """What a visitor takes away: what the widgets say, or where they were put anew since the click, what they were put to."""
        if session.history is not None and not self.panel.current(session, values):
            return session.history.now
        return self.edit_now(session, here(face), self.panel.asked(session, values), detail)

    def begun(self, session: Session, face: Face | None, detail: float, values: tuple[Any, ...]) -> tuple[Editor, Edit]:
        """What an action goes on from, which the history knows then, and the editor that knows the visitor's own directions."""
        self.catch_up(session, face, detail, values)
        return self.panel.view(session), self.taken(session, face, detail, values)

    def catch_up(self, session: Session, face: Face | None, detail: float, values: tuple[Any, ...]) -> None:
        """What the sliders say and no reading has told the history yet: whatever comes next can be undone to here."""
        if face is not None and session.history is not None and self.panel.current(session, values):
            self.past.remember(session, self.edit_now(session, face, self.panel.asked(session, values), detail))

    def show_edit(self, session: Session, edit: Edit, view: str, show: str, words: str) -> dict[Any, Any]:
        """The whole page as an edit is: picture, sliders, locks, crop, readings, history."""
        face = session.show(session.take_turn(), edit.face)
        scores = self.panel.scores(session, face)  # of sliders that were added since
        session.starts = {name: round(score, 1) for name, score in scores.items()} | dict(edit.starts)
        session.adjustments = dict(edit.adjustments)
        values, placed = self.panel.put(session, edit.strengths, edit.locks)
        asked = self.panel.asked(session, values)
        return {
            self.face: face,
            **self.stage.pictures(face, view, show, edit.detail, asked),
            self.stage.tiles: draw_tiles(self.editor, face),
            self.status: say(words),
            **self.readings_of(session, face, asked, edit.detail, values[0]),
            **self.past.put(session, self.edit_now(session, face, asked, edit.detail), self.panel.view),
            self.goals.stop: gr.update(interactive=False),
            self.goals.report: "",
            **self.crop.show(face, session.adjustments.get(face.index, Adjustment())),
            **placed,
            self.detail: edit.detail,
        }

    def preview(self, session: Session, face: Face | None, view: str, show: str, detail: float, *values: Any) -> Any:
        """What the sliders say now. Called many times a second, and never allowed to raise.

        Nothing, where a later one was begun meanwhile: the original takes no time to draw, and an edit before it would cover it.
        """
        if face is None or not self.panel.current(session, values):
            return gr.skip(), gr.skip()
        number = session.begin_picture()
        drawn = self.stage.pictures(face, view, show, detail, self.panel.asked(session, values))
        if session.picture != number:
            return gr.skip(), gr.skip()
        return drawn[self.stage.result], drawn[self.stage.slide]

    def draw_step(self, session: Session, face: Face, view: str, show: str, detail: float, seen: dict[str, float]) -> dict[Any, Any]:
        """One step of guidance on the page; `seen` is what the classifier sees in it."""
        nothing = self.panel.nothing(session)
        marks = self.panel.draw_marks(session, face, nothing, seen)
        return {self.face: face, self.panel.marks: marks, **self.stage.pictures(face, view, show, detail, nothing)}

    def read(self, session: Session, face: Face | None, detail: float = DETAIL, *values: Any, wait_sec: float = 0.0) -> Any:
        """What the classifier sees in the result: as a list, and beside the sliders; and what the locks leave over.

        Nothing of it, where another action has begun meanwhile: that one brings its own readings.
        """
        silence, turn, ticket = tuple(gr.skip() for _ in self.readings), session.turn, session.take_ticket()
        time.sleep(wait_sec)
        if face is None or session.turn != turn or not self.panel.current(session, values):
            return silence
        asked = self.panel.asked(session, values)
        edit = self.edit_now(session, face, asked, detail)
        found = self.readings_of(session, face, asked, detail, values[0] or ())
        # Asked again: reading takes its time, and what another action or a later reading says is not to be overwritten.
        if session.turn != turn or session.ticket != ticket or not self.panel.current(session, values):
            return silence
        return *found.values(), *self.past.note(session, edit, self.panel.view).values()

    def read_slowly(self, session: Session, face: Face | None, detail: float, *values: Any) -> Any:
        """Readings while a slider moves: waiting first leaves the model to the pictures; always_last brings the end."""
        if self.panel.current(session, values):
            session.hand = values
        return self.read(session, face, detail, *values, wait_sec=SCORES_SEC)

    def readings_of(self, session: Session, face: Face, asked: Asked, detail: float, held: Any = ()) -> dict[Any, Any]:
        """The same as an update, in the order of `readings` but for the history."""
        seen = asked.editor.probabilities(face, asked.strengths, detail, asked.locks)
        return {
            self.scores: list_scores(seen),
            self.panel.marks: self.panel.draw_marks(session, face, asked, seen),
            self.panel.left: self.panel.say_left(session, asked, held),
        }

    def let_go(self, session: Session, face: Face | None, detail: float, *values: Any) -> None:
        """The hand has left a slider."""
        if face is not None and self.panel.current(session, values):
            self.past.let_go(session, self.panel.asked(session, values).strengths, detail)
