"""The Edit tab: one photo, sliders that answer at once, goals that the classifier guides to, and the way back into a file."""

import html
import time
from typing import Any

import gradio as gr

from facevae.editor import DETAIL, Adjustment, Control, Editor, Face
from facevae.ui.crop import CropPart
from facevae.ui.examples import Examples
from facevae.ui.faces import draw_tiles, face_tiles, which
from facevae.ui.goals import GoalsPart
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
        # The sliders stand in the order of their groups; the values arrive in that order, too.
        groups = list(dict.fromkeys(control.group for control in editor.controls))
        self.controls: list[Control] = sorted(editor.controls, key=lambda control: groups.index(control.group))
        self.face = face_state()
        self.session = gr.State(Session())
        with gr.Row(elem_classes="edit-row"):
            with gr.Column(scale=0, min_width=220, elem_classes="side"):
                self._lay_out_photo()
            with gr.Column(scale=5, min_width=300, elem_classes="stage"):
                self._lay_out_result()
            with gr.Column(scale=4, min_width=300, elem_classes="controls"):
                self.goals = GoalsPart(editor)
                self._lay_out_sliders(groups)
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

    def _lay_out_sliders(self, groups: list[str]) -> None:
        self.sliders: list[gr.Slider] = []
        for group in groups:
            heading(group)
            with gr.Row(elem_classes="slider-grid"):
                for control in self.controls:
                    if control.group == group:
                        self.sliders.append(
                            gr.Slider(
                                control.low,
                                control.high,
                                0,
                                step=control.step,
                                label=control.label,
                                min_width=150,
                                elem_id=slider_id(control),
                                elem_classes=["bare", "bipolar"],
                            )
                        )

    # ---- what happens

    def _wire(self) -> None:
        self.look = [self.face, self.view, self.show, self.detail, *self.sliders]
        pictures = [self.result, self.slide]
        moves = [event for slider in (self.detail, *self.sliders) for event in (slider.input, slider.release)]
        gr.on(moves, self.preview, self.look, pictures, **LIVE)
        gr.on(moves, self.read_slowly, [self.face, self.detail, *self.sliders], self.scores, **LIVE)
        gr.on([self.view.input, self.show.input], self.preview, self.look, pictures, **LIVE)

        # A preview that was on its way when another face opened would leave the old face on the page: draw once more.
        self.again = {"fn": self.preview, "inputs": self.look, "outputs": pictures, **LIVE}
        self.read_again = {"fn": self.read, "inputs": [self.face, self.detail, *self.sliders], "outputs": self.scores, **LIVE}
        self.crop.wire(self.session, self.face, self.status, self.goals.stop)
        opened = {"outputs": self.opened, "show_progress_on": self.result, **QUEUED}
        self.shown(self.upload.upload(self.open_photo, [self.session, self.upload], preprocess=False, **opened))
        self.shown(self.gallery.select(self.open_example, self.session, **opened))
        self.shown(self.tiles.select(self.choose, [self.session, self.face, self.detail, *self.sliders], **opened))

        moved = gr.on(
            [event for slider in self.crop.sliders for event in (slider.input, slider.release)],
            self.adjust,
            [self.session, *self.look, *self.crop.sliders],
            [self.face, self.crop.crop, self.crop.reconstruction, self.status, self.goals.stop, *pictures],
            **LIVE,
        )
        self.refine_after(moved.then(self.crop.settle, None, None, **LIVE).then)
        self.refine_after(self.crop.wanted.input)
        guided = [self.face, *pictures, *self.sliders]
        after = [self.again, self.read_again]
        self.goals.wire(self.session, self.look, guided, self.guided, self.restart, self.status, after)

        back = [self.face, self.status, self.scores, self.goals.stop, self.detail, *pictures, *self.sliders]
        self.reset.click(self.put_back, [self.session, *self.look[:3]], back, **QUEUED).success(**self.again)
        self.download.click(self.save, [self.face, self.as_png, self.detail, *self.sliders], [self.file, self.status], **QUEUED).success(
            None, js="() => document.querySelector('#download-file').click()", api_visibility="private"
        )

    def refine_after(self, event: Any) -> None:
        """Refine when `event` is over, and draw once more."""
        self.crop.refine_after(event, self.again, self.read_again)

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
            self.scores,
            self.goals.stop,
            *self.crop.opened,
            *self.sliders,
        ]

    def open_face(self, session: Session, face: Face | None) -> dict[Any, Any]:
        """Show a face as it is: sliders at zero, the crop as found, before and after alike."""
        face = here(face)
        session.adjustments.clear()
        return self.show_face(session, face, DETAIL, f"Opened {face.name}. ") | {self.view: IN_PHOTO, self.show: EDITED}

    def show_face(self, session: Session, face: Face, detail: float, greeting: str = "") -> dict[Any, Any]:
        """A face that has just become the one that is edited, with its crop as it was left."""
        session.take_turn()
        result, slide = self.preview(face, IN_PHOTO, EDITED, detail, *self.zeros)
        return {
            self.face: face,
            self.result: result,
            self.slide: slide,
            self.tiles: draw_tiles(self.editor, face),
            self.status: say(f"{greeting}{which(face)}{face.message or HINT}"),
            self.scores: self.read(face),
            self.goals.stop: gr.update(interactive=False),
            **self.crop.show(face, session.adjustments.get(face.index, Adjustment())),
            **self.neutral(),
        }

    @property
    def zeros(self) -> list[float]:
        """No slider moved."""
        return [0.0] * len(self.sliders)

    def neutral(self) -> dict[Any, Any]:
        """All sliders back to zero."""
        return {slider: gr.update(value=0) for slider in self.sliders}

    def open_photo(self, session: Session, file: dict[str, Any]) -> dict[Any, Any]:
        """A dropped, pasted or chosen file. Where it is refused, whatever runs for the photo before goes on."""
        with one_sentence():
            face = self.editor.open_photo(file["path"])
        return self.open_face(session, face)

    def open_example(self, session: Session, chosen: gr.SelectData) -> dict[Any, Any]:
        """One of the example tiles."""
        return self.open_face(session, self.examples.faces[chosen.index])

    def choose(self, session: Session, chosen: gr.EventData, face: Face | None, detail: float, *values: float) -> Any:
        """Another face of the same photo; the edit of the one that is left stays in the photo."""
        face = here(face)
        session.take_turn()
        with one_sentence():
            face = self.editor.choose(face, chosen.index, self.strengths(values), detail)
        return self.show_face(session, face, detail) | {self.view: IN_PHOTO, self.show: EDITED}

    def adjust(self, session: Session, face: Face | None, view: str, show: str, detail: float, *values: float) -> Any:
        """The crop was moved: the last four values are those of its sliders. Called many times a second."""
        values, crop = values[: len(self.sliders)], values[len(self.sliders) :]
        if face is None or face.photo is None:
            return gr.skip()
        face = self.crop.adjust(session, face, *crop)
        result, slide = self.preview(face, view, show, detail, *values)
        return {
            self.face: face,
            **self.crop.pictures(face),
            self.status: say(f"{which(face)}Crop moved."),
            self.goals.stop: gr.update(interactive=False),
            self.result: result,
            self.slide: slide,
        }

    def as_edited(self, face: Face | None, *values: float) -> Face:
        """The face with what the sliders say, for the Morph tab; guidance is part of a Face already, slider values are not."""
        return self.editor.bake(here(face), self.strengths(values))

    def strengths(self, values: tuple[float, ...]) -> dict[str, float]:
        """Slider values as strengths of attributes; zeros say nothing and stay out."""
        return {control.name: control.strength(value) for control, value in zip(self.controls, values, strict=True) if value}

    def draw(self, face: Face, view: str, show: str, detail: float, strengths: dict[str, float]) -> Any:
        """The picture that the two switches ask for."""
        if show == ORIGINAL:
            face, strengths = self.editor.reset(face), {}
        result = self.editor.edit(face, strengths, max_side_px=PREVIEW_SIDE_PX, detail=detail)
        return enlarge(result.photo if view == IN_PHOTO else result.crop, FACE_SIDE_PX)

    def preview(self, face: Face | None, view: str, show: str, detail: float, *values: float) -> Any:
        """What the sliders say now. Called many times a second, and never allowed to raise."""
        if face is None:
            return gr.skip(), gr.skip()
        strengths = self.strengths(values)
        if show == COMPARE:
            pair = self.draw(face, view, ORIGINAL, detail, {}), self.draw(face, view, EDITED, detail, strengths)
            return gr.update(visible=False), gr.update(value=pair, visible=True)
        picture = self.draw(face, view, show, detail, strengths)
        return gr.update(value=picture, visible=True, alt_text=self.describe(show, values)), gr.update(visible=False)

    def describe(self, show: str, values: tuple[float, ...]) -> str:
        """The picture in words, for those who do not see it."""
        changes = ", ".join(f"{control.label} {value:+g}" for control, value in zip(self.controls, values, strict=True) if value)
        return "Original photo" if show == ORIGINAL else f"Edited face: {changes or 'no change'}"

    def guided(self, face: Face, view: str, show: str, detail: float) -> dict[Any, Any]:
        """One step of guidance on the page."""
        result, slide = self.preview(face, view, show, detail, *self.zeros)
        return {self.face: face, self.result: result, self.slide: slide}

    def restart(self, values: tuple[float, ...]) -> tuple[dict[str, float], dict[Any, Any]]:
        """What the sliders say, and the update that puts them to zero, for guidance takes it over."""
        return self.strengths(values), self.neutral()

    def read(self, face: Face | None, detail: float = DETAIL, *values: float) -> Any:
        """The classifier's readings of the result, as bars, under the data set's own labels."""
        if face is None:
            return gr.skip()
        found = self.editor.probabilities(face, self.strengths(values) if values else {}, detail)
        rows = "".join(
            f"<li><span>{html.escape(control.name.replace('_', ' '))}</span><meter min=0 max=1 value={found[control.name]:.3f}></meter>"
            f"<span>{found[control.name]:.0%}</span></li>"
            for control in self.controls
            if control.name in found
        )
        return f'<ul class="scores">{rows}</ul>'

    def read_slowly(self, face: Face | None, detail: float, *values: float) -> Any:
        """Readings while a slider moves: waiting first leaves the model to the pictures; always_last brings the end."""
        time.sleep(SCORES_SEC)
        return self.read(face, detail, *values)

    def put_back(self, session: Session, face: Face | None, view: str, show: str) -> dict[Any, Any]:
        """All sliders to zero and all guidance undone; the photo stays, and so does its crop."""
        session.take_turn()
        face = self.editor.reset(here(face))
        return {
            **self.guided(face, view, show, DETAIL),
            self.status: say(f"{which(face)}{OTHERS_STAY if any(entry.face.offset.any() for entry in face.left) else AS_IT_WAS}"),
            self.scores: self.read(face),
            self.goals.stop: gr.update(interactive=False),
            self.detail: DETAIL,
            **self.neutral(),
        }

    def save(self, face: Face | None, as_png: bool, detail: float, *values: float) -> tuple[str, str]:
        """The full-size file in the photo's own format, or as PNG, with the note that it was edited."""
        face = here(face)
        with one_sentence():
            data, suffix = self.editor.save(face, self.strengths(values), "png" if as_png else "original", detail)
        name = f"{file_stem(face)}-facevae{suffix}"
        remark = face.source.remark if face.source is not None else ""
        return to_file(self.file, data, name), say(f"{name}, {len(data) / 1000:,.0f} kB. {remark}".strip())


def slider_id(control: Control) -> str:
    """The slider's id on the page; tests and style sheet know it."""
    return f"slider-{control.name.lower().replace('_', '-')}"
