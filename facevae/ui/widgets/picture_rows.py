"""Rows of small pictures: key faces of a morph with their buttons, film strip, examples."""

from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from jaxtyping import UInt8

from facevae.editor import Editor, Face
from facevae.editor.morph_types import LEAST_FACES, KeyFrames, MorphPath, strip_positions, strip_step
from facevae.ui.components import enlarge, html
from facevae.ui.widgets.face_tiles import data_url
from facevae.ui.widgets.upload import upload_button

KEY_PX, CELL_PX = 128, 128
SCRIPT = (Path(__file__).parent / "picture_rows.js").read_text()


class KeyRow:
    """Widgets; the tab wires them, for every change of the faces changes the whole tab. The row's `select` carries `index`."""

    def __init__(self, editor: Editor) -> None:
        self.editor = editor
        self.row = picture_row("keys")
        with gr.Row(elem_classes="key-tools"):
            tool = {"size": "sm", "min_width": 60}
            self.left = gr.Button("Move left", elem_id="key-left", **tool)
            self.right = gr.Button("Move right", elem_id="key-right", **tool)
            self.replace = upload_button("Replace …", "key-replace", small=True)
            self.remove = gr.Button("Remove", elem_id="key-remove", **tool)

    @property
    def shown(self) -> list[Any]:
        """What `show` changes."""
        return [self.row, self.left, self.right, self.remove]

    def show(self, keys: KeyFrames) -> dict[Any, Any]:
        """The faces, and which buttons make sense for the chosen one."""
        return {
            self.row: self.draw(keys),
            self.left: gr.update(interactive=keys.chosen > 0),
            self.right: gr.update(interactive=keys.chosen < len(keys) - 1),
            self.remove: gr.update(interactive=len(keys) > LEAST_FACES),
        }

    def draw(self, keys: KeyFrames) -> str:
        """The faces as buttons, numbered."""
        tiles = []
        for k, key in enumerate(keys.keys):
            words = f"Face {k + 1} of {len(keys)}: {key.face.name}{', an example' if key.lent else ''}"
            picture = enlarge(self.portrait(key.face), KEY_PX)
            tiles.append(tile(k, words, np.asarray(picture), f"<span>{k + 1}</span>", f'aria-pressed="{str(k == keys.chosen).lower()}"'))
        return f'<div class="key-tiles" role="group" aria-label="Faces of the morph, in their order">{"".join(tiles)}</div>'

    def portrait(self, face: Face) -> UInt8[np.ndarray, "s s 3"]:
        """The crop with its edit in it."""
        return self.editor.edit(face, max_side_px=self.editor.size).crop if face.offset.any() else face.crop


def picture_row(elem_id: str) -> gr.HTML:
    """The place of a row of pictures to choose from."""
    return html("", elem_id, js_on_load=SCRIPT)


def tile(index: int, words: str, picture: UInt8[np.ndarray, "h w 3"], caption: str = "", state: str = "") -> str:
    """One picture of a row, as a button that says what it is."""
    words = escape(words, quote=True)
    return (
        f'<button type="button" data-index="{index}" aria-label="{words}" title="{words}" {state}>'
        f'<img src="{data_url(picture)}" alt="">{caption}</button>'
    )


def draw_strip(pictures: list[UInt8[np.ndarray, "s s 3"]], way: MorphPath, keys: KeyFrames) -> str:
    """The pictures at `strip_positions` as buttons; those that are faces of the row bear their numbers."""
    step, cells = strip_step(way.segments(len(keys))), []
    for k, (picture, at) in enumerate(zip(pictures, strip_positions(way.segments(len(keys))), strict=True)):
        number = k // step % len(keys) + 1 if k % step == 0 else 0
        words = f"{at:.0%} of the way{f', face {number}' if number else ''}"
        cells.append(tile(k, words, np.asarray(enlarge(picture, CELL_PX)), f"<span>{number or ''}</span>"))
    columns = f"--cells: {len(cells)}; --half: {-(-len(cells) // 2)}"
    return f'<div class="strip-cells" style="{columns}" role="group" aria-label="The way, from the left">{"".join(cells)}</div>'


def draw_examples(faces: list[Face]) -> str:
    """Faces to add, as buttons that can be pressed again and again."""
    cells = "".join(tile(k, f"Add {face.name}", np.asarray(enlarge(face.crop, KEY_PX))) for k, face in enumerate(faces))
    return f'<div class="example-tiles" role="group" aria-label="Examples">{cells}</div>'
