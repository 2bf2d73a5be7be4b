"""Toy faces: deterministic, labelled truly, stored like photos."""

import numpy as np
import pytest
from PIL import Image

from train.data.prepared import PreparedData, list_celeba, prepare
from train.data.synthetic import (
    ATTRIBUTES,
    FACTORS,
    HAIR_COLOURS,
    draw_face,
    draw_faces,
    draw_factors,
    prepare_synthetic,
    write_celeba_layout,
)


def test_face_depends_on_seed_and_index_alone():
    few, few_labels, _ = draw_faces(2, 32, seed=5)
    many, many_labels, _ = draw_faces(4, 32, seed=5)
    assert np.array_equal(few, many[:2])
    assert np.array_equal(few_labels, many_labels[:2])


def test_another_seed_gives_other_faces():
    assert not np.array_equal(draw_faces(1, 32, seed=0)[0], draw_faces(1, 32, seed=1)[0])


def test_a_face_has_at_most_one_hair_colour():
    _, labels, names = draw_faces(60, 8, seed=0)
    colours = labels[:, [names.index(name) for name in HAIR_COLOURS if name]]
    assert colours.sum(axis=1).max() == 1


def test_every_attribute_is_seen_with_both_answers():
    share = draw_faces(120, 8, seed=0)[1].mean(axis=0)
    assert ((share > 0.05) & (share < 0.95)).all()


def test_blond_hair_is_brighter_than_black_hair():
    pictures, labels, names = draw_faces(80, 32, seed=2)
    crown = pictures[:, 4:7, 14:18].mean(axis=(1, 2, 3))  # the hair above the forehead
    blond, black = (labels[:, names.index(name)].astype(bool) for name in ("Blond_Hair", "Black_Hair"))
    assert crown[blond].mean() > crown[black].mean() + 40


def test_smiling_shows_teeth():
    pictures, labels, names = draw_faces(60, 64, seed=3)
    mouth = pictures[:, 44:52, 26:38].min(axis=3).max(axis=(1, 2))  # the whitest pixel
    smiling = labels[:, names.index("Smiling")].astype(bool)
    assert np.median(mouth[smiling]) > np.median(mouth[~smiling]) + 30


def test_prepared_faces_read_back_as_prepared_data(tmp_path):
    prepare_synthetic(tmp_path / "toy", n=20, size=16, seed=1)
    data = PreparedData(tmp_path / "toy")
    assert [len(data.indices(split)) for split in ("train", "valid", "test")] == [16, 2, 2]
    assert data.attributes == ATTRIBUTES
    picture, labels = draw_face(16, 1, 7)
    assert np.array_equal(data.images[7], picture)
    assert np.array_equal(data.labels[7], labels)


def test_a_used_folder_is_refused(tmp_path):
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(ValueError, match="is not empty"):
        prepare_synthetic(tmp_path, n=20, size=16, seed=1)


def test_too_few_faces_are_refused(tmp_path):
    with pytest.raises(ValueError, match="at least 10"):
        prepare_synthetic(tmp_path / "toy", n=9, size=16, seed=1)


def test_celeba_layout_goes_through_prepare(tmp_path):
    write_celeba_layout(tmp_path / "celeba", n=10, seed=4)
    listing = list_celeba(tmp_path / "celeba")
    assert listing.split.tolist() == [0] * 8 + [1, 2]
    prepare(listing, tmp_path / "out", size=32, crop=178)
    data = PreparedData(tmp_path / "out")
    drawn, labels, names = draw_faces(10, 178, seed=4)
    assert data.attributes == names
    assert np.array_equal(data.labels, labels)
    small = drawn[0, ::2].mean(axis=(0, 1))
    assert np.abs(data.images[0].mean(axis=(0, 1)) - small).max() < 3


def test_faces_are_those_of_earlier_versions():
    """Means of 4 × 4 blocks, written down before the factors could be asked for: the order of the random numbers is kept."""
    picture, labels = draw_face(32, 5, 7)
    blocks = picture.astype(float).reshape(4, 8, 4, 8, 3).mean(axis=(1, 3, 4))
    before = [[96, 78, 80, 96], [92, 102, 111, 96], [101, 216, 221, 103], [96, 149, 163, 97]]
    assert np.abs(blocks - before).max() < 2  # Pillow may come to draw an edge a little otherwise
    assert labels.tolist() == [1, 0, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0]


def test_factors_are_those_of_the_faces(monkeypatch):
    angles, rotate = [], Image.Image.rotate
    monkeypatch.setattr(Image.Image, "rotate", lambda self, angle, *a, **k: angles.append(angle) or rotate(self, angle, *a, **k))
    pictures, factors, names = draw_factors(60, 32, seed=2)
    plain, labels, attributes = draw_faces(60, 32, seed=2)
    assert names == FACTORS and np.array_equal(pictures, plain)
    factor = dict(zip(names, factors.T, strict=True))
    label = dict(zip(attributes, labels.T.astype(bool), strict=True))
    assert factor["Rotation_Deg"].tolist() == angles[:60]
    for name in ("Smiling", "Eyeglasses"):
        assert np.array_equal(factor[name] == 1, label[name])
    for i, name in enumerate(HAIR_COLOURS):
        assert not name or np.array_equal(factor["Hair_Colour"] == i, label[name])
    assert np.array_equal(factor["Half_Width"] > 0.28, label["Chubby"])
    clear = (np.abs(factor["Rotation_Deg"]) < 4) & (factor["Eyeglasses"] == 0)
    row = pictures[clear, 18].astype(float)  # from ear to ear, below the eyes
    skin = np.median(row[:, 11:21], axis=1)
    assert np.median(np.abs(skin @ [0.299, 0.587, 0.114] / 255 - factor["Skin_Tone"][clear])) < 0.002
    widths = (np.abs(row - skin[:, None]).max(axis=2) < 12).sum(axis=1)
    wide = factor["Half_Width"][clear] > 0.28
    assert np.median(widths[wide]) > np.median(widths[~wide]) + 3
