"""The Edit tab: one photo, sliders that answer at once, and goals that the classifier guides to."""

import html
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from facevae.editor import Adjustment, Control, Editor, Face, Goal, GuideStep
from facevae.ui.examples import Examples
from facevae.ui.parts import (
    FACE_SIDE_PX,
    LIVE,
    PREVIEW_SIDE_PX,
    QUEUED,
    enlarge,
    face_state,
    file_stem,
    heading,
    here,
    one_sentence,
    portrait,
    say,
    segmented,
    status_line,
    tiles,
    to_file,
    upload_button,
)

FRAME_SEC = 0.12
"""While guidance runs, a picture is drawn at most this often: the steps themselves are the work."""
SCORES_SEC = 0.25
"""Likewise for the classifier's readings while a slider moves."""
IN_PHOTO, FACE_ONLY = "Photo", "Face"
EDITED, ORIGINAL, COMPARE = "Edited", "Original", "Compare"


@dataclass
class StopSign:
    """Raised by the Stop button of one visitor, seen by that visitor's guidance. Gradio's own `cancels` loses the last step."""

    raised: bool = False


class EditTab:
    """Widgets of the tab, and the handlers that turn them into calls of the editor."""

    def __init__(self, editor: Editor, examples: Examples) -> None:
        self.editor, self.examples = editor, examples
        self.controls: list[Control] = editor.controls
        self.face = face_state()
        self.stop_sign = gr.State(StopSign())
        with gr.Row(elem_classes="edit-row"):
            with gr.Column(scale=0, min_width=220, elem_classes="side"):
                self._lay_out_photo()
            with gr.Column(scale=5, min_width=300, elem_classes="stage"):
                self._lay_out_result()
            with gr.Column(scale=4, min_width=300, elem_classes="controls"):
                self._lay_out_goals()
                self._lay_out_sliders()
        self._wire()

    # ---- what is on the page

    def _lay_out_photo(self) -> None:
        self.upload = upload_button("Open a photo", "edit-upload")
        gr.HTML('<p class="hint">or drop or paste one here</p>', apply_default_css=False, elem_classes="plain")
        heading("Examples")
        self.gallery = tiles("examples", columns=3)
        with gr.Accordion("Adjust crop", open=False, elem_id="adjust"):
            self.crop_picture = gr.Image(
                show_label=False,
                interactive=False,
                buttons=[],
                format="jpeg",
                elem_classes="picture crop",
                alt_text="The part of the photo that the model sees",
                container=False,
            )
            self.adjustments = [
                gr.Slider(-0.5, 0.5, 0, step=0.01, label="Left, right", elem_id="shift-x", elem_classes=["bare", "bipolar"]),
                gr.Slider(-0.5, 0.5, 0, step=0.01, label="Up, down", elem_id="shift-y", elem_classes=["bare", "bipolar"]),
                gr.Slider(0.5, 2, 1, step=0.01, label="Zoom", elem_id="zoom", elem_classes=["bare", "bipolar"]),
                gr.Slider(-45, 45, 0, step=0.5, label="Turn, degrees", elem_id="turn", elem_classes=["bare", "bipolar"]),
            ]

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
        with gr.Row(elem_classes="views"):
            self.view = segmented([IN_PHOTO, FACE_ONLY], "What is shown", "view")
            self.show = segmented([EDITED, ORIGINAL, COMPARE], "Before or after", "show")
        self.status = status_line("edit-status")
        with gr.Row(elem_classes="actions"):
            self.download = gr.Button("Download PNG", variant="primary", elem_id="download", min_width=120, size="md")
            self.reset = gr.Button("Reset all", elem_id="reset", min_width=90, size="md")
            self.to_morph = gr.Button("Use in morph", elem_id="edit-to-morph", min_width=110, size="md")
        self.file = gr.DownloadButton("Download", visible="hidden", elem_id="download-file")
        with gr.Accordion("What the classifier sees", open=False, elem_id="scores-box"):
            self.scores = gr.HTML("", apply_default_css=False, elem_id="scores")

    def _lay_out_goals(self) -> None:
        heading("Make it")
        with gr.Row(elem_classes="goals"):
            self.goals = [(goal, gr.Button(goal.label, size="sm", min_width=60, elem_id=f"goal-{goal.name}")) for goal in self.editor.goals]
            self.stop = gr.Button("Stop", size="sm", min_width=60, variant="stop", interactive=False, elem_id="stop")

    def _lay_out_sliders(self) -> None:
        self.sliders: list[gr.Slider] = []
        for group in dict.fromkeys(control.group for control in self.controls):
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
        # The sliders stand in the order of the groups; the values arrive in that order too.
        groups = list(dict.fromkeys(control.group for control in self.controls))
        self.controls = sorted(self.controls, key=lambda control: groups.index(control.group))

    # ---- what happens

    def _wire(self) -> None:
        look = [self.face, self.view, self.show, *self.sliders]
        pictures = [self.result, self.slide]
        moves = [event for slider in self.sliders for event in (slider.input, slider.release)]
        gr.on(moves, self.preview, look, pictures, **LIVE)
        gr.on(moves, self.read_slowly, [self.face, *self.sliders], self.scores, **LIVE)
        gr.on([self.view.input, self.show.input], self.preview, look, pictures, **LIVE)

        # A preview that was on its way when another face opened would leave the old face on the page: draw once more.
        again = {"fn": self.preview, "inputs": look, "outputs": pictures, **LIVE}
        self.upload.upload(self.open_photo, self.upload, self.opened, show_progress_on=self.result, preprocess=False, **QUEUED).success(
            **again
        )
        self.gallery.select(self.open_example, None, self.opened, show_progress_on=self.result, **QUEUED).success(**again)
        gr.on(
            [event for slider in self.adjustments for event in (slider.input, slider.release)],
            self.adjust,
            [self.face, self.view, self.show, *self.adjustments, *self.sliders],
            [self.face, self.crop_picture, *pictures],
            **LIVE,
        )

        guided = [self.face, self.status, self.stop, *pictures, *self.sliders]
        for goal, button in self.goals:
            button.click(self.follow(goal), [self.stop_sign, *look], guided, show_progress="hidden", **QUEUED).then(
                self.read, [self.face, *self.sliders], self.scores, **LIVE
            )
        self.stop.click(self.raise_stop_sign, self.stop_sign, None, **LIVE)

        self.reset.click(
            self.put_back, [self.face, self.view, self.show], [self.face, self.status, self.scores, *pictures, *self.sliders], **QUEUED
        ).success(**again)
        self.download.click(self.save, [self.face, *self.sliders], self.file, **QUEUED).success(
            None, js="() => document.querySelector('#download-file').click()", api_visibility="private"
        )

    @property
    def opened(self) -> list[gr.components.Component]:
        """What changes when another face is opened; see `open_face`."""
        return [
            self.face,
            self.result,
            self.slide,
            self.view,
            self.show,
            self.crop_picture,
            self.status,
            self.scores,
            *self.adjustments,
            *self.sliders,
        ]

    def open_face(self, face: Face | None) -> dict[Any, Any]:
        """Show a face as it is: sliders at zero, the crop as found, before and after alike."""
        face = here(face)
        result, slide = self.preview(face, IN_PHOTO, EDITED, *self.zeros)
        movable = face.photo is not None
        crop = {slider: gr.update(value=1 if slider.elem_id == "zoom" else 0, interactive=movable) for slider in self.adjustments}
        return {
            self.face: face,
            self.result: result,
            self.slide: slide,
            self.view: IN_PHOTO,
            self.show: EDITED,
            self.crop_picture: portrait(face, 256),
            self.scores: self.read(face),
            self.status: say(f"Opened {face.name}. {face.message or 'Move a slider, or choose what to make it.'}"),
            **crop,
            **self.neutral(),
        }

    @property
    def zeros(self) -> list[float]:
        """No slider moved."""
        return [0.0] * len(self.sliders)

    def neutral(self) -> dict[Any, Any]:
        """All sliders back to zero."""
        return {slider: gr.update(value=0) for slider in self.sliders}

    def open_photo(self, file: dict[str, Any]) -> dict[Any, Any]:
        """A dropped, pasted or chosen file."""
        with one_sentence():
            face = self.editor.open_photo(file["path"])
        return self.open_face(face)

    def open_example(self, chosen: gr.SelectData) -> dict[Any, Any]:
        """One of the example tiles."""
        return self.open_face(self.examples.faces[chosen.index])

    def adjust(self, face: Face | None, view: str, show: str, x: float, y: float, zoom: float, turn: float, *values: float) -> Any:
        """Cut the same photo elsewhere. What guidance did belonged to the old crop and goes with it."""
        if face is None or face.photo is None:
            return gr.skip()
        face = self.editor.readjust(face, Adjustment(x, y, zoom, turn))
        return face, portrait(face, 256), *self.preview(face, view, show, *values)

    def as_edited(self, face: Face | None, *values: float) -> Face:
        """The face with what the sliders say, for the Morph tab; guidance is part of a Face already, slider values are not."""
        return self.editor.bake(here(face), self.strengths(values))

    def strengths(self, values: tuple[float, ...]) -> dict[str, float]:
        """Slider values as strengths of attributes; zeros say nothing and stay out."""
        return {control.name: control.strength(value) for control, value in zip(self.controls, values, strict=True) if value}

    def draw(self, face: Face, view: str, show: str, strengths: dict[str, float]) -> Any:
        """The picture that the two switches ask for."""
        if show == ORIGINAL:
            face, strengths = self.editor.reset(face), {}
        result = self.editor.edit(face, strengths, max_side_px=PREVIEW_SIDE_PX)
        return enlarge(result.photo if view == IN_PHOTO else result.crop, FACE_SIDE_PX)

    def preview(self, face: Face | None, view: str, show: str, *values: float) -> Any:
        """What the sliders say now. Called many times a second, and never allowed to raise."""
        if face is None:
            return gr.skip(), gr.skip()
        strengths = self.strengths(values)
        if show == COMPARE:
            pair = self.draw(face, view, ORIGINAL, {}), self.draw(face, view, EDITED, strengths)
            return gr.update(visible=False), gr.update(value=pair, visible=True)
        picture = self.draw(face, view, show, strengths)
        return gr.update(value=picture, visible=True, alt_text=self.describe(show, values)), gr.update(visible=False)

    def describe(self, show: str, values: tuple[float, ...]) -> str:
        """The picture in words, for those who do not see it."""
        changes = ", ".join(f"{control.label} {value:+g}" for control, value in zip(self.controls, values, strict=True) if value)
        return "Original photo" if show == ORIGINAL else f"Edited face: {changes or 'no change'}"

    def follow(self, goal: Goal) -> Any:
        """The handler of one "Make it" button: a stream of pictures until the classifier agrees."""

        def run(sign: StopSign, face: Face | None, view: str, show: str, *values: float) -> Iterator[dict[Any, Any]]:
            face, sign.raised, drawn_sec = here(face), False, 0.0
            yield {self.stop: gr.update(interactive=True), self.status: say(f"{goal.label}: starting")}
            # The steps carry the strengths of the sliders inside them, so the sliders start again from zero.
            neutral = self.neutral()
            with one_sentence():
                for step in self.editor.guide(face, goal.wanted, self.strengths(values)):
                    if sign.raised:
                        break
                    if time.monotonic() - drawn_sec > FRAME_SEC:
                        text = f"{sure(goal, step)}, step {step.step} of {step.steps}"
                        yield {**self.guided(step, view, show), self.status: say(text), **neutral}
                        neutral, drawn_sec = {}, time.monotonic()
            text = f"{'Stopped. ' if sign.raised else ''}{sure(goal, step)}. Reset all brings the photo back."
            yield {**self.guided(step, view, show), self.status: say(text), self.stop: gr.update(interactive=False), **neutral}

        return run

    def guided(self, step: GuideStep, view: str, show: str) -> dict[Any, Any]:
        """One step of guidance on the page."""
        result, slide = self.preview(step.face, view, show, *self.zeros)
        return {self.face: step.face, self.result: result, self.slide: slide}

    def raise_stop_sign(self, sign: StopSign) -> None:
        """Stop was pressed; guidance looks before each step."""
        sign.raised = True

    def read(self, face: Face | None, *values: float) -> Any:
        """The classifier's readings of the result, as bars, under the data set's own labels."""
        if face is None:
            return gr.skip()
        found = self.editor.probabilities(face, self.strengths(values) if values else {})
        rows = "".join(
            f"<li><span>{html.escape(control.name.replace('_', ' '))}</span><meter min=0 max=1 value={found[control.name]:.3f}></meter>"
            f"<span>{found[control.name]:.0%}</span></li>"
            for control in self.controls
            if control.name in found
        )
        return f'<ul class="scores">{rows}</ul>'

    def read_slowly(self, face: Face | None, *values: float) -> Any:
        """Readings while a slider moves: waiting first leaves the model to the pictures; always_last brings the end."""
        time.sleep(SCORES_SEC)
        return self.read(face, *values)

    def put_back(self, face: Face | None, view: str, show: str) -> dict[Any, Any]:
        """All sliders to zero and all guidance undone; the photo stays, and so does its crop."""
        face = self.editor.reset(here(face))
        result, slide = self.preview(face, view, show, *self.zeros)
        status = say("Back to the photo as it was.")
        return {
            self.face: face,
            self.result: result,
            self.slide: slide,
            self.status: status,
            self.scores: self.read(face),
            **self.neutral(),
        }

    def save(self, face: Face | None, *values: float) -> str:
        """The full-size PNG, with the note that it was edited."""
        face = here(face)
        with one_sentence():
            return to_file(self.file, self.editor.save_png(face, self.strengths(values)), f"{file_stem(face)}-facevae.png")


def sure(goal: Goal, step: GuideStep) -> str:
    """How far guidance has come, in words."""
    return f"{goal.label}: the classifier is {step.probability:.0%} sure"


def slider_id(control: Control) -> str:
    """The slider's id on the page; tests and style sheet know it."""
    return f"slider-{control.name.lower().replace('_', '-')}"
