"""The Edit tab: one photo, sliders that answer at once, goals that the classifier guides to, and the way back into a file."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from facevae.editor import DETAIL, Adjustment, Editor, Face, Opened
from facevae.history import Edit
from facevae.recipe import link_of, recipe_of_link
from facevae.settings import PHOTO_DETAIL
from facevae.ui.crop import CropPart, movable
from facevae.ui.examples import Examples
from facevae.ui.faces import draw_tiles, which
from facevae.ui.goals import GoalsPart
from facevae.ui.keep import CLICK, COPY, KeepPart
from facevae.ui.live import LivePart
from facevae.ui.own import OwnPart
from facevae.ui.parts import (
    HINT,
    LIVE,
    QUEUED,
    face_state,
    file_stem,
    heading,
    here,
    one_sentence,
    refusal,
    say,
    slider,
    status_line,
    tiles,
    to_file,
    upload_button,
)
from facevae.ui.past import PastPart
from facevae.ui.reports import list_scores
from facevae.ui.session import Session
from facevae.ui.sliders import Asked, SlidersPart
from facevae.ui.stage import EDITED, IN_PHOTO, StagePart

SCORES_SEC = 0.4
"""While a slider moves, the classifier is asked at most this often."""
AS_IT_WAS = "Back to the photo as it was."
STORY = {"Smiling": -5.0}
STORY_WORDS = "less cheerful than in the photo: the first slider did that"
OTHERS_STAY = "This face is back as it was; the edits of the other faces stay."


class EditTab:
    """Widgets of the tab, and the handlers that turn them into calls of the editor."""

    def __init__(self, editor: Editor, examples: Examples, store: gr.BrowserState) -> None:
        self.editor, self.examples, self.store = editor, examples, store
        self.face = face_state()
        self.session = gr.State(Session())
        with gr.Row(elem_classes="edit-row"):
            with gr.Column(scale=0, min_width=220, elem_classes="side"):
                self._lay_out_photo()
            with gr.Column(scale=5, min_width=300, elem_classes="stage"):
                self._lay_out_result()
            with gr.Column(scale=4, min_width=300, elem_classes="controls"):
                self.goals = GoalsPart(editor)
                self.panel = SlidersPart(editor)
                self.own = OwnPart(editor, self.panel)
                self.live = LivePart(self.stage, self.panel, self.detail)
        self._wire()

    # ---- what is on the page

    def _lay_out_photo(self) -> None:
        self.upload = upload_button("Open a photo", "edit-upload")
        gr.HTML('<p class="hint">or drop or paste one here</p>', apply_default_css=False, elem_classes="plain")
        with gr.Accordion("Camera", open=False, elem_id="camera-box"):
            self.camera = gr.Image(
                sources=["webcam"], label="Camera", show_label=False, format="jpeg", elem_id="camera", elem_classes="picture", buttons=[]
            )
        heading("Examples")
        self.gallery = tiles("examples", columns=3)
        self.crop = CropPart(self.editor, self.examples)

    def _lay_out_result(self) -> None:
        self.stage = StagePart(self.editor)
        self.status = status_line("edit-status")
        self.past = PastPart(self.editor)
        self.keep = KeepPart(self.editor, self.store)
        about = PHOTO_DETAIL.about
        self.detail = slider(PHOTO_DETAIL, "detail", info=f"{about[0].upper()}{about[1:]}")
        with gr.Accordion("What the classifier sees", open=False, elem_id="scores-box"):
            self.scores = gr.HTML("", apply_default_css=False, elem_id="scores")
        self.keep.lay_out_more()

    # ---- what happens

    def _wire(self) -> None:
        asks = [self.session, self.face, self.detail, *self.panel.inputs]
        self.look = [self.session, self.face, self.stage.view, self.stage.show, self.detail, *self.panel.inputs]
        pictures = [self.stage.result, self.stage.slide]
        self.readings = [self.scores, self.panel.marks, self.panel.left, *self.past.outputs]
        self.live.wire(asks, (self.read_slowly, self.readings), (self.preview, pictures), self.let_go)
        gr.on([self.stage.view.input, self.stage.show.input, self.panel.held.input], self.preview, self.look, pictures, **LIVE)
        self.panel.held.input(self.read_slowly, asks, self.readings, **LIVE)

        # A preview that was on its way when another face opened would leave the old face on the page: draw once more.
        self.again = {"fn": self.preview, "inputs": self.look, "outputs": pictures, **LIVE}
        self.read_again = {"fn": self.read, "inputs": asks, "outputs": self.readings, **LIVE}
        if self.panel.colours:
            chosen = self.panel.colour.input(self.panel.choose_colour, self.panel.colour, self.panel.amount, **LIVE)
            chosen.then(**self.again).then(**self.read_again)
        locked = self.panel.toggle.select(self.panel.toggle_lock, [self.session, self.panel.held], self.panel.held, **LIVE)
        locked.then(**self.again).then(**self.read_again)
        self.crop.wire(self.session, self.face, self.status, self.goals.stop)
        opened = {"outputs": self.opened, "show_progress_on": self.stage.result, **QUEUED}
        self.shown(self.upload.upload(self.open_photo, [self.session, self.upload, self.face], preprocess=False, **opened))
        self.shown(self.camera.input(self.open_photo, [self.session, self.camera, self.face], preprocess=False, **opened))
        self.shown(self.gallery.select(self.open_example, self.session, **opened))
        self.shown(self.stage.tiles.select(self.choose, asks, **opened))

        moved = gr.on(
            [event for moved in self.crop.sliders for event in (moved.input, moved.release)],
            self.adjust,
            [*self.look, *self.crop.sliders],
            [self.face, self.crop.crop, self.crop.reconstruction, self.status, self.goals.stop, *pictures],
            **LIVE,
        )
        self.refine_after(moved.then(self.crop.settle, None, None, **LIVE).then)
        self.refine_after(self.crop.wanted.input)
        guided = [self.face, self.panel.marks, *pictures, *self.panel.placed]
        after = [self.again, self.read_again]
        self.goals.wire(self.look, guided, self.panel.asked, self.draw_step, self.panel.place, self.status, after)
        self.own.wire(self.session, self.face, after)

        self._wire_past(opened)
        self._wire_keep(asks, opened)

    def _wire_past(self, opened: dict[str, Any]) -> None:
        """Steps back and forth; `opened` is how another face or another state of it comes to the page."""
        for event, handler in (
            (self.past.undo.click, self.undo),
            (self.past.redo.click, self.redo),
            (self.past.strip.select, self.rewind),
            (self.keep.reset.click, self.put_back),
            (self.past.bake.click, self.begin_from),
        ):
            self.shown(event(handler, self.look, show_progress="hidden", **opened))

    def _wire_keep(self, asks: list[Any], opened: dict[str, Any]) -> None:
        """Files, links and looks."""
        keep, file = self.keep, {"js": CLICK.format("#download-file"), "api_visibility": "private"}
        save = [self.session, self.face, keep.as_png, self.detail, *self.panel.inputs]
        keep.download.click(self.save, save, [keep.file, self.status], **QUEUED).success(None, **file)
        keep.save_recipe.click(self.save_recipe, asks, [keep.file, keep.told], **QUEUED).success(None, **file)
        keep.copy.click(self.link, asks, keep.query, show_progress="hidden", **QUEUED).success(
            None, keep.query, None, js=COPY, api_visibility="private"
        )
        added = [keep.store, keep.looks, keep.look_name, keep.told]
        keep.keep_look.click(self.keep_look, [keep.store, keep.look_name, *asks], added, show_progress="hidden", **QUEUED)
        wear = [keep.store, keep.looks, *self.look]
        self.shown(keep.wear.click(self.wear, wear, show_progress="hidden", **opened))
        keep.wire(self.crop.wanted)

    def refine_after(self, event: Any) -> None:
        """Refine when `event` is over, put the sliders that nobody touched to where the face is then, and draw once more."""
        settle = {"fn": self.panel.settle, "inputs": [self.session, self.face, *self.panel.inputs], "outputs": self.panel.inputs, **LIVE}
        self.crop.refine_after(event, [settle, self.again, self.read_again])

    def shown(self, opening: Any) -> None:
        """What follows when a face has been opened."""
        self.refine_after(opening.success(**self.again).success)

    @property
    def opened(self) -> list[Any]:
        """What changes when another face is opened; see `open_face`."""
        return [
            self.face,
            self.stage.result,
            self.stage.slide,
            self.stage.tiles,
            self.stage.view,
            self.stage.show,
            self.status,
            self.goals.stop,
            self.goals.report,
            *self.readings,
            *self.crop.opened,
            *self.panel.inputs,
            self.detail,
            *self.own.opened,
        ]

    def open_face(self, session: Session, face: Face | None) -> dict[Any, Any]:
        """Show a face as it is: sliders where it stands, the crop as found, before and after alike."""
        face = here(face)
        return self.show_opened(session, Opened(face), f"Opened {face.name}. ")

    def show_opened(self, session: Session, opened: Opened, greeting: str) -> dict[Any, Any]:
        """A face that has just come, with the edit that came along; its history begins. Locks of before go, sliders of one's own stay."""
        face, detail = opened.face, DETAIL if opened.detail is None else opened.detail
        own = self.own.join(session, opened.own)
        session.adjustments.clear()
        edit = self.edit_of(session, face, detail, opened.strengths, opened.locks)
        self.past.begin(session, edit, greeting.strip(" .") or "Opened")
        shown = self.show_edit(session, edit, IN_PHOTO, EDITED, f"{greeting}{which(face)}{face.message or HINT}")
        for widget in own.keys() & shown.keys() & set(self.panel.own_sliders):
            shown[widget] = own[widget] | shown[widget]  # what it is called and how long it is, and where it stands
        return own | shown | {self.stage.view: IN_PHOTO, self.stage.show: EDITED}

    def edit_of(self, session: Session, face: Face, detail: float, strengths: Any, locks: Any) -> Edit:
        """An edit of a face that was encoded anew: its sliders start where it stands."""
        starts = {name: round(score, 1) for name, score in self.panel.scores(session, face).items()}
        return Edit(face, dict(strengths), tuple(locks), detail, dict(session.adjustments), starts)

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

    def open_photo(self, session: Session, file: dict[str, Any] | None, face: Face | None = None) -> dict[Any, Any]:
        """A dropped, pasted or chosen file: a photo, a picture that was saved here, or a recipe for the face that is open.

        Where it is refused, whatever runs for the photo before goes on.
        """
        if file is None:  # the camera was cleared
            return {self.stage.view: gr.skip()}
        with one_sentence():
            opened = self.editor.open_file(Path(file["path"]), face)
            self.own.check_room(session, opened.own)
        return self.show_opened(session, opened, f"{opened.message} ")

    def first_visit(self, session: Session) -> dict[Any, Any]:
        """The first example, with one slider moved already: it tells what the others are for."""
        face = self.examples.faces[0]
        story = {name: strength for name, strength in STORY.items() if name in self.editor.directions}
        opened = self.show_opened(session, Opened(face), f"Opened {face.name}. ")
        if not story or session.history is None:
            return opened
        edit = replace(session.history.now, strengths=story)
        self.past.note(session, edit, self.panel.view)
        return opened | self.show_edit(session, edit, IN_PHOTO, EDITED, f"{face.name.capitalize()}, {STORY_WORDS}.")

    def open_link(self, session: Session, query: str) -> dict[Any, Any] | None:
        """What a link asks for; None where it asks for nothing. A link that cannot be followed opens the first example, and says why."""
        try:
            recipe = recipe_of_link(query, self.editor.checkpoint.digest, self.editor.checkpoint.name, self.editor.directions)
            return recipe and self.show_opened(session, self.editor.reopen(recipe), "Opened from a link. ")
        except ValueError as error:
            return self.show_opened(session, Opened(self.examples.faces[0]), f"{str(error)[:1].upper()}{str(error)[1:]}. ")

    def open_example(self, session: Session, chosen: gr.SelectData) -> dict[Any, Any]:
        """One of the example tiles."""
        return self.open_face(session, self.examples.faces[chosen.index])

    def choose(self, session: Session, chosen: gr.EventData, face: Face | None, detail: float, *values: Any) -> Any:
        """Another face of the same photo; the edit of the one that is left stays in the photo."""
        face, asked = here(face), self.panel.asked(session, values)
        self.catch_up(session, face, detail, values)
        with one_sentence():
            face = asked.editor.choose(face, chosen.index, asked.strengths, detail, asked.locks)
        edit = self.edit_of(session, face, detail, {}, asked.locks)
        self.past.note(session, edit, self.panel.view, f"Face {face.index + 1}")
        return self.show_edit(session, edit, IN_PHOTO, EDITED, f"{which(face)}{face.message or HINT}") | {
            self.stage.view: IN_PHOTO,
            self.stage.show: EDITED,
        }

    def adjust(self, session: Session, face: Face | None, view: str, show: str, detail: float, *values: Any) -> Any:
        """The crop was moved: the last four values are those of its sliders. Called many times a second."""
        count = len(self.panel.inputs)
        values, crop = values[:count], values[count:]
        if face is None or not movable(face):
            return gr.skip()
        face, asked = self.crop.adjust(session, face, *crop), self.panel.asked(session, values)
        self.past.note(session, self.edit_now(session, face, asked, detail), self.panel.view, "Crop", "crop")
        return {
            self.face: face,
            **self.crop.pictures(face),
            self.status: say(f"{which(face)}Crop moved."),
            self.goals.stop: gr.update(interactive=False),
            **self.stage.pictures(face, view, show, detail, asked),
        }

    def taken(self, session: Session, face: Face | None, detail: float, values: tuple[Any, ...]) -> Edit:
        """What a visitor takes away: what the widgets say, or where they were put anew since the click, what they were put to."""
        if session.history is not None and not self.panel.current(session, values):
            return session.history.now
        return self.edit_now(session, here(face), self.panel.asked(session, values), detail)

    def as_edited(self, session: Session, face: Face | None, *values: Any) -> Face:
        """The face with what the sliders say, for the Morph tab; guidance is part of a Face already, slider values are not."""
        edit = self.taken(session, here(face), DETAIL, values)
        return self.panel.view(session).bake(edit.face, edit.strengths, edit.locks)

    def preview(self, session: Session, face: Face | None, view: str, show: str, detail: float, *values: Any) -> Any:
        """What the sliders say now. Called many times a second, and never allowed to raise."""
        if face is None or not self.panel.current(session, values):
            return gr.skip(), gr.skip()
        drawn = self.stage.pictures(face, view, show, detail, self.panel.asked(session, values))
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

    @staticmethod
    def edit_now(session: Session, face: Face, asked: Asked, detail: float) -> Edit:
        """What stands on the page, as the history keeps it."""
        return Edit(face, asked.strengths, asked.locks, detail, dict(session.adjustments), dict(session.starts))

    def catch_up(self, session: Session, face: Face | None, detail: float, values: tuple[Any, ...]) -> None:
        """What the sliders say and no reading has told the history yet: whatever comes next can be undone to here."""
        if face is not None and session.history is not None and self.panel.current(session, values):
            self.past.remember(session, self.edit_now(session, face, self.panel.asked(session, values), detail))

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

    def read_slowly(self, session: Session, face: Face | None, detail: float, *values: Any) -> Any:
        """Readings while a slider moves: waiting first leaves the model to the pictures; always_last brings the end."""
        return self.read(session, face, detail, *values, wait_sec=SCORES_SEC)

    def put_back(self, session: Session, face: Face | None, view: str, show: str, detail: float, *values: Any) -> dict[Any, Any]:
        """All sliders to the photo's own places, all guidance and all locks undone; the photo stays, and so does its crop."""
        self.catch_up(session, face, detail, values)
        face = self.editor.reset(here(face))
        edit = self.edit_of(session, face, DETAIL, {}, ())
        self.past.note(session, edit, self.panel.view, "Reset all")
        words = OTHERS_STAY if any(entry.face.offset.any() for entry in face.left) else AS_IT_WAS
        return self.show_edit(session, edit, view, show, f"{which(face)}{words}")

    def undo(self, session: Session, face: Face | None, view: str, show: str, detail: float, *values: Any) -> dict[Any, Any]:
        """One step back."""
        self.catch_up(session, face, detail, values)
        return self.go(session, -1, view, show)

    def redo(self, session: Session, face: Face | None, view: str, show: str, detail: float, *values: Any) -> dict[Any, Any]:
        """One step forward again."""
        self.catch_up(session, face, detail, values)
        return self.go(session, +1, view, show)

    def rewind(self, session: Session, chosen: gr.EventData, face: Face | None, view: str, show: str, detail: float, *values: Any) -> Any:
        """To a step of the strip."""
        self.catch_up(session, face, detail, values)
        return self.go(session, chosen.index - (session.history.at if session.history else 0), view, show)

    def go(self, session: Session, by: int, view: str, show: str) -> dict[Any, Any]:
        """Some steps along the history."""
        if session.history is None:
            raise refusal("There is nothing to undo here (any more).")
        session.history, session.deed = session.history.rewind(session.history.at + by), ""
        step = session.history.steps[session.history.at]
        return self.show_edit(session, step.edit, view, show, f"Step {session.history.at}: {step.words}.")

    def begin_from(self, session: Session, face: Face | None, view: str, show: str, detail: float, *values: Any) -> dict[Any, Any]:
        """The result becomes the picture before: sliders start from it, and "Original" shows it."""
        face, asked = here(face), self.panel.asked(session, values)
        self.catch_up(session, face, detail, values)
        with one_sentence():
            face = asked.editor.begin_from(face, asked.strengths, detail, asked.locks)
        edit = self.edit_of(session, face, detail, {}, asked.locks)
        self.past.note(session, edit, self.panel.view, "New start")
        return self.show_edit(session, edit, view, show, "The sliders start from here now. Undo goes back.")

    def wear(self, session_store: Any, name: str | None, session: Session, face: Face | None, *look: Any) -> dict[Any, Any]:
        """A look on the face that is open, instead of what the sliders say."""
        strengths, held = self.keep.look(session_store, name)
        view, show, detail, *values = look
        self.catch_up(session, face, detail, tuple(values))
        edit = Edit(here(face), strengths, held, detail, dict(session.adjustments), dict(session.starts))
        self.past.note(session, edit, self.panel.view, f"Look {name}")
        return self.show_edit(session, edit, view, show, f"{name} is on.")

    def keep_look(self, stored: Any, name: str, session: Session, face: Face | None, detail: float, *values: Any) -> Any:
        """What the sliders say, kept in the visitor's own browser."""
        asked = self.panel.asked(session, values)
        return self.keep.add_look(stored, name, asked.strengths, asked.locks)

    def recipe(self, session: Session, face: Face | None, detail: float, values: tuple[Any, ...]) -> Any:
        """What was done, and the name of the face."""
        edit = self.taken(session, here(face), detail, values)
        return self.panel.view(session).recipe(edit.face, edit.strengths, edit.detail, edit.locks), file_stem(edit.face)

    def save_recipe(self, session: Session, face: Face | None, detail: float, *values: Any) -> tuple[str, str]:
        """The recipe as a JSON file."""
        recipe, stem = self.recipe(session, face, detail, values)
        return self.keep.write(recipe, f"{stem}-recipe.json"), say(f"{stem}-recipe.json holds what was done, and no photo.")

    def link(self, session: Session, face: Face | None, detail: float, *values: Any) -> str:
        """A link that opens the same picture elsewhere."""
        with one_sentence():
            return link_of(self.recipe(session, face, detail, values)[0])

    def save(self, session: Session, face: Face | None, as_png: bool, detail: float, *values: Any) -> tuple[str, str]:
        """The full-size file in the photo's own format, or as PNG, with the note that it was edited."""
        edit = self.taken(session, here(face), detail, values)
        face, kind = edit.face, "png" if as_png else "original"
        with one_sentence():
            data, suffix = self.panel.view(session).save(face, edit.strengths, kind, edit.detail, edit.locks)
        name = f"{file_stem(face)}-facevae{suffix}"
        remark = face.source.remark if face.source is not None else ""
        return to_file(self.keep.file, data, name), say(f"{name}, {len(data) / 1000:,.0f} kB. {remark}".strip())
