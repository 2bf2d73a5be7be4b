"""Masks of attributes: their parts before and after, and nothing else."""

import numpy as np
import pytest
import torch

from facevae.attributes import SHOWN
from facevae.nets.parser import PARTS, FaceParser, ParserConfig
from facevae.photo.regions import REGIONS, edit_region, part_mask
from train.data.part_maps import as_maps, cached_part_labels, part_maps


def drawn(**boxes: tuple[int, int, int, int]) -> np.ndarray:
    """Maps of 64 px: background with parts in boxes (left, top, right, bottom), later ones over earlier ones."""
    labels = np.zeros((64, 64), np.uint8)
    for name, (left, top, right, bottom) in boxes.items():
        labels[top:bottom, left:right] = PARTS.index(name)
    return as_maps(labels)


FACE = {"hair": (12, 4, 52, 40), "skin": (18, 16, 46, 56), "eyes": (22, 31, 42, 34), "lips": (26, 45, 38, 49)}


def test_every_slider_is_about_parts() -> None:
    assert set(REGIONS) == {shown.name for shown in SHOWN}


def test_a_colour_of_hair_is_about_hair_before_and_after() -> None:
    before, after = drawn(**FACE), drawn(**FACE, hat=(0, 0, 64, 10)) * 1
    after[PARTS.index("hair"), 60:, :4], after[0, 60:, :4] = 1, 0
    mask = part_mask("Blond_Hair", before, after)
    assert mask[8, 32] and mask[62, 2] and mask[13, 13]
    assert not mask[25, 32] and not mask[2, 60] and not mask[50, 32]
    assert not part_mask("Blond_Hair", before, before)[62, 2]


def test_a_fringe_is_about_the_forehead_too_and_a_smile_stays_on_the_face() -> None:
    maps = drawn(**FACE)
    bangs, smile = part_mask("Bangs", maps, maps), part_mask("Smiling", maps, maps)
    assert bangs[20, 32] and not bangs[40, 32]
    assert smile[47, 32] and smile[50, 32] and not smile[57:].any() and not smile[30:36].any()
    aside = drawn(skin=(18, 16, 46, 56), lips=(42, 45, 46, 49))
    assert not part_mask("Smiling", aside, aside)[:, 48:].any()  # not into the background; outlines are a pixel wide


def test_an_edit_fades_inside_its_region_and_may_be_everywhere() -> None:
    maps = drawn(**FACE)
    glasses = edit_region(("Eyeglasses",), (maps, maps))
    assert glasses[32, 32] == 1 and not glasses[44:].any() and not glasses[:24].any() and len(np.unique(glasses)) > 4
    assert (edit_region(("Eyeglasses", "Smiling"), (maps,)) >= edit_region(("Eyeglasses",), (maps,))).all()
    for names in (None, (), ("Young", "Smiling"), ("a direction of one's own",)):
        assert (edit_region(names, (maps,)) == 1).all()
    assert (edit_region(("Smiling",), (drawn(skin=(18, 16, 46, 56)),)) == 1).all()  # no mouth was seen
    assert not edit_region(("Blond_Hair",), (maps,)).any()


def test_a_smile_leaves_the_nose_alone() -> None:
    maps = drawn(**FACE)
    smile = edit_region(("Smiling",), (maps, maps, maps))
    assert smile[47, 32] > 0.9 and smile[45:].any() and not smile[:41].any()


def test_no_mouth_is_drawn_where_the_photo_shows_none() -> None:
    maps, turned, covered = drawn(**FACE), drawn(**FACE | {"lips": (8, 45, 12, 49)}), drawn(skin=(18, 16, 46, 56), other=(20, 40, 44, 56))
    for photo in (turned, covered):
        for names in (("Smiling",), ("Mouth_Slightly_Open", "Smiling")):
            assert not edit_region(names, (photo, maps, maps)).any()
    both = edit_region(("Smiling", "Eyeglasses"), (covered, maps, maps))
    assert both[32, 32] == 1 and not both[47, 32]


def test_labels_are_made_once_and_fit_their_pictures(tmp_path) -> None:
    torch.manual_seed(0)
    net = FaceParser(ParserConfig(size=32, widths=(4, 8))).eval()
    pictures = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), np.uint8)
    maps = part_maps(net, pictures)
    assert maps.shape == (3, len(PARTS), 16, 16) and np.allclose(maps.sum(1), 1, atol=1e-5)
    labels = cached_part_labels(tmp_path / "parts.npy", net, pictures, 8)
    assert labels.shape == (3, 8, 8) and np.array_equal(as_maps(labels[0]).argmax(0), labels[0])
    assert np.array_equal(cached_part_labels(tmp_path / "parts.npy", None, pictures, 8), labels)
    with pytest.raises(ValueError, match="choose another --run folder"):
        cached_part_labels(tmp_path / "parts.npy", net, pictures[:2], 8)


def test_nothing_is_drawn_on_a_face_that_the_decoder_shows_elsewhere() -> None:
    """A profile, of which the decoder makes a face from the front."""
    front, profile = drawn(skin=(8, 8, 56, 60), lips=(26, 44, 38, 48)), drawn(skin=(8, 8, 56, 60), lips=(48, 40, 54, 46))
    for name in ("Bangs", "Eyeglasses", "Goatee"):
        assert edit_region((name,), (front, front, front)).any() and not edit_region((name,), (profile, front, front)).any()
