"""The sheet of faces on the page: its tiles, the chosen face, and saving both."""

from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import gradio as gr

from facevae.editor import Editor, Face
from facevae.editor.contact_sheet import save_sheet
from facevae.settings import COLUMNS, RADIUS
from facevae.ui.components import (
    STATE_SEC,
    enlarge,
    face_state,
    file_stem,
    hidden_download,
    html,
    one_sentence,
    portrait,
    refusal,
    say,
    slider,
    status_line,
    tiles,
    to_file,
)
from facevae.ui.generate import sheet as sheets
from facevae.ui.generate.sheet import Sheet, title
from facevae.ui.session import Session

WAITING = ["tiles", "waiting"]
NAMES = (Path(__file__).parent / "tile_names.js").read_text()


class SheetView:
    """The tiles with their buttons, and the large picture of the chosen face; the tab says where they are."""

    def __init__(self, editor: Editor) -> None:
        self.editor = editor
        self.sheet, self.chosen = gr.State(None, time_to_live=STATE_SEC), face_state()
        self._seen: WeakKeyDictionary[Face, str] = WeakKeyDictionary()  # the words for a face live as long as the face

    def lay_out_tiles(self) -> None:
        with gr.Row(visible=False, elem_classes="near-bar", elem_id="near-bar") as self.near_bar:
            self.back = gr.Button("Back", elem_id="generate-back", size="md", min_width=70)
            self.radius = slider(RADIUS, "radius", min_width=180)
        self.gallery = tiles("faces", columns=COLUMNS)
        html("", "tile-names", elem_classes=None, js_on_load=NAMES)
        with gr.Column(elem_classes="foot"):
            self.status = status_line("generate-status")
            with gr.Row(elem_classes="actions"):
                self.more = gr.Button("Show more", elem_id="more", size="md", min_width=80)
                self.stop = gr.Button("Stop", variant="stop", elem_id="generate-stop", size="md", min_width=80, interactive=False)
                self.save_all = gr.Button("Save all", elem_id="save-sheet", size="md", min_width=100)
        self.file = hidden_download("generate-file")

    def lay_out_chosen(self) -> None:
        self.picture = gr.Image(
            show_label=False,
            interactive=False,
            buttons=[],
            format="jpeg",
            container=False,
            elem_id="chosen",
            elem_classes="picture end-picture",
            alt_text="The chosen face",
        )

    @property
    def outputs(self) -> list[Any]:
        """What changes when faces are drawn."""
        parts = [self.sheet, self.chosen, self.gallery, self.picture, self.status]
        return [*parts, self.stop, self.more, self.near_bar, self.radius]

    # ---- the sheet

    def show(self, sheet: Sheet, chosen: Face | None = None) -> dict[Any, Any]:
        """A sheet on the page; without `chosen`, the choice stays as it is."""
        gallery = {"value": self.cells(sheet), "columns": sheet.columns, "fit_columns": False, "elem_classes": WAITING[:1]}
        picked = {} if chosen is None else {self.chosen: chosen, self.picture: self.draw_chosen(chosen)}
        if chosen is not None:
            gallery["selected_index"] = sheet.index(chosen)
        return {
            self.sheet: sheet,
            self.gallery: gr.update(**gallery),
            self.stop: gr.update(interactive=False),
            self.more: gr.update(interactive=sheet.room > 0),
            self.near_bar: gr.update(visible=sheet.centre is not None),
            **picked,
        }

    def cells(self, sheet: Sheet) -> list[Any]:
        """The tiles, with the words for each that are known."""
        return [(enlarge(face.crop, 256), ": ".join(filter(None, [title(face), self._seen.get(face, "")]))) for face in sheet.faces]

    def describe(self, session: Session, sheet: Sheet | None) -> Any:
        """The tiles with words for all of them; nothing where another action has begun meanwhile."""
        action = session.action
        for face in sheet.faces if sheet is not None else ():
            if session.action != action:
                return gr.skip()
            self.words(face)
        return gr.update(value=self.cells(sheet)) if sheet is not None and session.action == action else gr.skip()

    def save_faces(self, sheet: Sheet | None) -> tuple[str, str]:
        """The whole sheet as one picture."""
        sheet = present(sheet)
        with one_sentence():
            data = save_sheet(self.editor, sheet.faces, sheet.columns, sheet.settings.wanted if sheet.centre is None else {})
        if sheet.centre is None:
            name = f"faces-{sheet.faces[0].seed}-to-{sheet.faces[-1].seed}-facevae.png"
        else:
            name = f"{file_stem(sheet.centre)}-neighbours-facevae.png"
        return to_file(self.file, data, name), say(f"Saved {name}: {len(sheet.faces)} faces, {len(data) / 1000:,.0f} kB.")

    # ---- the chosen face

    def choose(self, sheet: Sheet | None, chosen: gr.SelectData) -> tuple[Any, ...]:
        """One picture of the sheet."""
        if sheet is None or chosen.index >= len(sheet.faces):
            return gr.skip(), gr.skip(), gr.skip()
        return self.show_chosen(sheet.faces[chosen.index])

    def show_chosen(self, face: Face) -> tuple[Any, ...]:
        """A face was chosen: `chosen`, its picture and its status line."""
        return face, self.draw_chosen(face), say(sheets.describe_choice(face))

    def draw_chosen(self, face: Face) -> Any:
        """The chosen face, with a description by the classifier."""
        return gr.update(value=portrait(face), alt_text=f"The chosen face, {title(face)}: {self.words(face)}")

    def words(self, face: Face) -> str:
        """The classifier's view of a face."""
        if face not in self._seen:
            self._seen[face] = sheets.in_few_words(self.editor.probabilities(face))
        return self._seen[face]

    def save(self, face: Face | None) -> tuple[str, str]:
        """The chosen face as a file, with its seed and the note that it was generated."""
        face = present(face)
        with one_sentence():
            data, suffix = self.editor.save(face)
        name = f"{file_stem(face)}-facevae{suffix}"
        return to_file(self.file, data, name), say(f"Saved {name}, {len(data) / 1000:,.0f} kB.")


def present(faces: Any) -> Any:
    """A sheet or a face of this visitor, who may have been away for longer than they are kept."""
    if faces is None:
        raise refusal("Your faces were removed after an hour. Press New faces.")
    return faces
