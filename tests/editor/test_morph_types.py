"""Key frames, positions and the editor's morphs through several faces, on the tiny model."""

import io

import numpy as np
import pytest
from PIL import Image

from facevae.editor import Adjustment, Editor, Face
from facevae.editor.morph_types import FilmConfig, KeyFrames, MorphPath, film_positions, strip_positions
from facevae.photo.alignment import crop


@pytest.fixture(scope="module")
def editor(tiny_checkpoint) -> Editor:
    return Editor(tiny_checkpoint)


@pytest.fixture(scope="module")
def drawn(editor) -> list[Face]:
    return editor.generate(range(7))


@pytest.fixture(scope="module")
def photo(editor) -> Face:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 81, 3)).astype(np.uint8)
    return editor.open_photo(pixels, Adjustment(zoom=1.2))


def names(keys: KeyFrames) -> list[int]:
    return [face.seed for face in keys.faces]


def test_own_faces_take_the_places_of_lent_ones_in_order(drawn):
    keys = KeyFrames.of_examples(*drawn[:2])
    beside = keys.add(drawn[2], own=False)
    assert names(beside) == [0, 1, 2] and beside.chosen == 2
    for expected, chosen in (([3, 1], 0), ([3, 4], 1), ([3, 4, 5], 2)):
        keys = keys.add(drawn[expected[chosen]])
        assert names(keys) == expected and keys.chosen == chosen
    with pytest.raises(ValueError, match="at most 6"):
        for face in drawn:
            keys = keys.add(face)
    assert len(keys) == 6


def test_faces_are_moved_replaced_and_removed(drawn):
    keys = KeyFrames.of_examples(*drawn[:3]).choose(2)
    assert names(keys.move(-1)) == [0, 2, 1] and keys.move(-1).chosen == 1
    assert keys.move(1) is keys and keys.choose(99).chosen == 2
    assert names(keys.choose(1).put(drawn[5])) == [0, 5, 2]
    removed = keys.remove()
    assert names(removed) == [0, 1] and removed.chosen == 1
    with pytest.raises(ValueError, match="at least 2"):
        removed.remove()


def test_positions_of_films_and_strips():
    assert film_positions(3, "back") == [0, 0.5, 1, 0.5]
    assert film_positions(4, "round") == [0, 0.25, 0.5, 0.75]
    assert film_positions(2, "once") == [0, 1]
    for segments in range(1, 7):
        at = strip_positions(segments)
        assert len(at) >= 9 and all(min(abs(t - k / segments) for t in at) < 1e-9 for k in range(segments + 1))


def test_a_morph_passes_every_face_and_closes(editor, drawn):
    for way in (MorphPath(), MorphPath("lerp", smooth=True), MorphPath(repeat="round")):
        at = [way.share_of(k, 3) for k in range(3)]
        frames = list(editor.morph_through(drawn[:3], [*at, 1.0], way))
        for frame, face in zip(frames, [*drawn[:3], drawn[0] if way.closed else drawn[2]], strict=True):
            assert np.abs(frame.astype(int) - face.crop).max() <= 1
    assert np.array_equal(list(editor.morph_through(drawn[:2], [0.3])), editor.morph(drawn[0], drawn[1], [0.3]))


def test_only_the_chosen_scores_travel(editor, drawn):
    start, end = editor.scores(drawn[0]), editor.scores(drawn[1])
    keys = editor.morphing.keys(drawn[:2], ("Smiling", "Male"))
    moved = editor.scores(Face((keys[1] + editor.checkpoint.prior.mean).numpy(), drawn[0].offset, drawn[0].crop))
    for name in editor.directions:
        assert moved[name] == pytest.approx((end if name in ("Smiling", "Male") else start)[name], abs=1e-4)


@pytest.fixture(scope="module")
def other(editor) -> Face:
    pixels = np.random.default_rng(1).integers(0, 256, (150, 100, 3)).astype(np.uint8)
    return editor.open_photo(pixels, name="other")


def test_each_face_of_a_morph_is_its_own_photo_bit_for_bit(editor, photo, other, drawn):
    edited = editor.bake(other, {"Smiling": 3.0})
    frames = list(editor.morph_through([photo, edited, drawn[0]], [0, 0.25, 0.5, 1], where="photo"))
    for frame, expected in zip(frames[::2], (photo.photo, editor.edit(edited).photo), strict=True):
        assert np.array_equal(frame, expected)
    assert frames[1].shape == (107, 90, 3)  # halfway from 64 x 81 to 150 x 100
    assert np.array_equal(frames[3], drawn[0].crop)
    ends = list(editor.morph_through([photo, other], [0, 1]))
    side = round(other.alignment.side_px)
    assert all(np.array_equal(end, crop(face.photo, face.alignment, side)) for end, face in zip(ends, (photo, other), strict=True))


@pytest.mark.parametrize("where", ["face", "photo"])
def test_a_morph_is_the_same_the_other_way_round(editor, photo, other, where):
    for t in (0.25, 0.5):
        forth = next(editor.morph_through([photo, other], [t], where=where))
        back = next(editor.morph_through([other, photo], [1 - t], where=where))
        assert np.abs(forth.astype(int) - back).max() <= 1


@pytest.mark.parametrize(("where", "size"), [("face", (256, 256)), ("photo", (81, 64))])
def test_a_film_is_made_frame_by_frame(editor, photo, drawn, where, size):
    steps = list(editor.morph_film([photo, drawn[0]], MorphPath(), FilmConfig("webp", 4, 50, where)))
    assert [step.frame for step in steps] == [1, 2, 3, 4, 5, 6, 6] and not any(step.data for step in steps[:-1])
    assert (steps[-1].width_px, steps[-1].height_px, steps[-1].seconds) == (*size, 0.3)
    with Image.open(io.BytesIO(steps[-1].data)) as film:
        assert film.n_frames == 6 and film.size == size
    again = list(editor.morph_film([photo, drawn[0]], MorphPath(), FilmConfig("webp", 4, 50, where)))
    assert again[-1].data == steps[-1].data


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda e, f: e.morph_through(f[:1], [0]), "2 to 6 faces, not 1"),
        (lambda e, f: e.morph_through(f[:2], [1.5]), "between 0 and 1"),
        (lambda e, f: e.morph_through(f[:2], [0], where="photo"), "comes from no photo"),
        (lambda e, f: e.morph_through(f[:2], [0], MorphPath(parts=("Nose",))), "Nose cannot travel alone"),
        (lambda e, f: MorphPath("arc"), "slerp or lerp, not arc"),
        (lambda e, f: MorphPath(repeat="twice"), "back, round or once"),
        (lambda e, f: FilmConfig(frames=999), "999 frames"),
        (lambda e, f: next(e.morph_film(f[:2], film=FilmConfig(duration_ms=1))), "10 to 10000 ms"),
        (lambda e, f: next(e.morph_film(f[:2], film=FilmConfig("avi"))), "the format must be gif"),
    ],
)
def test_what_a_user_can_get_wrong_ends_in_a_sentence(editor, drawn, call, message):
    with pytest.raises(ValueError, match=message):
        call(editor, drawn)


def test_a_face_of_the_morph_goes_on_as_a_face(editor, drawn, photo, other):
    for way in (MorphPath(), MorphPath(parts=("Smiling",)), MorphPath("lerp", "round", smooth=True)):
        for faces, where in ((drawn[:3], "face"), ([photo, other], "photo")):
            frame = next(editor.morph_through(faces, [0.6], way, where))
            assert np.array_equal(editor.edit(editor.morphed(faces, 0.6, way, where)).photo, frame)
    with pytest.raises(ValueError, match="comes from no photo"):
        editor.morphed(drawn[:2], 0.5, where="photo")
