"""The Edit tab: one photo, sliders that answer at once, goals that the classifier guides to, and the way back into a file."""

import html
import time
from typing import Any

import gradio as gr

from facevae.attributes import SHOWN
from facevae.editor import DETAIL, Adjustment, Editor, Face
from facevae.ui.crop import CropPart
from facevae.ui.examples import Examples
from facevae.ui.faces import draw_tiles, face_tiles, which
from facevae.ui.goals import GoalsPart
from facevae.ui.own import OwnPart
from facevae.ui.parts import (
    FACE_SIDE_PX,
    HINT,
    LIVE,
    PREVIEW_SIDE_PX,
    QUEUED,
    enlarge,
    face_state,
    file_stem,
    heading,
    here,
    one_sentence,
    say,
    segmented,
    status_line,
    tiles,
    to_file,
    upload_button,
)
from facevae.ui.session import Session
from facevae.ui.sliders import Asked, SlidersPart

SCORES_SEC = 0.25
"""While a slider moves, the classifier is asked at most this often."""
IN_PHOTO, FACE_ONLY = "Photo", "Face"
EDITED, ORIGINAL, COMPARE = "Edited", "Original", "Compare"
AS_IT_WAS = "Back to the photo as it was."
OTHERS_STAY = "This face is back as it was; the edits of the other faces stay."


class EditTab:
    """Widgets of the tab, and the handlers that turn them into calls of the editor."""

    def __init__(self, editor: Editor, examples: Examples) -> None:
        self.editor, self.examples = editor, examples
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
        self._wire()

    # ---- what is on the page

    def _lay_out_photo(self) -> None:
        self.upload = upload_button("Open a photo", "edit-upload")
        gr.HTML('<p class="hint">or drop or paste one here</p>', apply_default_css=False, elem_classes="plain")
        heading("Examples")
        self.gallery = tiles("examples", columns=3)
        self.crop = CropPart(self.editor, self.examples)

    def _lay_out_result(self) -> None:
        self.result = gr.Image(
            show_label=False,
            interactive=False,
            buttons=["fullscreen"],
            format="jpeg",
            elem_id="result",
            elem_classes="picture",
            container=False,
            alt_text="Edited face",
        )
        self.slide = gr.ImageSlider(
            show_label=False,
            interactive=False,
            buttons=["fullscreen"],
            format="jpeg",
            visible=False,
            elem_id="slide",
            elem_classes="picture",
            container=False,
            max_height=560,
        )
        self.tiles = face_tiles()
        with gr.Row(elem_classes="views"):
            self.view = segmented([IN_PHOTO, FACE_ONLY], "What is shown", "view")
            self.show = segmented([EDITED, ORIGINAL, COMPARE], "Before or after", "show")
        self.status = status_line("edit-status")
        with gr.Row(elem_classes="actions"):
            self.download = gr.Button("Download", variant="primary", elem_id="download", min_width=100, size="md")
            self.as_png = gr.Checkbox(False, label="As PNG", elem_id="as-png", elem_classes="bare", container=False, min_width=80)
            self.reset = gr.Button("Reset all", elem_id="reset", min_width=90, size="md")
            self.to_morph = gr.Button("Use in morph", elem_id="edit-to-morph", min_width=110, size="md")
        self.file = gr.DownloadButton("Download", visible="hidden", elem_id="download-file")
        self.detail = gr.Slider(
            0,
            1,
            DETAIL,
            step=0.05,
            label="Photo detail",
            info="How much of the photo's own detail stays where the shape changes",
            elem_id="detail",
            elem_classes="bare",
        )
        with gr.Accordion("What the classifier sees", open=False, elem_id="scores-box"):
            self.scores = gr.HTML("", apply_default_css=False, elem_id="scores")

    # ---- what happens

    def _wire(self) -> None:
        asks = [self.session, self.face, self.detail, *self.panel.inputs]
        self.look = [self.session, self.face, self.view, self.show, self.detail, *self.panel.inputs]
        pictures = [self.result, self.slide]
        self.readings = [self.scores, self.panel.marks, self.panel.left]
        moves = [event for slider in (self.detail, *self.panel.moving) for event in (slider.input, slider.release)]
        moves.append(self.panel.held.input)
        gr.on(moves, self.preview, self.look, pictures, **LIVE)
        gr.on(moves, self.read_slowly, asks, self.readings, **LIVE)
        gr.on([self.view.input, self.show.input], self.preview, self.look, pictures, **LIVE)

        # A preview that was on its way when another face opened would leave the old face on the page: draw once more.
        self.again = {"fn": self.preview, "inputs": self.look, "outputs": pictures, **LIVE}
        self.read_again = {"fn": self.read, "inputs": asks, "outputs": self.readings, **LIVE}
        if self.panel.colours:
            chosen = self.panel.colour.input(self.panel.choose_colour, self.panel.colour, self.panel.amount, **LIVE)
            chosen.then(**self.again).then(**self.read_again)
        self.crop.wire(self.session, self.face, self.status, self.goals.stop)
        opened = {"outputs": self.opened, "show_progress_on": self.result, **QUEUED}
        self.shown(self.upload.upload(self.open_photo, [self.session, self.upload], preprocess=False, **opened))
        self.shown(self.gallery.select(self.open_example, self.session, **opened))
        self.shown(self.tiles.select(self.choose, asks, **opened))

        moved = gr.on(
            [event for slider in self.crop.sliders for event in (slider.input, slider.release)],
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

        back = [self.face, self.status, self.goals.stop, self.goals.report, self.detail, *self.readings, *pictures, *self.panel.inputs]
        self.reset.click(self.put_back, self.look[:4], back, **QUEUED).success(**self.again)
        save = [self.session, self.face, self.as_png, self.detail, *self.panel.inputs]
        self.download.click(self.save, save, [self.file, self.status], **QUEUED).success(
            None, js="() => document.querySelector('#download-file').click()", api_visibility="private"
        )

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
            self.result,
            self.slide,
            self.tiles,
            self.view,
            self.show,
            self.status,
            self.goals.stop,
            self.goals.report,
            *self.readings,
            *self.crop.opened,
            *self.panel.placed,
        ]

    def open_face(self, session: Session, face: Face | None) -> dict[Any, Any]:
        """Show a face as it is: sliders at zero, the crop as found, before and after alike."""
        face = here(face)
        session.adjustments.clear()
        return self.show_face(session, face, DETAIL, f"Opened {face.name}. ") | {self.view: IN_PHOTO, self.show: EDITED}

    def show_face(self, session: Session, face: Face, detail: float, greeting: str = "") -> dict[Any, Any]:
        """A face that has just become the one that is edited, with its crop as it was left."""
        session.take_turn()
        placed, nothing = self.panel.place(session, face), self.panel.nothing(session)
        return {
            self.face: face,
            **self.pictures(face, IN_PHOTO, EDITED, detail, nothing),
            self.tiles: draw_tiles(self.editor, face),
            self.status: say(f"{greeting}{which(face)}{face.message or HINT}"),
            **self.readings_of(session, face, nothing, DETAIL),
            self.goals.stop: gr.update(interactive=False),
            self.goals.report: "",
            **self.crop.show(face, session.adjustments.get(face.index, Adjustment())),
            **placed,
        }

    def open_photo(self, session: Session, file: dict[str, Any]) -> dict[Any, Any]:
        """A dropped, pasted or chosen file. Where it is refused, whatever runs for the photo before goes on."""
        with one_sentence():
            face = self.editor.open_photo(file["path"])
        return self.open_face(session, face)

    def open_example(self, session: Session, chosen: gr.SelectData) -> dict[Any, Any]:
        """One of the example tiles."""
        return self.open_face(session, self.examples.faces[chosen.index])

    def choose(self, session: Session, chosen: gr.EventData, face: Face | None, detail: float, *values: Any) -> Any:
        """Another face of the same photo; the edit of the one that is left stays in the photo."""
        face, asked = here(face), self.panel.asked(session, values)
        session.take_turn()
        with one_sentence():
            face = asked.editor.choose(face, chosen.index, asked.strengths, detail, asked.locks)
        return self.show_face(session, face, detail) | {self.view: IN_PHOTO, self.show: EDITED}

    def adjust(self, session: Session, face: Face | None, view: str, show: str, detail: float, *values: Any) -> Any:
        """The crop was moved: the last four values are those of its sliders. Called many times a second."""
        count = len(self.panel.inputs)
        values, crop = values[:count], values[count:]
        if face is None or face.photo is None:
            return gr.skip()
        face = self.crop.adjust(session, face, *crop)
        return {
            self.face: face,
            **self.crop.pictures(face),
            self.status: say(f"{which(face)}Crop moved."),
            self.goals.stop: gr.update(interactive=False),
            **self.pictures(face, view, show, detail, self.panel.asked(session, values)),
        }

    def as_edited(self, session: Session, face: Face | None, *values: Any) -> Face:
        """The face with what the sliders say, for the Morph tab; guidance is part of a Face already, slider values are not."""
        asked = self.panel.asked(session, values)
        return asked.editor.bake(here(face), asked.strengths, asked.locks)

    def draw(self, face: Face, view: str, show: str, detail: float, asked: Asked) -> Any:
        """The picture that the two switches ask for."""
        if show == ORIGINAL:
            result = self.editor.edit(self.editor.reset(face), max_side_px=PREVIEW_SIDE_PX, detail=detail)
        else:
            result = asked.editor.edit(face, asked.strengths, PREVIEW_SIDE_PX, detail, asked.locks)
        return enlarge(result.photo if view == IN_PHOTO else result.crop, FACE_SIDE_PX)

    def pictures(self, face: Face, view: str, show: str, detail: float, asked: Asked) -> dict[Any, Any]:
        """The update that shows one picture, or the two to compare."""
        if show == COMPARE:
            pair = self.draw(face, view, ORIGINAL, detail, asked), self.draw(face, view, EDITED, detail, asked)
            return {self.result: gr.update(visible=False), self.slide: gr.update(value=pair, visible=True)}
        picture, words = self.draw(face, view, show, detail, asked), self.describe(face, show, asked)
        return {self.result: gr.update(value=picture, visible=True, alt_text=words), self.slide: gr.update(visible=False)}

    def preview(self, session: Session, face: Face | None, view: str, show: str, detail: float, *values: Any) -> Any:
        """What the sliders say now. Called many times a second, and never allowed to raise."""
        if face is None:
            return gr.skip(), gr.skip()
        drawn = self.pictures(face, view, show, detail, self.panel.asked(session, values))
        return drawn[self.result], drawn[self.slide]

    def describe(self, face: Face, show: str, asked: Asked) -> str:
        """The picture in words, for those who do not see it."""
        if show == ORIGINAL:
            return "Original photo"
        return f"Edited face: {', '.join(filter(None, ['guided' if face.offset.any() else '', asked.words])) or 'no change'}"

    def draw_step(self, session: Session, face: Face, view: str, show: str, detail: float, seen: dict[str, float]) -> dict[Any, Any]:
        """One step of guidance on the page; `seen` is what the classifier sees in it."""
        nothing = self.panel.nothing(session)
        marks = self.panel.draw_marks(session, face, nothing, seen)
        return {self.face: face, self.panel.marks: marks, **self.pictures(face, view, show, detail, nothing)}

    def read(self, session: Session, face: Face | None, detail: float = DETAIL, *values: Any, wait_sec: float = 0.0) -> Any:
        """What the classifier sees in the result: as a list, and beside the sliders; and what the locks leave over.

        Nothing of it, where another action has begun meanwhile: that one brings its own readings.
        """
        silence, turn = tuple(gr.skip() for _ in self.readings), session.turn
        time.sleep(wait_sec)
        if face is None or session.turn != turn:
            return silence
        found = self.readings_of(session, face, self.panel.asked(session, values), detail, values[0] or [])
        return tuple(found.values()) if session.turn == turn else silence

    def readings_of(self, session: Session, face: Face, asked: Asked, detail: float, held: Any = ()) -> dict[Any, Any]:
        """The same as an update, in the order of `readings`; without `held` the line about locks stays as it is."""
        seen = asked.editor.probabilities(face, asked.strengths, detail, asked.locks)
        return {
            self.scores: list_scores(seen),
            self.panel.marks: self.panel.draw_marks(session, face, asked, seen),
            self.panel.left: self.panel.say_left(session, asked, held) if held != () else gr.skip(),
        }

    def read_slowly(self, session: Session, face: Face | None, detail: float, *values: Any) -> Any:
        """Readings while a slider moves: waiting first leaves the model to the pictures; always_last brings the end."""
        return self.read(session, face, detail, *values, wait_sec=SCORES_SEC)

    def put_back(self, session: Session, face: Face | None, view: str, show: str) -> dict[Any, Any]:
        """All sliders to the photo's own places, all guidance and all locks undone; the photo stays, and so does its crop."""
        session.take_turn()
        face = self.editor.reset(here(face))
        placed, nothing = self.panel.place(session, face), self.panel.nothing(session)
        return {
            self.face: face,
            **self.pictures(face, view, show, DETAIL, nothing),
            self.status: say(f"{which(face)}{OTHERS_STAY if any(entry.face.offset.any() for entry in face.left) else AS_IT_WAS}"),
            **self.readings_of(session, face, nothing, DETAIL, []),
            self.goals.stop: gr.update(interactive=False),
            self.goals.report: "",
            self.detail: DETAIL,
            self.panel.held: [],
            **placed,
        }

    def save(self, session: Session, face: Face | None, as_png: bool, detail: float, *values: Any) -> tuple[str, str]:
        """The full-size file in the photo's own format, or as PNG, with the note that it was edited."""
        face, asked = here(face), self.panel.asked(session, values)
        with one_sentence():
            data, suffix = asked.editor.save(face, asked.strengths, "png" if as_png else "original", detail, asked.locks)
        name = f"{file_stem(face)}-facevae{suffix}"
        remark = face.source.remark if face.source is not None else ""
        return to_file(self.file, data, name), say(f"{name}, {len(data) / 1000:,.0f} kB. {remark}".strip())


def list_scores(seen: dict[str, float]) -> str:
    """The classifier's readings as bars, under the data set's own labels, in the order of the sliders."""
    return (
        '<ul class="scores">'
        + "".join(
            f"<li><span>{html.escape(shown.name.replace('_', ' '))}</span><meter min=0 max=1 value={seen[shown.name]:.3f}></meter>"
            f"<span>{seen[shown.name]:.0%}</span></li>"
            for shown in SHOWN
            if shown.name in seen
        )
        + "</ul>"
    )
