"""Edits of shape move the photo's own pixels: where the decoder moves a mouth, the photo's lips go, and nothing else."""

import cv2
import numpy as np
import pytest
from colour_parser import PALETTE, by_colour

from facevae.nets.parser import PARTS
from facevae.photo.alignment import Alignment, Square, crop, whole
from facevae.photo.compositing import paste
from facevae.photo.motion import unfold
from facevae.photo.parts import FACE, share_of
from facevae.photo.regions import edit_region, moves_pixels
from facevae.photo.shape_motion import LEAST_AREA, area_shown, carried, carry_shares, move_pixels, other_parts, shape_motion

SIZE = 128
SPOT = (150, 50, 120)
SAME_HAIR = np.zeros(3, np.float32)
COLOURS = PALETTE | {"lips": (190, 40, 60), "mouth": (245, 225, 110)}
PARSER = by_colour(SIZE, COLOURS)


def face(size: int = SIZE, rise: float = 0.0, mark: bool = False, lip: float = 6) -> np.ndarray:
    """A face whose lips are raised by so many pixels of 128; `lip` is half their height, `mark` a spot on them that no decoder draws."""
    picture = np.full((size, size, 3), COLOURS["background"], np.uint8)
    scale = size / SIZE

    def oval(name: str, x: float, y: float, across: float, down: float) -> None:
        centre, axes = (round(x * scale), round(y * scale)), (round(across * scale), round(down * scale))
        cv2.ellipse(picture, centre, axes, 0, 0, 360, COLOURS[name], -1)

    oval("skin", 64, 72, 40, 46)
    oval("eyes", 50, 65, 6, 4)
    oval("eyes", 78, 65, 6, 4)
    oval("lips", 64, 96 - rise, 16, lip)
    if mark:
        cv2.circle(picture, (round(60 * scale), round((96 - rise) * scale)), round(2 * scale), SPOT, -1)
    return picture


def as_drawn(picture: np.ndarray) -> np.ndarray:
    return picture.astype(np.float32) / 255


def motion_of(before: np.ndarray, after: np.ndarray) -> np.ndarray | None:
    old, new = PARSER(before), PARSER(after)
    found = shape_motion(as_drawn(before), as_drawn(after), old, new, edit_region(("Smiling",), (old, old, new)), share_of(old, FACE), old)
    return None if found is None else found.motion


def test_lips_that_are_raised_are_found_and_nothing_far_from_them_moves():
    before, after = face(), face(rise=4)
    motion = motion_of(before, after)
    assert motion is not None
    lips = PARSER(after)[PARTS.index("lips")] > 0.5
    assert np.abs(motion[lips] * SIZE - (0, 4)).max() < 2 and np.abs((motion[lips] * SIZE).mean(axis=0) - (0, 4)).max() < 0.7
    assert not motion[:68].any()  # eyes
    assert not motion[PARSER(before)[PARTS.index("background")] > 0.5].any()
    moved = carry_shares(PARSER(before), motion)[PARTS.index("lips")]
    assert np.abs(moved - lips).mean() < 0.25 * np.abs(PARSER(before)[PARTS.index("lips")] - lips).mean()


def test_the_same_picture_does_not_move():
    assert motion_of(face(), face()) is None


def test_a_motion_that_would_fold_a_face_is_smoothed_or_left_out():
    shift = np.zeros((60, 60, 2), np.float32)
    shift[20:40, 20:40, 0] = 15
    found = unfold(shift, area_shown, LEAST_AREA)
    assert area_shown(shift).min() < 0 < area_shown(found).min() and np.abs(found).max() > 1


@pytest.mark.parametrize("degrees", [0, 30])
def test_the_photos_pixels_move_as_the_crop_says_and_others_stay_bit_for_bit(degrees):
    rng = np.random.default_rng(3)
    photo = cv2.GaussianBlur(rng.integers(0, 256, (700, 900, 3)).astype(np.uint8), (0, 0), 4)
    alignment = Alignment(Square(450, 350, 420, np.deg2rad(degrees)).matrix(), found=True)
    motion = np.zeros((SIZE, SIZE, 2), np.float32)
    motion[50:80, 40:90] = (0.02, -0.03)
    motion = cv2.GaussianBlur(motion, (31, 31), 5)
    moved = photo.copy()
    move_pixels(moved, motion, alignment)
    expected = carried(crop(photo, alignment, 420).astype(np.float32), motion)
    assert np.abs(crop(moved, alignment, 420)[150:280, 120:300] - expected[150:280, 120:300]).mean() < 3
    assert np.abs(moved.astype(int) - photo).max() > 15
    touched = (moved != photo).any(axis=2)
    y, x = np.nonzero(touched)
    inside = np.column_stack([x + 0.5, y + 0.5, np.ones(len(x))]) @ alignment.matrix.T
    assert inside.min() > 0.1 and inside.max() < 0.9


def test_a_smile_moves_the_photos_own_lips():
    """A spot on the lips that the decoder does not know is carried along, sharp as it was, and what is no face stays bit for bit."""
    photo = face(512, mark=True)
    result = paste(photo, as_drawn(face()), as_drawn(face(rise=4)), SAME_HAIR, whole(512), PARSER, about=("Smiling",))

    def spot(picture: np.ndarray) -> tuple[np.ndarray, float]:
        marked = (np.abs(picture.astype(int) - SPOT).max(axis=2) < 40).astype(np.float32)
        return np.array([(np.arange(512) * marked.sum(axis=k)).sum() / marked.sum() for k in (0, 1)]), float(marked.sum())

    (at, area), (was, area_before) = spot(result), spot(photo)
    assert np.abs(at - was - (0, -16)).max() < 5 and 0.6 < area / area_before < 1.5
    away = cv2.erode((photo == COLOURS["background"]).all(axis=2).astype(np.uint8), np.ones((13, 13))) > 0
    assert np.array_equal(result[away], photo[away])


def test_eyes_and_a_mouth_move_in_one_edit():
    """Each slider is a part of the edit: the second is moved as if it were alone, whichever comes first."""
    photo, before, winks, smiles = face(512, mark=True), face(), face(), face(rise=4)
    for picture in (winks, both := face(rise=4)):
        picture[60:64, 44:84] = COLOURS["skin"]
    alone = {}
    for about, after in ((("Narrow_Eyes",), winks), (("Smiling",), smiles)):
        alone[about] = paste(photo, as_drawn(before), as_drawn(after), SAME_HAIR, whole(512), PARSER, about=about)
    for (first, between), second in (((("Narrow_Eyes",), winks), ("Smiling",)), ((("Smiling",), smiles), ("Narrow_Eyes",))):
        earlier = ((first, as_drawn(between)),)
        result = paste(photo, as_drawn(before), as_drawn(both), SAME_HAIR, whole(512), PARSER, about=second, earlier=earlier)
        for about, rows in ((("Narrow_Eyes",), slice(240, 280)), (("Smiling",), slice(350, 410))):
            away = np.abs(result[rows].astype(float) - alone[about][rows]).mean()
            assert away < 0.2 * np.abs(photo[rows].astype(float) - alone[about][rows]).mean()


def test_a_mouth_closes_without_a_jump():
    """A slider that is dragged: the inner mouth becomes smaller little by little, and the motion and its line with it."""
    before, steps = face(lip=12), []
    cv2.ellipse(before, (64, 96), (11, 6), 0, 0, 360, COLOURS["mouth"], -1)
    old = PARSER(before)
    for share in np.linspace(1, 0, 41):
        new = old.copy()
        lips, mouth = (PARTS.index(name) for name in ("lips", "mouth"))
        new[mouth] *= share
        new[lips] += (1 - share) * old[mouth]
        found = shape_motion(
            as_drawn(before), as_drawn(before), old, new, edit_region(("Smiling",), (old, old, new)), share_of(old, FACE), old
        )
        steps.append(np.zeros((SIZE, SIZE, 3)) if found is None else np.dstack([found.motion * SIZE, found.seam]))
    largest = np.abs(np.diff(steps, axis=0)).max(axis=(1, 2, 3))
    assert np.abs(steps[-1]).max() > 4 and largest.max() < 0.35 * np.abs(steps[-1]).max()


def test_a_mouth_that_closes_brings_the_photos_lips_together_with_a_dark_line_between_them():
    """No teeth are left, and the lips are the photo's own: a spot on each of them is still there, nearer to the other."""
    photo, opened = face(512, lip=12), face(lip=12)
    for picture, scale in ((photo, 4), (opened, 1)):
        cv2.ellipse(picture, (64 * scale, 96 * scale), (11 * scale, 5 * scale), 0, 0, 360, COLOURS["mouth"], -1)
    for y in (87, 105):
        cv2.circle(photo, (64 * 4, y * 4), 6, SPOT, -1)
    result = paste(photo, as_drawn(opened), as_drawn(face(lip=8)), SAME_HAIR, whole(512), PARSER, about=("Smiling", "Mouth_Slightly_Open"))
    column = result[4 * 76 : 4 * 116, 4 * 64 - 2 : 4 * 64 + 2].astype(float).mean(axis=1)
    spots = np.flatnonzero(np.abs(column - SPOT).max(axis=1) < 45)
    assert len(spots) > 8 and 12 < np.ptp(spots) < 0.85 * 4 * 18
    teeth = np.abs(result.astype(int) - COLOURS["mouth"]).max(axis=2) < 25
    assert teeth.sum() < 0.05 * (np.abs(photo.astype(int) - COLOURS["mouth"]).max(axis=2) < 25).sum()
    assert column[spots.min() : spots.max()].sum(axis=1).min() < 0.85 * np.sum(COLOURS["lips"])


def test_teeth_that_appear_are_another_part_and_lips_that_moved_are_not():
    before, after = face(), face()
    after[94:98, 56:72] = COLOURS["mouth"]
    shares = PARSER(before), PARSER(after)
    found = other_parts(*shares)
    assert found[95:97, 58:70].min() > 0.8 and found[:80].max() == 0 and other_parts(shares[0], shares[0]).max() == 0


def test_only_edits_of_shape_move_pixels():
    assert moves_pixels(("Smiling",)) and moves_pixels(("Smiling", "Wearing_Lipstick")) and moves_pixels(("Narrow_Eyes",))
    assert not any(moves_pixels(about) for about in (None, (), ("Eyeglasses",), ("Smiling", "Young"), ("Wearing_Lipstick",)))
