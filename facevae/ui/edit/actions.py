"""What a visitor of the Edit tab does besides moving sliders: other faces, the crop, back and forth, looks, and what is taken away."""

from typing import Any

import gradio as gr

from facevae.editor import DETAIL, Face
from facevae.editor.history import Edit
from facevae.editor.recipe import link_of
from facevae.ui.components import HINT, file_stem, here, one_sentence, refusal, say, to_file
from facevae.ui.edit.crop import movable
from facevae.ui.edit.downloads import KeepPart
from facevae.ui.edit.preview import EDITED, IN_PHOTO
from facevae.ui.edit.rendering import EditRendering
from facevae.ui.face_tiles import which
from facevae.ui.session import Session

AS_IT_WAS = "Back to the photo as it was."
OTHERS_STAY = "This face is back as it was; the edits of the other faces stay."


class EditActions(EditRendering):
    """Handlers that change the edit as a whole, each a step of the history, and those that write it down."""

    keep: KeepPart

    def choose(self, session: Session, chosen: gr.EventData, face: Face | None, detail: float, *values: Any) -> Any:
        """Another face of the same photo; the edit of the one that is left stays in the photo."""
        editor, edit = self.begun(session, face, detail, values)
        with one_sentence():
            face = editor.choose(edit.face, chosen.index, edit.strengths, edit.detail, edit.locks)
        edit = self.edit_of(session, face, edit.detail, {}, edit.locks)
        self.past.remember(session, edit, f"Face {face.index + 1}")
        return self.show_edit(session, edit, IN_PHOTO, EDITED, f"{which(face)}{face.message or HINT}") | {
            self.stage.view: IN_PHOTO,
            self.stage.show: EDITED,
        }

    def adjust(self, session: Session, face: Face | None, view: str, show: str, detail: float, *values: Any) -> Any:
        """The crop was moved: the last four values are those of its sliders. Called many times a second."""
        count = len(self.panel.inputs)
        values, crop = values[:count], values[count:]
        if face is None or not movable(face):
            return gr.skip()
        face, asked = self.crop.adjust(session, face, *crop), self.panel.asked(session, values)
        self.past.note(session, self.edit_now(session, face, asked, detail), self.panel.view, "Crop", "crop")
        return {
            self.face: face,
            **self.crop.pictures(face),
            self.status: say(f"{which(face)}Crop moved."),
            self.goals.stop: gr.update(interactive=False),
            **self.stage.pictures(face, view, show, detail, asked),
        }

    def put_back(self, session: Session, face: Face | None, view: str, show: str, detail: float, *values: Any) -> dict[Any, Any]:
        """All sliders to the photo's own places, all guidance and all locks undone; the photo stays, and so does its crop."""
        self.catch_up(session, face, detail, values)
        face = self.editor.reset(here(face))
        edit = self.edit_of(session, face, DETAIL, {}, ())
        self.past.remember(session, edit, "Reset all")
        words = OTHERS_STAY if any(entry.face.offset.any() for entry in face.left) else AS_IT_WAS
        return self.show_edit(session, edit, view, show, f"{which(face)}{words}")

    def undo(self, session: Session, face: Face | None, view: str, show: str, detail: float, *values: Any) -> dict[Any, Any]:
        """One step back."""
        self.catch_up(session, face, detail, values)
        return self.go(session, -1, view, show)

    def redo(self, session: Session, face: Face | None, view: str, show: str, detail: float, *values: Any) -> dict[Any, Any]:
        """One step forward again."""
        self.catch_up(session, face, detail, values)
        return self.go(session, +1, view, show)

    def rewind(self, session: Session, chosen: gr.EventData, face: Face | None, view: str, show: str, detail: float, *values: Any) -> Any:
        """To a step of the strip."""
        self.catch_up(session, face, detail, values)
        return self.go(session, chosen.index - (session.history.at if session.history else 0), view, show)

    def go(self, session: Session, by: int, view: str, show: str) -> dict[Any, Any]:
        """Some steps along the history."""
        if session.history is None:
            raise refusal("There is nothing to undo here (any more).")
        session.history, session.deed = session.history.rewind(session.history.at + by), ""
        step = session.history.steps[session.history.at]
        return self.show_edit(session, step.edit, view, show, f"Step {session.history.at}: {step.words}.")

    def begin_from(self, session: Session, face: Face | None, view: str, show: str, detail: float, *values: Any) -> dict[Any, Any]:
        """The result becomes the picture before: sliders start from it, and "Original" shows it."""
        editor, edit = self.begun(session, face, detail, values)
        with one_sentence():
            face = editor.begin_from(edit.face, edit.strengths, edit.detail, edit.locks)
        edit = self.edit_of(session, face, edit.detail, {}, edit.locks)
        self.past.remember(session, edit, "New start")
        return self.show_edit(session, edit, view, show, "The sliders start from here now. Undo goes back.")

    def wear(self, session_store: Any, name: str | None, session: Session, face: Face | None, *look: Any) -> dict[Any, Any]:
        """A look on the face that is open, instead of what the sliders say."""
        strengths, held = self.keep.look(session_store, name)
        view, show, detail, *values = look
        self.catch_up(session, face, detail, tuple(values))
        edit = Edit(here(face), strengths, held, detail, dict(session.adjustments), dict(session.starts))
        self.past.remember(session, edit, f"Look {name}")
        return self.show_edit(session, edit, view, show, f"{name} is on.")

    # ---- what is taken away

    def as_edited(self, session: Session, face: Face | None, *values: Any) -> Face:
        """The face with what the sliders say, for the Morph tab; guidance is part of a Face already, slider values are not."""
        edit = self.taken(session, here(face), DETAIL, values)
        return self.panel.view(session).bake(edit.face, edit.strengths, edit.locks)

    def keep_look(self, stored: Any, name: str, session: Session, face: Face | None, detail: float, *values: Any) -> Any:
        """What the sliders say, kept in the visitor's own browser."""
        asked = self.panel.asked(session, values)
        return self.keep.add_look(stored, name, asked.strengths, asked.locks)

    def recipe(self, session: Session, face: Face | None, detail: float, values: tuple[Any, ...]) -> Any:
        """What was done, and the name of the face."""
        edit = self.taken(session, here(face), detail, values)
        return self.panel.view(session).recipe(edit.face, edit.strengths, edit.detail, edit.locks), file_stem(edit.face)

    def save_recipe(self, session: Session, face: Face | None, detail: float, *values: Any) -> tuple[str, str]:
        """The recipe as a JSON file."""
        recipe, stem = self.recipe(session, face, detail, values)
        return self.keep.write(recipe, f"{stem}-recipe.json"), say(f"{stem}-recipe.json holds what was done, and no photo.")

    def link(self, session: Session, face: Face | None, detail: float, *values: Any) -> str:
        """A link that opens the same picture elsewhere."""
        with one_sentence():
            return link_of(self.recipe(session, face, detail, values)[0])

    def save(self, session: Session, face: Face | None, as_png: bool, detail: float, *values: Any) -> tuple[str, str]:
        """The full-size file in the photo's own format, or as PNG, with the note that it was edited."""
        edit = self.taken(session, here(face), detail, values)
        face, kind = edit.face, "png" if as_png else "original"
        with one_sentence():
            data, suffix = self.panel.view(session).save(face, edit.strengths, kind, edit.detail, edit.locks)
        name = f"{file_stem(face)}-facevae{suffix}"
        remark = face.source.remark if face.source is not None else ""
        return to_file(self.keep.file, data, name), say(f"{name}, {len(data) / 1000:,.0f} kB. {remark}".strip())
