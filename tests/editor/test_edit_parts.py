"""Edits of several attributes: their parts, through guidance, recipes, files and new starts."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from facevae.checkpoint.checkpoint import Checkpoint
from facevae.editor import Editor, Face
from facevae.editor.edit_parts import moved_further, offset_parts, total
from facevae.editor.recipe import recipe_from
from facevae.photo.images import open_photo

BOTH = {"Smiling": 2.0, "Young": -1.5}


@pytest.fixture(scope="module")
def editor(tiny_checkpoint: Checkpoint) -> Editor:
    return Editor(replace(tiny_checkpoint, digest="0123456789abcdef" * 4))


@pytest.fixture(scope="module")
def face(editor: Editor) -> Face:
    return editor.open_photo(np.random.default_rng(0).integers(0, 256, (90, 70, 3), np.uint8))


def names(parts: tuple) -> list[tuple[str, ...]]:
    return [part.about for part in parts]


def test_sliders_are_parts_whatever_their_order(editor: Editor, face: Face) -> None:
    one, other = (editor.renderer.parts(face, given) for given in (BOTH, dict(reversed(BOTH.items()))))
    assert names(one) == names(other) == [("Young",), ("Smiling",)]
    assert np.allclose(total(one, 6), editor.renderer.move(face, BOTH), atol=1e-6)
    locked = editor.renderer.parts(face, BOTH, ("Male",))
    assert np.allclose(total(locked, 6), editor.renderer.move(face, BOTH, ("Male",)), atol=1e-6)
    assert names(editor.renderer.parts(face, {"Male": 1.0, "Young": 1.0, "Smiling": 0.0})) == [("Male", "Young")]  # both of all the face


def test_what_was_an_edit_of_its_own_stays_one(editor: Editor, face: Face) -> None:
    baked = editor.bake(face, BOTH)
    assert names(offset_parts(baked)) == [("Young",), ("Smiling",)]
    assert np.abs(editor.edit(baked).photo.astype(int) - editor.edit(face, BOTH).photo).max() <= 1
    more = editor.bake(baked, {"Smiling": -2.0})
    assert names(offset_parts(more)) == [("Young",)]  # the smile is taken back
    *_, guided = editor.guide(baked, {"Eyeglasses": True}, steps=1)
    assert names(offset_parts(guided.face)) == [("Young",), ("Smiling",), ("Eyeglasses",)]
    assert not editor.reset(guided.face).earlier
    started = editor.begin_from(baked, {"Male": 1.0})
    assert names(started.baked) == [("Male", "Young"), ("Smiling",)]


def test_guidance_sees_what_the_user_gets(editor: Editor, face: Face) -> None:
    baked = editor.bake(face, {"Smiling": 2.0})
    move = torch.from_numpy(baked.offset) + 0.7 * editor.directions["Young"].step
    render = editor.guidance._differentiable_render(baked, 0.45, 1, ["Young"])
    seen = render(move[None])[0].permute(1, 2, 0).numpy() * 255
    crop = editor.edit(moved_further(baked, move.numpy(), ["Young"])).crop
    assert np.abs(seen - crop).max() < 1.01


def test_recipes_and_saved_files_hold_the_parts(editor: Editor, face: Face) -> None:
    baked = editor.bake(face, BOTH)
    recipe = recipe_from(editor.recipe(baked).as_json())
    assert names(offset_parts(editor.apply(recipe, face).face)) == [("Young",), ("Smiling",)]
    content, _ = editor.save(baked, {"Blond_Hair": 1.0}, format="png")
    photo = open_photo(content)
    back = editor.reopen(recipe_from(photo.recipe), photo)
    assert names(back.face.applied) == [("Young",), ("Smiling",), ("Blond_Hair",)]
    assert np.array_equal(editor.edit(back.face, back.strengths).photo, photo.pixels)
    old = {k: v for k, v in recipe.as_json().items() if k != "earlier"} | {"about": ["Smiling", "Young"]}
    assert names(offset_parts(editor.apply(recipe_from(old), face).face)) == [("Smiling", "Young")]
    with pytest.raises(ValueError, match="guidance has 2 values, the checkpoint expects 6"):
        editor.apply(recipe_from(recipe.as_json() | {"earlier": [{"about": ["Young"], "move": [1, 2]}]}), face)
    with pytest.raises(ValueError, match="earlier parts"):
        recipe_from(recipe.as_json() | {"earlier": ["Young"]})
