"""Crop of the face, moved by a frame on the photo; refinement beside other edits."""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import gradio as gr

from facevae.editor import NO_FACE, Editor, Face, RefineStep
from facevae.editor.edit_parts import offset_parts
from facevae.photo.alignment import Square, adjustment_to
from facevae.photo.regions import TINTS
from facevae.ui.components import FRAME_SEC, QUEUED, advice, ends_silently, html, portrait, reconstruction, say
from facevae.ui.edit.reframe import Reframe
from facevae.ui.examples import Examples
from facevae.ui.session import Session
from facevae.ui.widgets.face_tiles import which

CROP_PX = 256
MODEL_ALT = "The same face as the model draws it"
SETTLE_SEC = 0.4
"""Refinement starts when the crop has rested for so long: keys and typed numbers have no moment of release."""


class CropPanel:
    """Widgets: "Reframe" in the row of the switches, crop and reconstruction, and the switch of refinement."""

    def __init__(self, editor: Editor, examples: Examples, switches: gr.Row) -> None:
        self.editor, self.examples = editor, examples
        self.frame = Reframe(switches)

    def lay_out_more(self) -> None:
        """What the model sees and makes of it, in a place of their own."""
        self.refine_switch = gr.Checkbox(True, label="Match my face better (5 s)", elem_id="refine", elem_classes="bare", container=False)
        with gr.Row(elem_classes="pair"):
            with gr.Column(min_width=60, elem_classes="figure"):
                self.crop = self._picture("crop", "The part of the photo that the model sees")
                html('<p class="caption">What is edited</p>')
            with gr.Column(min_width=60, elem_classes="figure"):
                self.reconstruction = self._picture("reconstruction", MODEL_ALT)
                html('<p class="caption">How the model sees it</p>')

    @staticmethod
    def _picture(name: str, alt_text: str) -> gr.Image:
        return gr.Image(
            show_label=False,
            interactive=False,
            buttons=[],
            format="jpeg",
            container=False,
            elem_id=name,
            elem_classes="picture crop",
            alt_text=alt_text,
        )

    def wire(self, session: gr.State, face: gr.State, status: gr.HTML, stop: gr.Button) -> None:
        """The page's own parts that refinement reads and writes. It never writes what the visitor may be moving."""
        self.session, self.face, self.status, self.stop = session, face, status, stop

    @property
    def inputs(self) -> list[gr.components.Component]:
        """What `refine` wants."""
        return [self.session, self.face, self.refine_switch]

    @property
    def outputs(self) -> list[gr.components.Component]:
        """What `refine` changes."""
        return [self.face, self.status, self.stop, self.reconstruction]

    @property
    def opened(self) -> list[gr.components.Component | gr.Accordion]:
        """What changes when another face is opened."""
        return [self.crop, self.reconstruction, *self.frame.outputs]

    def show(self, face: Face) -> dict[Any, Any]:
        """The pictures and the frame of a face; "Reframe" opens by itself where no face was found."""
        frame = face.alignment.square if face.alignment is not None and movable(face) else None
        return {**self.pictures(face), **self.frame.show(face.photo, frame, face.message == NO_FACE)}

    def pictures(self, face: Face) -> dict[Any, Any]:
        """The pair: the crop and its reconstruction."""
        return {self.crop: gr.update(value=portrait(face, CROP_PX)), self.reconstruction: self.drawn(face)}

    @staticmethod
    def drawn(face: Face, step: RefineStep | None = None) -> dict[str, Any]:
        """The reconstruction; its description says how much nearer a step of refinement has come.

        An update and not the picture itself: a dict handler leaves outputs out, Gradio then puts a new component in their place, and
        files of plain values given to that one are never deleted.
        """
        nearer = f": {step.psnr_before_db:.1f} → {step.psnr_db:.1f} dB" if step is not None else ""
        return gr.update(value=reconstruction(face, CROP_PX), alt_text=f"{MODEL_ALT}{nearer}")

    def adjust(self, session: Session, face: Face, frame: Square) -> Face:
        """Cut the same photo elsewhere. What guidance did belonged to the old crop and goes with it.

        Where no face was found, there is one now: the visitor says so. `ValueError` where the frame does not lie in the photo.
        """
        adjustment = adjustment_to(face.faces[face.index], frame)
        moved = replace(self.editor.readjust(face, adjustment), message="")
        return session.show(session.move_crop(face.index, adjustment), moved)

    def settle(self) -> None:
        """Wait until the crop may rest; always_last brings the last one."""
        time.sleep(SETTLE_SEC)

    def refine_after(self, event: Any, after: list[dict[str, Any]]) -> None:
        """Refine when `event` is over, then do what comes `after` it with the sliders as they are then."""
        # "multiple": the run for the last photo may still be on its way out when that for the next one begins.
        run = event(self.refine, self.inputs, self.outputs, show_progress="hidden", trigger_mode="multiple", **QUEUED)
        for step in after:
            run = run.then(**step)

    @ends_silently
    def refine(self, session: Session, face: Face | None, wanted: bool) -> Iterator[dict[Any, Any]]:
        """Stream the search for a nearer likeness; ends once another action has begun, and does not begin after one."""
        if face is None or session.overtaken(face) or not wanted or not worth_refining(face) or not session.rests(SETTLE_SEC / 2):
            return
        action, drawn_sec, step = session.begin_action(), 0.0, None
        session.show(action, face)
        yield {self.stop: gr.update(interactive=True)}
        for step in self.editor.refine(face):
            if session.action != action or session.stopped or step.done:
                break
            if time.monotonic() - drawn_sec > FRAME_SEC:
                yield {
                    self.face: session.show(action, step.face),
                    self.status: say(f"{which(face)}Getting your face right …"),
                    self.reconstruction: self.drawn(step.face, step),
                }
                drawn_sec = time.monotonic()
        if step is not None and session.action == action:
            session.encoded_in = action
            if step.done:
                self.examples.keep(face, step.face)
            yield {
                self.face: session.show(action, step.face),
                self.status: say(f"{which(face)}{'Ready' if step.done else 'Stopped'}. {advice(face)}"),
                self.stop: gr.update(interactive=False),
                self.reconstruction: self.drawn(step.face, step),
            }


def movable(face: Face) -> bool:
    """The crop of a photo can be moved, that of a saved edit is where its recipe says."""
    return face.photo is not None and face.applied is None


def worth_refining(face: Face) -> bool:
    """A face of a photo that has not been refined yet; where none was found, the crop has to be placed first.

    What guidance found, it found for the likeness as it was, and what was saved or made a start is in the picture. Dyes and make-up
    tint the photo itself.
    """
    fresh = face.applied is None and face.baked is None and all(set(part.about or "*") <= set(TINTS) for part in offset_parts(face))
    return face.source is not None and not face.refined and face.message != NO_FACE and fresh
