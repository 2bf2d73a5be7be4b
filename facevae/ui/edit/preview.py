"""The large picture of the Edit tab: edit in the photo or the crop, original, or both."""

from typing import Any

import gradio as gr

from facevae.editor import Editor, Face
from facevae.request import EditRequest, render
from facevae.settings import is_number
from facevae.ui.components import FACE_SIDE_PX, PREVIEW_SIDE_PX, enlarge, picture, segmented
from facevae.ui.edit.sliders import RequestedEdit
from facevae.ui.widgets.face_tiles import face_tiles

IN_PHOTO, FACE_ONLY = "Photo", "Face"
EDITED, ORIGINAL, COMPARE = "Edited", "Original", "Compare"


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
        with gr.Row(elem_classes="views"):
            self.view = segmented([IN_PHOTO, FACE_ONLY], "What is shown", "view")
            self.show = segmented([EDITED, ORIGINAL, COMPARE], "Before or after", "show")

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
        result = render(editor, request, face, PREVIEW_SIDE_PX)
        return enlarge(result.photo if view == IN_PHOTO else result.crop, FACE_SIDE_PX)

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
