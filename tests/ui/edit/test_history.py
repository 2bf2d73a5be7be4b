"""Undo, redo, and what counts as a step, from the values of the page and without a browser."""

from dataclasses import replace

import gradio as gr
import numpy as np
import pytest
from fake_visitor import LOOK, Visitor

from facevae.editor import DETAIL, Adjustment
from facevae.photo import guided_filter
from facevae.ui.edit.sliders import axis_of
from facevae.ui.session import Session, forget_idle


def test_what_was_done_is_undone_and_done_again(tab, visitor) -> None:
    start = visitor.picture
    visitor.move("Smiling", 2.0).move("Male", 1.0)
    assert visitor.words == ["Opened noise", "Smile +2", "Masculine -1"]
    moved = visitor.picture
    face = tab.editor.bake(visitor.held[tab.face], {"Young": 2.0})
    visitor.session.deed = "Smiling"
    visitor.take({tab.face: face}).take(tab.panel.place(visitor.session, face)).read()
    guided = visitor.picture
    assert visitor.words[-1] == "Smiling" and visitor.strengths == {}

    visitor.do(tab.undo)
    assert np.array_equal(visitor.picture, moved) and visitor.strengths == {"Smiling": 2.0, "Male": -1.0}
    visitor.do(tab.undo).do(tab.undo)
    assert np.array_equal(visitor.picture, start) and visitor.strengths == {}
    assert visitor.do(tab.undo).session.history.at == 0
    visitor.do(tab.redo).do(tab.redo).do(tab.redo)
    assert np.array_equal(visitor.picture, guided) and not visitor.session.history.can_redo
    visitor.take(tab.rewind(visitor.session, gr.EventData(None, {"index": 1}), *visitor.look)).read()
    assert visitor.strengths == {"Smiling": 2.0} and len(visitor.words) == 4
    strip = tab.past.show(visitor.session, tab.panel.view)[tab.past.strip]
    assert strip.count("<button") == 4 and strip.count('aria-pressed="true"') == 1 and 'aria-label="Step 1: Smile +2"' in strip


def test_keys_on_one_slider_are_one_step_and_nothing_is_none(visitor) -> None:
    for _ in range(3):
        visitor.held[visitor.names["Smiling"]] = round(visitor.held[visitor.names["Smiling"]] + 0.1, 1)
        visitor.read()
    assert visitor.words == ["Opened noise", "Smile +0.3"]
    visitor.read().read()
    assert len(visitor.words) == 2


def test_what_no_reading_has_told_yet_is_undone_first(tab, visitor) -> None:
    visitor.move("Male", 1.0)
    visitor.held[visitor.names["Smiling"]] += 2
    visitor.do(tab.undo)
    assert visitor.words == ["Opened noise", "Masculine -1", "Smile +2"] and visitor.strengths == {"Male": -1.0}
    visitor.held[visitor.names["Smiling"]] += 1
    visitor.do(tab.put_back).do(tab.undo)
    assert visitor.strengths == {"Male": -1.0, "Smiling": 1.0}


def test_guidance_goes_on_from_what_no_reading_has_told_yet(tab, visitor) -> None:
    visitor.held[visitor.names["Smiling"]] += 2
    for updates in tab.goals.run("Older", {"Young": False}, visitor.session, *visitor.look):
        visitor.take(updates)
    visitor.read()
    assert visitor.words[:2] == ["Opened noise", "Smile +2"] and len(visitor.words) == 3
    visitor.do(tab.undo)
    assert visitor.strengths == {"Smiling": 2.0}


def test_a_reading_that_another_has_overtaken_says_nothing(tab, visitor, monkeypatch) -> None:
    late, readings_of = visitor.asks, tab.readings_of

    def overtaken(*asked):
        monkeypatch.setattr(tab, "readings_of", readings_of)
        visitor.held[tab.panel.held] = ["Young"]
        visitor.read()
        return readings_of(*asked)

    monkeypatch.setattr(tab, "readings_of", overtaken)
    tab.read(*late)
    assert visitor.words == ["Opened noise", "Held: Young"]


def test_a_picture_that_another_has_overtaken_stays_away(tab, visitor, monkeypatch) -> None:
    """The hand lets go of a slider and holds the button that shows the original, which takes no time to draw."""
    face, _, _, *rest = visitor.look
    pictures = tab.stage.pictures

    def overtaken(*asked):
        monkeypatch.setattr(tab.stage, "pictures", pictures)
        original = tab.preview(visitor.session, face, "Face", "Original", *rest)
        assert original[0]["alt_text"].startswith("Original")
        return pictures(*asked)

    monkeypatch.setattr(tab.stage, "pictures", overtaken)
    late = tab.preview(visitor.session, *visitor.look)
    assert not any("value" in update for update in late)
    assert "value" in tab.preview(visitor.session, *visitor.look)[0]


def test_a_drag_is_one_step_whichever_news_comes_first(tab, visitor) -> None:
    slider, start = visitor.names["Smiling"], visitor.held[visitor.names["Smiling"]]
    for last in (3.0, 5.0):
        visitor.held[slider] = start + last - 1
        visitor.read()
        late = visitor.asks
        visitor.held[slider] = start + last
        tab.let_go(*visitor.asks)
        tab.read(*late)  # a reading from the middle of the drag, after the hand has left
        visitor.read()
    assert visitor.words == ["Opened noise", "Smile +3", "Smile +5"]
    visitor.held[slider] = start + 6
    visitor.read()
    tab.let_go(*visitor.asks)  # and this time after all readings
    visitor.held[slider] = start + 7
    visitor.read()
    assert visitor.words[-2:] == ["Smile +6", "Smile +7"]


def test_locks_colour_and_detail_come_back(tab, visitor) -> None:
    visitor.held[tab.panel.held] = ["Young"]
    visitor.read()
    visitor.take({tab.panel.colour: "Blond_Hair", tab.panel.amount: 2.0}).read()
    visitor.held[tab.detail] = 0.9
    visitor.read()
    assert visitor.words[1:] == ["Held: Young", "Blond hair +2", "Photo detail 0.9"]
    visitor.do(tab.undo).do(tab.undo)
    assert visitor.held[tab.panel.colour] == "as it is" and visitor.held[tab.detail] == DETAIL and visitor.held[tab.panel.held] == ["Young"]
    visitor.do(tab.redo)
    assert visitor.held[tab.panel.colour] == "Blond_Hair" and visitor.strengths == {"Blond_Hair": 2.0}


def test_undo_leads_past_what_the_page_can_show_no_more(tab, visitor) -> None:
    tab.own.add_component(visitor.session, "Light", 2)
    visitor.take(tab.own.show(visitor.session, visitor.held[tab.face], *visitor.values))
    slider = tab.panel.own_sliders[0]
    visitor.held[slider] = round(visitor.held[slider] + 2, 1)
    visitor.read().move("Smiling", 1.0)
    visitor.take(tab.own.remover(0)(visitor.session, visitor.held[tab.face], *visitor.values)).read()
    count = len(visitor.words)
    for _ in range(count + 1):
        visitor.do(tab.undo)
    assert visitor.session.history.at == 0 and len(visitor.words) == count and visitor.strengths == {}


def test_an_edit_beyond_a_slider_stands_at_its_end(tab, visitor) -> None:
    edit = replace(visitor.session.history.now, strengths={"Smiling": 90.0, "Blond_Hair": 90.0})
    visitor.take(tab.show_edit(visitor.session, edit, *LOOK, "")).read()
    for control in tab.panel.controls:
        low, high = axis_of(control)
        assert low <= visitor.held[visitor.names[control.name]] <= high
    assert visitor.held[tab.panel.amount] <= tab.panel.most(tab.panel.colours["Blond_Hair"])


def test_reset_and_a_new_start_are_steps(tab, visitor) -> None:
    start = visitor.picture
    visitor.move("Smiling", 3.0)
    done = visitor.picture
    visitor.do(tab.begin_from)
    assert np.array_equal(visitor.picture, done) and visitor.strengths == {}
    visitor.move("Male", 2.0).do(tab.put_back)
    assert np.array_equal(visitor.picture, done)  # the new start is what is gone back to
    assert visitor.words == ["Opened noise", "Smile +3", "New start", "Masculine -2", "Reset all"]
    visitor.do(tab.undo).do(tab.undo).do(tab.undo).do(tab.undo)
    assert np.array_equal(visitor.picture, start)


def test_a_moved_crop_is_one_step(tab, visitor) -> None:
    face = visitor.held[tab.face]
    for zoom in (1.1, 1.3, 1.5):
        visitor.take(tab.adjust(*[visitor.session, visitor.held[tab.face], *LOOK, DETAIL, *visitor.values], 0, 0, zoom, 0))
    visitor.read()
    assert visitor.words == ["Opened noise", "Crop"] and visitor.session.adjustments[0].zoom == 1.5
    visitor.do(tab.undo)
    assert visitor.held[tab.face].crop is face.crop and visitor.session.adjustments == {}


def test_the_first_visit_shows_an_edit(tab) -> None:
    first = Visitor(tab)
    first.take(tab.first_visit(first.session))
    assert first.strengths == {"Smiling": -5.0} and first.words[1:] == ["Smile -5"]
    first.read().do(tab.undo)
    assert first.strengths == {}


def test_a_lock_beside_a_slider_is_pressed_and_let_go(tab, visitor) -> None:
    male, nonsense = (gr.EventData(None, {"place": place}) for place in ("slider-male", "nonsense"))
    held = tab.panel.toggle_lock(visitor.session, [], male)
    assert held == ["Male"] and tab.panel.toggle_lock(visitor.session, held, male) == []
    assert tab.panel.toggle_lock(visitor.session, held, nonsense) == ["Male"]


def test_pictures_come_as_updates_so_that_their_files_are_deleted(tab, visitor) -> None:
    """A plain value after a gap in a dict goes to a component that Gradio's own cleaning does not know."""
    face, images = visitor.held[tab.face], (gr.Image, gr.ImageSlider, gr.Gallery)
    fresh = tab.editor.open_photo(face.source.pixels, Adjustment(zoom=1.3))
    given = [tab.open_face(Session(), face), *tab.crop.refine(Session(), fresh, True), tab.put_back(visitor.session, *visitor.look)]
    pictures = [update for updates in given for widget, update in updates.items() if isinstance(widget, images)]
    assert len(pictures) > 8 and all(isinstance(update, dict) for update in pictures)


def test_who_is_away_for_long_is_forgotten(tab, visitor) -> None:
    visitor.move("Smiling", 2.0)
    tab.past.show(visitor.session, tab.panel.view)
    assert guided_filter._look.cache_info().currsize  # small pictures of the face, for its colours
    forget_idle(60)
    assert visitor.session.history is not None and len(visitor.session.thumbnails)
    visitor.session.used_sec -= 61
    forget_idle(60)
    assert visitor.session.history is None and not len(visitor.session.thumbnails)
    assert not guided_filter._look.cache_info().currsize
    with pytest.raises(gr.Error, match="nothing to undo"):
        tab.undo(visitor.session, *visitor.look)
