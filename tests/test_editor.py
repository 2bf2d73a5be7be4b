"""The editor as a pure function: same arguments, same picture."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from facevae.checkpoint import Checkpoint
from facevae.editor import Adjustment, Editor, Face


@pytest.fixture(scope="module")
def editor(tiny_checkpoint: Checkpoint) -> Editor:
    return Editor(tiny_checkpoint)


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (90, 70, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def face(editor: Editor, photo: np.ndarray) -> Face:
    return editor.open_photo(photo)


def test_no_face_is_said_and_the_middle_is_taken(face: Face) -> None:
    assert "No face was found" in face.message
    assert face.crop.shape == (16, 16, 3)


def test_strength_zero_gives_the_photos_own_pixels(editor: Editor, face: Face, photo: np.ndarray) -> None:
    assert np.array_equal(editor.edit(face, {"Smiling": 0.0}).photo, photo)


def test_an_edit_changes_the_crop_and_nothing_outside(editor: Editor, face: Face, photo: np.ndarray) -> None:
    result = editor.edit(face, {"Smiling": 3.0})
    assert result.photo.shape == photo.shape
    assert (result.photo != photo).any()
    assert np.array_equal(result.photo[:6], photo[:6])  # the middle square begins at row 10
    assert np.array_equal(result.photo, editor.edit(face, {"Smiling": 3.0}).photo)


def test_preview_is_the_edit_on_a_smaller_photo(editor: Editor) -> None:
    large = np.full((600, 2400, 3), 120, np.uint8)
    face = editor.open_photo(large, Adjustment(zoom=2.0))
    preview, whole = editor.edit(face, {"Male": 1.5}, max_side_px=1000).photo, editor.edit(face, {"Male": 1.5}).photo
    assert preview.shape == (250, 1000, 3)
    small = np.asarray(Image.fromarray(whole).resize((1000, 250), Image.Resampling.BOX)).astype(int)
    assert np.abs(small - preview).mean() < 0.1 * np.abs(small - 120).mean()
    assert all(np.abs(np.roll(small, shift, axis=1) - preview).mean() > 2 * np.abs(small - preview).mean() for shift in (-1, 1))


def test_same_seed_is_the_same_face_in_any_batch(editor: Editor) -> None:
    alone, many = editor.generate([5])[0], editor.generate([1, 5, 9])[1]
    assert np.array_equal(alone.latent, many.latent) and np.array_equal(alone.crop, many.crop)
    assert not np.array_equal(alone.crop, editor.generate([5], prior="normal")[0].crop)


def test_guidance_carries_the_sliders_and_leaves_weights_alone(editor: Editor, face: Face) -> None:
    before = {k: v.clone() for k, v in editor.checkpoint.net.state_dict().items()}
    steps = list(editor.guide(face, {"Smiling": True}, {"Male": 1.0}, target=0.99, steps=5))
    assert steps[-1].done and len(steps) <= 6
    assert steps[-1].probability >= steps[0].probability
    assert np.array_equal(editor.edit(steps[-1].face).crop, steps[-1].picture)
    assert all((v == before[k]).all() for k, v in editor.checkpoint.net.state_dict().items())
    assert not editor.reset(steps[-1].face).offset.any()


def test_baked_strengths_give_the_same_picture(editor: Editor, face: Face) -> None:
    strengths = {"Smiling": 2.0, "Male": -1.0}
    baked = editor.bake(face, strengths)
    assert np.array_equal(editor.edit(baked).photo, editor.edit(face, strengths).photo)
    assert np.array_equal(editor.edit(editor.reset(baked)).photo, face.photo)


def test_morph_ends_are_the_faces(editor: Editor) -> None:
    a, b = editor.generate([1, 2])
    for path in ("slerp", "lerp"):
        film = editor.morph(a, b, [0.0, 0.5, 1.0], path)
        assert np.abs(film[0].astype(int) - a.crop).max() <= 1
        assert np.abs(film[2].astype(int) - b.crop).max() <= 1


def test_saved_png_says_what_was_done(editor: Editor, face: Face, photo: np.ndarray) -> None:
    with Image.open(io.BytesIO(editor.save_png(face, {"Smiling": 2.0}))) as file:
        assert file.size == (70, 90)
        assert "AI-edited" in file.text["Comment"]
        recipe = json.loads(file.text["facevae"])
    assert recipe["strengths"] == {"Smiling": 2.0} and recipe["source"] == "photo"
    assert "photo" not in recipe


@pytest.mark.parametrize("format", ["gif", "webp"])
def test_animation_goes_there_and_back(editor: Editor, format: str) -> None:
    a, b = editor.generate([1, 2])
    with Image.open(io.BytesIO(editor.save_animation(editor.morph(a, b, [0, 0.5, 1]), format))) as film:
        assert film.format == format.upper() and film.n_frames == 4 and film.size == (16, 16)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda e, f: e.edit(f, {"Nose": 1.0}), "there is no attribute 'Nose'"),
        (lambda e, f: list(e.guide(f, {})), "nothing was asked for"),
        (lambda e, f: list(e.guide(f, {"Nose": True})), "the classifier does not know Nose"),
        (lambda e, f: e.generate([]), "0 faces were asked for"),
        (lambda e, f: e.generate([-1]), "a seed must be a whole number"),
        (lambda e, f: e.generate([1], temperature=9.0), "temperature must lie between 0 and 3"),
        (lambda e, f: e.morph(f, f, [2.0]), "between 0 and 1"),
        (lambda e, f: e.open_photo(b"hello"), "picture"),
        (lambda e, f: e.readjust(e.generate([1])[0], Adjustment()), "no crop to adjust"),
    ],
)
def test_what_a_user_can_get_wrong_ends_in_a_sentence(editor: Editor, face: Face, call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(editor, face)


def test_a_reversed_slider_takes_its_attribute_away_to_the_right(editor: Editor) -> None:
    control = next(c for c in editor.controls if c.name == "Male")
    assert control.label == "Masculine ↔ feminine" and (control.low, control.high) == (-4.0, 3.0)
    assert control.strength(control.low) == editor.checkpoint.directions["Male"].high
    plain = next(c for c in editor.controls if c.name == "Smiling")
    assert (plain.low, plain.high, plain.strength(2.0)) == (-3.0, 4.0, 2.0)


def test_withheld_attributes_have_no_slider() -> None:
    from facevae.attributes import SHOWN, WITHHELD

    assert "Attractive" in WITHHELD
    assert not {s.name for s in SHOWN} & set(WITHHELD)
