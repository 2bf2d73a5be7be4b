"""Training the hair net: light hair is made dark, batches are pure, runs resume."""

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from colour_parser import by_colour
from PIL import Image
from small_features import SmallFeatures

from facevae.nets.hair import LIGHT, lightness
from facevae.nets.residual_unet import ResidualUNetConfig
from train.data.darkened_hair import COPIES, SIZE, HairPhotos, HairWindows, cached_hair, read_hair
from train.data.parsing import Item
from train.networks import adversarial_loop
from train.networks.hair import HairTrainConfig, fit_hair_net, load_hair_net, measure
from train.vae.resume import read_state

TINY = HairTrainConfig(
    net=ResidualUNetConfig((4, 8, 8), 1, 4), total_nimg=16, batch_size=4, window=32, alone_nimg=4, ramp_nimg=4, tick_nimg=8, lr_ramp_nimg=4
)
BLOND, DARK, SKIN = (200, 170, 110), (40, 30, 25), (205, 155, 125)


@pytest.fixture
def items(tmp_path: Path) -> list[Item]:
    """Two photos with a cap of hair, light and dark, and one that is held out."""
    found = []
    for number, (hair, held_out) in enumerate(((BLOND, False), (DARK, False), (BLOND, True))):
        photo, mask = np.full((SIZE, SIZE, 3), SKIN, np.uint8), np.zeros((SIZE, SIZE), np.uint8)
        strands = 1 + 0.2 * np.sin(np.arange(SIZE) / 4)
        photo[20:100] = np.rint(strands[None, :, None] * hair).clip(0, 255)
        mask[20:100] = 255
        for kind, picture, end in (("images", photo, "png"), ("masks", mask, "png")):
            (tmp_path / kind).mkdir(exist_ok=True)
            Image.fromarray(picture).save(tmp_path / kind / f"{number}.{end}")
        found.append(Item("hair_celeba", tmp_path / "images" / f"{number}.png", tmp_path / "masks" / f"{number}.png", held_out))
    return found


@pytest.fixture
def photos(items: list[Item]) -> HairPhotos:
    return read_hair(items, by_colour(SIZE), 0)


def test_light_hair_is_made_dark_and_nothing_else(photos: HairPhotos) -> None:
    assert photos.known.tolist() == [True] * (1 + COPIES) + [False] + [True] * (1 + COPIES)
    assert photos.held_out.sum() == 1 + COPIES
    assert (photos.matte[:, 30:90, 20:236] == 255).all() and not photos.matte[:, 130:].any()
    inside = np.s_[30:90, 20:236]
    light = [np.median(cv2.cvtColor(x, cv2.COLOR_RGB2LAB)[inside][..., 0]) / 2.55 for x in photos.given]
    assert max(light[1 : 1 + COPIES]) < 35 < light[0]
    assert abs(np.median(photos.light[0][inside]) / 2.55 - LIGHT) < 1
    assert np.abs(photos.given[1][140:].astype(int) - SKIN).mean() < 8
    assert np.array_equal(photos.light[0], photos.light[1]) and not np.array_equal(photos.given[1], photos.given[2])


def test_the_photos_are_read_once(items: list[Item], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.data.darkened_hair.list_parts", lambda parsing, celeba: items)
    first = cached_hair(tmp_path / "run", tmp_path, tmp_path, by_colour(SIZE), 0)
    monkeypatch.setattr("train.data.darkened_hair.list_parts", None)
    again = cached_hair(tmp_path / "run", tmp_path, tmp_path, by_colour(SIZE), 0)
    assert np.array_equal(first.given, again.given) and again.known.tolist() == first.known.tolist()


def test_batches_depend_on_seed_and_clock_alone(photos: HairPhotos) -> None:
    a, b = (HairWindows(photos, 0, 8, 32, 0.25) for _ in range(2))
    a(0)
    for x, y in zip(a(8), b(8), strict=True):
        assert torch.equal(x, y)
    given, shares, matte, light, median, known = a(16)
    assert given.shape == (8, 3, 32, 32) and shares.shape == (8, 2, 32, 32) and matte.shape == light.shape == (8, 1, 32, 32)
    assert known.sum() == 6 and (median < 35).sum() >= 2


def test_lightness_is_that_of_cielab() -> None:
    x = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    x[..., 0] = 0.01
    expected = cv2.cvtColor(x[0].permute(1, 2, 0).numpy(), cv2.COLOR_RGB2LAB)[..., 0]
    assert np.allclose(100 * lightness(x)[0, 0].numpy(), expected, atol=0.3)


def test_a_run_resumes_bit_equal(photos: HairPhotos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adversarial_loop, "EfficientFeatures", SmallFeatures)
    fit_hair_net(TINY, photos, tmp_path / "whole")
    fit_hair_net(TINY, photos, tmp_path / "halves", stop_nimg=8)
    fit_hair_net(TINY, photos, tmp_path / "halves")
    one, other = (read_state(tmp_path / name / "state.safetensors")[0] for name in ("whole", "halves"))
    for part, tensors in one.items():
        assert all(torch.equal(t, other[part][name]) for name, t in tensors.items()), part
    net = load_hair_net(tmp_path / "whole")
    assert net.out.weight.abs().max() > 0
    assert set(measure(net, photos, 2)) == {
        f"valid_{name}" for name in ("matte", "matte_parser", "light", "light_shift", "spread", "spread_shift")
    }
    with pytest.raises(ValueError, match="another config"):
        fit_hair_net(dataclasses.replace(TINY, seed=3), photos, tmp_path / "whole")
