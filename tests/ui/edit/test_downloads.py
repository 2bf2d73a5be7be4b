"""Recipes, links, looks and downloads, from the values of the page and without a browser."""

import json
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from fake_visitor import Visitor
from PIL import Image

from facevae.ui.browser_storage import STORE, checked
from facevae.ui.session import Session


def test_a_saved_picture_comes_back_with_its_sliders(tab, visitor) -> None:
    visitor.held[tab.panel.locks] = ["Young"]
    visitor.move("Smiling", 2.0)
    file, _ = tab.actions.save(visitor.widgets | {tab.downloads.as_png: True})
    other = Visitor(tab)
    other.take(tab.opening.open_file(other.session, file, None)).read()
    assert other.strengths == {"Smiling": 2.0} and other.held[tab.panel.locks] == ["Young"]
    assert "with its edit" in other.held[tab.status]
    assert np.array_equal(
        tab.editor.edit(other.held[tab.face], other.strengths, locks=["Young"]).photo,
        tab.editor.edit(visitor.held[tab.face], visitor.strengths, locks=["Young"]).photo,
    )


def test_the_crop_of_a_saved_picture_stays_where_its_recipe_says(tab, visitor) -> None:
    visitor.move("Smiling", 2.0)
    file, _ = tab.actions.save(visitor.widgets | {tab.downloads.as_png: True})
    other = Visitor(tab)
    shown = tab.opening.open_file(other.session, file, None)
    other.take(shown).read()
    assert shown[tab.crop.frame.button]["interactive"] is False
    assert tab.actions.adjust(other.widgets) == gr.skip()


def test_a_photo_is_read_once(tab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from facevae.photo import images

    read, opened = [], images.open_photo
    monkeypatch.setattr(images, "open_photo", lambda *args: (read.append(args), opened(*args))[1])
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (40, 50, 3), dtype=np.uint8)).save(tmp_path / "holiday.png")
    found = tab.editor.open_file(tmp_path / "holiday.png")
    assert len(read) == 1 and found.face.name == "holiday" and found.message == "Opened holiday."


def test_a_recipe_is_applied_to_the_face_that_is_open(tab, visitor, tmp_path: Path) -> None:
    visitor.move("Smiling", 2.0)
    name, _ = tab.actions.save_recipe(visitor.widgets)
    other = Visitor(tab)
    other.take(tab.opening.open_face(other.session, tab.editor.generate([4])[0])).read()
    other.take(tab.opening.open_file(other.session, name, other.held[tab.face])).read()
    assert other.strengths == {"Smiling": 2.0} and other.held[tab.face].seed == 4
    strange = json.loads(Path(name).read_text()) | {"guidance": [0.0] * 6, "checkpoint": {"name": "other", "sha256": "f" * 64}}
    (tmp_path / "strange.json").write_text(json.dumps(strange))
    with pytest.raises(gr.Error, match="was made with the checkpoint other"):
        tab.opening.open_file(other.session, str(tmp_path / "strange.json"), other.held[tab.face])
    assert other.strengths == {"Smiling": 2.0}


def test_a_recipe_brings_its_own_sliders(tab, visitor) -> None:
    tab.custom.add_component(visitor.session, "Light", 2)
    visitor.take(tab.custom.show(visitor.widgets))
    slider = tab.panel.own_sliders[0]
    visitor.held[slider] = round(visitor.held[slider] + 2, 1)
    visitor.read()
    name, _ = tab.actions.save_recipe(visitor.widgets)
    other = Visitor(tab)
    other.take(tab.opening.open_file(other.session, name, visitor.held[tab.face])).read()
    assert other.strengths == {"Light": 2.0} and [d.name for d in other.session.own] == ["Light"]


def test_a_link_opens_the_same_picture(tab) -> None:
    one = Visitor(tab)
    one.take(tab.opening.open_face(one.session, tab.editor.generate([11], 0.6)[0])).read()
    one.held[tab.panel.locks] = ["Young"]
    one.move("Smiling", 2.0)
    query = tab.actions.link(one.widgets)
    assert "seed=11" in query and "Smiling=2" in query
    other = Visitor(tab)
    other.take(tab.opening.open_link(other.session, query)).read()
    assert np.array_equal(other.picture, one.picture) and other.strengths == {"Smiling": 2.0}
    assert tab.opening.open_link(Session(), "theme=dark") is None
    assert tab.opening.open_link(Session(), "seed=1&fbclid=IwAR0&utm_source=x")[tab.face].seed == 1
    for broken in ("seed=x", "seed=1&Smiling=much", "seed=1&checkpoint=ffffffffffff", "seed=1&lock=Freckles", "seed=1&temperature=nan"):
        refused = Visitor(tab)
        refused.take(tab.opening.open_link(refused.session, broken))
        assert refused.held[tab.face] is tab.examples.faces[0] and len(refused.held[tab.status]) > 40


def test_a_photo_fits_in_no_link(tab, visitor) -> None:
    with pytest.raises(gr.Error, match="a photo stays on this machine"):
        tab.actions.link(visitor.widgets)


def test_looks_stay_in_the_browser_and_hold_names_alone(tab, visitor) -> None:
    visitor.held[tab.panel.locks] = ["Young"]
    visitor.move("Smiling", 2.0)
    named = {tab.downloads.store: None, tab.downloads.preset_name: "  my   look "}
    stored, _, _, said = tab.actions.keep_preset(visitor.widgets | named)
    assert stored == STORE | {"looks": {"my look": {"strengths": {"Smiling": 2.0}, "locks": ["Young"]}}} and "my look is saved" in said
    other = Visitor(tab)
    other.take(tab.opening.open_face(other.session, tab.editor.generate([4])[0])).read()
    other.take(tab.actions.apply_preset(other.widgets | {tab.downloads.store: stored, tab.downloads.presets: "my look"})).read()
    assert other.strengths == {"Smiling": 2.0} and other.words[-1] == "Look my look"
    assert tab.downloads.forget_preset(stored, "my look")[0]["looks"] == {}
    for name, sentence in (("", "Name this look"), ("x" * 41, "Name this look")):
        with pytest.raises(gr.Error, match=sentence):
            tab.actions.keep_preset(visitor.widgets | {tab.downloads.store: stored, tab.downloads.preset_name: name})
    with pytest.raises(gr.Error, match="Choose a look"):
        tab.actions.apply_preset(other.widgets | {tab.downloads.store: stored, tab.downloads.presets: "another"})


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
    before = {widget: visitor.widgets[widget] for widget in tab.panel.inputs}
    visitor.take(tab.actions.reset(visitor.widgets))
    face, late = visitor.held[tab.face], visitor.widgets | before
    file, _ = tab.actions.save(late | {tab.downloads.as_png: True})
    assert np.array_equal(np.asarray(Image.open(file)), face.photo)
    recipe, _ = tab.actions.save_recipe(late)
    assert json.loads(Path(recipe).read_text())["strengths"] == {}
    assert np.array_equal(tab.actions.edited_face(late).offset, face.offset)
