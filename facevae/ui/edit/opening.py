"""Opening a face in the Edit tab: from a file, the camera, an example, a link, a tab."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from facevae.editor import DETAIL, NO_FACE, Face, Opened
from facevae.editor.recipe import recipe_of_link
from facevae.settings import check_whole
from facevae.ui.components import advice, one_sentence, require_face
from facevae.ui.edit.custom_directions import CustomDirections
from facevae.ui.edit.preview import COMPARE, EDITED, FACE_ONLY, IN_PHOTO
from facevae.ui.edit.rendering import EditRendering
from facevae.ui.examples import Examples
from facevae.ui.session import Session
from facevae.ui.widgets.face_tiles import which

FIRST_LOOK, FIRST_STRENGTHS = "brown_hair", {"Heavy_Makeup": 2.5}
FIRST_WORDS = "Drag the line: left is the photo, right is the edit."
MOST_OTHERS = 100_000


@dataclass(eq=False)
class Opening:
    """Handlers that show another face; each begins a history."""

    rendering: EditRendering
    custom: CustomDirections
    examples: Examples

    @property
    def outputs(self) -> list[Any]:
        """What changes when another face is opened; see `open_face`."""
        page = self.rendering
        return [*page.shown, page.preview.view, page.preview.show, *self.custom.opened]

    def open_face(self, session: Session, face: Face | None) -> dict[Any, Any]:
        """Show a face without a change: sliders at its position, the crop as found."""
        face = require_face(face)
        return self.show(session, Opened(face), f"Opened {face.name}. ")

    def open_upload(self, session: Session, face: Face | None, file: gr.EventData) -> dict[Any, Any]:
        """A chosen, dropped or pasted file; `face` is the one that is open. See `facevae.ui.widgets.upload`."""
        with one_sentence():
            others = check_whole(file.others, "others", 0, MOST_OTHERS)
        shown = self.open_file(session, file.path, face)
        if others and self.rendering.status in shown:
            shown[self.rendering.status] += " Only the first file is open; Morph takes several."
        return shown

    def open_camera(self, session: Session, file: dict[str, Any] | None, face: Face | None) -> dict[Any, Any]:
        """A photo that was just taken; None where the camera was cleared."""
        return {self.rendering.preview.view: gr.skip()} if file is None else self.open_file(session, file["path"], face)

    def open_file(self, session: Session, path: str, face: Face | None = None) -> dict[Any, Any]:
        """A photo, a picture that was saved here, or a recipe for the face that is open.

        Where it is refused, whatever runs for the photo before goes on; where another file was opened meanwhile, that one stays.
        """
        opening = session.begin_opening()
        with one_sentence():
            opened = self.rendering.editor.open_file(Path(path), face)
            self.custom.check_room(session, opened.own)
        if session.opening != opening:
            return {self.rendering.preview.view: gr.skip()}
        return self.show(session, opened, f"{opened.message} ")

    def open_example(self, session: Session, chosen: gr.SelectData) -> dict[Any, Any]:
        """One of the example tiles."""
        return self.open_face(session, self.examples.faces[chosen.index])

    def open_link(self, session: Session, query: str) -> dict[Any, Any] | None:
        """The edit of a link; None where it holds none. A link that cannot be followed opens the first example, and says why."""
        editor = self.rendering.editor
        try:
            recipe = recipe_of_link(query, editor.checkpoint.digest, editor.checkpoint.name, editor.directions)
            return recipe and self.show(session, editor.reopen(recipe), "Opened from a link. ")
        except ValueError as error:
            return self.show(session, Opened(self.examples.faces[0]), f"{str(error)[:1].upper()}{str(error)[1:]}. ")

    def first_visit(self, session: Session) -> dict[Any, Any]:
        """The first example with an edit, beside the photo as it is, to show what the page is for."""
        face, editor = self.examples.faces[0], self.rendering.editor
        strengths = {name: strength for name, strength in FIRST_STRENGTHS.items() if name in editor.directions}
        with suppress(ValueError):  # another checkpoint may know no such look, or find no hair
            face = editor.put_on(face, FIRST_LOOK)
        return self.show(session, Opened(face, strengths), "", COMPARE if strengths or face.looks else EDITED)

    def show(self, session: Session, opened: Opened, greeting: str, show: str = EDITED) -> dict[Any, Any]:
        """A face that has just come, with its edit. Locks of the face before go, sliders of the visitor's own stay."""
        page, face, detail = self.rendering, opened.face, DETAIL if opened.detail is None else opened.detail
        session.begin_opening()  # a file that is still being read comes too late
        own = self.custom.join(session, opened.own)
        session.adjustments.clear()
        face, strengths = page.with_hair(session, face, opened.strengths, opened.locks)
        edit = page.new_edit(session, face, detail, strengths, opened.locks)
        page.history.begin(session, edit, greeting.strip(" .") or "Opened")
        words = FIRST_WORDS if show == COMPARE else f"{greeting}{which(face)}{advice(face)}"
        view = IN_PHOTO if face.message == NO_FACE else FACE_ONLY  # to see where the crop has to go
        shown = page.show_edit(session, edit, view, show, words)
        for slider in own.keys() & shown.keys() & set(page.panel.own_sliders):
            shown[slider] = own[slider] | shown[slider]  # its name and its range, and its value
        return own | shown | {page.preview.view: view, page.preview.show: show}
