"""The Edit tab: one photo, sliders that answer at once, goals that the classifier guides to, and the way back into a file."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from facevae.editor import DETAIL, Editor, Face, Opened
from facevae.editor.recipe import recipe_of_link
from facevae.settings import PHOTO_DETAIL
from facevae.ui.components import (
    HINT,
    LIVE,
    QUEUED,
    face_state,
    heading,
    here,
    one_sentence,
    slider,
    status_line,
    tiles,
    upload_button,
)
from facevae.ui.edit.actions import EditActions
from facevae.ui.edit.crop import CropPart
from facevae.ui.edit.custom_directions import OwnPart
from facevae.ui.edit.downloads import CLICK, COPY, KeepPart
from facevae.ui.edit.guidance import GoalsPart
from facevae.ui.edit.history import PastPart
from facevae.ui.edit.live_preview import LivePart
from facevae.ui.edit.preview import EDITED, IN_PHOTO, StagePart
from facevae.ui.edit.sliders import SlidersPart
from facevae.ui.examples import Examples
from facevae.ui.face_tiles import which
from facevae.ui.session import Session

STORY = {"Smiling": -5.0}
STORY_WORDS = "less cheerful than in the photo: the first slider did that"


class EditTab(EditActions):
    """Widgets of the tab and who listens to them; how a face comes to it."""

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
        self.goals.wire(self.look, guided, self.begun, self.draw_step, self.panel.place, self.status, after)
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

    def show_opened(self, session: Session, opened: Opened, greeting: str, story: Mapping[str, float] = {}) -> dict[Any, Any]:
        """A face that has just come, with the edit that came along; its history begins, a `story` being its first step.

        Locks of before go, sliders of one's own stay.
        """
        face, detail = opened.face, DETAIL if opened.detail is None else opened.detail
        own = self.own.join(session, opened.own)
        session.adjustments.clear()
        edit = self.edit_of(session, face, detail, opened.strengths, opened.locks)
        self.past.begin(session, edit, greeting.strip(" .") or "Opened")
        words = f"{greeting}{which(face)}{face.message or HINT}"
        if story:
            edit, words = replace(edit, strengths=story), f"{face.name.capitalize()}, {STORY_WORDS}."
            self.past.remember(session, edit)
        shown = self.show_edit(session, edit, IN_PHOTO, EDITED, words)
        for widget in own.keys() & shown.keys() & set(self.panel.own_sliders):
            shown[widget] = own[widget] | shown[widget]  # what it is called and how long it is, and where it stands
        return own | shown | {self.stage.view: IN_PHOTO, self.stage.show: EDITED}

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
        return self.show_opened(session, Opened(face), f"Opened {face.name}. ", story)

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
