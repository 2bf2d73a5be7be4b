"""Masks of face parts: classes are merged, sources share a frame, unknown stays unknown."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from facevae.nets.parser import PARTS
from facevae.photo.alignment import Alignment, Square
from train.data import parsing
from train.data.occluders import Occluders
from train.data.parsing import (
    CANVAS_PX,
    CROP_PX,
    HAIR,
    HAT,
    MARGIN_PX,
    MERGE,
    NOT_HAIR,
    UNKNOWN,
    Item,
    cached_decodes,
    canvas_map,
    doubted,
    hair_only,
    hq_to_crop,
    labels_on_canvas,
    list_parts,
)
from train.networks.parser import CANVAS_TO_CROP, sample_labels


def test_nineteen_classes_become_ours() -> None:
    names = [PARTS[i] for i in MERGE[:19]]
    assert names[:4] == ["background", "skin", "skin", "glasses"] and names[10:13] == ["mouth", "lips", "lips"]
    assert (names[4:6], names[6:8], names[8:10]) == (["eyes"] * 2, ["brows"] * 2, ["skin"] * 2)
    assert names[13:] == ["hair", "hat", "skin", "clothes", "neck", "clothes"]
    assert (MERGE[19:] == UNKNOWN).all() and "other" not in names


def test_celebas_own_labels_overrule_the_machine() -> None:
    labels = np.array([[HAIR, HAT, 0]], np.uint8)
    item = Item("machine", Path(), Path(), held_out=False)
    assert np.array_equal(doubted(labels, item), labels)
    assert doubted(labels, Item("machine", Path(), Path(), False, hat=False)).tolist() == [[HAIR, UNKNOWN, 0]]
    assert doubted(labels, Item("machine", Path(), Path(), False, hat=True)).tolist() == labels.tolist()
    labels[0, 1] = 0
    assert doubted(labels, Item("machine", Path(), Path(), False, hat=True)).tolist() == [[UNKNOWN, 0, 0]]


def test_high_quality_photos_cover_the_box_that_is_known() -> None:
    """Their square is the box of rows 37 to 195 and columns 10 to 168 of CelebA's frame, whose rows 20 to 198 are the crop."""
    canvas = labels_on_canvas(hair_only(np.ones((256, 256))), hq_to_crop(256))
    rows, columns = np.nonzero(canvas != UNKNOWN)
    left, top, right, bottom = np.array([10, 37 - 20, 168, 195 - 20]) / 178 * CROP_PX + MARGIN_PX
    assert np.allclose([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], [left, top, right, bottom], atol=1)
    assert set(np.unique(canvas).tolist()) == {HAIR, UNKNOWN}


def test_labels_lie_where_the_photo_does() -> None:
    """The same spot as photo, as label on the canvas and as label in a window."""
    photo = np.zeros((250, 250, 3), np.uint8)
    cv2.circle(photo, (140, 90), 12, (255, 255, 255), -1)
    to_crop = Square(125, 120, 150, 0.2).matrix()
    labels = labels_on_canvas((photo[:, :, 0] > 0).astype(np.uint8), to_crop)
    picture = parsing.on_canvas(photo, to_crop)
    where = canvas_map(to_crop) @ (140, 90, 1)
    for mask in (labels == 1, picture[:, :, 0] > 127):
        assert np.allclose(np.argwhere(mask).mean(axis=0)[::-1], where, atol=0.3)
    assert labels.shape == (CANVAS_PX, CANVAS_PX)
    window = sample_labels(labels, CANVAS_TO_CROP, 64)
    assert np.allclose((np.argwhere(window == 1).mean(axis=0)[::-1] + 0.5) / 64, to_crop @ (140.5, 90.5, 1), atol=0.01)


def write_masks(parsing_folder: Path, celeba: Path) -> None:
    """Two photos of each source and their masks, noise with a box, in the layout of the real ones."""
    rng = np.random.default_rng(0)
    frames = celeba / "img_align_celeba"
    frames.mkdir(parents=True)
    names = ["000003.jpg", "190000.jpg"]
    rows = "".join(f"{name} 1 -1\n" for name in names)
    (celeba / "list_attr_celeba.txt").write_text(f"2\nEyeglasses Wearing_Hat\n{rows}")
    plans = {"celebamask": (["0010", "0011"], 256), "hair_celeba": (["000003", "190000"], 256), "hair_lfw": (["A_0001", "B_0001"], 250)}
    for source, (stems, size) in plans.items():
        for stem in stems:
            mask = np.zeros((size, size), np.uint8)
            mask[: size // 3] = 13 if source == "celebamask" else 255
            mask[size // 2 :] = 1 if source == "celebamask" else 0
            for kind, picture in (("images", rng.integers(0, 256, (size, size, 3), dtype=np.uint8)), ("masks", mask)):
                (parsing_folder / source / kind).mkdir(parents=True, exist_ok=True)
                ending = "jpg" if kind == "images" else "png"
                cv2.imwrite(str(parsing_folder / source / kind / f"{stem}.{ending}"), picture)
    (parsing_folder / "machine").mkdir()
    for name in names:
        cv2.imwrite(str(frames / name), rng.integers(0, 256, (218, 178, 3), dtype=np.uint8))
        cv2.imwrite(str(parsing_folder / "machine" / f"{Path(name).stem}.png"), rng.integers(0, 19, (128, 128), dtype=np.uint8))


def test_sources_are_listed_with_what_is_held_out(tmp_path: Path) -> None:
    write_masks(tmp_path / "parsing", tmp_path / "celeba")
    items = list_parts(tmp_path / "parsing", tmp_path / "celeba")
    held_out = {(item.source, item.mask.stem): item.held_out for item in items}
    assert held_out[("celebamask", "0010")] and not held_out[("celebamask", "0011")]
    assert held_out[("machine", "190000")] and not held_out[("machine", "000003")]
    assert all(item.photo.is_file() for item in items)
    assert [(item.hat, item.glasses) for item in items if item.source == "machine"] == [(False, True)] * 2
    with pytest.raises(ValueError, match="masks holds no masks: --parsing wants the folder that holds celebamask, machine"):
        list_parts(tmp_path / "nowhere", tmp_path / "celeba")


def test_a_photo_of_lfw_without_a_face_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_masks(tmp_path / "parsing", tmp_path / "celeba")
    asked = iter((True, False))
    face = Alignment(Square(125, 125, 140).matrix(), found=True)
    monkeypatch.setattr(parsing, "find_faces", lambda photo, aligner: [face] if next(asked) else [])
    made = parsing.cached_parts(tmp_path / "run", tmp_path / "parsing", tmp_path / "celeba", lambda windows: windows)
    assert len(made.images) == len(made.labels) == len(made.names) == 7 and len(made.of("hair_lfw", held_out=True)) == 1
    again = parsing.cached_parts(tmp_path / "run", Path(), Path(), lambda windows: windows)
    assert again.names == made.names and np.array_equal(again.labels, made.labels)
    hair = made.labels[made.of("hair_celeba", held_out=False)[0]]
    assert {HAIR, NOT_HAIR, UNKNOWN} == set(np.unique(hair).tolist())
    decodes = cached_decodes(tmp_path / "decodes.npy", made.images, 32, lambda x: 1 - x)
    assert decodes.shape == (7, 32, 32, 3)
    with pytest.raises(ValueError, match="choose another --run folder"):
        cached_decodes(tmp_path / "decodes.npy", made.images[:3], 32, lambda x: x)


def test_what_covers_a_face_changes_it_there_and_nowhere_else() -> None:
    rng = np.random.default_rng(0)
    photos = rng.integers(0, 256, (2, CANVAS_PX, CANVAS_PX, 3), dtype=np.uint8)
    occluders, picture = Occluders(photos, np.arange(2)), np.full((64, 64, 3), 90, np.uint8)
    view = np.array([[64.0, 0, 0], [0, 64, 0]])
    shares = []
    for _ in range(200):
        covered, shape = occluders.cover(picture, view, rng)
        assert (covered[cv2.dilate(shape, np.ones((9, 9))) == 0] == 90).all()
        shares.append((shape > 127).mean())
    assert np.mean(np.array(shares) > 0.01) > 0.8 and max(shares) < 0.9
