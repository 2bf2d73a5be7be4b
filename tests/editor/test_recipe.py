"""A recipe says what was done, and does it again; a stranger's recipe is refused in one sentence."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from facevae.checkpoint.checkpoint import Checkpoint
from facevae.editor import Editor, Face
from facevae.editor.recipe import MAX_CHARACTERS, Recipe, recipe_from, shorten
from facevae.photo.images import open_photo

STRENGTHS = {"Smiling": 2.0, "Male": -1.5}


@pytest.fixture(scope="module")
def editor(tiny_checkpoint: Checkpoint) -> Editor:
    return Editor(replace(tiny_checkpoint, digest="0123456789abcdef" * 4))


@pytest.fixture(scope="module")
def face(editor: Editor) -> Face:
    return editor.open_photo(np.random.default_rng(0).integers(0, 256, (90, 70, 3), dtype=np.uint8))


def again(recipe: Recipe) -> Recipe:
    """Through text and back."""
    return recipe_from(json.dumps(recipe.as_json()))


@pytest.mark.parametrize("prior", ["fitted", "normal"])
def test_a_drawn_face_comes_back_to_the_pixel(editor: Editor, prior: str) -> None:
    (face,) = editor.generate([7], 0.6, prior)
    guided = replace(face, offset=np.linspace(-1, 1, 6, dtype=np.float32))
    opened = editor.reopen(again(editor.recipe(guided, STRENGTHS, locks=["Young"])))
    assert opened.strengths == STRENGTHS and opened.locks == ("Young",)
    want, got = (
        e.crop for e in (editor.edit(guided, STRENGTHS, locks=["Young"]), editor.edit(opened.face, opened.strengths, locks=["Young"]))
    )
    assert np.abs(want.astype(int) - got).max() <= 1
    assert (editor.edit(opened.face).crop != want).any()  # and the sliders still move


def test_a_neighbour_comes_back_from_its_latent(editor: Editor) -> None:
    (near,) = editor.neighbours(editor.generate([7])[0], [3])
    recipe = again(editor.recipe(near))
    assert recipe.drawn is None and recipe.alignment is None
    assert np.abs(editor.reopen(recipe).face.crop.astype(int) - near.crop).max() <= 1


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_saved_edit_is_the_same_picture_with_its_sliders_where_they_were(editor: Editor, face: Face, kind: str) -> None:
    file = io.BytesIO()
    Image.fromarray(face.photo).save(file, kind)
    opened = editor.open_photo(file.getvalue())
    guided = replace(opened, offset=np.full(6, 0.3, np.float32))
    content, _ = editor.save(guided, STRENGTHS, detail=0.25, locks=["Young"])
    saved = open_photo(content)
    back = editor.reopen(recipe_from(saved.recipe), saved)
    assert (back.strengths, back.locks, back.detail) == (STRENGTHS, ("Young",), 0.25)
    same = editor.edit(back.face, back.strengths, detail=0.25, locks=back.locks)
    assert np.array_equal(same.photo, saved.pixels)
    assert np.allclose(back.face.offset, 0.3, atol=1e-4)
    with pytest.raises(ValueError, match="nothing to refine"):
        next(editor.refine(back.face))


def test_taking_a_saved_edit_back_takes_it_out_of_the_picture(tiny_checkpoint: Checkpoint) -> None:
    """As far as the model can tell, on a photo as smooth as photos are; there is no hair in it to take a colour back from."""
    editor = Editor(replace(tiny_checkpoint, hair=torch.zeros(3, 6), digest="0123456789abcdef" * 4))
    x, y = np.meshgrid(np.linspace(0, 3, 70), np.linspace(0, 3, 90))
    plain = editor.open_photo((127 + 60 * np.stack([np.sin(x), np.cos(y), np.sin(x + y)], axis=-1)).astype(np.uint8))
    saved = open_photo(editor.save(plain, {"Male": -1.5})[0])  # a mouth would be drawn anew, and the photo's is gone
    back = editor.reopen(recipe_from(saved.recipe), saved)
    left, edit = (np.abs(p.astype(int) - plain.photo).mean() for p in (editor.edit(editor.reset(back.face)).photo, saved.pixels))
    assert left < 0.3 * edit


def test_the_result_can_be_the_new_start(editor: Editor, face: Face) -> None:
    done = editor.edit(face, STRENGTHS)
    start = editor.begin_from(face, STRENGTHS)
    assert np.array_equal(editor.edit(start).photo, done.photo) and np.array_equal(editor.edit(editor.reset(start)).photo, done.photo)
    assert (editor.edit(start, {"Young": 2.0}).photo != done.photo).any()
    # The recipe still speaks of the photo as it came.
    recipe = editor.recipe(start, {"Young": 2.0})
    np.testing.assert_allclose(recipe.latent, face.latent, atol=1e-4)
    np.testing.assert_allclose(recipe.guidance, editor.bake(face, STRENGTHS).offset, atol=1e-4)
    # A file of the original's kind carries both edits.
    content, _ = editor.save(start, {"Young": 2.0})
    assert np.array_equal(open_photo(content).pixels, editor.edit(start, {"Young": 2.0}).photo)


def test_what_was_made_the_start_stays_in_the_photo_with_other_faces(editor: Editor, face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    from facevae.photo.alignment import Alignment, Square

    two = tuple(Alignment(Square(x, 45, 30).matrix(), found=True, confidence=1.0) for x in (17, 53))
    monkeypatch.setattr("facevae.editor.photos.find_faces", lambda *_: list(two))
    pair = editor.open_photo(face.photo)
    start = editor.begin_from(pair, {"Smiling": 3.0})
    other = editor.choose(start, 1)
    assert np.abs(other.photo.astype(int) - start.photo).max() <= 1
    assert np.abs(editor.edit(editor.choose(other, 0)).photo.astype(int) - start.photo).max() <= 1


def test_strengths_by_name_fit_other_photos_and_other_checkpoints(editor: Editor, face: Face) -> None:
    (other,) = editor.generate([3])
    plain = editor.recipe(face, STRENGTHS)
    opened = editor.apply(replace(plain, checkpoint="f" * 64), other)
    assert np.array_equal(editor.edit(opened.face, opened.strengths).crop, editor.edit(other, STRENGTHS).crop)
    guided = replace(plain, guidance=(0.1,) * 6, checkpoint="f" * 64)
    with pytest.raises(ValueError, match="was made with the checkpoint tiny .ffffffffffff., and tiny .0123456789ab. is open"):
        editor.apply(guided, other)
    with pytest.raises(ValueError, match="was made with the checkpoint"):
        editor.reopen(replace(plain, checkpoint="f" * 64))
    with pytest.raises(ValueError, match="Dimples"):
        editor.apply(replace(plain, strengths={"Dimples": 1.0}), other)


def test_a_picture_that_was_resized_or_cut_is_no_longer_the_recipes(editor: Editor, face: Face) -> None:
    recipe = editor.recipe(face, STRENGTHS)
    with pytest.raises(ValueError, match="saved with 70 × 90 px and has 35 × 45 px now"):
        editor.reopen(recipe, open_photo(np.array(Image.fromarray(face.photo).resize((35, 45)))))
    with pytest.raises(ValueError, match="does not lie in the picture"):
        editor.reopen(replace(recipe, alignment=(0.0,) * 6), open_photo(face.photo))
    with pytest.raises(ValueError, match="latent has 3 values, the checkpoint expects 6"):
        editor.reopen(replace(recipe, latent=(0.0,) * 3), open_photo(face.photo))


GOOD = {"facevae": "0", "format": 1, "checkpoint": {"name": "tiny", "sha256": "0"}, "strengths": {"Smiling": 1}, "latent": [0.0] * 6}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"format": 2}, "format 2"),
        ({"strengths": {"Smiling": "1"}}, "strengths"),
        ({"strengths": {"Smiling": True}}, "strengths"),
        ({"strengths": [1]}, "strengths"),
        ({"latent": None}, "neither a latent nor a seed"),
        ({"latent": [float("nan")] * 6}, "latent is not a list of finite numbers"),
        ({"guidance": "0" * 6}, "guidance"),
        ({"guidance": [1e30] * 6}, "guidance"),
        ({"strengths": {"Smiling": 1e300}}, "strengths"),
        ({"strengths": {"Smiling": 10**400}}, "strengths"),
        ({"locks": ["Male"] * 201}, "locks"),
        ({"directions": {"x" * 41: [1.0] * 6}}, "names of 1 to 40"),
        ({"directions": {"<b>\n": [1.0] * 6}}, "names of 1 to 40"),
        ({"alignment": [1, 2]}, "has 2 numbers, expected 6"),
        ({"drawn": {"seed": -1}}, "seed"),
        ({"drawn": {"seed": 1, "temperature": 9}}, "temperature"),
        ({"detail": 2}, "detail"),
        ({"face": 1.5}, "face"),
        ({"locks": {"Male": 1}}, "locks"),
        ({"directions": {"Own": [True]}}, "Own"),
        ({"checkpoint": "tiny"}, "does not name its checkpoint"),
        ({"left": [[]]}, "other faces"),
        ({"left": [GOOD | {"left": [GOOD]}]}, "other faces"),
        ({"code": "import os"}, "unknown keys: code"),
    ],
)
def test_what_is_no_recipe_is_refused_in_one_sentence(change: dict, sentence: str) -> None:
    assert recipe_from(GOOD).strengths == {"Smiling": 1.0}
    with pytest.raises(ValueError, match=sentence):
        recipe_from(json.dumps(GOOD | change))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, " " * (MAX_CHARACTERS + 1), "1", '"a"', b"\xff\xfe"])
def test_text_that_is_no_recipe(text: str | bytes) -> None:
    with pytest.raises(ValueError, match="recipe"):
        recipe_from(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text("ab", max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab", max_size=3), inner, max_size=4),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*sorted(GOOD), "drawn", "alignment", "left", "size", "locks", "directions"]), JSON))
def test_whatever_stands_in_a_recipe_it_is_read_or_refused(change: dict) -> None:
    try:
        recipe_from(json.dumps(GOOD | change))
    except ValueError as error:
        assert "\n" not in str(error)


def test_a_long_recipe_leaves_the_other_faces_out() -> None:
    one = Recipe("0", "tiny", latent=(0.123456,) * 512, guidance=(0.123456,) * 512, alignment=(1.0,) * 6)
    many = replace(one, left=(one,) * 12)
    assert shorten(one) == one and shorten(many) == one
    parts = replace(one, about=("Smiling",), earlier=((("Young",), (0.123456,) * 512),) * 9)
    assert shorten(parts) == replace(one, about=("Smiling", "Young"))
