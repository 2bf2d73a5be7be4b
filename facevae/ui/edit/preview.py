"""The large picture of the Edit tab: the whole photo or the face, before, after, or both."""

from typing import Any

import gradio as gr
import numpy as np
from jaxtyping import UInt8

from facevae.editor import Editor, Face
from facevae.request import EditRequest, render
from facevae.settings import is_number
from facevae.ui.components import FACE_SIDE_PX, PREVIEW_SIDE_PX, enlarge, picture, segmented
from facevae.ui.edit.sliders import RequestedEdit
from facevae.ui.widgets.face_tiles import face_tiles

IN_PHOTO, FACE_ONLY = "Photo", "Face"
EDITED, ORIGINAL, COMPARE = "Edited", "Original", "Compare"
AROUND = np.array([1.65, 1.2])
"""Width and height of what is shown of a photo around a face, in sides of the crop."""
CLOSE_UP_PX, MOST_PX = 640, 3072
"""So wide is a close-up of a large face; the photo around it is composed at no more than `MOST_PX`, whatever the face's size."""


class Preview:
    """The picture, the tiles of the photo's faces, and two switches: `view` (photo or face) and `show` (before or after)."""

    def __init__(self, editor: Editor) -> None:
        self.editor = editor
        self.result = picture("result", "Edited face")
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
        with gr.Row(elem_classes="views") as self.switches:
            self.view = segmented([("Face", FACE_ONLY), ("Whole photo", IN_PHOTO)], "What is shown", "view")
            self.show = segmented([("After", EDITED), ("Before", ORIGINAL), ("Split", COMPARE)], "Before or after", "show")

    @staticmethod
    def place(face: Face, view: str, show: str, at: Any) -> tuple[float, float] | None:
        """Where a click in the large picture lies in the photo itself, in pixels; None where it shows no photo, or two."""
        if face.source is None or view != IN_PHOTO or show == COMPARE:
            return None
        if not isinstance(at, list | tuple) or len(at) != 2 or not all(is_number(value) for value in at):
            return None
        longer = max(face.source.pixels.shape[:2])
        scale = longer / max(FACE_SIDE_PX, min(longer, PREVIEW_SIDE_PX))
        height, width = face.source.pixels.shape[:2]
        return min(max(at[0] * scale, 0.0), float(width)), min(max(at[1] * scale, 0.0), float(height))

    def draw(self, face: Face, view: str, show: str, requested: RequestedEdit) -> Any:
        """The picture for one position of the switches."""
        request, editor = requested.request, requested.editor
        if show == ORIGINAL:
            face, editor, request = self.editor.reset(face), self.editor, EditRequest(detail=request.detail)
        if view == IN_PHOTO or face.photo is None or face.alignment is None:
            return enlarge(render(editor, request, face, PREVIEW_SIDE_PX).photo, FACE_SIDE_PX)
        longer = max(face.photo.shape)
        side_px = min(longer, MOST_PX, round(longer * CLOSE_UP_PX / (AROUND[0] * face.alignment.side_px)))
        return enlarge(close_up(render(editor, request, face, side_px).photo, face), FACE_SIDE_PX)

    def update(self, face: Face, view: str, show: str, requested: RequestedEdit) -> dict[Any, Any]:
        """The update that shows one picture, or the two to compare."""
        if show == COMPARE:
            pair = self.draw(face, view, ORIGINAL, requested), self.draw(face, view, EDITED, requested)
            return {self.result: gr.update(visible=False), self.slide: gr.update(value=pair, visible=True)}
        drawn, words = self.draw(face, view, show, requested), self.describe(face, show, requested)
        return {self.result: gr.update(value=drawn, visible=True, alt_text=words), self.slide: gr.update(visible=False)}

    def describe(self, face: Face, show: str, requested: RequestedEdit) -> str:
        """The picture in words, for screen readers."""
        if show == ORIGINAL:
            return "Original photo"
        return f"Edited face: {', '.join(filter(None, ['guided' if face.offset.any() else '', requested.words])) or 'no change'}"


def close_up(photo: UInt8[np.ndarray, "h w 3"], face: Face) -> UInt8[np.ndarray, "h2 w2 3"]:
    """The part of the photo around the face, as far as there is photo; `photo` is that of `face` in any size."""
    assert face.photo is not None and face.alignment is not None
    most = np.array([photo.shape[1], photo.shape[0]])
    scale = max(photo.shape) / max(face.photo.shape)
    size = np.minimum(np.rint(AROUND * face.alignment.side_px * scale).astype(int).clip(1), most)
    left, top = np.rint(face.alignment.corners_px.mean(axis=0) * scale - size / 2).astype(int).clip(0, most - size)
    return photo[top : top + size[1], left : left + size[0]]
