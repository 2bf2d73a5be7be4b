"""Faces that are kept in the visitor's own browser come back as they were, whatever else the storage holds."""

import gradio as gr
import numpy as np
import pytest

from facevae.editor import Editor
from facevae.editor.types import Drawn
from facevae.ui.browser_storage import MOST_FACES, STORE, checked, faces_of, with_faces
from facevae.ui.generate.favourites import ADD, REMOVE
from facevae.ui.generate.tab import GenerateTab


@pytest.fixture(scope="module")
def tab(tiny_checkpoint) -> GenerateTab:
    with gr.Blocks():
        return GenerateTab(Editor(tiny_checkpoint), gr.BrowserState())


def test_a_kept_face_comes_back_as_it_was_and_is_forgotten(tab) -> None:
    faces, part = tab.editor.generate([7, 8], 0.6, "normal"), tab.favourites
    added = part.toggle(part.toggle(None, faces[0])[tab.store], faces[1])
    stored = added[tab.store]
    assert [drawn.seed for drawn in faces_of(stored)] == [8, 7]
    assert added[part.status] == "Added to favourites." and added[part.button] == REMOVE == part.label(stored, faces[0])
    face, *_ = tab.choose_kept(stored, gr.EventData(None, {"index": 0}))
    assert np.array_equal(face.crop, faces[1].crop) and face.drawn == faces[1].drawn
    assert part.show(stored)[part.row].count("<button") == 2
    left = part.toggle(stored, faces[1])
    assert [drawn.seed for drawn in faces_of(left[tab.store])] == [7] and left[part.status] == "Removed from favourites."
    assert left[part.button] == ADD == part.label(left[tab.store], faces[1]) == part.label(None, None)
    assert part.show(part.toggle(left[tab.store], faces[0])[tab.store])[part.row] == ""


def test_what_cannot_be_kept_is_refused(tab) -> None:
    near = tab.editor.neighbours(tab.editor.generate([1])[0], range(1), 0.5)[0]
    for face in (None, near):
        with pytest.raises(gr.Error, match="no number"):
            tab.favourites.toggle(None, face)
    stored = None
    for face in tab.editor.generate(range(MOST_FACES)):
        stored = tab.favourites.toggle(stored, face)[tab.store]
    with pytest.raises(gr.Error, match="room for 24"):
        tab.favourites.toggle(stored, tab.editor.generate([99])[0])
    with pytest.raises(gr.Error, match="no longer"):
        tab.choose_kept(STORE, gr.EventData(None, {"index": 0}))


def test_faces_of_a_storage_that_somebody_wrote_into() -> None:
    good = {"seed": 3, "temperature": 0.8, "prior": "fitted"}
    wrong = [None, "7", {}, good | {"seed": -1}, good | {"seed": "3"}, good | {"temperature": float("nan")}, good | {"prior": "<b>"}]
    assert checked({"faces": [*wrong, good, good]})["faces"] == [good]
    assert (
        checked({"faces": good})["faces"] == [] and len(checked({"faces": [good | {"seed": k} for k in range(99)]})["faces"]) == MOST_FACES
    )


def test_a_face_under_labels_that_this_checkpoint_is_not_told_waits_for_one_that_is(tab) -> None:
    """Its place in the storage stays, and the page does not fail."""
    told = Drawn(7, 0.6, "fitted", (("Horns", True),))
    stored = tab.favourites.toggle(with_faces(None, [told]), tab.editor.generate([3])[0])[tab.store]
    assert faces_of(stored)[1] == told == Drawn.read(stored["faces"][1])
    assert tab.favourites.show(stored)[tab.favourites.row].count("<button") == 1
