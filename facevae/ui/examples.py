"""Faces to begin with: public-domain photos from assets/examples, and faces that the model draws."""

from functools import cached_property
from pathlib import Path

from PIL import Image

from facevae.editor import Editor, Face
from facevae.ui.parts import portrait

FOLDER = Path(__file__).parents[2] / "assets" / "examples"
SEEDS = (3, 7, 11, 21, 42)


class Examples:
    """Opened once, when the first visitor comes, and shared by all: a Face is never changed."""

    def __init__(self, editor: Editor) -> None:
        self.editor = editor

    @cached_property
    def faces(self) -> list[Face]:
        """Photos first, then drawn faces."""
        photos = [self.editor.open_photo(path, name=path.stem) for path in sorted(FOLDER.glob("*.jpg"))]
        return photos + self.editor.generate(SEEDS)

    @property
    def tiles(self) -> list[tuple[Image.Image, str]]:
        """For the gallery."""
        return [(portrait(face, 160), face.name) for face in self.faces]
