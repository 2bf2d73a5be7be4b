"""Contact sheet: generated faces in one PNG, with names and recipes."""

import json
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from facevae.editor.editor import Editor
from facevae.editor.types import Face
from facevae.photo.images import png_bytes
from facevae.version import __version__

GAP_PX, LINE_PX, FONT_PX = 8, 18, 12
PAPER, INK = (255, 255, 255), (68, 64, 60)
LONGEST_NAME = 20
"""Letters that fit under a face of 128 px."""


def save_sheet(editor: Editor, faces: Sequence[Face], columns: int, wanted: Mapping[str, bool] = {}) -> bytes:
    """The sheet as a PNG file, with the recipe of every face in it; `wanted` is what they were searched for.

    `ValueError` where there is no face.
    """
    values = {
        "facevae": __version__,
        "source": "sheet",
        "columns": columns,
        **({"wanted": dict(wanted)} if wanted else {}),
        "faces": [editor.recipe(face).as_json() for face in faces],
    }
    notes = {"Software": f"facevae {__version__}", "Comment": "AI-generated with facevae", "facevae": json.dumps(values)}
    return png_bytes(draw_sheet(faces, columns), notes)


def draw_sheet(faces: Sequence[Face], columns: int) -> UInt8[np.ndarray, "h w 3"]:
    """Faces row by row, each with its seed or its name under it."""
    if not faces:
        raise ValueError("there are no faces for a sheet")
    side, columns = faces[0].crop.shape[0], min(columns, len(faces))
    rows = -(-len(faces) // columns)
    sheet = Image.new("RGB", (GAP_PX + columns * (side + GAP_PX), GAP_PX + rows * (side + LINE_PX + GAP_PX)), PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(FONT_PX)
    for index, face in enumerate(faces):
        row, column = divmod(index, columns)
        x, y = GAP_PX + column * (side + GAP_PX), GAP_PX + row * (side + LINE_PX + GAP_PX)
        sheet.paste(Image.fromarray(face.crop), (x, y))
        name = face.name if face.seed is None else str(face.seed)
        pen.text((x + side / 2, y + side + LINE_PX / 2), name[-LONGEST_NAME:], INK, font, anchor="mm")
    return np.asarray(sheet)
