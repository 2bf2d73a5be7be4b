"""The tiny editor and a photo without a face, for the tests that do not bring their own."""

import numpy as np
import pytest

from facevae.checkpoint.checkpoint import Checkpoint
from facevae.editor import Editor, Face


@pytest.fixture(scope="module")
def editor(tiny_checkpoint: Checkpoint) -> Editor:
    return Editor(tiny_checkpoint)


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (90, 70, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def face(editor: Editor, photo: np.ndarray) -> Face:
    return editor.open_photo(photo)
