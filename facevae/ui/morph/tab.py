"""The Morph tab: two to six faces, those between them, alone or as whole photos, and a film."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from facevae.editor import Editor, Face
from facevae.editor.morph_types import KeyFrames, MorphPath, strip_positions
from facevae.settings import PATH, POSITION, REPEAT, WHERE
from facevae.ui.components import (
    LIVE,
    QUEUED,
    STATE_SEC,
    Widgets,
    enlarge,
    heading,
    html,
    one_sentence,
    picture,
    refusal,
    require_face,
    say,
    segmented,
    slider,
    status_line,
)
from facevae.ui.examples import Examples
from facevae.ui.morph.film import Film
from facevae.ui.session import Session
from facevae.ui.widgets.picture_rows import CELL_PX, KeyRow, draw_examples, draw_strip, picture_row
from facevae.ui.widgets.upload import upload_button

PLAY = (Path(__file__).parent / "play.js").read_text()
PREVIEW_PX = 512
"""Longest side of the picture beside the slider, which is drawn many times a second."""
GONE = "Your faces were removed after an hour. Add a photo to continue."
BEGIN = "Add your own photos to replace these examples."


class MorphTab:
    """Widgets of the tab, and the handlers that turn them into calls of the editor."""

    def __init__(self, editor: Editor, examples: Examples) -> None:
        self.editor, self.examples = editor, examples
        self.groups = {control.group: [c.name for c in editor.controls if c.group == control.group] for control in editor.controls}
        self.keys, self.session = gr.State(None, time_to_live=STATE_SEC), gr.State(Session())
        with gr.Row(elem_classes="morph-row"):
            with gr.Column(scale=0, min_width=220, elem_classes="side"):
                self.upload = upload_button("Add photos", "morph-upload", several=True)
                html('<p class="hint">or drop or paste them here</p>')
                self.from_edit = gr.Button("Add the face from Edit", elem_id="morph-from-edit", size="md")
                heading("Examples")
                self.gallery = picture_row("morph-examples")
            with gr.Column(scale=5, min_width=300, elem_classes="stage"):
                self._lay_out_stage()
            with gr.Column(scale=3, min_width=280, elem_classes="controls"):
                self._lay_out_way()
                self.film = Film(editor)
        self._wire()

    # ---- what is on the page

    def _lay_out_stage(self) -> None:
        self.row = KeyRow(self.editor)
        self.result = picture("morph-result", "A face of the morph")
        with gr.Row(elem_classes="mix-row"):
            html('<button type="button">Play</button>', "play", js_on_load=PLAY)
            self.position = slider(POSITION, "position", min_width=120)
            self.edit_this = gr.Button("Edit this face", elem_id="morph-to-edit", size="md", min_width=110)
        self.status = status_line("morph-status")
        self.strip = picture_row("strip")

    def _lay_out_way(self) -> None:
        self.view = segmented(list(WHERE.pairs), WHERE.label, "morph-view", show_label=True)
        with gr.Accordion("Options", open=False, elem_id="morph-options"):
            self.path = segmented(list(PATH.pairs), PATH.label, "path", show_label=True)
            self.repeat = segmented(list(REPEAT.pairs), REPEAT.label, "repeat", show_label=True)
            self.smooth = gr.Checkbox(False, label="Pause at each face", elem_id="smooth", elem_classes="bare", container=False)
            self.parts = gr.CheckboxGroup(
                list(self.groups),
                value=[],
                label="Morph only",
                info="Leave empty to morph everything.",
                elem_id="parts",
                elem_classes="bare",
            )

    # ---- what happens

    def _wire(self) -> None:
        self.asked = [self.keys, self.view, self.path, self.repeat, self.smooth, self.parts]
        self.preview_now = {"fn": self.preview, "inputs": [self.position, *self.asked], "outputs": self.result, **LIVE}
        self.strip_now = {
            "fn": self.redraw,
            "inputs": [self.session, *self.asked],
            "outputs": self.strip,
            "show_progress": "hidden",
            "trigger_mode": "always_last",  # or faces that come while the strip is drawn would never be in it
            **QUEUED,
        }
        choices = [widget.input for widget in (self.view, self.path, self.repeat, self.smooth, self.parts)]
        gr.on([self.position.input, self.position.release, *choices], **self.preview_now)
        gr.on(choices, **self.strip_now)
        self.strip.select(self.jump, self.asked, self.position, **LIVE).then(**self.preview_now)
        chosen = self.row.row.select(self.choose, [self.session, *self.asked], [self.keys, self.position, *self.row.shown], **LIVE)
        chosen.then(**self.preview_now)

        self.receive_uploads(self.upload, KeyFrames.add)
        self.receive_uploads(self.row.replace, KeyFrames.put)
        to = {"outputs": self.changed, "show_progress": "hidden", **QUEUED}
        self.drawn_after(self.gallery.select(self.add_example, [self.session, self.keys], trigger_mode="multiple", **to))
        for button, change in (
            (self.row.left, lambda keys: keys.move(-1)),
            (self.row.right, lambda keys: keys.move(1)),
            (self.row.remove, KeyFrames.remove),
        ):
            self.drawn_after(button.click(self.changing(change), [self.session, self.keys], **to))
        self.film.wire(self.asked, self.repeat, self.read)

    def receive(
        self,
        event: Callable[..., Any],
        face_of: Callable[[Widgets], Face | None],
        inputs: set[Any],
    ) -> Any:
        """At an `event` anywhere on the page, `face_of` the values of `inputs` becomes a face of the morph.

        For example `morph.receive(button.click, lambda widgets: widgets[chosen], {chosen})`. What comes back takes `.success(...)`.
        """

        def take(widgets: Widgets) -> dict[Any, Any]:
            face = face_of(widgets)  # takes its time, in which other faces may come
            return self.add(widgets[self.session], widgets[self.keys], face)

        return self.drawn_after(event(take, {self.session, self.keys, *inputs}, **self.each))

    def receive_uploads(self, button: gr.HTML, change: Callable[[KeyFrames, Face], KeyFrames]) -> None:
        """Each file that is uploaded becomes a face of the morph; see `facevae.ui.widgets.upload`."""

        def take(session: Session, keys: KeyFrames | None, file: gr.EventData) -> dict[Any, Any]:
            with one_sentence():
                face = self.editor.open_photo(file.path)
            return self.add(session, keys, face, change)

        self.drawn_after(button.upload(take, [self.session, self.keys], **self.each))

    @property
    def each(self) -> dict[str, Any]:
        """Options of events that each count, also while the one before is being worked on."""
        return {"outputs": self.changed, "show_progress": "hidden", "trigger_mode": "multiple", **QUEUED}

    def drawn_after(self, event: Any) -> Any:
        """Where it went well: the face at the position, then the strip of the way."""
        return event.success(**self.preview_now).then(**self.strip_now)

    @property
    def changed(self) -> list[Any]:
        """What changes when the faces of the morph change."""
        return [self.keys, *self.row.shown, self.view, self.status]

    @staticmethod
    def latest(session: Session, keys: KeyFrames | None) -> KeyFrames | None:
        """The faces as the newest change left them: what the page sent along may be older."""
        return keys if session.keys is None else session.keys

    def show(self, session: Session, keys: KeyFrames, status: str) -> dict[Any, Any]:
        """Other faces: the row of them, what can be done with them, and a sentence."""
        session.used()
        session.keys = keys
        from_photo = keys.faces[0].photo is not None
        view = gr.update(visible=True) if from_photo else gr.update(visible=False, value=WHERE.default)
        return {self.keys: keys, **self.row.show(keys), self.view: view, self.status: say(status)}

    def examples_lent(self) -> KeyFrames:
        """Two examples, so that the tab shows what it is for."""
        return KeyFrames.of_examples(*self.examples.faces[:2])

    def first_visit(self, session: Session) -> dict[Any, Any]:
        """What the tab begins with; see `opened`."""
        keys = self.examples_lent()
        shown = self.show(session, keys, BEGIN)
        asked = keys, WHERE.default, PATH.default, REPEAT.default, False, []
        pictures = {self.result: self.preview(0.5, *asked), self.strip: self.redraw(session, *asked)}
        return {**shown, self.gallery: draw_examples(self.examples.faces), **pictures}

    @property
    def opened(self) -> list[Any]:
        """What changes at the first visit."""
        return [*self.changed, self.gallery, self.result, self.strip]

    def add(
        self, session: Session, keys: KeyFrames | None, face: Face | None, change: Callable[[KeyFrames, Face], KeyFrames] = KeyFrames.add
    ) -> dict[Any, Any]:
        """One more face, or one in another's place."""
        keys, face = self.latest(session, keys) or self.examples_lent(), require_face(face)
        with one_sentence():
            changed = change(keys, face)
        several = f" Its photo shows {len(face.faces)} faces; this is the largest." if len(face.faces) > 1 and face.index == 0 else ""
        place = f"{face.name} is face {changed.chosen + 1} of {len(changed)}.{several}"
        return self.show(session, changed, f"{place} {face.message or in_words(changed)}")

    def add_example(self, session: Session, keys: KeyFrames | None, chosen: gr.EventData) -> dict[Any, Any]:
        """One of the example tiles."""
        return self.add(session, keys, self.examples.faces[chosen.index], lambda keys, face: keys.add(face, own=False))

    def changing(self, change: Callable[[KeyFrames], KeyFrames]) -> Any:
        """The handler of a button that moves or removes the chosen face."""

        def run(session: Session, keys: KeyFrames | None) -> dict[Any, Any]:
            keys = present(self.latest(session, keys))
            with one_sentence():
                changed = change(keys)
            return self.show(session, changed, in_words(changed))

        return run

    def choose(self, session: Session, chosen: gr.EventData, keys: KeyFrames | None, *asked: Any) -> tuple[Any, ...]:
        """A face of the row: the buttons speak of it, and the morph goes there."""
        keys = self.latest(session, keys)
        if keys is None:
            return tuple(gr.skip() for _ in (self.keys, self.position, *self.row.shown))
        keys, way, _ = self.read(keys, *asked)
        session.keys = keys = keys.choose(chosen.index)
        return keys, round(way.share_of(keys.chosen, len(keys)), 2), *self.row.show(keys).values()

    def jump(self, chosen: gr.EventData, *asked: Any) -> Any:
        """A picture of the strip."""
        if asked[0] is None:
            return gr.skip()
        keys, way, _ = self.read(*asked)
        positions = strip_positions(way.segments(len(keys)))
        return round(positions[min(chosen.index, len(positions) - 1)], 2)

    def read(
        self, keys: KeyFrames | None, view: str, path: str, repeat: str, smooth: bool, parts: list[str]
    ) -> tuple[KeyFrames, MorphPath, bool]:
        """What the widgets say: the faces, the way, and whether whole photos are shown."""
        keys = present(keys)
        travelling = tuple(name for group in parts for name in self.groups[group])
        return keys, MorphPath(path, repeat, smooth, travelling), view == "photo" and keys.faces[0].photo is not None

    def face_now(self, position: float, *asked: Any) -> Face:
        """The face that is shown, for the Edit tab."""
        keys, way, in_photo = self.read(*asked)
        with one_sentence():
            return self.editor.morphed(keys.faces, position, way, "photo" if in_photo else "face")

    def preview(self, position: float | None, keys: KeyFrames | None, *look: Any) -> Any:
        """The face at one position; called many times a second, and never allowed to raise."""
        if keys is None or position is None:  # the faces are gone, or the number field was emptied
            return gr.skip()
        keys, way, in_photo = self.read(keys, *look)
        frame = next(self.editor.morph_through(keys.faces, [position], way, "photo" if in_photo else "face", PREVIEW_PX))
        words = f"{'On photo 1, ' if in_photo else ''}{position:.0%} of the way. {in_words(keys)}"
        return gr.update(value=enlarge(frame), alt_text=words)

    def redraw(self, session: Session, keys: KeyFrames | None, *look: Any) -> Any:
        """The strip of the whole way; nothing where a newer one has begun meanwhile."""
        action = session.begin_action()
        if keys is None:
            return gr.skip()
        keys, way, _ = self.read(keys, *look)
        positions = strip_positions(way.segments(len(keys)))
        pictures = list(self.editor.morph_through(keys.faces, positions, way, max_side_px=CELL_PX))
        return draw_strip(pictures, way, keys) if session.action == action else gr.skip()


def present(keys: KeyFrames | None) -> KeyFrames:
    """The faces of this visitor, who may have been away for longer than faces are kept."""
    if keys is None:
        raise refusal(GONE)
    return keys


def in_words(keys: KeyFrames) -> str:
    """ "From a through b to c." """
    first, *between, last = [face.name for face in keys.faces]
    through = f"through {', '.join(between)} " if between else ""
    return f"From {first} {through}to {last}."
