"""Film of a morph: settings, Save with progress and Cancel, and the result on the page."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from facevae.editor import Editor, Face
from facevae.editor.morph_types import FILM_SIDE_PX, FilmConfig, FilmStep, KeyFrames, MorphPath, Repeat, film_positions
from facevae.files import paired_name
from facevae.photo.animation import film_formats
from facevae.settings import DURATION_MS, FRAMES
from facevae.ui.components import (
    LIVE,
    QUEUED,
    ends_silently,
    heading,
    hidden_download,
    html,
    one_sentence,
    say,
    segmented,
    slider,
    start_download,
    status_line,
    to_file,
)
from facevae.ui.session import Session

NAMES = {"gif": "GIF", "webp": "WebP", "mp4": "MP4"}
REPORT_SEC = 0.4
"""Progress is reported at most this often: screen readers read it out."""


class Film:
    """Widgets and handlers. A film that is cancelled leaves the one before on the page."""

    def __init__(self, editor: Editor) -> None:
        self.editor = editor
        self.session = gr.State(Session())
        self.made = gr.State(None)  # the path of the film that was just made; a stream of updates would lose the button's value
        heading("Save as animation")
        formats = [(NAMES[name], name) for name in film_formats()]
        self.format = segmented(formats, "File", "format", show_label=True)
        with gr.Row(elem_classes="film-numbers"):
            self.frames = slider(FRAMES, "frames", min_width=200)
            self.duration_ms = slider(DURATION_MS, "frame-ms", min_width=200)
        self.plan = html(plan_of(FRAMES.default, DURATION_MS.default, "back"), "film-plan")
        with gr.Row(elem_classes="film-buttons"):
            self.export = gr.Button("Save animation", variant="primary", elem_id="export", size="md", min_width=110)
            self.cancel = gr.Button("Cancel", variant="stop", elem_id="film-cancel", size="md", min_width=90, interactive=False)
        self.status = status_line("film-status")
        self.picture = gr.Image(
            show_label=False,
            interactive=False,
            visible=False,
            type="filepath",
            container=False,
            elem_id="film",
            elem_classes="picture film",
            buttons=[],
            alt_text="The saved animation",
        )
        self.clip = gr.Video(
            show_label=False,
            interactive=False,
            visible=False,
            container=False,
            loop=True,
            autoplay=True,
            buttons=[],
            elem_id="clip",
            elem_classes="film",
        )
        self.file = hidden_download("film-file")

    def wire(self, asked: list[Any], repeat: gr.Radio, read: Callable[..., tuple[KeyFrames, MorphPath, bool]]) -> None:
        """`read` makes the faces, the way and whether whole photos are shown of the tab's widgets `asked`; `repeat` is one of them."""
        planned = [self.frames, self.duration_ms, repeat]
        moves = [event for number in (self.frames, self.duration_ms) for event in (number.input, number.release)]
        gr.on([*moves, repeat.input], plan_of, planned, self.plan, **LIVE)
        self.read = read
        settings = [self.session, self.format, self.frames, self.duration_ms, *asked]
        outputs = [self.picture, self.clip, self.made, self.status, self.export, self.cancel]
        ended = self.export.click(self.save, settings, outputs, show_progress="hidden", **QUEUED).success  # a refusal brings no older film
        start_download(ended(lambda made: made, self.made, self.file, show_progress="hidden", **QUEUED), self.file)
        self.cancel.click(lambda session: session.stop(), self.session, None, **LIVE)

    @ends_silently
    def save(self, session: Session, form: str, frames: float, duration_ms: float, *asked: Any) -> Iterator[dict[Any, Any]]:
        """Draw and write frame after frame until the last one, or until Cancel."""
        keys, way, in_photo = self.read(*asked)
        with one_sentence():
            film = FilmConfig(form, int(frames), int(duration_ms), "photo" if in_photo else "face")
        action, reported_sec, step = session.begin_action(), 0.0, None
        begun = {self.export: gr.update(interactive=False), self.cancel: gr.update(interactive=True)}
        done = {self.export: gr.update(interactive=True), self.cancel: gr.update(interactive=False)}
        yield {**begun, self.made: None, self.status: "Starting …"}
        try:
            with one_sentence():
                for step in self.editor.morph_film(keys.faces, way, film):
                    if session.stopped or session.action != action:
                        break
                    if time.monotonic() - reported_sec > REPORT_SEC:
                        yield {self.status: f"Frame {step.frame} of {step.frames}"}
                        reported_sec = time.monotonic()
        except gr.Error:
            yield done  # a refusal may not leave the buttons as they are while a film is drawn
            raise
        assert step is not None  # a film has frames
        if not step.data:
            yield {**done, self.status: f"Cancelled at frame {step.frame} of {step.frames}. Nothing was saved."}
        else:
            yield {**done, **self.show(keys.faces, form, step, film.where == "photo")}

    def show(self, faces: list[Face], form: str, step: FilmStep, in_photo: bool) -> dict[Any, Any]:
        """The film on the page, as a file, and in one sentence."""
        name = f"{paired_name(faces[0].name, faces[-1].name)}.{form}"
        file = to_file(self.file, step.data, name)
        size = f"{step.width_px} × {step.height_px} px"
        whole = faces[0].photo
        if in_photo and whole is not None and max(whole.shape) > max(step.width_px, step.height_px) + 1:
            size += f" (the photo has {whole.shape[1]} × {whole.shape[0]}; a {NAMES[form]} is drawn at most {FILM_SIDE_PX[form]} px long)"
        moving = form == "mp4"
        return {
            self.picture: gr.update(value=None if moving else file, visible=not moving),
            self.clip: gr.update(value=file if moving else None, visible=moving),
            self.made: file,
            self.status: say(f"Saved {name}: {step.frames} frames, {step.seconds:.1f} s, {size}, {len(step.data) / 1000:,.0f} kB."),
        }


def plan_of(frames: float | None, duration_ms: float | None, repeat: Repeat) -> str:
    """What will be saved: "62 frames with the way back, 3.7 s"; empty while a number is being typed."""
    if not frames or not duration_ms:
        return ""
    count = len(film_positions(int(frames), repeat))
    return f'<p class="caption">{count} frames{" with the way back" if repeat == "back" else ""}, {count * duration_ms / 1000:.1f} s</p>'
