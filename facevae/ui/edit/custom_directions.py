"""Sliders of the visitor's own: directions from a component, from photos or from a file."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from facevae.checkpoint.direction_files import MAX_NAME, read_directions, write_directions
from facevae.editor import NO_FACE, Direction, Editor, Face
from facevae.ui.components import (
    LIVE,
    QUEUED,
    Widgets,
    ends_silently,
    heading,
    hidden_download,
    html,
    one_sentence,
    refusal,
    say,
    start_download,
    status_line,
    to_file,
)
from facevae.ui.edit.sliders import OWN_SLOTS, SliderPanel
from facevae.ui.session import Session

COMPONENTS = 20
LEAST, MOST = 8, 100
"""Photos of a side."""
FILES = ("*.safetensors", "*.npy")


class CustomDirections:
    """The accordion below the sliders. The sliders themselves are spare ones of `SliderPanel`. They belong to the visitor alone."""

    def __init__(self, editor: Editor, panel: SliderPanel) -> None:
        self.editor, self.panel = editor, panel
        count = min(COMPONENTS, editor.latent_size)
        with gr.Accordion("Own sliders", open=False, elem_id="more-sliders"):
            self.name = gr.Textbox(label="Name of the new slider", max_length=MAX_NAME, elem_id="own-name", elem_classes="bare")
            heading("A principal component: a direction in which faces differ most, without a name")
            with gr.Row(elem_classes="own-row"):
                self.number = gr.Slider(1, count, 1, step=1, label="Number", elem_id="own-number", elem_classes="bare", min_width=120)
                self.add = gr.Button("Add component", size="md", min_width=130, elem_id="own-add")
            heading(f"From photos: at least {LEAST} faces with something and {LEAST} without it")
            with gr.Row(elem_classes="own-row"):
                files: dict[str, Any] = {"file_count": "multiple", "height": 120, "min_width": 120}
                self.with_it = gr.File(label="With it", elem_id="own-with", **files)
                self.without = gr.File(label="Without it", elem_id="own-without", **files)
            self.learn = gr.Button("Make a slider", size="md", elem_id="own-learn")
            html('<p class="note">Only the direction stays, as long as this page is open; the photos are deleted once they were read.</p>')
            heading("From a file: .safetensors or .npy")
            with gr.Row(elem_classes="own-row"):
                self.upload = gr.UploadButton("Open directions", size="md", file_count="multiple", elem_id="own-upload", min_width=130)
                self.export = gr.Button("Save mine", size="md", min_width=110, interactive=False, elem_id="own-save")
            self.file = hidden_download("own-file")
        self.status = status_line("own-status")

    def wire(self, session: gr.State, face: gr.State, after: list[dict[str, Any]]) -> None:
        """`after` draws the page again."""
        self.session, self.face = session, face
        widgets = {session, face, *self.panel.inputs}
        changed = [self.panel.own_heading, *self.panel.own_places, *self.panel.own_sliders, self.panel.locks, self.export]
        runs = [
            self.add.click(self.add_component, [session, self.name, self.number], [self.status, self.name], **QUEUED),
            self.learn.click(
                self.learn_from,
                [session, self.name, self.with_it, self.without],
                [self.status, self.name, self.with_it, self.without],
                show_progress="hidden",
                preprocess=False,
                **QUEUED,
            ),
            self.upload.upload(self.open_file, [session, self.upload], self.status, preprocess=False, **QUEUED),
        ]
        for run in runs:
            self._then(run.success(self.show, widgets, changed, **LIVE), after)
        for slot, button in enumerate(self.panel.own_removes):
            self._then(button.click(self.remover(slot), widgets, [*changed, self.status], **LIVE), after)
        start_download(self.export.click(self.save, session, self.file, **QUEUED), self.file)

    @staticmethod
    def _then(run: Any, after: list[dict[str, Any]]) -> None:
        for step in after:
            run = run.then(**step)

    # ---- three ways to a slider

    def add_component(self, session: Session, name: str, number: float) -> tuple[str, str]:
        """A principal component, under the name that the visitor gives it, or under its number."""
        with one_sentence():
            component = self.editor.components(int(number))[int(number) - 1]
            self.take(session, [replace(component, name=name.strip() or component.name)])
        return say(f"{session.own[-1].name} is a slider now, below the others. Move it to see what it does."), ""

    @ends_silently
    def learn_from(
        self, session: Session, name: str, with_it: list[dict[str, Any]] | None, without: list[dict[str, Any]] | None
    ) -> Iterator[dict[Any, Any]]:
        """From photos: what sets the faces of one side apart from those of the other. The files are deleted as they are read."""
        sides = [[Path(file["path"]) for file in side or []] for side in (with_it, without)]
        with one_sentence():
            self.check(session, [name.strip()])
            if not all(LEAST <= len(side) <= MOST for side in sides):
                counts = f"{len(sides[0])} with it and {len(sides[1])} without"
                raise ValueError(f"choose {LEAST} to {MOST} photos for each side; there are {counts}")
        faces: tuple[list[Face], list[Face]] = [], []
        refused: list[str] = []
        total = sum(map(len, sides))
        for done, (side, path) in enumerate((side, path) for side, paths in enumerate(sides) for path in paths):
            yield {self.status: say(f"Reading photo {done + 1} of {total}: {path.name}")}
            try:
                face = self.editor.open_photo(path)
            except ValueError as error:
                refused.append(str(error))
            else:
                if face.message == NO_FACE:
                    refused.append(f"{path.name}: no face was found")
                else:  # a hundred photos at full size would fill the memory
                    faces[side].append(replace(face, photo=None, screen=None, source=None, start=None))
            path.unlink(missing_ok=True)
        left_out = f" Left out: {'; '.join(refused)}." if refused else ""
        yield {self.status: "", self.with_it: None, self.without: None}  # the files are gone, whatever comes now
        with one_sentence():
            if not all(len(side) >= LEAST for side in faces):
                raise ValueError(
                    f"{len(faces[0])} faces with it and {len(faces[1])} without are too few: at least {LEAST} of each are needed.{left_out}"
                )
            direction = self.editor.direction_from_faces(name.strip(), *faces)
            self.take(session, [direction])
        said = f"{direction.name} tells your examples apart with an AUROC of {direction.auroc:.2f}; 0.5 is chance, 1 is perfect.{left_out}"
        yield {self.status: say(said), self.name: ""}

    def open_file(self, session: Session, files: list[dict[str, Any]]) -> str:
        """Directions that somebody saved: .safetensors with its table inside or beside it as .json, or .npy."""
        latent = self.editor.latent_size
        with one_sentence(), tempfile.TemporaryDirectory() as folder:
            for file in files:
                path = Path(file["path"])
                (Path(folder) / path.name).write_bytes(path.read_bytes())
            found = sorted(path for pattern in FILES for path in Path(folder).glob(pattern))
            if not found:
                raise ValueError(f"{', '.join(Path(file['path']).name for file in files)}: directions come as .safetensors or .npy")
            directions = [direction for path in found for direction in read_directions(path, latent)]
            self.take(session, directions)
        return say(f"{', '.join(direction.name for direction in directions)}: below the other sliders.")

    def check(self, session: Session, names: list[str]) -> None:
        """`ValueError` where new sliders cannot be called so, or where there is no room for them."""
        there = {label.casefold() for label, _ in self.panel.lock_choices(session)} | {name.casefold() for name in self.editor.directions}
        for name in names:
            if not 0 < len(name) <= MAX_NAME or not name.isprintable():
                raise ValueError(f"give the new slider a name of 1 to {MAX_NAME} letters")
            if name.casefold() in there:
                raise ValueError(f"there is a slider {name} already: choose another name")
            there.add(name.casefold())
        if len(session.own) + len(names) > OWN_SLOTS:
            raise ValueError(f"there is room for {OWN_SLOTS} sliders of your own: remove one first")

    @property
    def opened(self) -> list[Any]:
        """What changes when a recipe brings sliders of its own, besides the sliders themselves."""
        return [self.panel.own_heading, *self.panel.own_places, self.export]

    def check_room(self, session: Session, directions: Sequence[Direction]) -> None:
        """`ValueError` where there is no room for what a recipe brings."""
        names = {direction.name for direction in (*session.own, *directions)}
        if taken := {direction.name for direction in directions} & {value for _, value in self.panel.lock_choices(Session())}:
            raise ValueError(f"the recipe calls a slider of its own {min(taken)}, as one of the editor's is called")
        if len(names) > OWN_SLOTS:
            raise ValueError(f"the recipe has sliders of its own, and there is room for {OWN_SLOTS} only: remove some first")

    def join(self, session: Session, directions: Sequence[Direction]) -> dict[Any, Any]:
        """Take in what a recipe brings; one of the same name is replaced. Gives the update of the pool."""
        if not directions:
            return {}
        session.own[:] = {direction.name: direction for direction in (*session.own, *directions)}.values()
        return self.slider_updates(session, {direction.name: 0.0 for direction in session.own}, [])

    def take(self, session: Session, directions: list[Direction]) -> None:
        """Add them to the visitor's own."""
        self.check(session, [direction.name for direction in directions])
        self.editor.knowing([*session.own, *directions])  # refuses what does not fit this checkpoint
        session.own.extend(directions)

    # ---- on the page

    def show(self, widgets: Widgets) -> dict[Any, Any]:
        """The visitor's sliders as they are now: new ones start at the position of the face, the others stay."""
        session, face = widgets[self.session], widgets[self.face]
        if face is None:
            return {self.export: gr.update(interactive=bool(session.own))}
        starts, values = self.panel.starts(session, face), self.own_values(widgets)
        new = values.keys() - session.starts.keys()
        session.starts |= {name: starts[name] for name in new}
        values |= {name: starts[name] for name in new}
        return self.slider_updates(session, values, widgets[self.panel.locks])

    def remover(self, slot: int) -> Any:
        """The handler of the button beside a slider of the visitor's own."""

        def remove(widgets: Widgets) -> dict[Any, Any]:
            session = widgets[self.session]
            if slot >= len(session.own):
                return {self.status: gr.skip()}
            values = self.own_values(widgets)
            gone = session.own.pop(slot).name
            session.starts.pop(gone, None)
            values.pop(gone)
            return {**self.slider_updates(session, values, widgets[self.panel.locks]), self.status: say(f"{gone} is removed.")}

        return remove

    def own_values(self, widgets: Widgets) -> dict[str, float]:
        """The values of the visitor's sliders, by the names of their directions."""
        own = widgets[self.session].own
        return {direction.name: widgets[slider] for direction, slider in zip(own, self.panel.own_sliders, strict=False)}

    def slider_updates(self, session: Session, values: dict[str, float], locks: list[str] | None) -> dict[Any, Any]:
        """The update that shows the visitor's sliders with these values."""
        controls = self.panel.own_controls(session)
        choices = self.panel.lock_choices(session)
        there = {value for _, value in choices}
        update: dict[Any, Any] = {
            self.panel.own_heading: gr.update(visible=bool(controls)),
            self.panel.locks: gr.update(choices=choices, value=[name for name in locks or [] if name in there]),
            self.export: gr.update(interactive=bool(controls)),
        }
        for slot, (place, slider) in enumerate(zip(self.panel.own_places, self.panel.own_sliders, strict=True)):
            update[place] = gr.update(visible=slot < len(controls))
            if slot < len(controls):
                update[slider] = self.panel.own_slider_update(controls[slot], values[controls[slot].name])
        return update

    def save(self, session: Session) -> str:
        """All of the visitor's own as one file, to share or to open again."""
        if not session.own:
            raise refusal("There is no slider of your own to save.")
        with tempfile.TemporaryDirectory() as folder:
            path, *_ = write_directions(Path(folder) / "directions", session.own)
            return to_file(self.file, path.read_bytes(), path.name)
