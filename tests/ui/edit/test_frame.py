"""The frame of "Reframe" without a browser: what the page sends is a crop, and a photo without a face waits for it."""

import json

import numpy as np
import pytest

from facevae.editor import NO_FACE
from facevae.ui.components import NOT_FOUND
from facevae.ui.edit.crop import worth_refining
from facevae.ui.edit.reframe import read_frame


def value(tab, face) -> dict:
    """What the page gets to draw the frame."""
    return json.loads(tab.crop.show(face)[tab.crop.frame.widget])


def moved(tab, visitor, frame: list[float]) -> dict:
    """The answer to a frame that was moved there."""
    return tab.actions.adjust(visitor.widgets | {tab.crop.frame.widget: json.dumps({"frame": frame})})


def test_the_frame_is_the_crop_and_goes_wherever_it_is_dragged(tab, face, visitor) -> None:
    shown = value(tab, face)
    assert shown["size"] == [80, 64] and not shown["lost"]
    assert shown["frame"] == pytest.approx([40, 32, 64 / 1.2, 0], abs=0.01)
    for frame in ([20, 10, 30, 45], [79, 60, 100, -90]):  # the second one goes beyond the photo
        visitor.take(moved(tab, visitor, frame))
        assert value(tab, visitor.held[tab.face])["frame"] == pytest.approx(frame, abs=0.01)
    assert visitor.words == ["Opened noise", "Crop"]


def test_an_upside_down_photo_is_put_right_by_two_quarters(tab, face, visitor) -> None:
    x, y, side, angle = value(tab, face)["frame"]
    visitor.take(moved(tab, visitor, [x, y, side, angle + 90])).take(moved(tab, visitor, [x, y, side, angle + 180]))
    assert np.abs(visitor.held[tab.face].crop.astype(int) - np.rot90(face.crop, 2)).max() <= 2


def test_without_a_face_there_is_nothing_to_edit_until_the_frame_is_confirmed(tab, visitor) -> None:
    photo = np.random.default_rng(1).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    face = tab.editor.open_photo(photo, name="sky")
    shown = tab.opening.open_face(visitor.session, face)
    assert face.message == NO_FACE and NOT_FOUND in shown[tab.status] and not worth_refining(face)
    assert shown[tab.preview.view] == "Photo" and value(tab, face)["lost"]
    visitor.take(shown).take(moved(tab, visitor, value(tab, face)["frame"]))  # "Done", and the frame stays where it is
    face = visitor.held[tab.face]
    assert not value(tab, face)["lost"] and worth_refining(face)


def test_a_reading_of_the_crop_as_it_was_is_no_step(tab, visitor) -> None:
    """It begins while the new crop is still being drawn: the page has the face from before."""
    before = visitor.widgets
    moved(tab, visitor, [20, 10, 30, 45])
    tab.rendering.read(before)
    assert visitor.words == ["Opened noise", "Crop"]


def test_a_drawn_face_has_no_frame(tab) -> None:
    (face,) = tab.editor.generate([1])
    shown = tab.crop.show(face)
    assert shown[tab.crop.frame.widget] == "" and shown[tab.crop.frame.button]["interactive"] is False


@pytest.mark.parametrize("frame", [[1, 2, 3], [1, 2, 0, 0], [1, 2, "3", 0], [1, 2, 3, 1e400], {"x": 1}, None])
def test_what_is_no_frame_moves_nothing(tab, face, frame) -> None:
    assert read_frame(json.dumps({"frame": frame})) is None
    assert read_frame(frame) is None and read_frame("[" * 100_000) is None and read_frame("{}") is None


def test_a_frame_outside_of_the_photo_moves_nothing(tab, visitor) -> None:
    before = visitor.session.action
    assert tab.face not in moved(tab, visitor, [900, 900, 10, 0]) and visitor.session.action == before
