"""Components shared by all tabs: errors, status lines, HTML, sliders, pictures, downloads."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from html import escape
from typing import Any

import gradio as gr
import numpy as np
from jaxtyping import UInt8
from PIL import Image

from facevae import files
from facevae.attributes import WITHHELD, in_words
from facevae.editor import NO_FACE as NO_FACE_FOUND
from facevae.editor import Editor, Face
from facevae.settings import Number
from facevae.ui.gradio_patches import write_to_cache

PREVIEW_SIDE_PX = 1024
"""Longest side of a photo while it is being edited; downloads have the photo's own size."""
FACE_SIDE_PX = 512
"""A bare face is sent at this size: JPEG would show its blocks at the model's own size."""
FRAME_SEC = 0.12
"""While guidance or refinement runs, a picture is drawn at most this often: the steps themselves are the work."""
HINT = "Tap a look, or drag a slider."
NO_FACE = "Your photo was removed after an hour. Open it again to continue."
STILL_OPENING = "Your photo is still opening. Try again in a moment."
NOT_FOUND = "No face found. Drag the frame onto a face, or open another photo."
STATE_SEC = 3600
"""Faces of a visitor are forgotten this long after the last change."""

QUEUED: dict[str, Any] = {"concurrency_id": "model", "concurrency_limit": 4, "api_visibility": "private"}
"""Everything that can fail or takes long. The editor's own lock decides who computes."""
LIVE: dict[str, Any] = {"queue": False, "trigger_mode": "always_last", "show_progress": "hidden", "api_visibility": "private"}
"""Previews while a slider moves: outdated ones are dropped, and nothing may raise, for no toast would show it."""

Widgets = Mapping[Any, Any]
"""Values by widget: what Gradio gives to the handler of an event whose inputs are a set."""


@contextmanager
def one_sentence() -> Iterator[None]:
    """Turn what the editor refuses (ValueError) into a toast; no output of the event changes, so no state is lost."""
    try:
        yield
    except ValueError as error:
        raise refusal(str(error)) from error


@contextmanager
def plain_sentence() -> Iterator[None]:
    """The same for programs, which show no markup: the sentence as it is."""
    try:
        yield
    except ValueError as error:
        raise gr.Error(str(error), title="Not possible", print_exception=False) from error


def refusal(sentence: str) -> gr.Error:
    """The error for something a user can cause. A toast takes markup, and the sentence may hold text from outside."""
    return gr.Error(escape(sentence), title="Not possible", print_exception=False)


def require_face(face: Face | None) -> Face:
    """The face of this visitor, who may have been away for longer than faces are kept."""
    if face is None:
        raise refusal(NO_FACE)
    return face


def ends_silently(stream: Callable[..., Iterator[dict[Any, Any]]]) -> Callable[..., Iterator[dict[Any, Any]]]:
    """Decorator of a handler that streams updates: one that changes nothing comes last, since Gradio sends the last one twice.

    Without it, the second time, when the stream ends, could overwrite what a newer action has shown meanwhile. The handler is a method
    of an object with a `status` line.
    """

    @wraps(stream)
    def run(self: Any, *args: Any, **kwargs: Any) -> Iterator[dict[Any, Any]]:
        yield from stream(self, *args, **kwargs)
        yield {self.status: gr.skip()}

    return run


def html(value: str = "", elem_id: str | None = None, **options: Any) -> gr.HTML:
    """HTML without Gradio's own look; style.css gives it one."""
    return gr.HTML(value, elem_id=elem_id, apply_default_css=False, **{"elem_classes": "plain", **options})


def status_line(elem_id: str, text: str = "") -> gr.HTML:
    """One line of text that screen readers announce when it changes."""
    return html(text, elem_id, html_template='<p class="status" role="status" aria-live="polite">${value}</p>')


def heading(text: str, visible: bool = True) -> gr.HTML:
    """A quiet heading inside a column."""
    return html(f"<h2>{escape(text)}</h2>", visible=visible)


@contextmanager
def fold(label: str, elem_id: str, is_open: bool = False) -> Iterator[None]:
    """A part of the page behind a button, see page.js. Unlike in an accordion, its widgets are there while it is closed."""
    told = f'aria-expanded="{str(is_open).lower()}" aria-controls="{elem_id}"'
    html(f'<button type="button" class="fold-label" {told}>{escape(label)}</button>')
    with gr.Column(elem_id=elem_id, elem_classes="fold"):
        yield


def segmented(choices: list[Any], label: str, elem_id: str, show_label: bool = False) -> gr.Radio:
    """A few choices side by side, one pressed; the style sheet gives them that look."""
    value = choices[0][1] if isinstance(choices[0], tuple) else choices[0]
    return gr.Radio(
        choices, value=value, label=label, elem_id=elem_id, elem_classes=["bare", "segmented"], show_label=show_label, min_width=60
    )


def slider(setting: Number, elem_id: str, *classes: str, **look: Any) -> gr.Slider:
    """A setting as the page shows it."""
    return gr.Slider(
        setting.low,
        setting.high,
        setting.default,
        step=setting.step,
        label=setting.label,
        elem_id=elem_id,
        elem_classes=["bare", *classes],
        **look,
    )


def tiles(elem_id: str, columns: int) -> gr.Gallery:
    """Small pictures to choose from, without Gradio's own viewer."""
    return gr.Gallery(
        show_label=False,
        columns=columns,
        allow_preview=False,
        buttons=[],
        format="jpeg",
        object_fit="cover",
        height="auto",
        interactive=False,
        elem_id=elem_id,
        elem_classes="tiles",
    )


def picture(elem_id: str, alt_text: str) -> gr.Image:
    """One large picture to look at, which the browser can show alone."""
    return gr.Image(
        show_label=False,
        interactive=False,
        buttons=["fullscreen"],
        format="jpeg",
        elem_id=elem_id,
        elem_classes="picture",
        container=False,
        alt_text=alt_text,
    )


def advice(face: Face) -> str:
    """What can be done with a face that was opened."""
    return NOT_FOUND if face.message == NO_FACE_FOUND else face.message.replace("Adjust crop", "Reframe") or HINT


def say(text: str) -> str:
    """Text for a status line; it may contain file names, which are not ours."""
    return escape(text)


def face_state() -> gr.State:
    """One face of one visitor: plain arrays, never the model."""
    return gr.State(None, time_to_live=STATE_SEC)


def enlarge(picture: UInt8[np.ndarray, "h w 3"], side_px: int = FACE_SIDE_PX) -> Image.Image:
    """A small picture, smoothly enlarged to `side_px`; larger ones stay as they are."""
    image = Image.fromarray(picture)
    if max(image.size) >= side_px:
        return image
    factor = side_px / max(image.size)
    return image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.BICUBIC)


def portrait(face: Face, side_px: int = FACE_SIDE_PX) -> Image.Image:
    """How a face is shown where only the face matters."""
    return enlarge(face.crop, side_px)


def reconstruction(face: Face, side_px: int = FACE_SIDE_PX) -> Image.Image | None:
    """How the model draws the face before any edit, G(z)."""
    if face.start is None:
        return None
    levels = np.rint(face.start.transpose(1, 2, 0).clip(0, 1) * 255).astype(np.uint8)
    return enlarge(levels, side_px)


def to_file(component: gr.components.Component, data: bytes, name: str) -> str:
    """Write `data` where Gradio serves it from and deletes it on schedule; refused where the disk is full or cannot be written."""
    try:
        return write_to_cache(component, data, name)
    except OSError as error:
        raise refusal(f"The file cannot be written on the machine that runs the page: {error.strerror or error}.") from None


def hidden_download(elem_id: str) -> gr.DownloadButton:
    """A download that begins by itself; see `start_download`."""
    return gr.DownloadButton("Download", visible="hidden", elem_id=elem_id)


def start_download(event: Any, button: gr.DownloadButton) -> None:
    """Once `event` has put a file into a hidden download without an error, the browser saves it."""
    script = f"(file) => {{ if (file) document.querySelector('#{button.elem_id}').click(); }}"
    event.success(None, button, js=script, api_visibility="private")


def file_stem(face: Face) -> str:
    """What a face's files are called, without the ending."""
    return files.tidy_name(face.name)  # a name has no ending: what stands behind its last dot is part of it


def wishes(editor: Editor) -> list[tuple[str, str]]:
    """Attributes for the menus of guidance and search, sorted: all of the classifier's, without the withheld ones."""
    known = [name for name in editor.attributes if name not in WITHHELD]
    return sorted((in_words(name)[0], name) for name in known)
