"""Training the detail net: pure batches, runs resume, photos stay outside the part."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from small_features import SmallFeatures

from facevae.nets.classifier import AttributeClassifier, ClassifierConfig
from facevae.nets.parser import PARTS
from facevae.nets.residual_unet import ResidualUNetConfig
from train.data.parsing import NOT_HAIR
from train.data.replaced_parts import Crops, ReplacedParts, replaced
from train.networks import adversarial_loop
from train.networks.detail import DetailTrainConfig, fit_detail, load_detail, measure
from train.vae.resume import read_state

TINY = DetailTrainConfig(
    net=ResidualUNetConfig((4, 8, 8), 1, 4), total_nimg=32, batch_size=4, window=32, alone_nimg=8, ramp_nimg=8, tick_nimg=16, lr_ramp_nimg=4
)


def crops_of(size: int, seed: int) -> Crops:
    """Six crops, noise, the last two held out; of the first only hair is known."""
    rng = np.random.default_rng(seed)
    labels = np.full((6, 32, 32), PARTS.index("skin"), np.uint8)
    labels[:, 22:26, 12:20] = PARTS.index("lips")
    labels[0] = NOT_HAIR
    photos, edited = (rng.integers(0, 256, (n, size, size, 3), dtype=np.uint8) for n in (6, 2))
    decodes = rng.integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    drawn = np.full((2, size, size), 255, np.uint8)
    return Crops(photos, decodes, labels, edited, drawn, np.arange(6) > 3, (0.0, 0.0, 1.0, 1.0))


@pytest.fixture
def sets(monkeypatch: pytest.MonkeyPatch) -> tuple[Crops, Crops]:
    monkeypatch.setattr(adversarial_loop, "EfficientFeatures", SmallFeatures)
    return crops_of(32, 0), crops_of(64, 1)


GUIDE = AttributeClassifier(ClassifierConfig(attributes=("Smiling",), size=32)).eval()


def test_batches_depend_on_seed_and_clock_alone(sets: tuple[Crops, Crops]) -> None:
    a, b = (ReplacedParts(sets, 0, 16, 32, 0.3, 0.5) for _ in range(2))
    a(0)
    for x, y in zip(a(16), b(16), strict=True):
        assert torch.equal(x, y)
    given, mask, photo, sharpness, known = a(32)
    assert sharpness.shape == known.shape == (16,)
    assert given.shape == photo.shape == (16, 3, 32, 32) and mask.shape == (16, 1, 32, 32)
    assert 0 < known.sum() < 16 and torch.equal(given[known == 0], photo[known == 0])
    outside = (mask == 0).expand_as(given)
    assert torch.allclose(given[outside], photo[outside], atol=1e-6) and not torch.equal(given[known > 0], photo[known > 0])


def test_what_is_replaced_is_the_decode_in_the_light_of_the_photo() -> None:
    photo, decode = np.full((64, 64, 3), 0.8, np.float32), np.full((32, 32, 3), 0.4, np.float32)
    mask = np.zeros((64, 64), np.float32)
    mask[20:40, 20:40] = 1
    assert np.allclose(replaced(photo, decode, mask), 0.8, atol=1e-5)


def test_a_run_resumes_bit_equal(sets: tuple[Crops, Crops], tmp_path: Path) -> None:
    fit_detail(TINY, sets, GUIDE, tmp_path / "whole")
    fit_detail(TINY, sets, GUIDE, tmp_path / "halves", stop_nimg=16)
    fit_detail(TINY, sets, GUIDE, tmp_path / "halves")
    one, other = (read_state(tmp_path / name / "state.safetensors")[0] for name in ("whole", "halves"))
    for part, tensors in one.items():
        assert all(torch.equal(t, other[part][name]) for name, t in tensors.items()), part
    net = load_detail(tmp_path / "whole")
    assert net.out.weight.abs().max() > 0
    found = measure(net, sets, GUIDE, 2)
    assert set(found) == {f"{what}{size}" for size in (32, 64) for what in ("dist", "sharp")} | {"sharp32_decode", "sharp64_decode"}
    with pytest.raises(ValueError, match="another config"):
        fit_detail(dataclasses.replace(TINY, seed=3), sets, GUIDE, tmp_path / "whole")
