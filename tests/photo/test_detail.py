"""Detail in photos: what was drawn is shown to the net with its surroundings, the rest stays."""

import cv2
import numpy as np
import torch
from colour_parser import only

from facevae.nets.detail import DetailNet
from facevae.nets.residual_unet import ResidualUNetConfig
from facevae.photo.alignment import whole
from facevae.photo.compositing import sharpen_layer
from facevae.photo.crop_background import CropBackground
from facevae.photo.detail import GRID, added_detail, detail_of, sharpness_of


def test_the_net_sees_the_rectangle_around_what_was_drawn() -> None:
    seen = []

    def ask(x: np.ndarray, sharpness: float) -> np.ndarray:
        seen.append(x)
        return np.ones((*x.shape[:2], 3), np.float32)

    crop, drawn = np.random.default_rng(0).random((128, 128, 3), np.float32), np.zeros((128, 128), np.float32)
    assert not added_detail(crop, crop, drawn, ask).any() and not seen
    drawn[60:70, 20:30] = 1
    added = added_detail(crop, crop, drawn, ask)
    rows, columns = slice(40, 88), slice(0, 48)
    assert np.array_equal(seen[0][..., :3], crop[rows, columns]) and np.array_equal(seen[0][..., 3], drawn[rows, columns])
    assert added.sum() == 3 * 48 * 48 and (added[rows, columns] == 1).all()


def test_noise_stays_where_it_is_when_the_rectangle_grows() -> None:
    seen = []

    def ask(x: np.ndarray, sharpness: float) -> np.ndarray:
        seen.append(x[..., 4])
        return np.zeros((*x.shape[:2], 3), np.float32)

    crop, drawn = np.zeros((64, 64, 3), np.float32), np.zeros((64, 64), np.float32)
    for end in (40, 64):
        drawn[32:end, 32:end] = 1
        added_detail(crop, crop, drawn, ask)
    assert len(seen[1]) > len(seen[0]) and np.array_equal(seen[1][: len(seen[0]), : len(seen[0])], seen[0])


def test_large_crops_are_shown_smaller_and_odd_ones_on_the_grid() -> None:
    for side in (130, 411):
        sides = []

        def ask(x: np.ndarray, sharpness: float, sides: list = sides) -> np.ndarray:
            sides.extend(x.shape[:2])
            return np.zeros((*x.shape[:2], 3), np.float32)

        crop = np.zeros((side, side, 3), np.float32)
        added = added_detail(crop, crop, crop[..., 0] + 1, ask)
        assert added.shape == (side, side, 3) and max(sides) <= 256 and all(s % GRID == 0 for s in sides)


def test_a_blurred_photo_is_less_sharp_whatever_its_light() -> None:
    photo = np.random.default_rng(0).random((128, 128, 3), np.float32)
    blurred = cv2.GaussianBlur(photo, (0, 0), 1.5)
    assert sharpness_of(blurred) < sharpness_of(photo) - 1
    assert abs(sharpness_of(0.5 * photo) - sharpness_of(photo)) < 0.2
    assert np.isfinite(sharpness_of(np.zeros_like(photo)))


def test_what_was_not_drawn_keeps_its_layer_and_a_grey_photo_its_grey() -> None:
    torch.manual_seed(0)
    net = DetailNet(ResidualUNetConfig((4, 8, 8), 1, 4))
    torch.nn.init.normal_(net.out.weight)
    add = detail_of(net)
    assert add is not None and detail_of(None) is None

    photo = np.random.default_rng(1).integers(0, 256, (128, 128, 1), dtype=np.uint8).repeat(3, axis=2)
    ground = CropBackground(photo, whole(128), 128, only("skin"))
    layer = np.zeros((128, 128, 4), np.float32)
    layer[20:40, 20:40] = (90, 90, 90, 1)
    before = layer.copy()
    sharpen_layer(ground, layer, add)
    assert np.array_equal(layer[:20], before[:20]) and np.array_equal(layer[..., 3], before[..., 3])
    assert not np.array_equal(layer[20:40, 20:40], before[20:40, 20:40]) and np.ptp(layer[..., :3], axis=2).max() < 1e-3
