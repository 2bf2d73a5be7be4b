"""The attribute classifier and its training, on small nets and toy faces."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from facevae.nets.classifier import AttributeClassifier, ClassifierConfig, resize
from train.classifier import ClassifierTrainConfig, Mixture, fit_classifier, load_trained, roughen, score_classifier, score_pictures
from train.data import PreparedData
from train.synthetic import prepare_synthetic

TINY = ClassifierTrainConfig(
    size=32,
    layers=(1, 1, 1, 1),
    total_nimg=128,
    batch_size=32,
    lr_ramp_nimg=64,
    reconstructed=0,
    tick_nimg=64,
    precision="no",
    valid_nimg=16,
)


@pytest.fixture(scope="module")
def toys(tmp_path_factory) -> PreparedData:
    folder = tmp_path_factory.mktemp("toys") / "data"
    prepare_synthetic(folder, n=400, size=32, seed=0)
    return PreparedData(folder)


@pytest.fixture(scope="module")
def net() -> AttributeClassifier:
    torch.manual_seed(0)
    return AttributeClassifier(ClassifierConfig(("Smiling", "Male"), size=32, layers=(1, 1, 1, 1))).eval()


def darken(x: torch.Tensor) -> torch.Tensor:
    return 0.5 * x


def test_gradient_reaches_every_pixel(net):
    x = torch.rand(1, 3, 64, 64, requires_grad=True)
    net(x).sum().backward()
    assert (x.grad.abs().sum(dim=1) > 0).all()


def test_logits_do_not_depend_on_the_batch_in_eval(net):
    x = torch.rand(4, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(net(x), torch.cat([net(one[None]) for one in x]), atol=1e-5, rtol=0)


@pytest.mark.parametrize("shape", [(16, 16), (32, 32), (48, 48), (128, 128), (50, 70)])
def test_pictures_of_any_size_are_read(net, shape):
    assert net(torch.rand(2, 3, *shape)).shape == (2, 2)


@pytest.mark.parametrize("side", [64, 80])
def test_resize_keeps_the_mean_of_fine_stripes(side):
    stripes = (torch.arange(side) % 2).float().expand(1, 1, side, side)
    assert (resize(stripes, 32)[..., 2:-2] - 0.5).abs().max() < 0.15  # without antialiasing: 0.5


def test_a_classifier_without_attributes_is_refused():
    with pytest.raises(ValueError, match="at least one attribute"):
        ClassifierConfig(())


def test_training_beats_the_majority(toys, tmp_path):
    config = ClassifierTrainConfig(
        size=16, layers=(1, 1, 1, 1), total_nimg=2560, batch_size=32, lr_ramp_nimg=320, reconstructed=0, tick_nimg=2560, precision="no"
    )
    fit_classifier(config, toys, tmp_path)
    mean = score_classifier(load_trained(tmp_path), toys, "valid")["mean"]
    assert mean["accuracy"] > mean["majority"] + 0.05
    assert mean["balanced"] > 0.65


def test_resumed_run_equals_an_unbroken_one(toys, tmp_path):
    config = ClassifierTrainConfig(**{**vars(TINY), "reconstructed": 0.5})
    whole = fit_classifier(config, toys, tmp_path / "whole", darken)
    fit_classifier(config, toys, tmp_path / "halves", darken, stop_nimg=64)
    halves = fit_classifier(config, toys, tmp_path / "halves")  # the cached pictures do for the VAE
    a, b = load_file(whole), load_file(halves)
    assert a.keys() == b.keys()
    assert [k for k in a if not torch.equal(a[k], b[k])] == []


def test_another_config_in_the_same_folder_is_refused(toys, tmp_path):
    fit_classifier(TINY, toys, tmp_path, stop_nimg=64)
    with pytest.raises(ValueError, match=r"label_smoothing: 0\.05 in the run, 0\.1 asked for"):
        fit_classifier(ClassifierTrainConfig(**{**vars(TINY), "label_smoothing": 0.1}), toys, tmp_path)


def test_reconstructions_are_asked_for(toys, tmp_path):
    with pytest.raises(ValueError, match="no VAE was given"):
        fit_classifier(ClassifierTrainConfig(**{**vars(TINY), "reconstructed": 0.3}), toys, tmp_path)


def test_mixture_has_the_share_of_reconstructions(toys):
    config = ClassifierTrainConfig(**{**vars(TINY), "reconstructed": 0.3, "batch_size": 320, "total_nimg": 320, "tick_nimg": 320})
    white, black = np.full_like(toys.images, 255), np.zeros_like(toys.images)
    x, _ = Mixture(config, toys, white, black)(0)
    dark = (x.mean(dim=(1, 2, 3)) < 0.25).float().mean().item()
    expected = 0.2 + 0.1 * 0.25  # whole reconstructions, and the blackest of the blends
    assert abs(dark - expected) < 5 * (expected * (1 - expected) / 320) ** 0.5


def test_roughened_pictures_stay_pictures():
    x = torch.rand(16, 3, 32, 32)
    once, again = (roughen(x.clone(), torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(once, again)
    assert once.shape == x.shape and once.min() >= 0 and once.max() <= 1


def test_an_attribute_with_one_answer_has_no_auroc(net):
    labels = np.array([[1, 0], [1, 1], [1, 0]], np.uint8)
    table = score_pictures(net, np.zeros((3, 32, 32, 3), np.uint8), labels, ["Smiling", "Male"])
    assert table["Smiling"]["auroc"] is None and table["Smiling"]["balanced"] is None
    assert table["Smiling"]["majority"] == 1
    assert table["mean"]["auroc"] == table["Male"]["auroc"] == 0.5  # three equal pictures


def test_scores_on_other_attributes_are_refused(net):
    with pytest.raises(ValueError, match="the classifier answers for Smiling, Male, the data has Young"):
        score_pictures(net, np.zeros((1, 32, 32, 3), np.uint8), np.zeros((1, 1), np.uint8), ["Young"])
