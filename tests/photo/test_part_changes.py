"""Edits that bring, take or leave parts of a face, on painted faces whose parts are known by their colour."""

import cv2
import numpy as np
import pytest
from colour_parser import PALETTE, by_colour

from facevae.photo.alignment import whole
from facevae.photo.compositing import paste

SAME_HAIR = np.zeros(3, np.float32)


def painted(**boxes: tuple[slice, slice]) -> np.ndarray:
    """A face of 128 px with background around it, and boxes of other parts."""
    y, x = np.mgrid[0:128, 0:128]
    picture = np.empty((128, 128, 3), np.uint8)
    picture[:] = PALETTE["background"]
    picture[np.hypot(x - 63.5, y - 70) < 40] = PALETTE["skin"]
    for name, box in boxes.items():
        picture[box] = PALETTE[name]
    return picture


def as_drawn(picture: np.ndarray) -> np.ndarray:
    return picture.astype(np.float32) / 255


def test_the_change_is_laid_on_the_face_alone_and_eyes_stay():
    """A decoder that changes everything: background and clothes come back bit for bit, and open eyes to what leaks in."""
    picture = painted(eyes=np.s_[62:68, 46:56], clothes=np.s_[104:128, 20:108])
    photo = np.rint(cv2.resize(picture, (512, 512), interpolation=cv2.INTER_NEAREST))
    photo = np.clip(photo + np.random.default_rng(7).integers(-6, 7, photo.shape), 0, 255).astype(np.uint8)
    before = as_drawn(picture)
    after = (before - 0.12).clip(0, 1)
    result = paste(photo, before, after, SAME_HAIR, whole(512), by_colour(128), 0.4)
    face = cv2.resize((picture == PALETTE["skin"]).all(axis=2).astype(np.uint8), (512, 512), interpolation=cv2.INTER_NEAREST)
    away, inside = cv2.dilate(face, np.ones((13, 13))) == 0, cv2.erode(face, np.ones((65, 65))) > 0
    away[240:280, 176:232] = False
    assert away.sum() > 50_000 and np.array_equal(result[away], photo[away])
    assert np.abs(result[256:264, 190:216].astype(int) - photo[256:264, 190:216]).max() <= 3  # inside the eye
    assert inside.sum() > 5_000 and np.abs((photo - result.astype(float))[inside].mean() - 0.12 * 255) < 2


def test_a_face_over_the_shoulder_is_left_alone():
    photo, other = painted(skin=np.s_[20:60, 0:9]), np.s_[22:58, 0:5]
    result = paste(photo, as_drawn(photo), as_drawn(photo) * np.float32(0.7), SAME_HAIR, whole(128), by_colour(128))
    assert np.abs(result[60:80, 50:78].astype(int) - photo[60:80, 50:78]).max() > 20
    assert np.array_equal(result[other], photo[other])


def test_a_fringe_is_drawn_on_the_face_alone_in_the_photos_own_colour():
    hair, fringe = np.s_[25:36, 30:98], np.s_[10:52, 20:108]
    photo = painted(hair=hair)
    photo[hair] = (96, 52, 40)  # redder than the decoder's
    result = paste(photo, as_drawn(painted(hair=hair)), as_drawn(painted(hair=fringe)), SAME_HAIR, whole(128), by_colour(128))
    assert np.abs(result[41:47, 50:78].reshape(-1, 3).mean(axis=0) - (96, 52, 40)).max() < 8
    assert result[36:40, 50:78].astype(int).sum(axis=2).max() < 330  # no skin between new hair and the photo's own
    assert result[41:47, 50:78].astype(float).std(axis=1).mean() > 2  # strands
    beside = cv2.erode((photo == PALETTE["background"]).all(axis=2).astype(np.uint8), np.ones((7, 7))) > 0
    assert np.array_equal(result[beside], photo[beside])


def test_hair_that_was_in_front_of_the_face_goes():
    fringed, bare = painted(hair=np.s_[50:58, 40:88]), painted()
    result = paste(fringed, as_drawn(fringed), as_drawn(bare), SAME_HAIR, whole(128), by_colour(128))
    assert np.abs(result[52:56, 48:80].astype(int) - PALETTE["skin"]).max() < 25


def test_a_dyed_photo_changes_in_its_hair_alone():
    photo = painted(hair=np.s_[20:44, 34:94])
    drawn = np.random.default_rng(8).random((64, 64, 3)).astype(np.float32)
    result = paste(photo, drawn, drawn, np.float32([30, 4, 15]), whole(128), by_colour(128))
    changed = (result != photo).any(axis=2)
    assert changed[24:40, 38:90].all() and not changed[:14].any() and not changed[50:].any()
    assert not changed[:, :28].any() and not changed[:, 100:].any()


def test_an_edit_changes_what_it_is_about_and_no_tone_outside():
    """A decoder that darkens the whole face and draws a mouth: the mouth comes, the rest of the face keeps every level."""
    mouth, parser = np.s_[90:98, 52:76], by_colour(128, PALETTE | {"lips": (170, 40, 60)})
    photo = painted()
    photo[mouth] = (170, 40, 60)
    drawn = as_drawn(photo)
    darker = (drawn - 0.1).clip(0, 1)
    after = darker.copy()
    after[92:96, 54:74] = 0.6
    result, all_of_it = (
        paste(photo, drawn, after.clip(0, 1), SAME_HAIR, whole(128), parser, about=about).astype(int) - photo
        for about in (("Smiling",), ("Smiling", "something of one's own"))
    )
    assert all_of_it[60:70, 50:78].mean() < -20 and not result[:76].any()
    assert result[93:95, 58:70].mean() > all_of_it[93:95, 58:70].mean() + 5  # as bright as drawn, and not darkened with the face
    assert np.abs(paste(photo, drawn, darker, SAME_HAIR, whole(128), parser, about=("Smiling",)).astype(int) - photo).max() <= 5
    tinted = paste(photo, drawn, after, SAME_HAIR, whole(128), parser, about=("Blond_Hair", "Wearing_Lipstick"))
    assert np.array_equal(tinted, photo)  # dyes and make-up are not drawn


def test_glasses_on_top_of_a_smile_leave_the_mouth_alone():
    """A decoder that moves the mouth again as it draws glasses."""
    mouth, eyes, lips, frames = np.s_[90:98, 52:76], np.s_[60:68, 36:92], (170, 40, 60), (10, 10, 40)
    parser = by_colour(128, PALETTE | {"lips": lips, "glasses": frames})
    photo = painted()
    photo[mouth] = lips
    smiling = photo.copy()
    smiling[88:92, 48:80] = lips
    glasses = painted()
    glasses[84:104, 44:84], glasses[eyes] = lips, frames
    drawn, earlier = as_drawn(photo), [(("Smiling",), as_drawn(smiling))]
    smile = paste(photo, drawn, as_drawn(smiling), SAME_HAIR, whole(128), parser, about=("Smiling",)).astype(int)
    both = paste(photo, drawn, as_drawn(glasses), SAME_HAIR, whole(128), parser, about=("Eyeglasses",), earlier=earlier).astype(int)
    assert np.abs(smile - photo)[88:91, 54:74].max() > 50 and np.abs(both - photo)[62:66, 44:84].mean() > 50
    assert np.abs(both - smile)[86:102, 46:82].max() <= 2
    one = paste(photo, drawn, as_drawn(glasses), SAME_HAIR, whole(128), parser, about=("Eyeglasses", "Smiling")).astype(int)
    assert np.abs(one - smile)[86:102, 46:82].max() > 50  # as one edit it is about both, and draws what the decoder drew


def test_glasses_that_are_taken_off_leave_no_frames():
    palette = PALETTE | {"glasses": (10, 10, 40)}
    bare, band = painted(), np.s_[60:70, 36:92]
    worn = bare.copy()
    worn[band] = palette["glasses"]
    result = paste(worn, as_drawn(worn), as_drawn(bare), SAME_HAIR, whole(128), by_colour(128, palette), about=("Eyeglasses",))
    assert np.abs(result[62:68, 44:84].astype(int) - PALETTE["skin"]).max() < 25


def with_eyes(photo: np.ndarray, shift: int = 0) -> np.ndarray:
    """Two eyes, `shift` pixels to the right."""
    seen = photo.copy()
    for x in (50 + shift, 78 + shift):
        seen[63:68, x - 5 : x + 6] = PALETTE["eyes"]
    return seen


def test_eyes_stay_where_the_decoder_draws_them_a_little_beside():
    photo, eye = with_eyes(painted()), np.s_[64:67, 47:54]
    drawn, after = (as_drawn(with_eyes(painted(), shift)) for shift in (0, 2))
    older = paste(photo, drawn, after * np.float32(0.8), SAME_HAIR, whole(128), by_colour(128), about=("Young",))
    assert np.array_equal(older[eye], photo[eye]) and not np.array_equal(older, photo)
    narrow = paste(photo, drawn, as_drawn(painted()), SAME_HAIR, whole(128), by_colour(128), about=("Narrow_Eyes",))
    assert np.abs(narrow[eye].astype(int) - photo[eye]).max() > 50  # what is about the eyes may close them


@pytest.mark.parametrize(("lens", "hides"), [((20, 18, 18), True), ((190, 140, 112), False)])
def test_dark_lenses_hide_the_eyes_and_clear_ones_do_not(lens: tuple[int, int, int], hides: bool):
    palette = PALETTE | {"glasses": lens}
    photo, worn, eye = with_eyes(painted()), painted(), np.s_[64:67, 47:54]
    worn[58:73, 40:88] = lens
    worn[58:60, 40:88] = tuple(int(0.7 * level) for level in lens)
    result = paste(photo, as_drawn(photo), as_drawn(worn), SAME_HAIR, whole(128), by_colour(128, palette), about=("Eyeglasses",))
    away = np.abs(result[eye].astype(int) - (lens if hides else photo[eye])).max()
    assert away <= 12 if hides else away == 0


def test_glasses_are_as_sharp_as_the_photo_and_leave_what_is_behind_clear_lenses():
    """The decoder draws a pair at 128 px with a soft rim; lenses are as light as skin, the rim is dark."""
    lens, large = (190, 140, 112), np.s_[256:272, 190:220]
    palette = PALETTE | {"glasses": lens}
    worn = painted(skin=np.s_[56:74, 40:88])
    worn[58:73, 42:86] = lens
    worn[58:60, 42:86] = worn[71:73, 42:86] = (90, 62, 50)
    noise = np.random.default_rng(2).integers(-6, 7, (512, 512, 1))
    photo = np.clip(cv2.resize(painted(), (512, 512), interpolation=cv2.INTER_LINEAR).astype(int) + noise, 0, 255).astype(np.uint8)
    drawn = cv2.GaussianBlur(as_drawn(worn), (0, 0), 0.7)
    result = paste(photo, as_drawn(painted()), drawn, SAME_HAIR, whole(512), by_colour(128, palette), about=("Eyeglasses",))
    assert np.abs(result[large].astype(int) - photo[large]).max() <= 2
    profile = result[200:330, 256].astype(int).sum(axis=1)
    assert np.abs(np.diff(profile)).max() > 0.25 * (profile.max() - profile.min())


def test_only_an_edit_of_hair_brings_hair_over_a_face():
    fringe, photo = painted(hair=np.s_[40:58, 40:88]), painted()
    for about, comes in ((("Bangs",), True), (("Young",), False)):
        result = paste(photo, as_drawn(photo), as_drawn(fringe), SAME_HAIR, whole(128), by_colour(128), detail=1.0, about=about)
        assert (np.abs(result[46:52, 52:76].astype(int) - photo[46:52, 52:76]).mean() > 60) == comes


def test_a_mouth_is_drawn_anew_and_the_cheeks_keep_their_grain():
    """A decoder that draws folds beside the open mouth, none beside the closed one, and never any grain."""
    open_mouth, closed, palette = painted(), painted(), PALETTE | {"lips": (190, 60, 70)}
    open_mouth[90:104, 44:84] = closed[94:98, 52:76] = palette["lips"]
    open_mouth[88:106, 36:39] = open_mouth[88:106, 89:92] = (160, 110, 90)
    grain = np.random.default_rng(3).normal(0, 3, (512, 512, 1)).clip(-9, 9)
    photo = np.rint(cv2.resize(open_mouth, (512, 512), interpolation=cv2.INTER_LINEAR) + grain).clip(0, 255).astype(np.uint8)
    result = paste(photo, as_drawn(open_mouth), as_drawn(closed), SAME_HAIR, whole(512), by_colour(128, palette), about=("Smiling",))
    fine = [(x - cv2.GaussianBlur(x, (0, 0), 3))[380:400, 128:168].std() for x in (photo.astype(float), result.astype(float))]
    assert fine[1] > 0.9 * fine[0]
    there = result[366:372, 200:312].astype(float).mean((0, 1))
    assert np.abs(there - PALETTE["skin"]).max() < 20 < np.abs(photo[366:372, 200:312].mean((0, 1)) - PALETTE["skin"]).max()


def test_a_beard_is_hair_and_not_a_patch():
    """A decoder that darkens a chin evenly."""
    photo = cv2.resize(painted(), (256, 256), interpolation=cv2.INTER_NEAREST)
    bearded = as_drawn(painted())
    bearded[90:106, 44:84] -= 0.25
    for about, least in ((("Goatee",), 3.0), (("Young",), 0.0)):
        result = paste(photo, as_drawn(painted()), bearded, SAME_HAIR, whole(256), by_colour(128), about=about).astype(float)
        fine = (result - cv2.GaussianBlur(result, (0, 0), 2))[186:204, 100:156].std()
        assert fine > least if least else fine < 1


def test_a_preview_shows_the_strands_of_the_result():
    """Of a fringe, on a photo and on a copy of half its size."""
    hair, fringe = np.s_[25:36, 30:98], np.s_[10:52, 20:108]
    sizes = (256, 512)
    photos = [cv2.resize(painted(hair=hair), (side, side), interpolation=cv2.INTER_NEAREST) for side in sizes]
    drawn = as_drawn(painted(hair=hair)), as_drawn(painted(hair=fringe))
    small, large = (paste(p, *drawn, SAME_HAIR, whole(side), by_colour(128)) for p, side in zip(photos, sizes, strict=True))
    strands = [x[82:94, 100:156].astype(float).mean(axis=2) for x in (small, cv2.resize(large, (256, 256), interpolation=cv2.INTER_AREA))]
    assert strands[0].std() > 1.5 and np.corrcoef(strands[0].ravel(), strands[1].ravel())[0, 1] > 0.9
