"""Looks of the Edit tab without a browser: put on by one tap, scaled, taken off, undone; and the small pictures on their tiles."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
from colour_parser import only

from facevae.editor import Adjustment
from facevae.ui.edit.looks import token
from facevae.ui.edit.preview import EDITED, FACE_ONLY

HAIR, DARK = "blond", "black_hair"


@pytest.fixture
def hairy(tab, monkeypatch):
    """A photo in which all is hair."""
    monkeypatch.setattr(tab.editor.renderer, "parser", only("hair"))


def tap(visitor, look: str):
    for update in visitor.tab.guidance.tap(visitor.widgets, SimpleNamespace(look=look)):
        visitor.take(update)
    return visitor.read()


def drag(visitor, amount: float):
    visitor.held[visitor.tab.panel.amount] = amount
    return visitor.read()


def worn(visitor) -> list[tuple[str, float]]:
    return [(look.name, look.amount) for look in visitor.tab.rendering.last_edit(visitor.widgets).face.looks]


def pressed(visitor) -> list[str]:
    tab = visitor.tab.guidance.looks
    return re.findall(r'id="goal-(\w+)"[^>]*aria-pressed="true"', visitor.held[tab.tiles] + visitor.held[tab.more_tiles])


def pictures(visitor, face) -> str:
    return "".join(part for part in visitor.tab.guidance.looks.draw_pictures(visitor.session, face) if isinstance(part, str))


def test_an_amount_scales_the_look_from_the_photo_to_what_guidance_finds(tab, face, visitor, hairy) -> None:
    photo = visitor.picture
    *_, step = tab.editor.guide(face, tab.editor.looks.goal(HAIR).wanted)
    tap(visitor, HAIR)
    assert pressed(visitor) == [HAIR] and worn(visitor) == [(HAIR, 1.0)]
    full, now = visitor.picture, tab.rendering.last_edit(visitor.widgets).face
    assert np.array_equal(now.offset, step.face.offset) and not np.array_equal(full, photo)
    assert np.array_equal(full, tab.preview.draw(step.face, FACE_ONLY, EDITED, visitor.requested))
    half = drag(visitor, 50).picture
    assert not np.array_equal(half, full) and not np.array_equal(half, photo) and np.array_equal(drag(visitor, 50).picture, half)
    assert np.array_equal(drag(visitor, 0).picture, photo) and not tab.rendering.last_edit(visitor.widgets).face.offset.any()
    assert np.array_equal(drag(visitor, 100).picture, full)


def test_one_drag_of_the_amount_is_one_step_and_can_be_undone(tab, visitor, hairy) -> None:
    full = tap(visitor, HAIR).picture
    for amount in (80, 60, 30):
        drag(visitor, amount)
    tab.rendering.end_drag(visitor.widgets)
    visitor.read()
    small = visitor.picture
    drag(visitor, 40)
    assert visitor.words == ["Opened noise", "Blond hair", "Blond hair 30%", "Blond hair 40%"]
    visitor.do(tab.actions.undo)
    assert visitor.held[tab.panel.amount] == 30 and np.array_equal(visitor.picture, small)
    visitor.do(tab.actions.undo)
    assert visitor.held[tab.panel.amount] == 100 and np.array_equal(visitor.picture, full) and pressed(visitor) == [HAIR]
    visitor.do(tab.actions.undo)
    assert worn(visitor) == pressed(visitor) == []


def test_a_second_tap_takes_the_look_off_and_sliders_keep_their_changes(tab, visitor, hairy) -> None:
    tap(visitor, HAIR).move("Smiling", 1.0)
    tap(visitor, HAIR)
    assert pressed(visitor) == [] and visitor.strengths == {"Smiling": 1.0} and visitor.words[-1] == "Blond hair off"
    assert not tab.rendering.last_edit(visitor.widgets).face.offset.any()
    assert pressed(visitor.do(tab.actions.undo)) == [HAIR]


def test_hair_has_one_colour_and_other_looks_stay(visitor, hairy) -> None:
    drag(tap(tap(visitor, "smiling"), HAIR), 40)
    tap(visitor, DARK)
    assert worn(visitor) == [("smiling", 1.0), (DARK, 1.0)]
    assert pressed(tap(visitor, "smiling")) == [DARK]


def test_a_hair_colour_of_a_recipe_becomes_a_look(tab, face, visitor) -> None:
    page, session = tab.rendering, visitor.session
    dyed, rest = page.with_hair(session, face, {"Blond_Hair": 2.0, "Smiling": 1.0}, ())
    assert [look.name for look in dyed.looks] == [HAIR] and rest == {"Smiling": 1.0}
    both, one = (tab.editor.edit(*of).crop for of in ((face, {"Blond_Hair": 2.0, "Smiling": 1.0}), (dyed, rest)))
    assert np.abs(both.astype(int) - one).max() <= 1


def test_tiles_show_the_open_face_and_no_other(tab, face, visitor) -> None:
    looks = tab.guidance.looks
    assert f'data-face="{token(face)}"' in visitor.held[looks.tiles] and "--plain: url(data:image/jpeg" in visitor.held[looks.tiles]
    shown = pictures(visitor, face)
    rules = re.findall(r'\[data-face="(\w+)"\] #goal-(\w+) ', shown)
    assert {name for _, name in rules} == {goal.name for goal in tab.editor.goals} and {of for of, _ in rules} == {token(face)}
    assert pictures(visitor, face) == ""  # they are there already

    other = tab.editor.open_photo(255 - face.source.pixels, Adjustment(zoom=1.2), name="other")
    visitor.take(tab.opening.open_face(visitor.session, other))
    assert f'data-face="{token(other)}"' in visitor.held[looks.tiles]
    assert pictures(visitor, face) == ""  # of a photo that is open no more
    assert pictures(visitor, other) not in ("", shown)


def test_small_pictures_stop_where_another_action_begins(tab, face, visitor) -> None:
    drawing = tab.guidance.looks.draw_pictures(visitor.session, face)
    assert next(drawing)
    visitor.session.begin_action()
    assert not any(isinstance(part, str) for part in drawing) and not visitor.session.pictured


def test_a_crop_that_moves_takes_looks_with_it(tab, visitor, hairy) -> None:
    tap(visitor, HAIR)
    visitor.reframe(1.2)
    assert pressed(visitor) == [] and token(visitor.held[tab.face]) in visitor.held[tab.guidance.looks.tiles]


def test_a_saved_look_brings_what_was_worn_to_another_face(tab, visitor, hairy) -> None:
    tap(visitor, HAIR)
    drag(visitor, 60)
    downloads = tab.downloads
    stored, *_ = tab.actions.keep_preset(visitor.widgets | {downloads.store: None, downloads.preset_name: "mine"})
    visitor.take(tab.actions.reset(visitor.widgets)).read()
    assert worn(visitor) == []
    visitor.take(tab.actions.apply_preset(visitor.widgets | {downloads.store: stored, downloads.presets: "mine"})).read()
    assert worn(visitor) == [(HAIR, 0.6)] and pressed(visitor) == [HAIR]
    bad = {"looks": {"mine": {"strengths": {}, "locks": [], "worn": {HAIR: 7, "nonsense": 0.5}}}}
    assert downloads.preset(bad, "mine")[2] == {}
