"""Hair is dyed to a shade: how far, what stays, what is refused, and hair together with a search."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from colour_parser import PALETTE, by_colour, only

from facevae.checkpoint.checkpoint import Checkpoint
from facevae.editor import Editor, Face
from facevae.editor.hair import MOST_LIGHTER, shade_of
from facevae.editor.recipe import recipe_from
from facevae.photo.images import open_photo
from facevae.photo.recolour import SHADES

HAIR = np.s_[12:28, 24:72]
COLOURS = ("Black_Hair", "Brown_Hair", "Blond_Hair", "Gray_Hair")


def painted() -> np.ndarray:
    y, x = np.mgrid[0:96, 0:96]
    picture = np.empty((96, 96, 3), np.uint8)
    picture[:] = PALETTE["background"]
    picture[np.hypot(x - 48, y - 52) < 30] = PALETTE["skin"]
    picture[8:32, 20:76] = PALETTE["hair"]
    return picture


def median(pixels: np.ndarray) -> np.ndarray:
    return np.median(cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2LAB).reshape(-1, 3), axis=0)


@pytest.fixture(scope="module")
def editor(tiny_checkpoint: Checkpoint) -> Editor:
    """It sees hair, and its latent moves all three of the hair's colours."""
    slopes = 6 * torch.randn(3, 6, generator=torch.Generator().manual_seed(1))
    editor = Editor(replace(tiny_checkpoint, hair=slopes, digest="0123456789abcdef" * 4))
    editor.renderer.parser = by_colour(48)
    return editor


@pytest.fixture(scope="module")
def face(editor: Editor) -> Face:
    return editor.open_photo(painted())


@pytest.mark.parametrize("shade", SHADES)
def test_the_hair_reaches_the_shade_and_nothing_else_changes(editor: Editor, face: Face, shade: str) -> None:
    result = editor.edit(editor.dye(face, shade)).photo
    light = np.clip(median(np.uint8([[PALETTE["skin"]]]))[0] / 68, 0.4, 1.1)
    assert np.abs(median(result[HAIR]) - light * np.float32(SHADES[shade])).max() < 3
    assert np.array_equal(result[42:], face.photo[42:]) and np.array_equal(result[:, :12], face.photo[:, :12])


def test_half_of_it_lies_between_and_none_is_the_photo(editor: Editor, face: Face) -> None:
    own, half, full = (median(editor.edit(editor.dye(face, "blond", amount)).photo[HAIR]) for amount in (0, 0.5, 1))
    assert np.abs(half - (own + full) / 2).max() < 2 and full[0] - own[0] > 30
    assert np.array_equal(editor.edit(editor.dye(face, "blond", 0)).photo, face.photo)


def test_a_goal_lightens_dark_hair_no_further_than_looks_natural(editor: Editor, face: Face) -> None:
    own, goal, blond = (median(editor.edit(f).photo[HAIR]) for f in (face, editor.dye(face, "blond", None), editor.dye(face, "blond")))
    assert abs(goal[0] - own[0] - MOST_LIGHTER) < 1 and goal[0] < blond[0] - 5
    assert np.array_equal(editor.dye(face, "brown", None).offset, editor.dye(face, "brown").offset)  # near enough as it is


def test_what_is_black_stays_black(editor: Editor) -> None:
    picture = painted()
    picture[8:32, 20:76] = (12, 10, 9)
    face = editor.open_photo(picture)
    assert np.array_equal(editor.edit(editor.dye(face, "black")).photo, picture)


def test_a_second_shade_takes_the_place_of_the_first_and_sliders_stay(editor: Editor, face: Face) -> None:
    strengths = {"Smiling": 2.0}
    once = editor.edit(editor.dye(face, "gray", 1.0, strengths)).photo
    twice = editor.edit(editor.dye(editor.dye(face, "blond", 1.0, strengths), "gray")).photo
    assert np.abs(once.astype(int) - twice).max() <= 1
    smile = editor.edit(face, strengths).photo[44:64, 34:62].astype(int)
    assert np.abs(smile - face.photo[44:64, 34:62]).max() > 3
    assert np.abs(once[44:64, 34:62] - smile).max() <= 1  # the face smiles as it does without a dye


def test_a_drawn_face_is_dyed_too(editor: Editor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(editor.renderer, "parser", only("hair", 48))
    (drawn,) = editor.generate([2])
    before, after = (median(editor.edit(f).crop) for f in (drawn, editor.dye(drawn, "black")))
    assert abs(after[0] - SHADES["black"][0]) < 3 and before[0] - after[0] > 10


@pytest.mark.parametrize(
    ("shade", "amount", "message"),
    [
        ("green", 1.0, "there is no shade 'green'; there are black, dark brown, brown, blond, red, gray"),
        ("blond", 1.5, "the amount of a hair colour must lie between 0 and 1, not 1.5"),
        ("blond", float("nan"), "must lie between 0 and 1, not nan"),
    ],
)
def test_what_cannot_be_dyed_is_said(editor: Editor, face: Face, shade: str, amount: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        editor.dye(face, shade, amount)


def test_a_face_without_hair_is_said(tiny_checkpoint: Checkpoint) -> None:
    editor = Editor(tiny_checkpoint)
    face = editor.open_photo(painted())
    for call in (lambda: editor.dye(face, "blond"), lambda: list(editor.guide(face, {"Blond_Hair": True}))):
        with pytest.raises(ValueError, match="^There is too little hair in this picture to colour.$"):
            call()


def test_a_dyed_face_comes_back_from_its_file_and_can_be_undone(editor: Editor, face: Face) -> None:
    dyed = editor.dye(face, "blond", 0.8)
    saved = open_photo(editor.save(dyed, {"Smiling": 1.0})[0])
    assert np.array_equal(saved.pixels, editor.edit(dyed, {"Smiling": 1.0}).photo)
    back = editor.reopen(recipe_from(json.dumps(editor.recipe(dyed, {"Smiling": 1.0}).as_json())), saved)
    assert np.array_equal(editor.edit(back.face, back.strengths).photo, saved.pixels)
    assert np.allclose(back.face.offset, dyed.offset, atol=1e-3)


@pytest.mark.parametrize(
    ("on", "off", "shade"),
    [
        (["Blond_Hair"], [], "blond"),
        (["Blond_Hair"], ["Black_Hair", "Brown_Hair", "Gray_Hair"], "blond"),
        (["Brown_Hair", "Black_Hair"], [], "dark brown"),
        (["Brown_Hair"], [], "brown"),
        (["Black_Hair"], ["Gray_Hair"], "black"),
        (["Gray_Hair"], [], "gray"),
        ([], COLOURS, "red"),
        ([], ["Blond_Hair"], None),
        (["Blond_Hair", "Gray_Hair"], [], None),
        (["Smiling"], [], None),
        (["Smiling", "Gray_Hair"], [], "gray"),
    ],
)
def test_labels_name_a_shade(on: list[str], off: list[str], shade: str | None) -> None:
    assert shade_of(dict.fromkeys(on, True) | dict.fromkeys(off, False)) == shade


def test_a_hair_colour_is_one_step_and_no_search(editor: Editor, face: Face) -> None:
    wanted = {name: name == "Blond_Hair" for name in COLOURS}
    (step,) = editor.guide(face, wanted)
    assert step.done and step.reason == "put on" and set(step.probabilities) == set(wanted)
    assert np.array_equal(step.face.offset, editor.dye(face, "blond", None).offset)


def test_a_hair_colour_and_a_smile_are_dyed_and_searched_for(editor: Editor, face: Face) -> None:
    steps = list(editor.guide(face, {"Blond_Hair": True, "Smiling": True}, target=0.9999, steps=4))
    assert len(steps) > 1 and steps[-1].reason in ("target", "plateau", "steps")
    assert set(steps[-1].probabilities) == {"Blond_Hair", "Smiling"}
    last = steps[-1].face
    shown = editor.edit(last)
    assert steps[-1].probability == pytest.approx(editor.probabilities(last)["Smiling"], abs=1e-4)
    assert np.abs(median(shown.photo[HAIR]) - median(editor.edit(editor.dye(face, "blond", None)).photo[HAIR])).max() < 2
    assert not np.allclose(last.offset, editor.dye(face, "blond", None).offset, atol=1e-2)
