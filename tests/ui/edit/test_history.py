"""Undo, redo, and what counts as a step, from the values of the page and without a browser."""

from dataclasses import replace

import gradio as gr
import numpy as np
import pytest
from fake_visitor import LOOK, Visitor

from facevae.editor import DETAIL, Adjustment
from facevae.photo import guided_filter
from facevae.ui.edit import opening, preview
from facevae.ui.edit.sliders import axis_of
from facevae.ui.session import Session, forget_idle


def test_what_was_done_is_undone_and_done_again(tab, visitor) -> None:
    start = visitor.picture
    visitor.move("Smiling", 2.0).move("Male", 1.0)
    assert visitor.words == ["Opened noise", "Smile +2", "Masculine -1"]
    moved = visitor.picture
    face = tab.editor.bake(visitor.held[tab.face], {"Young": 2.0})
    visitor.session.step_words = "Smiling"
    visitor.take({tab.face: face}).take(tab.panel.set_to_face(visitor.session, face)).read()
    guided = visitor.picture
    assert visitor.words[-1] == "Smiling" and visitor.strengths == {}

    visitor.do(tab.actions.undo)
    assert np.array_equal(visitor.picture, moved) and visitor.strengths == {"Smiling": 2.0, "Male": -1.0}
    visitor.do(tab.actions.undo).do(tab.actions.undo)
    assert np.array_equal(visitor.picture, start) and visitor.strengths == {}
    assert visitor.do(tab.actions.undo).session.history.at == 0
    visitor.do(tab.actions.redo).do(tab.actions.redo).do(tab.actions.redo)
    assert np.array_equal(visitor.picture, guided) and not visitor.session.history.can_redo
    visitor.take(tab.actions.rewind(visitor.widgets, gr.EventData(None, {"index": 1}))).read()
    assert visitor.strengths == {"Smiling": 2.0} and len(visitor.words) == 4
    strip = tab.history.show(visitor.session)[tab.history.strip]
    assert strip.count("<button") == 4 and strip.count('aria-pressed="true"') == 1 and 'aria-label="Step 1: Smile +2"' in strip


def test_keys_on_one_slider_are_one_step_and_nothing_is_none(visitor) -> None:
    for _ in range(3):
        visitor.held[visitor.names["Smiling"]] = round(visitor.held[visitor.names["Smiling"]] + 0.1, 1)
        visitor.read()
    assert visitor.words == ["Opened noise", "Smile +0.3"]
    visitor.read().read()
    assert len(visitor.words) == 2


def test_undo_begins_with_changes_that_no_reading_has_added(tab, visitor) -> None:
    visitor.move("Male", 1.0)
    visitor.held[visitor.names["Smiling"]] += 2
    visitor.do(tab.actions.undo)
    assert visitor.words == ["Opened noise", "Masculine -1", "Smile +2"] and visitor.strengths == {"Male": -1.0}
    visitor.held[visitor.names["Smiling"]] += 1
    visitor.do(tab.actions.reset).do(tab.actions.undo)
    assert visitor.strengths == {"Male": -1.0, "Smiling": 1.0}


def test_guidance_starts_from_changes_that_no_reading_has_added(tab, visitor) -> None:
    visitor.held[visitor.names["Smiling"]] += 2
    for updates in tab.guidance.run("Older", {"Young": False}, visitor.widgets):
        visitor.take(updates)
    visitor.read()
    assert visitor.words[:2] == ["Opened noise", "Smile +2"] and len(visitor.words) == 3
    visitor.do(tab.actions.undo)
    assert visitor.strengths == {"Smiling": 2.0}


def test_results_of_a_superseded_reading_are_ignored(tab, visitor, monkeypatch) -> None:
    late, draw_readings = visitor.widgets, tab.rendering.draw_readings

    def overtaken(*asked):
        monkeypatch.setattr(tab.rendering, "draw_readings", draw_readings)
        visitor.held[tab.panel.locks] = ["Young"]
        visitor.read()
        return draw_readings(*asked)

    monkeypatch.setattr(tab.rendering, "draw_readings", overtaken)
    tab.rendering.read(late)
    assert visitor.words == ["Opened noise", "Kept: Young"]


def test_results_of_a_superseded_preview_are_ignored(tab, visitor, monkeypatch) -> None:
    """The hand lets go of a slider and holds the button that shows the original, which takes no time to draw."""
    update = tab.preview.update

    def overtaken(*asked):
        monkeypatch.setattr(tab.preview, "update", update)
        original = tab.rendering.draw_preview(visitor.widgets | {tab.preview.show: "Original"})
        assert original[0]["alt_text"].startswith("Original")
        return update(*asked)

    monkeypatch.setattr(tab.preview, "update", overtaken)
    late = tab.rendering.draw_preview(visitor.widgets)
    assert not any("value" in update for update in late)
    assert "value" in tab.rendering.draw_preview(visitor.widgets)[0]


def test_a_drag_is_one_step_whether_its_end_or_a_reading_comes_first(tab, visitor) -> None:
    slider, start = visitor.names["Smiling"], visitor.held[visitor.names["Smiling"]]
    for last in (3.0, 5.0):
        visitor.held[slider] = start + last - 1
        visitor.read()
        late = visitor.widgets
        visitor.held[slider] = start + last
        tab.rendering.end_drag(visitor.widgets)
        tab.rendering.read(late)  # a reading from the middle of the drag, after the hand has left
        visitor.read()
    assert visitor.words == ["Opened noise", "Smile +3", "Smile +5"]
    visitor.held[slider] = start + 6
    visitor.read()
    tab.rendering.end_drag(visitor.widgets)  # and this time after all readings
    visitor.held[slider] = start + 7
    visitor.read()
    assert visitor.words[-2:] == ["Smile +6", "Smile +7"]


def test_locks_and_detail_come_back(tab, visitor) -> None:
    visitor.held[tab.panel.locks] = ["Young"]
    visitor.read()
    visitor.move("Smiling", 2.0)
    visitor.held[tab.detail] = 0.9
    visitor.read()
    assert visitor.words[1:] == ["Kept: Young", "Smile +2", "Sharpness 0.9"]
    visitor.do(tab.actions.undo).do(tab.actions.undo)
    assert visitor.strengths == {} and visitor.held[tab.detail] == DETAIL
    assert visitor.held[tab.panel.locks] == ["Young"]
    visitor.do(tab.actions.redo)
    assert visitor.strengths == {"Smiling": 2.0}


def test_undo_leads_past_what_the_page_can_show_no_more(tab, visitor) -> None:
    tab.custom.add_component(visitor.session, "Light", 2)
    visitor.take(tab.custom.show(visitor.widgets))
    slider = tab.panel.own_sliders[0]
    visitor.held[slider] = round(visitor.held[slider] + 2, 1)
    visitor.read().move("Smiling", 1.0)
    visitor.take(tab.custom.remover(0)(visitor.widgets)).read()
    count = len(visitor.words)
    for _ in range(count + 1):
        visitor.do(tab.actions.undo)
    assert visitor.session.history.at == 0 and len(visitor.words) == count and visitor.strengths == {}


def test_an_edit_beyond_a_slider_stands_at_its_end(tab, visitor) -> None:
    edit = replace(visitor.session.history.now, strengths={"Smiling": 90.0, "Blond_Hair": 90.0})
    visitor.take(tab.rendering.show_edit(visitor.session, edit, *LOOK, "")).read()
    for control in tab.panel.controls:
        low, high = axis_of(control)
        assert low <= visitor.held[visitor.names[control.name]] <= high


def test_reset_and_a_new_start_are_steps(tab, visitor) -> None:
    start = visitor.picture
    visitor.move("Smiling", 3.0)
    done = visitor.picture
    visitor.do(tab.actions.begin_from)
    assert np.array_equal(visitor.picture, done) and visitor.strengths == {}
    visitor.move("Male", 2.0).do(tab.actions.reset)
    assert np.array_equal(visitor.picture, done)  # the new start is what is gone back to
    assert visitor.words == ["Opened noise", "Smile +3", "Applied", "Masculine -2", "Original"]
    visitor.do(tab.actions.undo).do(tab.actions.undo).do(tab.actions.undo).do(tab.actions.undo)
    assert np.array_equal(visitor.picture, start)


def test_a_moved_crop_is_one_step(tab, visitor) -> None:
    face = visitor.held[tab.face]
    for zoom in (1.1, 1.3, 1.5):
        visitor.reframe(zoom)
    visitor.read()
    assert visitor.words == ["Opened noise", "Crop"] and visitor.session.adjustments[0].zoom == pytest.approx(1.5)
    visitor.do(tab.actions.undo)
    assert visitor.held[tab.face].crop is face.crop and visitor.session.adjustments == {}


def test_a_click_in_the_photo_takes_the_face_there(tab, visitor) -> None:
    visitor.held[tab.preview.view] = "Photo"
    visitor.reframe(1.3)
    for nowhere in (7, [1], ["a", 2], [float("nan"), 2]):
        assert tab.actions.point(visitor.widgets, gr.SelectData(None, {"index": nowhere, "value": None})) == gr.skip()
    clicked = gr.SelectData(None, {"index": [128, 256], "value": None})
    assert tab.actions.point(visitor.widgets | {tab.preview.view: "Face"}, clicked) == gr.skip()
    visitor.take(tab.actions.point(visitor.widgets, clicked)).read()
    there = visitor.held[tab.face]
    assert np.allclose(there.alignment.corners_px.mean(axis=0), (20, 40))  # 80 px are shown as 512
    assert visitor.words[-1] == "Face 1" and visitor.session.adjustments == {}
    visitor.do(tab.actions.undo)
    assert visitor.session.adjustments[0].zoom == pytest.approx(1.3)


def test_the_first_visit_shows_an_edit_beside_the_photo_and_nothing_to_undo(tab, face, monkeypatch) -> None:
    monkeypatch.setattr(tab.examples, "_faces", [face])
    monkeypatch.setattr(opening, "FIRST_STRENGTHS", {"Smiling": 2.0, "unknown": 1.0})
    first = Visitor(tab)
    shown = tab.opening.first_visit(first.session)
    assert shown[tab.preview.show] == "Compare" and shown[tab.preview.view] == "Face"
    assert first.take(shown).strengths == {"Smiling": 2.0}
    first.read()
    assert len(first.words) == 1 and not first.session.history.can_undo
    first.do(tab.actions.reset)
    assert first.strengths == {}


def test_a_face_is_shown_close_up_and_a_photo_without_one_as_a_whole(tab, face) -> None:
    assert tab.opening.open_face(Session(), face)[tab.preview.view] == "Face"
    nobody = tab.editor.open_photo(face.source.pixels)
    assert tab.opening.open_face(Session(), nobody)[tab.preview.view] == "Photo"
    close = preview.close_up(face.photo, face)
    height, width = face.photo.shape[:2]
    side = face.alignment.side_px
    assert close.shape[:2] == (min(height, round(1.2 * side)), min(width, round(1.65 * side)))
    assert np.array_equal(preview.close_up(face.photo.repeat(2, 0).repeat(2, 1), face)[::2, ::2].shape, close.shape)


def test_a_lock_beside_a_slider_is_pressed_and_let_go(tab, visitor) -> None:
    male, nonsense = (gr.EventData(None, {"place": place}) for place in ("slider-male", "nonsense"))
    held = tab.panel.toggle_lock(visitor.session, [], male)
    assert held == ["Male"] and tab.panel.toggle_lock(visitor.session, held, male) == []
    assert tab.panel.toggle_lock(visitor.session, held, nonsense) == ["Male"]


def test_pictures_come_as_updates_so_that_their_files_are_deleted(tab, visitor) -> None:
    """A plain value after a gap in a dict goes to a component that Gradio's own cleaning does not know."""
    face, images = visitor.held[tab.face], (gr.Image, gr.ImageSlider, gr.Gallery)
    fresh = tab.editor.open_photo(face.source.pixels, Adjustment(zoom=1.3))
    given = [tab.opening.open_face(Session(), face), *tab.crop.refine(Session(), fresh, True), tab.actions.reset(visitor.widgets)]
    pictures = [update for updates in given for widget, update in updates.items() if isinstance(widget, images)]
    assert len(pictures) > 8 and all(isinstance(update, dict) for update in pictures)


def test_who_is_away_for_long_is_forgotten(tab, visitor) -> None:
    visitor.move("Smiling", 2.0)
    tab.history.show(visitor.session)
    assert guided_filter._look.cache_info().currsize  # small pictures of the face, for its colours
    forget_idle(60)
    assert visitor.session.history is not None and len(visitor.session.thumbnails)
    visitor.session.used_sec -= 61
    forget_idle(60)
    assert visitor.session.history is None and not len(visitor.session.thumbnails)
    assert not guided_filter._look.cache_info().currsize
    with pytest.raises(gr.Error, match="nothing to undo"):
        tab.actions.undo(visitor.widgets)
