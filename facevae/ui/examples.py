"""Example faces: public-domain photos from assets/examples, and generated faces."""

import threading

from PIL import Image

from facevae.editor import Editor, Face
from facevae.files import ASSETS
from facevae.ui.components import portrait

FOLDER = ASSETS / "examples"
SEEDS = (27, 7, 32, 29, 44)


class Examples:
    """Opened once, when the first visitor comes, and shared by all: a Face is never changed."""

    def __init__(self, editor: Editor) -> None:
        self.editor = editor
        self._faces: list[Face] = []
        self._lock = threading.Lock()

    @property
    def faces(self) -> list[Face]:
        """Photos first, then drawn faces."""
        with self._lock:
            if not self._faces:
                photos = [self.editor.open_photo(path, name=path.stem) for path in sorted(FOLDER.glob("*.jpg"))]
                self._faces = photos + self.editor.generate(SEEDS)
            return self._faces

    def keep(self, face: Face, refined: Face) -> None:
        """Whoever opens this example next finds it refined already; for any other face, nothing happens."""
        for index, example in enumerate(self._faces):
            if example.crop is face.crop:
                self._faces[index] = self.editor.reset(refined)

    @property
    def tiles(self) -> list[tuple[Image.Image, str]]:
        """For the gallery."""
        return [(portrait(face, 160), face.name) for face in self.faces]
