"""The Morph tab: two faces, every face between them, and the way as a film."""

from typing import Any

import gradio as gr
import numpy as np

from facevae.editor import Editor, Face
from facevae.ui.examples import Examples
from facevae.ui.parts import (
    LIVE,
    QUEUED,
    enlarge,
    face_state,
    file_stem,
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

STRIP = 8
PATHS = [("Slerp", "slerp"), ("Lerp", "lerp")]


class MorphTab:
    """Widgets of the tab, and the handlers that turn them into calls of the editor."""

    def __init__(self, editor: Editor, examples: Examples) -> None:
        self.editor, self.examples = editor, examples
        self.a, self.b = face_state(), face_state()
        with gr.Row(elem_classes="morph-row"):
            with gr.Column(scale=2, min_width=130, elem_classes="end drop-target", elem_id="morph-a"):
                self.picture_a = self._end_picture("Face A")
                self.upload_a = upload_button("Open face A", "upload-a")
            with gr.Column(scale=4, min_width=300, elem_classes="stage"):
                self.result = gr.Image(
                    show_label=False,
                    interactive=False,
                    buttons=["fullscreen"],
                    format="jpeg",
                    container=False,
                    elem_id="morph-result",
                    elem_classes="picture",
                    alt_text="A face between A and B",
                )
                self.position = gr.Slider(0, 1, 0.5, step=0.01, label="From A to B", elem_id="position", elem_classes="bare")
            with gr.Column(scale=2, min_width=130, elem_classes="end drop-target", elem_id="morph-b"):
                self.picture_b = self._end_picture("Face B")
                self.upload_b = upload_button("Open face B", "upload-b")
        self.status = status_line("morph-status")
        self.strip = tiles("strip", columns=STRIP)
        with gr.Row(elem_classes="morph-options"):
            self.path = segmented(PATHS, "Path", "path", show_label=True)
            self.frames = gr.Slider(8, 120, 32, step=1, label="Frames", elem_id="frames", elem_classes="bare", min_width=180)
            self.format = segmented([("GIF", "gif"), ("WebP", "webp")], "File", "format", show_label=True)
            self.swap = gr.Button("Swap A and B", elem_id="swap", size="md", min_width=120)
            self.export = gr.Button("Save film", variant="primary", elem_id="export", size="md", min_width=120)
        self.film = gr.Image(
            label="Film",
            interactive=False,
            visible=False,
            type="filepath",
            elem_id="film",
            elem_classes="picture film",
            buttons=[],
            alt_text="The film that was saved",
        )
        self.file = gr.DownloadButton("Download", visible="hidden", elem_id="film-file")
        self._wire()

    @staticmethod
    def _end_picture(name: str) -> gr.Image:
        return gr.Image(label=name, interactive=False, buttons=[], format="jpeg", elem_classes="picture end-picture", alt_text=name)

    def _wire(self) -> None:
        look = [self.a, self.b, self.position, self.path]
        gr.on([self.position.input, self.position.release], self.preview, look, self.result, **LIVE)
        self.path.change(self.redraw, look, [self.result, self.strip], show_progress="hidden", **QUEUED)
        for upload, face, picture in ((self.upload_a, self.a, self.picture_a), (self.upload_b, self.b, self.picture_b)):
            upload.upload(
                self.open_photo, upload, [face, picture, self.status], show_progress_on=picture, preprocess=False, **QUEUED
            ).success(self.redraw, look, [self.result, self.strip], show_progress="hidden", **QUEUED)
        self.strip.select(self.jump, None, self.position, **LIVE).then(self.preview, look, self.result, **LIVE)
        self.swap.click(
            lambda a, b, p, q, t: (b, a, q, p, round(1 - t, 2)),
            [self.a, self.b, self.picture_a, self.picture_b, self.position],
            [self.a, self.b, self.picture_a, self.picture_b, self.position],
            show_progress="hidden",
            **QUEUED,
        ).success(self.redraw, look, [self.result, self.strip], show_progress="hidden", **QUEUED)
        self.export.click(
            self.save,
            [self.a, self.b, self.path, self.frames, self.format],
            [self.film, self.file, self.status],
            show_progress_on=self.export,
            **QUEUED,
        ).success(None, js="() => document.querySelector('#film-file').click()", api_visibility="private")

    @property
    def opened(self) -> list[gr.components.Component]:
        """What changes when both ends change."""
        return [self.a, self.b, self.picture_a, self.picture_b, self.result, self.strip, self.status]

    def first_visit(self) -> tuple[Any, ...]:
        """Two examples, so that the tab shows what it is for."""
        a, b = self.examples.faces[0], self.examples.faces[1]
        return a, b, portrait(a), portrait(b), *self.redraw(a, b, 0.5, "slerp"), say(f"From {a.name} to {b.name}.")

    def open_photo(self, file: dict[str, Any]) -> tuple[Any, ...]:
        """A dropped, pasted or chosen file for one end."""
        with one_sentence():
            face = self.editor.open_photo(file["path"])
        several = f" It shows {len(face.faces)} faces; this is the largest." if len(face.faces) > 1 else ""
        return face, portrait(face), say((face.message or f"{face.name} is open.") + several)

    def use(self, face: Face | None) -> tuple[Any, ...]:
        """A face sent from another tab, for one end: its state and its picture."""
        face = here(face)
        return face, enlarge(self.editor.edit(face).crop)

    def preview(self, a: Face | None, b: Face | None, position: float, path: str) -> Any:
        """The face at one position; called many times a second."""
        if a is None or b is None:
            return gr.skip()
        return enlarge(self.editor.morph(a, b, [position], path)[0])

    def redraw(self, a: Face | None, b: Face | None, position: float, path: str) -> tuple[Any, Any]:
        """The face at the position, and the strip of the whole way."""
        if a is None or b is None:
            return gr.skip(), gr.skip()
        positions = np.linspace(0, 1, STRIP)
        pictures = self.editor.morph(a, b, [position, *positions.tolist()], path)
        cells = [(enlarge(picture, 192), f"{at:.0%} of the way") for picture, at in zip(pictures[1:], positions, strict=True)]
        return enlarge(pictures[0]), cells

    def jump(self, chosen: gr.SelectData) -> float:
        """A picture of the strip was chosen."""
        return round(chosen.index / (STRIP - 1), 2)

    def save(
        self, a: Face | None, b: Face | None, path: str, frames: int, form: str, progress: gr.Progress = gr.Progress()
    ) -> tuple[Any, ...]:
        """The film as a file, forth and back again."""
        a, b = here(a), here(b)
        with one_sentence():
            pictures = []
            for start in range(0, int(frames), STRIP):
                progress(start / frames, desc="Drawing frames")
                positions = np.linspace(0, 1, int(frames))[start : start + STRIP]
                pictures.append(self.editor.morph(a, b, positions.tolist(), path))
            film = np.concatenate(pictures)
            data = self.editor.save_animation(film, format=form)
        name = f"{file_stem(a)}-to-{file_stem(b)}.{form}"
        file = to_file(self.file, data, name)
        return gr.update(value=file, visible=True), file, say(f"{name}: {len(film)} frames, {len(data) / 1000:,.0f} kB.")
