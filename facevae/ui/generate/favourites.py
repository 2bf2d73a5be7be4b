"""Favourite faces: seeds in the visitor's own browser, from which the model draws again."""

from typing import Any

import gradio as gr
import numpy as np

from facevae.editor import Editor, Face
from facevae.editor.types import Drawn
from facevae.ui.browser_storage import MOST_FACES, faces_of, with_faces
from facevae.ui.components import LIVE, QUEUED, enlarge, heading, refusal, say
from facevae.ui.widgets.picture_rows import KEY_PX, picture_row, tile

ADD, REMOVE = "Add to favourites", "Remove from favourites"


class Favourites:
    """A button that keeps or forgets the chosen face, and the row of faces that were kept."""

    def __init__(self, editor: Editor, store: gr.BrowserState) -> None:
        self.editor, self.store = editor, store
        self.button = gr.Button(ADD, elem_id="face-keep", size="md")
        self.heading = heading("Favourites", visible=False)
        self.row = picture_row("kept")

    def wire(self, chosen: gr.State, status: gr.HTML) -> None:
        """`chosen` is the face that is spoken of."""
        self.chosen, self.status = chosen, status
        changed = [self.store, *self.shown, self.button, status]
        self.button.click(self.toggle, [self.store, chosen], changed, show_progress="hidden", **QUEUED)

    def label_after(self, event: Any) -> None:
        """Once `event` has chosen a face, the button says what it would do with it."""
        event.then(self.label, [self.store, self.chosen], self.button, **LIVE)

    @staticmethod
    def label(stored: Any, face: Face | None) -> str:
        """What the button is called while this face is chosen."""
        return REMOVE if face is not None and face.drawn in faces_of(stored) else ADD

    @property
    def shown(self) -> list[Any]:
        """What `show` changes."""
        return [self.row, self.heading]

    def show(self, stored: Any) -> dict[Any, Any]:
        """The faces that were kept, each as a button."""
        kept = self.kept(stored)
        cells = "".join(
            tile(k, f"Favourite: face {drawn.seed}", np.asarray(enlarge(self.draw(drawn).crop, KEY_PX))) for k, drawn in enumerate(kept)
        )
        row = f'<div class="example-tiles" role="group" aria-label="Favourites">{cells}</div>' if kept else ""
        return {self.row: row, self.heading: gr.update(visible=bool(kept))}

    def kept(self, stored: Any) -> list[Drawn]:
        """The faces that were kept and that this checkpoint can draw: another one may have been told labels that this one is not."""
        return [drawn for drawn in faces_of(stored) if not drawn.labels or self.editor.generation.told(dict(drawn.labels), drawn.prior)]

    def draw(self, drawn: Drawn) -> Face:
        """The same face as when it was kept."""
        return self.editor.generation.redraw(drawn)

    def face(self, stored: Any, index: int) -> Face:
        """One of the row."""
        kept = self.kept(stored)
        if not 0 <= index < len(kept):
            raise refusal("This face is no longer a favourite.")
        return self.draw(kept[index])

    def toggle(self, stored: Any, face: Face | None) -> dict[Any, Any]:
        """Keep the chosen face as the first one, or forget it."""
        drawn, kept = self.drawn_of(face), faces_of(stored)
        adds = drawn not in kept
        kept = [drawn, *kept] if adds else [other for other in kept if other != drawn]
        if len(kept) > MOST_FACES:
            raise refusal(f"There is room for {MOST_FACES} favourites: remove one first.")
        stored = with_faces(stored, kept)
        said = say("Added to favourites." if adds else "Removed from favourites.")
        return {self.store: stored, **self.show(stored), self.button: REMOVE if adds else ADD, self.status: said}

    @staticmethod
    def drawn_of(face: Face | None) -> Drawn:
        """The seed of a face; a refusal where it has none."""
        if face is None or face.drawn is None:
            raise refusal("A similar face has no number to remember it by: download it.")
        return face.drawn
