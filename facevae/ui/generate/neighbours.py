"""Neighbours on the Create tab: a face with those near it in the latent space."""

from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from facevae.editor import Editor, Face
from facevae.ui.components import one_sentence, say
from facevae.ui.generate import sheet as sheets
from facevae.ui.generate.sheet import MIDDLE, Sheet
from facevae.ui.generate.sheet_view import SheetView, present
from facevae.ui.session import Session


@dataclass(eq=False)
class Neighbours:
    """Handlers that walk from face to face; the widgets are those of the view."""

    editor: Editor
    view: SheetView

    def explore(self, session: Session, sheet: Sheet | None, chosen: Face | None, radius: float) -> dict[Any, Any]:
        """The chosen face and those near it."""
        sheet, face = present(sheet), present(chosen)
        action = session.begin_action()
        with one_sentence():
            around = sheets.neighbours(self.editor, sheet, face, radius)
        if session.action != action:
            return {self.view.status: gr.skip()}
        return {**self.view.show(around, face), self.view.status: say(sheets.describe_neighbours(around))}

    def change_radius(self, session: Session, sheet: Sheet | None, chosen: Face | None, radius: float) -> dict[Any, Any]:
        """The same neighbours nearer or farther. Called many times a second, and never allowed to raise."""
        if sheet is None or sheet.centre is None or radius in (None, sheet.radius):
            return {self.view.status: gr.skip()}
        action = session.begin_action()
        index = sheet.index(chosen)
        sheet = sheets.with_neighbours(self.editor, replace(sheet, faces=(), radius=radius), len(sheet.faces))
        if session.action != action:
            return {self.view.status: gr.skip()}
        return self.view.show(sheet, sheet.faces[MIDDLE if index is None else index])

    def go_back(self, session: Session, sheet: Sheet | None) -> dict[Any, Any]:
        """The sheet before, with the face chosen from which it was left."""
        left = present(sheet)
        session.begin_action()
        sheet = sheets.previous_sheet(left)
        message = sheets.describe_neighbours(sheet) if sheet.centre is not None else sheets.describe_choice(left.centre or sheet.faces[0])
        return {
            **self.view.show(sheet, left.centre or sheet.faces[0]),
            self.view.status: say(message),
            **({self.view.radius: sheet.radius} if sheet.centre is not None else {}),
        }
