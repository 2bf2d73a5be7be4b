"""Poor draws are left out of a search, and drawn where their own seed is asked for."""

import numpy as np
import pytest

from facevae.editor import Editor


@pytest.fixture(scope="module")
def editor() -> Editor:
    return Editor()


def test_the_page_of_number_1_leaves_out_the_face_without_eyes(editor: Editor) -> None:
    *_, found = editor.search({}, 8, 5)
    assert [face.seed for face in found.faces] == [8, 9, 10, 12, 13] and found.next_seed == 14
    drawn = editor.generate([11, 12])
    assert [editor.generation.poor(face) for face in drawn] == [True, False]
    assert np.array_equal(found.faces[3].crop, drawn[1].crop)  # the number of a face reproduces it


def test_nothing_is_left_out_of_random_faces_or_of_glasses(editor: Editor) -> None:
    *_, found = editor.search({}, 11, 2, prior="normal")
    assert found.tried == 2 and any(editor.generation.poor(face) for face in found.faces)
    wanted = {"Eyeglasses": True}
    *_, found = editor.search(wanted, 2, 1)
    assert found.tried == 1 and editor.generation.poor(found.faces[0])
