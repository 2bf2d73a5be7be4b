"""Rendering of the Edit tab: preview, readings by the classifier, steps of the history."""

import time
from dataclasses import dataclass
from typing import Any

import gradio as gr

from facevae.editor import Editor, Face
from facevae.editor.history import Edit
from facevae.editor.looks import look_of_hair, worn
from facevae.ui.components import NO_FACE, Widgets, require_face, say
from facevae.ui.edit.crop import CropPanel
from facevae.ui.edit.guidance_report import list_scores
from facevae.ui.edit.history import HistoryStrip
from facevae.ui.edit.looks import LooksPanel
from facevae.ui.edit.preview import Preview
from facevae.ui.edit.sliders import RequestedEdit, SliderPanel
from facevae.ui.session import Session
from facevae.ui.widgets.face_tiles import draw_tiles

SCORES_SEC = 0.4
"""While a slider moves, the classifier is asked at most this often."""


@dataclass(eq=False)
class EditRendering:
    """Handlers that show an edit; the parts are those of `EditTab`. `stop` and `report` are the guidance's button and report."""

    editor: Editor
    session: gr.State
    face: gr.State
    status: gr.HTML
    scores: gr.HTML
    stop: gr.Button
    report: gr.HTML
    looks: LooksPanel
    preview: Preview
    panel: SliderPanel
    history: HistoryStrip
    crop: CropPanel

    # ---- inputs and outputs of events

    @property
    def widgets(self) -> set[Any]:
        """The inputs of every event that reads the edit; its handler gets their values as `Widgets`."""
        return {self.session, self.face, self.preview.view, self.preview.show, self.panel.detail, *self.panel.inputs}

    @property
    def pictures(self) -> list[Any]:
        """The outputs of `draw_preview`."""
        return [self.preview.result, self.preview.slide]

    @property
    def shown(self) -> list[Any]:
        """The outputs of `show_edit`."""
        return [
            self.face,
            *self.pictures,
            self.preview.tiles,
            self.stop,
            self.report,
            *self.readings,
            *self.looks.outputs,
            *self.crop.opened,
            *(widget for widget in self.panel.inputs if widget is not self.panel.amount),
            self.panel.detail,
        ]

    @property
    def readings(self) -> list[Any]:
        """The outputs of `read`. The last one is the status line: it tells of a step that the widgets have made."""
        return [self.scores, self.panel.marks, self.panel.lock_report, *self.history.outputs, self.status]

    @property
    def redraw(self) -> dict[str, Any]:
        """An event that draws the preview; without its trigger and options."""
        return {"fn": self.draw_preview, "inputs": self.widgets, "outputs": self.pictures}

    @property
    def reread(self) -> dict[str, Any]:
        """An event that reads the result; without its trigger and options."""
        return {"fn": self.read, "inputs": self.widgets, "outputs": self.readings}

    # ---- from the widgets to an edit

    def requested_edit(self, widgets: Widgets) -> RequestedEdit:
        """The edit that the widgets request."""
        return self.panel.requested_edit(widgets[self.session], widgets)

    def current(self, widgets: Widgets) -> bool:
        """Whether there is a face, and the values are not older than the last setting of the sliders by the server."""
        return widgets[self.face] is not None and self.panel.current(widgets[self.session], widgets)

    @staticmethod
    def edit_now(session: Session, face: Face, requested: RequestedEdit) -> Edit:
        """The edit on the page, as the history keeps it."""
        request, detail = requested.request, requested.request.detail
        return Edit(face, request.strengths, request.locks, detail, dict(session.adjustments), dict(session.starts))

    def new_edit(self, session: Session, face: Face, detail: float, strengths: Any = {}, locks: Any = ()) -> Edit:
        """An edit of a face that was encoded again: its sliders start at the face's position."""
        starts = self.panel.starts(session, face)
        return Edit(face, dict(strengths), tuple(locks), detail, dict(session.adjustments), starts)

    def last_edit(self, widgets: Widgets) -> Edit:
        """The edit to save: what the widgets request or, where the server has set them since the click, what it set them to."""
        session = widgets[self.session]
        if session.history is not None and not self.panel.current(session, widgets):
            return session.history.now
        requested = self.requested_edit(widgets)
        return self.edit_now(session, requested.on(require_face(widgets[self.face])), requested)

    def begin(self, widgets: Widgets) -> tuple[Editor, Edit]:
        """The edit that an action starts from, now a step of the history; and the editor with the visitor's own directions."""
        self.catch_up(widgets)
        return widgets[self.session].editor(self.editor), self.last_edit(widgets)

    def with_hair(self, session: Session, face: Face, strengths: Any, locks: Any) -> tuple[Face, dict[str, float]]:
        """An edit from a recipe, a link or a preset: its hair colour, which has no slider, becomes a look of the face."""
        hair = {name: strength for name, strength in strengths.items() if name in self.panel.colours and strength}
        rest = {name: strength for name, strength in strengths.items() if name not in hair}
        if not hair:
            return face, rest
        look = look_of_hair(max(hair, key=lambda name: abs(hair[name])))
        return worn(face, session.editor(self.editor).bake(face, hair, locks), look.name, look.label), rest

    def catch_up(self, widgets: Widgets) -> None:
        """Add to the history what no reading has added yet, so that the next action can be undone to here."""
        session = widgets[self.session]
        if session.history is not None and self.current(widgets):
            self.history.remember(session, self.last_edit(widgets))

    # ---- from an edit to the page

    def show_edit(self, session: Session, edit: Edit, view: str, show: str, words: str) -> dict[Any, Any]:
        """The whole page for an edit: picture, sliders, locks, crop, readings, history."""
        face = session.show(session.begin_action(), edit.face)
        session.starts = self.panel.starts(session, face) | dict(edit.starts)  # of sliders that were added since, too
        session.adjustments = dict(edit.adjustments)
        widgets, updates = self.panel.set_to_edit(session, edit.strengths, edit.locks, edit.detail)
        requested = self.panel.requested_edit(session, widgets)
        return {
            self.face: face,
            **self.preview.update(face, view, show, requested),
            self.preview.tiles: draw_tiles(self.editor, face),
            self.status: say(words),
            **self.draw_readings(session, face, requested),
            **self.history.replace(session, self.edit_now(session, face, requested)),
            self.stop: gr.update(interactive=False),
            self.report: "",
            **self.looks.show(face),
            **self.crop.show(face),
            **updates,
        }

    def draw_preview(self, widgets: Widgets) -> Any:
        """The picture of the requested edit. Called many times a second, and never allowed to raise. See `Session.preview`."""
        if not self.current(widgets):
            return gr.skip(), gr.skip()
        session = widgets[self.session]
        number = session.begin_preview()
        view, show = widgets[self.preview.view], widgets[self.preview.show]
        requested = self.requested_edit(widgets)
        drawn = self.preview.update(requested.on(widgets[self.face]), view, show, requested)
        if session.preview != number:
            return gr.skip(), gr.skip()
        return drawn[self.preview.result], drawn[self.preview.slide]

    def guide_step(self, session: Session, face: Face, widgets: Widgets, detail: float, seen: dict[str, float]) -> dict[Any, Any]:
        """The update for one step of guidance; `seen` are the classifier's probabilities."""
        nothing = self.panel.no_edit(session, detail)
        marks = self.panel.draw_marks(session, face, nothing, seen)
        view, show = widgets[self.preview.view], widgets[self.preview.show]
        return {self.face: face, self.panel.marks: marks, **self.preview.update(face, view, show, nothing)}

    def read(self, widgets: Widgets, wait_sec: float = 0.0) -> Any:
        """The classifier's view of the result, the marks of the sliders, the report on locks, and the history.

        Nothing where another action or a later reading has begun meanwhile; it brings its own readings.
        """
        session, face = widgets[self.session], widgets[self.face]
        silence, action, reading = tuple(gr.skip() for _ in self.readings), session.action, session.begin_reading()
        if face is None:
            return *silence[:-1], NO_FACE
        time.sleep(wait_sec)
        if session.action != action or session.encoding(face) or not self.current(widgets):
            return silence
        requested = self.requested_edit(widgets)
        face = requested.on(face)
        edit = self.edit_now(session, face, requested)
        found = self.draw_readings(session, face, requested)
        if session.action != action or session.reading != reading or not self.current(widgets):  # again: reading takes time
            return silence
        changed = edit.changed(session.history.now) if session.history is not None and not session.step_words else ()
        words = gr.skip() if not changed or "face" in changed else say(f"{self.history.describe(edit, changed)}.")
        return *found.values(), *self.history.note(session, edit).values(), words

    def read_slowly(self, widgets: Widgets) -> Any:
        """Readings during a drag: waiting first leaves the processor to the pictures; always_last brings the end."""
        session = widgets[self.session]
        if self.panel.current(session, widgets):
            self.panel.remember_drag(session, widgets)
        return self.read(widgets, SCORES_SEC)

    def draw_readings(self, session: Session, face: Face, requested: RequestedEdit) -> dict[Any, Any]:
        """The readings as an update, in the order of `readings` without history and status."""
        request = requested.request
        seen = requested.editor.probabilities(face, request.strengths, request.detail, request.locks)
        return {
            self.scores: list_scores(seen),
            self.panel.marks: self.panel.draw_marks(session, face, requested, seen),
            self.panel.lock_report: self.panel.report_locks(session, requested),
        }

    def follow_face(self, widgets: Widgets) -> dict[Any, Any]:
        """The face was encoded again: untouched sliders follow it."""
        return self.panel.follow_face(widgets[self.session], widgets[self.face], widgets)

    def end_drag(self, widgets: Widgets) -> None:
        """The user has let go of a slider."""
        if self.current(widgets):
            self.history.end_drag(widgets[self.session], self.last_edit(widgets))
