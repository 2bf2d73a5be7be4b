"""The editor as a pure function: same arguments, same picture."""

import gc
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from facevae.checkpoint.checkpoint import Checkpoint
from facevae.editor import Adjustment, Editor, Face, photo_cache, renderer
from facevae.nets.detail import DetailNet
from facevae.nets.residual_unet import ResidualUNetConfig
from facevae.photo.alignment import Alignment, Square


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


def test_saved_png_says_what_was_done(editor: Editor, face: Face) -> None:
    content, suffix = editor.save(face, {"Smiling": 2.0}, detail=0.25)
    assert suffix == ".png"
    with Image.open(io.BytesIO(content)) as file:
        assert file.size == (70, 90)
        assert "AI-edited" in file.text["Comment"]
        recipe = json.loads(file.text["facevae"])
    assert recipe["strengths"] == {"Smiling": 2.0} and recipe["source"] == "photo"
    assert recipe["detail"] == 0.25 and recipe["refined"] == 0 and len(recipe["alignment"]) == 6
    assert "photo" not in recipe


def test_a_photo_comes_back_in_its_format_with_the_edit_in_it(editor: Editor, photo: np.ndarray) -> None:
    file = io.BytesIO()
    Image.fromarray(photo).save(file, "TIFF")
    face = editor.open_photo(file.getvalue())
    for format, suffix in (("original", ".tif"), ("png", ".png")):
        content, ending = editor.save(face, {"Smiling": 3.0}, format)
        assert ending.startswith(suffix)
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(content))), editor.edit(face, {"Smiling": 3.0}).photo)


@pytest.fixture
def pair(editor: Editor, photo: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> Face:
    """A photo with two faces, which the tiny alignment net would not see."""
    two = tuple(Alignment(Square(x, 45, 30).matrix(), found=True, confidence=1.0) for x in (17, 53))
    monkeypatch.setattr("facevae.editor.photos.find_faces", lambda *_: list(two))
    return editor.open_photo(photo)


def test_a_face_that_was_not_found_can_be_pointed_at(editor: Editor, pair: Face, photo: np.ndarray) -> None:
    assert editor.point(pair, (50, 40)).index == 1 and len(editor.point(pair, (50, 40)).faces) == 2
    first = editor.edit(pair, {"Smiling": 3.0}).photo
    third = editor.point(pair, (35, 5), {"Smiling": 3.0})
    assert third.index == 2 and len(third.faces) == 3 and np.array_equal(third.photo, first)
    assert third.message.startswith("No face was recognised at this place")
    assert np.allclose(third.alignment.corners_px.mean(axis=0), (35, 5))
    back = editor.choose(third, 0)
    assert len(back.faces) == 3 and back.offset.any()
    opened = editor.open_photo(photo, Adjustment(angle_deg=180), at=(35, 5))
    assert opened.index == 2 and opened.message == "" and opened.alignment.matrix[0, 0] < 0
    with pytest.raises(ValueError, match=r"\(500, 5\) lies outside of the photo, which has"):
        editor.open_photo(photo, at=(500, 5))


def test_where_nobody_was_found_the_place_is_the_only_face(editor: Editor, photo: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facevae.editor.photos.find_faces", lambda *_: [])
    face = editor.point(editor.open_photo(photo), (30, 40))
    assert len(face.faces) == 1 and face.index == 0 and np.allclose(face.alignment.corners_px.mean(axis=0), (30, 40))
    with pytest.raises(ValueError, match="does not lie in the picture"):
        editor.readjust(face, Adjustment(shift_x=100))


def test_of_a_crowd_the_largest_are_offered_and_told(editor: Editor, photo: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    crowd = [Alignment(Square(40, 40, 30).matrix(), found=True, confidence=1.0)] * 101
    monkeypatch.setattr("facevae.editor.photos.find_faces", lambda *_: crowd)
    face = editor.open_photo(photo)
    assert len(face.faces) == 100 and face.source.remark.startswith("The photo shows more than 100 faces")


def test_faces_of_a_photo_are_edited_one_after_the_other(editor: Editor, pair: Face, photo: np.ndarray) -> None:
    assert len(pair.faces) == 2 and len(editor.thumbnails(pair)) == 2 and pair.message == ""
    first = editor.edit(pair, {"Smiling": 3.0}).photo
    second = editor.choose(pair, 1, {"Smiling": 3.0})
    assert second.index == 1 and np.array_equal(second.photo, first)
    both = editor.edit(second, {"Male": 3.0}).photo
    assert np.array_equal(both[:, :35], first[:, :35]) and (both[:, 35:] != first[:, 35:]).any()
    back = editor.choose(second, 0, {"Male": 3.0})
    assert np.array_equal(editor.edit(back).photo, both)
    only_second = editor.edit(editor.reset(back)).photo
    assert np.array_equal(only_second[:, :35], photo[:, :35]) and np.array_equal(only_second[:, 35:], both[:, 35:])
    assert [entry.face for entry in editor.recipe(back).left] == [1]
    assert all(entry.face.photo is pair.source.pixels and not entry.face.left for entry in back.left)


def test_refinement_comes_nearer_and_keeps_the_edit(editor: Editor, face: Face) -> None:
    baked = editor.bake(face, {"Smiling": 1.0})
    steps = list(editor.refine(baked))
    assert steps[-1].done and steps[-1].psnr_db > steps[0].psnr_db == steps[-1].psnr_before_db
    assert np.array_equal(steps[-1].face.offset, baked.offset) and steps[-1].face.refined == steps[-1].step
    assert np.array_equal(editor.edit(editor.reset(steps[-1].face)).photo, face.photo)


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
        (lambda e, f: e.generate([-1]), "seed is a whole number"),
        (lambda e, f: e.generate([1], temperature=9.0), "temperature is a number from 0 to 3"),
        (lambda e, f: e.morph(f, f, [2.0]), "between 0 and 1"),
        (lambda e, f: e.open_photo(b"hello"), "picture"),
        (lambda e, f: e.choose(f, 3), "face 3 was asked for, the photo has 1"),
        (lambda e, f: e.choose(e.generate([1])[0], 0), "no others beside it"),
        (lambda e, f: list(e.refine(e.generate([1])[0])), "nothing to refine"),
        (lambda e, f: e.edit(f, {"Smiling": 1.0}, detail=2.0), "photo detail must lie between 0 and 1"),
        (lambda e, f: e.save(f, format="gif"), "format must be original, png or heic"),
        (lambda e, f: e.readjust(e.generate([1])[0], Adjustment()), "no crop to adjust"),
    ],
)
def test_what_a_user_can_get_wrong_ends_in_a_sentence(editor: Editor, face: Face, call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(editor, face)


def test_a_reversed_slider_takes_its_attribute_away_to_the_right(editor: Editor) -> None:
    control = next(c for c in editor.controls if c.name == "Male")
    assert control.label == "Masculine ↔ feminine" and (control.safe_low, control.safe_high) == (-4.0, 3.0)
    assert (control.low, control.high) == (-6.0, 4.5)  # it goes on beyond what is safe
    assert control.strength(control.safe_low) == editor.checkpoint.directions["Male"].high
    plain = next(c for c in editor.controls if c.name == "Smiling")
    assert (plain.safe_low, plain.safe_high, plain.strength(2.0)) == (-3.0, 4.0, 2.0)


def test_withheld_attributes_have_no_slider() -> None:
    from facevae.attributes import SHOWN, WITHHELD

    assert "Attractive" in WITHHELD
    assert not {s.name for s in SHOWN} & set(WITHHELD)


# Scores, locks and directions of the user's own -----------------------------------------------------------------------


def test_strength_one_raises_the_own_score_by_the_length_of_the_step(editor: Editor) -> None:
    (face,) = editor.generate([1])
    before, after = editor.scores(face), editor.scores(editor.bake(face, {"Smiling": 2.0}))
    smile = editor.directions["Smiling"]
    length = torch.linalg.solve_triangular(editor.checkpoint.cholesky, smile.step[:, None], upper=False).square().sum()
    assert after["Smiling"] - before["Smiling"] == pytest.approx(2 * float(length), rel=1e-4)
    assert editor.scores(editor.reset(editor.bake(face, {"Smiling": 2.0}))) == before


def test_locked_scores_stay_in_every_call_and_in_the_recipe(editor: Editor) -> None:
    (face,) = editor.generate([1])
    locks = ["Male", "Young"]
    moved = editor.bake(face, {"Smiling": 2.0}, locks)
    before, after, free = editor.scores(face), editor.scores(moved), editor.scores(editor.bake(face, {"Smiling": 2.0}))
    for name in locks:
        assert after[name] == pytest.approx(before[name], abs=1e-4) and free[name] != pytest.approx(before[name], abs=1e-2)
    held = editor.edit(face, {"Smiling": 2.0}, locks=locks).crop
    assert (held == editor.edit(moved).crop).all() and (held != editor.edit(face, {"Smiling": 2.0}).crop).any()
    assert editor.probabilities(face, {"Smiling": 2.0}, locks=locks) == editor.probabilities(moved)
    left = editor.remaining(locks)
    assert set(left) == {"Smiling", "Blond_Hair"} and 0 < left["Smiling"] < 1
    assert editor.recipe(face, {"Smiling": 2.0}, locks=locks).locks == ("Male", "Young")
    with pytest.raises(ValueError, match="Freckles cannot be locked; what can be is Smiling"):
        editor.edit(face, {"Smiling": 1.0}, locks=["Freckles"])


def test_directions_of_the_users_own_belong_to_one_view_alone(editor: Editor) -> None:
    faces = editor.generate(range(16))
    mine = editor.direction_from_faces("Dimples", faces[:8], faces[8:])
    other = editor.knowing([mine, editor.components(2)[1]])
    assert set(other.directions) - set(editor.directions) == {"Dimples", "PC 2"} and "Dimples" not in editor.scores(faces[0])
    assert (other.edit(faces[0], {"Dimples": 2.0}).crop != faces[0].crop).any()
    assert other.edit(faces[0], {"Smiling": 1.0}, locks=["Dimples"]).crop.shape == faces[0].crop.shape
    kept = other.recipe(faces[0], {"Dimples": 2.0}).directions["Dimples"]
    np.testing.assert_allclose(kept, mine.step, atol=1e-6)
    with pytest.raises(ValueError, match="there is a direction Smiling already"):
        editor.knowing([replace(mine, name="Smiling")])
    with pytest.raises(ValueError, match="Dimples has 3 values, the checkpoint expects 6"):
        editor.knowing([replace(mine, vector=torch.ones(3))])


def test_an_edit_is_laid_only_where_it_is_looked_at(editor: Editor, monkeypatch: pytest.MonkeyPatch) -> None:
    laid = []
    monkeypatch.setattr(renderer, "paste", lambda photo, *rest: laid.append(photo.shape) or photo.copy())
    face = editor.open_photo(np.random.default_rng(0).integers(0, 256, (40, 60, 3)).astype(np.uint8))
    result = editor.edit(face, {"Smiling": 2.0})
    assert laid == []
    assert result.photo is result.photo and laid == [(40, 60, 3)]
    assert result.crop is result.crop and laid == [(40, 60, 3), face.crop.shape]


def test_previews_shrink_a_photo_once_and_forget_it_with_the_photo(tiny_checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    editor, shrinks = Editor(tiny_checkpoint), []
    plain = photo_cache.shrunk
    monkeypatch.setattr(photo_cache, "shrunk", lambda photo, side: shrinks.append(side) or plain(photo, side))
    face = editor.open_photo(np.random.default_rng(0).integers(0, 256, (80, 60, 3)).astype(np.uint8))
    first, again = (editor.edit(face, {"Smiling": s}, max_side_px=40).photo for s in (1.0, 2.0))
    assert shrinks == [40] and first.shape == (40, 30, 3) and not np.array_equal(first, again)
    assert editor.edit(face, {"Smiling": 1.0}, max_side_px=20).photo.shape == (20, 15, 3) and shrinks == [40, 20]
    assert len(editor.renderer.photo_cache._small) == 1
    del face
    gc.collect()
    assert len(editor.renderer.photo_cache._small) == 0


def test_a_file_that_is_open_already_takes_no_more_memory(tiny_checkpoint: Checkpoint, tmp_path: Path) -> None:
    editor, path = Editor(tiny_checkpoint), tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (renderer.SCREEN_SIDE_PX + 100, 90, 3)).astype(np.uint8)).save(path)
    first, second = (editor.open_file(path).face for _ in range(2))
    shutil.copy(path, tmp_path / "b.png")
    third = editor.open_file(tmp_path / "b.png").face
    for face in (second, third):
        assert face is not first and face.photo is first.photo and face.screen is first.screen
    assert (first.name, third.name) == ("a", "b") and first.screen is not first.photo
    del first, second, third, face
    gc.collect()
    assert not len(editor.renderer.photo_cache._pixels) and not len(editor.renderer.photo_cache._small)


def test_a_quick_editor_leaves_the_detail_net_out(tiny_checkpoint: Checkpoint) -> None:
    torch.manual_seed(0)
    detail = DetailNet(ResidualUNetConfig((4, 8, 8), 1, 4))
    torch.nn.init.normal_(detail.out.weight)
    plain, sharp = Editor(tiny_checkpoint), Editor(replace(tiny_checkpoint, detail=detail))
    face = plain.open_photo(np.random.default_rng(0).integers(0, 256, (90, 70, 3), np.uint8))
    pictures = [editor.edit(face, {"Young": -6.0}).photo for editor in (plain, sharp, sharp.quick())]
    assert np.array_equal(pictures[0], pictures[2]) and not np.array_equal(pictures[0], pictures[1])
