"""Tiles to choose one of the faces in a photo; pictures as data URLs."""

import base64
import io
from pathlib import Path

import gradio as gr
import numpy as np
from jaxtyping import UInt8
from PIL import Image

from facevae.editor import Editor, Face
from facevae.ui.components import html

TILE_PX = 96
SCRIPT = (Path(__file__).parent / "face_tiles.js").read_text()


def face_tiles() -> gr.HTML:
    """The place of the tiles; empty, and not there, where a photo holds one face. Its `select` event carries `index`.

    Buttons of our own and not a gallery: they say to a screen reader which face they are and whether it is chosen.
    """
    return html("", "photo-faces", js_on_load=SCRIPT)


def draw_tiles(editor: Editor, face: Face) -> str:
    """The tiles of a photo's faces, the largest first, as HTML."""
    count = len(face.faces)
    if count < 2:
        return ""
    buttons = "".join(
        f'<button type="button" data-index="{i}" aria-pressed="{str(i == face.index).lower()}" aria-label="Face {i + 1} of {count}">'
        f'<img src="{data_url(picture)}" alt=""></button>'
        for i, picture in enumerate(editor.thumbnails(face, TILE_PX))
    )
    return f'<div class="face-tiles" role="group" aria-label="Faces in this photo">{buttons}</div>'


def which(face: Face) -> str:
    """ "Face 2 of 3. ", or nothing where there is only one."""
    return f"Face {face.index + 1} of {len(face.faces)}. " if len(face.faces) > 1 else ""


def data_url(picture: UInt8[np.ndarray, "h w 3"], quality: int = 85) -> str:
    """A picture inside the page itself: no file of it is left anywhere."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="JPEG", quality=quality)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
