"""The picture in the middle of the Edit tab: the edit in the photo or in the crop, the photo as it was, or both to compare."""

from typing import Any

import gradio as gr

from facevae.editor import Editor, Face
from facevae.ui.components import FACE_SIDE_PX, PREVIEW_SIDE_PX, enlarge, picture, segmented
from facevae.ui.edit.sliders import Asked
from facevae.ui.face_tiles import face_tiles

IN_PHOTO, FACE_ONLY = "Photo", "Face"
EDITED, ORIGINAL, COMPARE = "Edited", "Original", "Compare"


class StagePart:
    """The picture, the tiles of the photo's faces, and the two switches that say what is shown."""

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

    def draw(self, face: Face, view: str, show: str, detail: float, asked: Asked) -> Any:
        """The picture that the two switches ask for."""
        editor, strengths, locks = asked.editor, asked.strengths, asked.locks
        if show == ORIGINAL:
            face, editor, strengths, locks = self.editor.reset(face), self.editor, {}, ()
        result = editor.edit(face, strengths, PREVIEW_SIDE_PX, detail, locks)
        return enlarge(result.photo if view == IN_PHOTO else result.crop, FACE_SIDE_PX)

    def pictures(self, face: Face, view: str, show: str, detail: float, asked: Asked) -> dict[Any, Any]:
        """The update that shows one picture, or the two to compare."""
        if show == COMPARE:
            pair = self.draw(face, view, ORIGINAL, detail, asked), self.draw(face, view, EDITED, detail, asked)
            return {self.result: gr.update(visible=False), self.slide: gr.update(value=pair, visible=True)}
        drawn, words = self.draw(face, view, show, detail, asked), self.describe(face, show, asked)
        return {self.result: gr.update(value=drawn, visible=True, alt_text=words), self.slide: gr.update(visible=False)}

    def describe(self, face: Face, show: str, asked: Asked) -> str:
        """The picture in words, for those who do not see it."""
        if show == ORIGINAL:
            return "Original photo"
        return f"Edited face: {', '.join(filter(None, ['guided' if face.offset.any() else '', asked.words])) or 'no change'}"
