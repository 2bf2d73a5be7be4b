"""Motions lay parts onto each other, turn round with the faces, and fold nothing; frames of any sizes are whole."""

import cv2
import numpy as np
import pytest

from facevae.nets.parser import PARTS
from facevae.photo.alignment import Alignment, Square
from facevae.photo.dissolve import Frame, Morph, Picture, draw, frame_between, frame_of
from facevae.photo.motion import (
    GRID_PX,
    LEAST_JACOBIAN,
    find_motion,
    halfway,
    here,
    least_jacobian,
    part_middles,
    read_grid,
    sample,
    unfold,
)
from facevae.photo.parts import Parser

COLOURS = {"background": (40, 90, 160), "skin": (220, 170, 140), "eyes": (20, 20, 20), "lips": (190, 40, 60), "hair": (90, 50, 20)}


def see_colours(picture: np.ndarray) -> np.ndarray:
    """Shares of parts by the colours of `COLOURS`: a parser for drawn faces."""
    colours = np.array(list(COLOURS.values()), np.float32)
    away = np.linalg.norm(picture.astype(np.float32)[:, :, None] - colours, axis=3)
    shares = np.zeros((len(PARTS), *picture.shape[:2]), np.float32)
    for k, name in enumerate(COLOURS):
        shares[PARTS.index(name)] = away.argmin(axis=2) == k
    return shares


PARSER = Parser(96, see_colours)


def draw_face(size: int = 200, eyes: float = 0.0, mouth: float = 0.0, wide: float = 1.0, shape: tuple[int, int] | None = None) -> Picture:
    """A face whose features are moved, in crop sides; `shape` is that of the photo, the face in its middle."""
    height, width = shape or (size, size)
    left, top = (width - size) / 2, (height - size) / 2
    pixels = np.full((height, width, 3), COLOURS["background"], np.uint8)

    def oval(name: str, x: float, y: float, across: float, down: float) -> None:
        centre = round(left + x * size), round(top + y * size)
        cv2.ellipse(pixels, centre, (round(across * size), round(down * size)), 0, 0, 360, COLOURS[name], -1)

    oval("hair", 0.5, 0.48, 0.36 * wide, 0.42)
    oval("skin", 0.5, 0.56, 0.27 * wide, 0.35)
    oval("eyes", 0.39 - eyes, 0.51, 0.05, 0.03)
    oval("eyes", 0.61 + eyes, 0.51, 0.05, 0.03)
    oval("lips", 0.5 + mouth, 0.74, 0.1, 0.04)
    return Picture(pixels, Alignment(Square(width / 2, height / 2, size).matrix(), found=True))


def grids(*pictures: Picture) -> list:
    return [read_grid(picture.pixels, picture.alignment, PARSER) for picture in pictures]


def frame(size: int) -> Frame:
    return Frame(size, size, np.array([[1 / size, 0, 0], [0, 1 / size, 0]]))


def test_eyes_and_lips_meet_and_the_motion_turns_round_with_the_faces() -> None:
    a, b = grids(draw_face(), draw_face(eyes=0.04, mouth=0.05, wide=1.15))
    field = find_motion(a, b)
    assert np.array_equal(find_motion(b, a), -field)
    assert least_jacobian(field).min() >= LEAST_JACOBIAN
    met = [part_middles(np.stack([sample(x, here() + side * field) for x in face.shares])) for face, side in ((a, -1), (b, 1))]
    for name in ("left eyes", "right eyes", "lips"):
        assert np.linalg.norm(met[0][name] - met[1][name]) < 0.03 * 0.22 * GRID_PX / 2  # 3 % of the distance of the eyes


def test_each_share_is_reached_from_the_halfway_grid() -> None:
    field = find_motion(*grids(draw_face(), draw_face(eyes=0.04, wide=1.15)))
    for t in (0.0, 0.3, 1.0):
        place = halfway(field, t)
        assert np.abs(place + (2 * t - 1) * sample(field, place) - here()).max() < 0.1


def test_a_motion_that_folds_is_smoothed_and_one_that_cannot_be_is_none() -> None:
    y, x = np.mgrid[:GRID_PX, :GRID_PX].astype(np.float32)
    near = np.exp(-((x - 128) ** 2 + (y - 128) ** 2) / 200)
    tear = np.dstack([(128 - x) * near * 1.5, 0 * x]).astype(np.float32)
    assert least_jacobian(tear).min() < 0
    smoothed = unfold(tear)
    assert smoothed.any() and least_jacobian(smoothed).min() >= LEAST_JACOBIAN
    mirror = np.dstack([(128 - x) * 2, 0 * x]).astype(np.float32)
    assert not unfold(mirror).any()


@pytest.mark.parametrize("grey", [False, True])
def test_a_photo_and_itself_stay_that_photo(grey: bool) -> None:
    picture = draw_face()
    if grey:
        picture = Picture(np.repeat(picture.pixels.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2), picture.alignment)
    morph = Morph(picture, picture, PARSER)
    assert not morph.motion.any()
    half = draw(morph.at(0.5), picture, picture, frame_of(picture), fill=True)
    assert np.abs(half.astype(int) - picture.pixels).max() <= 1
    assert not grey or (half == half[:, :, :1]).all()


def test_a_mirrored_photo_meets_itself_in_the_middle() -> None:
    picture = draw_face(mouth=0.04)
    mirrored = Picture(np.ascontiguousarray(picture.pixels[:, ::-1]), picture.alignment)
    half = draw(Morph(picture, mirrored, PARSER).at(0.5), picture, mirrored, frame(200)).astype(int)
    assert np.abs(half - half[:, ::-1]).mean() < 2
    lips = part_middles(read_grid(half.astype(np.uint8), picture.alignment, PARSER).shares)["lips"]
    assert abs(lips[0] - (GRID_PX - 1) / 2) < 1.5


def test_photos_of_very_different_sizes_meet() -> None:
    small, large = draw_face(60, shape=(70, 150)), draw_face(500, eyes=0.03, shape=(1200, 700))
    morph = Morph(small, large, PARSER)
    sizes = []
    for t in (0.0, 0.5, 1.0):
        between = frame_between(frame_of(small), frame_of(large), t)
        sizes.append((between.width, between.height))
        assert draw(morph.at(t), small, large, between, 0.1, True).shape == (between.height, between.width, 3)
    assert sizes == [(150, 70), (425, 635), (700, 1200)]
    for t, end in ((0.0, small), (1.0, large)):
        assert np.allclose(frame_between(frame_of(small), frame_of(large), t).matrix, end.alignment.matrix)


def test_without_a_face_photos_dissolve() -> None:
    plain = Picture(np.full((90, 90, 3), 200, np.uint8), Alignment(Square(45, 45, 90).matrix(), found=False))
    face = draw_face(90)
    morph = Morph(plain, face, PARSER)
    assert np.isfinite(morph.motion).all() and least_jacobian(morph.motion).min() >= LEAST_JACOBIAN
    assert draw(morph.at(0.5), plain, face, frame(90)).shape == (90, 90, 3)


def test_a_frame_in_strips_is_the_frame_in_one_piece(monkeypatch) -> None:
    a, b = draw_face(300), draw_face(300, eyes=0.04)
    blend = Morph(a, b, PARSER).at(0.4)
    whole = draw(blend, a, b, frame(300))
    monkeypatch.setattr("facevae.photo.dissolve.STRIP_PX", 300 * 100)
    assert np.abs(draw(blend, a, b, frame(300)).astype(int) - whole).max() <= 8
