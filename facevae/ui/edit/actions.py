"""Handlers of the Edit tab: choose a face, move the crop, undo, presets, downloads."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from facevae.editor import DETAIL, Face
from facevae.editor.history import Edit
from facevae.editor.recipe import link_of
from facevae.photo.finding import nearest
from facevae.ui.components import Widgets, advice, file_stem, one_sentence, refusal, require_face, say, to_file
from facevae.ui.edit.crop import movable
from facevae.ui.edit.downloads import Downloads
from facevae.ui.edit.preview import EDITED, FACE_ONLY
from facevae.ui.edit.reframe import read_frame
from facevae.ui.edit.rendering import EditRendering
from facevae.ui.session import Session
from facevae.ui.widgets.face_tiles import which

RESET = "Original restored."
OTHERS_STAY = "Original restored; the edits of the other faces stay."


@dataclass(eq=False)
class EditActions:
    """Handlers that change the edit as a whole, each a step of the history, and those that save it."""

    rendering: EditRendering
    downloads: Downloads

    def show(self, widgets: Widgets, edit: Edit, words: str) -> dict[Any, Any]:
        """The whole page for an edit; the two switches stay."""
        preview = self.rendering.preview
        return self.rendering.show_edit(widgets[self.rendering.session], edit, widgets[preview.view], widgets[preview.show], words)

    # ---- one step of the history each

    def choose(self, widgets: Widgets, chosen: gr.EventData) -> dict[Any, Any]:
        """Another face of the same photo; the edit of the one before stays in the photo."""
        page, session = self.rendering, widgets[self.rendering.session]
        editor, edit = page.begin(widgets)
        with one_sentence():
            face = editor.choose(edit.face, chosen.index, edit.strengths, edit.detail, edit.locks)
        edit = page.new_edit(session, face, edit.detail, locks=edit.locks)
        page.history.remember(session, edit, f"Face {face.index + 1}")
        shown = page.show_edit(session, edit, FACE_ONLY, EDITED, f"{which(face)}{advice(face)}")
        return shown | {page.preview.view: FACE_ONLY, page.preview.show: EDITED}

    def point(self, widgets: Widgets, clicked: gr.SelectData) -> Any:
        """A click in the photo: the face there, also one that had not been found. On the face that is open it does nothing."""
        page, session, face = self.rendering, widgets[self.rendering.session], widgets[self.rendering.face]
        view, show = widgets[page.preview.view], widgets[page.preview.show]
        at = page.preview.place(face, view, show, clicked.index) if face is not None and movable(face) else None
        if at is None or nearest([face.alignment], *at) is not None or nearest(face.faces, *at) == face.index:
            return gr.skip()
        editor, edit = page.begin(widgets)
        with one_sentence():
            face = editor.point(edit.face, at, edit.strengths, edit.detail, edit.locks)
        if len(face.faces) == 1:
            session.adjustments.clear()
        edit = page.new_edit(session, face, edit.detail, locks=edit.locks)
        page.history.remember(session, edit, f"Face {face.index + 1}")
        return page.show_edit(session, edit, view, show, f"{which(face)}{advice(face)}")

    def adjust(self, widgets: Widgets) -> Any:
        """The crop was moved. Called many times a second."""
        page, session, face = self.rendering, widgets[self.rendering.session], widgets[self.rendering.face]
        frame = read_frame(widgets[page.crop.frame.widget])
        if face is None or not movable(face) or frame is None:
            return gr.skip()
        try:
            face = page.crop.adjust(session, face, frame)
        except ValueError:  # no toast would show it, and the frame on the page does not go so far
            return gr.skip()
        requested = page.requested_edit(widgets)
        page.history.note(session, page.edit_now(session, face, requested), "Crop", "crop")
        return {
            page.face: face,
            **page.crop.pictures(face),
            page.status: say(f"{which(face)}Frame moved."),
            page.stop: gr.update(interactive=False),
            **page.looks.show(face),
            **page.preview.update(face, widgets[page.preview.view], widgets[page.preview.show], requested),
        }

    def reset(self, widgets: Widgets) -> dict[Any, Any]:
        """All sliders to the photo's own positions, all guidance and all locks undone; the photo and its crop stay."""
        page, session = self.rendering, widgets[self.rendering.session]
        page.catch_up(widgets)
        face = page.editor.reset(require_face(widgets[page.face]))
        edit = page.new_edit(session, face, DETAIL)
        page.history.remember(session, edit, "Original")
        words = OTHERS_STAY if any(entry.face.offset.any() for entry in face.left) else RESET
        return self.show(widgets, edit, f"{which(face)}{words}")

    def undo(self, widgets: Widgets) -> dict[Any, Any]:
        """One step back."""
        self.rendering.catch_up(widgets)
        return self.go(widgets, -1)

    def redo(self, widgets: Widgets) -> dict[Any, Any]:
        """One step forward."""
        self.rendering.catch_up(widgets)
        return self.go(widgets, +1)

    def rewind(self, widgets: Widgets, chosen: gr.EventData) -> dict[Any, Any]:
        """To a step of the strip."""
        self.rendering.catch_up(widgets)
        history = widgets[self.rendering.session].history
        return self.go(widgets, chosen.index - (history.at if history else 0))

    def go(self, widgets: Widgets, by: int) -> dict[Any, Any]:
        """Some steps along the history."""
        session: Session = widgets[self.rendering.session]
        if session.history is None:
            raise refusal("There is nothing to undo.")
        session.history, session.step_words = session.history.rewind(session.history.at + by), ""
        step = session.history.steps[session.history.at]
        return self.show(widgets, step.edit, f"Step {session.history.at}: {step.words}.")

    def begin_from(self, widgets: Widgets) -> dict[Any, Any]:
        """The result becomes the original: sliders start from it, and "Original" shows it."""
        page, session = self.rendering, widgets[self.rendering.session]
        editor, edit = page.begin(widgets)
        with one_sentence():
            face = editor.begin_from(edit.face, edit.strengths, edit.detail, edit.locks)
        edit = page.new_edit(session, face, edit.detail, locks=edit.locks)
        page.history.remember(session, edit, "Applied")
        return self.show(widgets, edit, "Applied. New edits start from here.")

    def apply_preset(self, widgets: Widgets) -> dict[Any, Any]:
        """A stored preset on the open face, instead of what the sliders request."""
        page, session, name = self.rendering, widgets[self.rendering.session], widgets[self.downloads.presets]
        strengths, locks, worn = self.downloads.preset(widgets[self.downloads.store], name)
        page.catch_up(widgets)
        face, detail = page.last_edit(widgets).face, widgets[page.panel.detail]
        with one_sentence():
            for look, amount in worn.items():
                face = self.editor(widgets).put_on(face, look, amount, detail, locks)
        face, strengths = page.with_hair(session, face, strengths, locks)
        edit = Edit(face, strengths, locks, detail, dict(session.adjustments), dict(session.starts))
        page.history.remember(session, edit, f"Look {name}")
        return self.show(widgets, edit, f"{name} applied.")

    # ---- downloads

    def edited_face(self, widgets: Widgets) -> Face:
        """The face with the strengths of the sliders, for the Morph tab; guidance is part of a Face already."""
        require_face(widgets[self.rendering.face])
        edit = self.rendering.last_edit(widgets)
        return self.editor(widgets).bake(edit.face, edit.strengths, edit.locks)

    def keep_preset(self, widgets: Widgets) -> Any:
        """Store the strengths of the sliders, and the looks that are worn, in the visitor's own browser."""
        edit, downloads = self.rendering.last_edit(widgets), self.downloads
        worn = {look.name: look.amount for look in edit.face.looks}
        return downloads.add_preset(widgets[downloads.store], widgets[downloads.preset_name], edit.strengths, edit.locks, worn)

    def save_recipe(self, widgets: Widgets) -> tuple[str, str]:
        """The recipe as a JSON file."""
        recipe, stem = self.recipe(widgets)
        return self.downloads.write(recipe, f"{stem}-recipe.json"), say(f"Saved {stem}-recipe.json, without your photo.")

    def link(self, widgets: Widgets) -> str:
        """A link that opens the same picture elsewhere."""
        with one_sentence():
            return link_of(self.recipe(widgets)[0])

    def save(self, widgets: Widgets) -> tuple[str, str]:
        """The full-size file in the photo's own format, or as PNG, with the note that it was edited."""
        require_face(widgets[self.rendering.face])
        edit = self.rendering.last_edit(widgets)
        face, kind = edit.face, "png" if widgets[self.downloads.as_png] else "original"
        with one_sentence():
            data, suffix = self.editor(widgets).save(face, edit.strengths, kind, edit.detail, edit.locks)
        name = f"{file_stem(face)}-facevae{suffix}"
        remark = face.source.remark if face.source is not None else ""
        return to_file(self.downloads.file, data, name), say(f"Saved {name} ({len(data) / 1000:,.0f} kB). {remark}".strip())

    def recipe(self, widgets: Widgets) -> Any:
        """The recipe of the edit, and the file name of the face without its suffix."""
        require_face(widgets[self.rendering.face])
        edit = self.rendering.last_edit(widgets)
        return self.editor(widgets).recipe(edit.face, edit.strengths, edit.detail, edit.locks), file_stem(edit.face)

    def editor(self, widgets: Widgets) -> Any:
        """The editor with the visitor's own directions."""
        return widgets[self.rendering.session].editor(self.rendering.editor)
