"""Faces that are kept in the visitor's own browser come back as they were, whatever else the storage holds."""

import gradio as gr
import numpy as np
import pytest

from facevae.editor import Editor
from facevae.editor.types import Drawn
from facevae.ui.browser_storage import MOST_FACES, STORE, checked, faces_of, with_faces
from facevae.ui.generate.tab import GenerateTab


@pytest.fixture(scope="module")
def tab(tiny_checkpoint) -> GenerateTab:
    with gr.Blocks():
        return GenerateTab(Editor(tiny_checkpoint), gr.BrowserState())


def test_a_kept_face_comes_back_as_it_was_and_is_forgotten(tab) -> None:
    faces, part = tab.editor.generate([7, 8], 0.6, "normal"), tab.favourites
    stored = part.add(None, faces[0])[tab.store]
    stored = part.add(part.add(stored, faces[1])[tab.store], faces[0])[tab.store]  # once more: it comes first, and is there once
    assert [drawn.seed for drawn in faces_of(stored)] == [7, 8]
    assert part.add(None, faces[0])[part.status] == "Added to favourites."
    face, *_ = tab.choose_kept(stored, gr.EventData(None, {"index": 1}))
    assert np.array_equal(face.crop, faces[1].crop) and face.drawn == faces[1].drawn
    assert part.show(stored)[part.row].count("<button") == 2
    left = part.remove(stored, faces[0])
    assert [drawn.seed for drawn in faces_of(left[tab.store])] == [8] and left[part.status] == "Removed from favourites."
    with pytest.raises(gr.Error, match="not a favourite"):
        part.remove(left[tab.store], faces[0])
    assert part.show(part.remove(left[tab.store], faces[1])[tab.store])[part.row] == ""


def test_what_cannot_be_kept_is_refused(tab) -> None:
    near = tab.editor.neighbours(tab.editor.generate([1])[0], range(1), 0.5)[0]
    for face in (None, near):
        with pytest.raises(gr.Error, match="no number"):
            tab.favourites.add(None, face)
    stored = None
    for face in tab.editor.generate(range(MOST_FACES)):
        stored = tab.favourites.add(stored, face)[tab.store]
    with pytest.raises(gr.Error, match="room for 24"):
        tab.favourites.add(stored, tab.editor.generate([99])[0])
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
    stored = tab.favourites.add(with_faces(None, [told]), tab.editor.generate([3])[0])[tab.store]
    assert faces_of(stored)[1] == told == Drawn.read(stored["faces"][1])
    assert tab.favourites.show(stored)[tab.favourites.row].count("<button") == 1
