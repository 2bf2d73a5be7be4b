"""Undo, recipes, links and looks, from the values of the page and without a browser."""

import json
from dataclasses import replace
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from facevae.editor import DETAIL, Adjustment
from facevae.photo import compositing
from facevae.ui.edit import EditTab
from facevae.ui.session import Session, forget_idle
from facevae.ui.sliders import axis_of
from facevae.ui.store import STORE, checked

LOOK = ("Face", "Edited")


class Visitor:
    """Somebody at the page: its widgets, and what its handlers give back."""

    def __init__(self, tab: EditTab) -> None:
        self.tab, self.session, self.held = tab, Session(), {}
        self.names = {control.name: slider for control, slider in zip(tab.panel.controls, tab.panel.sliders, strict=True)}

    def take(self, updates: dict) -> "Visitor":
        for widget, update in updates.items():
            if not isinstance(update, dict):
                self.held[widget] = update
            elif "value" in update:
                self.held[widget] = update["value"]
        return self

    @property
    def values(self) -> list:
        return [self.held.get(widget) for widget in self.tab.panel.inputs]

    @property
    def asks(self) -> list:
        return [self.session, self.held[self.tab.face], self.held[self.tab.detail], *self.values]

    @property
    def picture(self) -> np.ndarray:
        return np.asarray(self.held[self.tab.stage.result])

    @property
    def strengths(self) -> dict[str, float]:
        return self.tab.panel.asked(self.session, self.values).strengths

    @property
    def words(self) -> list[str]:
        return [step.words for step in self.session.history.steps]

    def move(self, name: str, by: float) -> "Visitor":
        """A drag that has ended."""
        self.held[self.names[name]] = round(self.held[self.names[name]] + by, 1)
        self.tab.let_go(*self.asks)
        return self.read()

    def read(self) -> "Visitor":
        """What follows a change: the picture, and the readings, which remember the step."""
        self.held[self.tab.stage.result] = np.asarray(
            self.tab.preview(self.session, self.held[self.tab.face], *LOOK, self.held[self.tab.detail], *self.values)[0]["value"]
        )
        return self.take(dict(zip(self.tab.readings, self.tab.read(*self.asks), strict=True)))

    @property
    def look(self) -> list:
        return [self.held[self.tab.face], *LOOK, *self.asks[2:]]

    def do(self, handler) -> "Visitor":
        return self.take(handler(self.session, *self.look)).read()


@pytest.fixture
def visitor(tab, face) -> Visitor:
    found = Visitor(tab)
    return found.take(tab.open_face(found.session, face)).read()


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


def test_a_saved_picture_comes_back_with_its_sliders(tab, visitor) -> None:
    visitor.held[tab.panel.held] = ["Young"]
    visitor.move("Smiling", 2.0)
    file, _ = tab.save(visitor.session, visitor.held[tab.face], True, DETAIL, *visitor.values)
    other = Visitor(tab)
    other.take(tab.open_photo(other.session, {"path": file}, None)).read()
    assert other.strengths == {"Smiling": 2.0} and other.held[tab.panel.held] == ["Young"]
    assert "with its edit" in other.held[tab.status]
    assert np.array_equal(
        tab.editor.edit(other.held[tab.face], other.strengths, locks=["Young"]).photo,
        tab.editor.edit(visitor.held[tab.face], visitor.strengths, locks=["Young"]).photo,
    )


def test_the_crop_of_a_saved_picture_stays_where_its_recipe_says(tab, visitor) -> None:
    visitor.move("Smiling", 2.0)
    file, _ = tab.save(visitor.session, visitor.held[tab.face], True, DETAIL, *visitor.values)
    other = Visitor(tab)
    shown = tab.open_photo(other.session, {"path": file}, None)
    other.take(shown).read()
    assert [shown[slider]["interactive"] for slider in tab.crop.sliders] == [False] * 4
    assert tab.adjust(other.session, other.held[tab.face], *LOOK, DETAIL, *other.values, 0, 0, 1.3, 0) == gr.skip()


def test_a_photo_is_read_once(tab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from facevae.photo import images

    read, opened = [], images.open_photo
    monkeypatch.setattr(images, "open_photo", lambda *args: (read.append(args), opened(*args))[1])
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (40, 50, 3), dtype=np.uint8)).save(tmp_path / "holiday.png")
    found = tab.editor.open_file(tmp_path / "holiday.png")
    assert len(read) == 1 and found.face.name == "holiday" and found.message == "Opened holiday."


def test_a_recipe_is_applied_to_the_face_that_is_open(tab, visitor, tmp_path: Path) -> None:
    visitor.move("Smiling", 2.0)
    name, _ = tab.save_recipe(*visitor.asks)
    other = Visitor(tab)
    other.take(tab.open_face(other.session, tab.editor.generate([4])[0])).read()
    other.take(tab.open_photo(other.session, {"path": name}, other.held[tab.face])).read()
    assert other.strengths == {"Smiling": 2.0} and other.held[tab.face].seed == 4
    strange = json.loads(Path(name).read_text()) | {"guidance": [0.0] * 6, "checkpoint": {"name": "other", "sha256": "f" * 64}}
    (tmp_path / "strange.json").write_text(json.dumps(strange))
    with pytest.raises(gr.Error, match="was made with the checkpoint other"):
        tab.open_photo(other.session, {"path": str(tmp_path / "strange.json")}, other.held[tab.face])
    assert other.strengths == {"Smiling": 2.0}


def test_a_recipe_brings_its_own_sliders(tab, visitor) -> None:
    tab.own.add_component(visitor.session, "Light", 2)
    visitor.take(tab.own.show(visitor.session, visitor.held[tab.face], *visitor.values))
    slider = tab.panel.own_sliders[0]
    visitor.held[slider] = round(visitor.held[slider] + 2, 1)
    visitor.read()
    name, _ = tab.save_recipe(*visitor.asks)
    other = Visitor(tab)
    other.take(tab.open_photo(other.session, {"path": name}, visitor.held[tab.face])).read()
    assert other.strengths == {"Light": 2.0} and [d.name for d in other.session.own] == ["Light"]


def test_a_link_opens_the_same_picture(tab) -> None:
    one = Visitor(tab)
    one.take(tab.open_face(one.session, tab.editor.generate([11], 0.6)[0])).read()
    one.held[tab.panel.held] = ["Young"]
    one.move("Smiling", 2.0)
    query = tab.link(*one.asks)
    assert "seed=11" in query and "Smiling=2" in query
    other = Visitor(tab)
    other.take(tab.open_link(other.session, query)).read()
    assert np.array_equal(other.picture, one.picture) and other.strengths == {"Smiling": 2.0}
    assert tab.open_link(Session(), "theme=dark") is None
    assert tab.open_link(Session(), "seed=1&fbclid=IwAR0&utm_source=x")[tab.face].seed == 1
    for broken in ("seed=x", "seed=1&Smiling=much", "seed=1&checkpoint=ffffffffffff", "seed=1&lock=Freckles", "seed=1&temperature=nan"):
        refused = Visitor(tab)
        refused.take(tab.open_link(refused.session, broken))
        assert refused.held[tab.face] is tab.examples.faces[0] and len(refused.held[tab.status]) > 40


def test_a_photo_fits_in_no_link(tab, visitor) -> None:
    with pytest.raises(gr.Error, match="a photo stays on this machine"):
        tab.link(*visitor.asks)


def test_looks_stay_in_the_browser_and_hold_names_alone(tab, visitor) -> None:
    visitor.held[tab.panel.held] = ["Young"]
    visitor.move("Smiling", 2.0)
    stored, _, _, said = tab.keep_look(None, "  my   look ", *visitor.asks)
    assert stored == STORE | {"looks": {"my look": {"strengths": {"Smiling": 2.0}, "locks": ["Young"]}}} and "my look is kept" in said
    other = Visitor(tab)
    other.take(tab.open_face(other.session, tab.editor.generate([4])[0])).read()
    other.take(tab.wear(stored, "my look", other.session, other.held[tab.face], *LOOK, DETAIL, *other.values)).read()
    assert other.strengths == {"Smiling": 2.0} and other.words[-1] == "Look my look"
    assert tab.keep.forget_look(stored, "my look")[0]["looks"] == {}
    for name, sentence in (("", "a name"), ("x" * 41, "a name")):
        with pytest.raises(gr.Error, match=sentence):
            tab.keep_look(stored, name, *visitor.asks)
    with pytest.raises(gr.Error, match="Choose a look"):
        tab.wear(stored, "another", other.session, other.held[tab.face], *LOOK, DETAIL, *other.values)


@pytest.mark.parametrize(
    ("looks", "left"),
    [
        (None, {}),
        ([], {}),
        ({"a": 1}, {}),
        ({"b": {"strengths": {"Smiling": "x"}}}, {"b": {"strengths": {}, "locks": []}}),
        ({"a": {"strengths": []}, "b": {"strengths": {"Smiling": 2}}}, {"b": {"strengths": {"Smiling": 2.0}, "locks": []}}),
        ({"a": {"strengths": {}, "locks": 1}, "b": {"locks": ["Male", 3]}}, {"b": {"strengths": {}, "locks": ["Male"]}}),
        ({"n" * 50: {}}, {"n" * 40: {"strengths": {}, "locks": []}}),
    ],
)
def test_whatever_the_storage_holds(looks, left) -> None:
    assert checked({"looks": looks, "refine": False, "png": 1, "more": 5}) == {"looks": left, "faces": [], "refine": False, "png": True}
    assert checked(looks) == STORE  # which is no storage at all


def test_a_download_right_after_a_reset_is_that_of_the_reset(tab, visitor) -> None:
    """Its click still carries the sliders as they stood before, for the answer to the reset is on its way."""
    visitor.move("Smiling", 3.0)
    before = visitor.values
    visitor.take(tab.put_back(visitor.session, *visitor.look))
    face, detail = visitor.held[tab.face], visitor.held[tab.detail]
    file, _ = tab.save(visitor.session, face, True, detail, *before)
    assert np.array_equal(np.asarray(Image.open(file)), face.photo)
    recipe, _ = tab.save_recipe(visitor.session, face, detail, *before)
    assert json.loads(Path(recipe).read_text())["strengths"] == {}
    assert np.array_equal(tab.as_edited(visitor.session, face, *before).offset, face.offset)


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
    assert compositing._look.cache_info().currsize  # small pictures of the face, for its colours
    forget_idle(60)
    assert visitor.session.history is not None and len(visitor.session.thumbnails)
    visitor.session.used_sec -= 61
    forget_idle(60)
    assert visitor.session.history is None and not len(visitor.session.thumbnails)
    assert not compositing._look.cache_info().currsize
    with pytest.raises(gr.Error, match="nothing to undo"):
        tab.undo(visitor.session, *visitor.look)
