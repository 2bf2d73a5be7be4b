"""Recipes, links, looks and downloads, from the values of the page and without a browser."""

import json
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from fake_visitor import LOOK, Visitor
from PIL import Image

from facevae.editor import DETAIL
from facevae.ui.browser_storage import STORE, checked
from facevae.ui.session import Session


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
