"""The attribute classifier and its training, on small nets and toy faces."""

import numpy as np
import pytest
import torch
import torchvision
from safetensors.torch import load_file

from facevae.nets.classifier import AttributeClassifier, ClassifierConfig, resize
from facevae.nets.judge import Judge
from train.data.augment import Roughening, blur, outputs_of, roughen
from train.data.prepared import PreparedData
from train.data.synthetic import prepare_synthetic
from train.networks.classifier import (
    CLASSIFIER_PRESETS,
    ClassifierTrainConfig,
    MixedBatches,
    build_classifier,
    calibrate,
    fit_classifier,
    guide_from,
    judge_from,
    load_classifier,
    load_trained,
    save_classifier,
    take_imagenet_weights,
    vae_reconstruct,
)
from train.networks.scores import calibration_error, score_pictures

TINY = ClassifierTrainConfig(
    mixup=0,
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
    config = ClassifierTrainConfig(**{**vars(TINY), "size": 16, "total_nimg": 2560, "lr_ramp_nimg": 320, "tick_nimg": 2560})
    fit_classifier(config, toys, tmp_path)
    valid = toys.indices("valid")
    mean = score_pictures(load_trained(tmp_path), toys.images[valid], toys.labels[valid], toys.attributes)["mean"]
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
    x, _ = MixedBatches(config, toys, white, black)(0)
    dark = (x.mean(dim=(1, 2, 3)) < 0.25).float().mean().item()
    expected = 0.2 + 0.1 * 0.25  # whole reconstructions, and the blackest of the blends
    assert abs(dark - expected) < 5 * (expected * (1 - expected) / 320) ** 0.5


def test_roughened_pictures_stay_pictures():
    x = torch.rand(16, 3, 32, 32)
    once, again = (roughen(x.clone(), torch.Generator().manual_seed(3), Roughening(soft=0.5, erase=0.5, grey=0.2)) for _ in range(2))
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


def test_guide_and_judge_differ_in_everything_that_the_issue_names():
    guide, judge = CLASSIFIER_PRESETS["guide"], CLASSIFIER_PRESETS["judge"]
    assert guide.net != judge.net and guide.size != judge.size and guide.seed != judge.seed
    assert (guide.mixup, guide.soft, guide.erase, guide.grey) != (judge.mixup, judge.soft, judge.erase, judge.grey)
    assert judge.reconstructed == 0  # it has never seen what it judges


def test_mixup_mixes_pictures_and_labels_alike(toys):
    config = ClassifierTrainConfig(**{**vars(TINY), "mixup": 1.0, "soft": 0, "batch_size": 64})
    flat = np.broadcast_to((255 * toys.labels[:, :1, None, None]).astype(np.uint8), toys.images.shape)
    x, labels = MixedBatches(config, toys, flat, flat)(0)
    assert ((labels[:, 0] > 0.1) & (labels[:, 0] < 0.9)).any()
    # Brightness tells the first label, up to what roughening adds.
    assert (x.mean(dim=(1, 2, 3)) - labels[:, 0]).abs().max() < 0.35
    assert torch.corrcoef(torch.stack([x.mean(dim=(1, 2, 3)), labels[:, 0]]))[0, 1] > 0.95


def test_a_blur_keeps_flat_pictures_and_the_mean_and_takes_detail():
    flat, noise = torch.full((1, 3, 20, 20), 0.3), torch.rand((2, 3, 64, 64), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(blur(flat, 1.7), flat)
    soft = blur(noise, 1.5)
    assert soft.shape == noise.shape and abs(soft.mean() - noise.mean()) < 0.01
    # White noise through a Gaussian of σ keeps 1 / (4 π σ²) of its variance.
    assert soft[..., 8:-8, 8:-8].var() / noise.var() == pytest.approx(1 / (4 * np.pi * 1.5**2), rel=0.15)


def test_temperatures_make_probabilities_honest_and_leave_decisions(toys, tmp_path):
    torch.manual_seed(0)
    net = AttributeClassifier(ClassifierConfig(("Smiling", "Male"), size=32, layers=(1, 1, 1, 1))).eval()
    pictures = np.random.default_rng(0).integers(0, 256, (3_000, 32, 32, 3), dtype=np.uint8)
    with torch.no_grad():
        net.head.weight.mul_(100)  # sure of itself beyond reason
    logits = outputs_of(net, pictures)
    logits = logits - logits.mean(0)
    truth = np.stack([np.random.default_rng(c).random(3_000) < torch.sigmoid(logits[:, c] / 3).numpy() for c in (0, 1)], 1).astype(np.uint8)
    with torch.no_grad():
        net.head.bias.sub_(outputs_of(net, pictures).mean(0))
    calibrate(net, pictures, truth, tmp_path / "temperatures.safetensors")
    found = load_file(tmp_path / "temperatures.safetensors")["temperatures"]
    torch.testing.assert_close(found, torch.tensor([3.0, 3.0]), rtol=0.15, atol=0)


def test_a_finished_run_is_loaded_calibrated(toys, tmp_path):
    fit_classifier(TINY, toys, tmp_path)
    temperatures = load_file(tmp_path / "temperatures.safetensors")["temperatures"]
    sure = outputs_of(load_trained(tmp_path), toys.images[:8])
    (tmp_path / "temperatures.safetensors").unlink()
    torch.testing.assert_close(sure * temperatures, outputs_of(load_trained(tmp_path), toys.images[:8]), atol=1e-5, rtol=1e-4)


def test_calibration_error_of_known_probabilities():
    probability = np.array([0.05] * 50 + [0.95] * 50)
    honest = np.array([True] * 2 + [False] * 48 + [True] * 48 + [False] * 2)
    assert calibration_error(probability, honest) == pytest.approx(0.01)
    assert calibration_error(probability, ~honest) == pytest.approx(0.91)


def test_a_judge_comes_back_from_its_folder_and_is_no_guide(toys, tmp_path):
    config = ClassifierTrainConfig(
        **{**vars(TINY), "net": "vgg", "widths": (8, 8, 16), "seed": 1, "soft": 0.2, "erase": 0.5, "grey": 0.2, "mixup": 0.2}
    )
    fit_classifier(config, toys, tmp_path / "run")
    judge = load_trained(tmp_path / "run")
    assert isinstance(judge, Judge) and judge.embed(torch.rand(2, 3, 50, 40)).shape == (2, 16)
    save_classifier(tmp_path / "judge", judge)
    again, digest = load_classifier(tmp_path / "judge")
    x = torch.rand(3, 3, 32, 32)
    torch.testing.assert_close(again(x), judge(x), atol=0.02, rtol=0.02)  # float16 on disk
    assert judge_from(tmp_path / "judge")[1] == digest and len(digest) == 12
    assert judge_from(tmp_path / "run")[1] != digest
    with pytest.raises(ValueError, match="is a judge: nothing may be trained or guided by it"):
        guide_from(tmp_path / "run")
    (tmp_path / "judge" / "classifier.safetensors").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"classifier\.safetensors is not a safetensors file"):
        load_classifier(tmp_path / "judge")


def test_a_running_variance_beyond_float16_comes_back(tmp_path):
    """It became infinite in the file, which was then refused when it was loaded."""
    net = AttributeClassifier(ClassifierConfig(("Smiling",), size=32, layers=(1, 1, 1, 1)))
    net.resnet.bn1.running_var[0] = 1e5
    save_classifier(tmp_path, net)
    assert guide_from(tmp_path).resnet.bn1.running_var[0] == 1e5


def test_the_embedded_judge_knows_the_attributes_of_the_embedded_checkpoint():
    from facevae.checkpoint.checkpoint import Checkpoint

    judge, digest = judge_from()
    assert judge.config.attributes == Checkpoint.from_pretrained().classifier.config.attributes
    assert len(digest) == 12


def test_a_judge_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"the classifier folder .* lacks classifier\.safetensors"):
        judge_from(tmp_path)


def test_imagenet_weights_fill_all_but_stem_and_head(monkeypatch):
    torch.manual_seed(0)
    given = torchvision.models.resnet18(weights=None).state_dict()
    monkeypatch.setattr(type(torchvision.models.ResNet18_Weights.IMAGENET1K_V1), "get_state_dict", lambda self, **k: given)
    net = build_classifier({"attributes": ["Smiling"], "size": 32, "layers": [2, 2, 2, 2], "net": "resnet"})
    stem, head = net.resnet.conv1.weight.clone(), net.head.weight.clone()
    take_imagenet_weights(net)
    assert torch.equal(net.resnet.layer3[1].conv2.weight, given["layer3.1.conv2.weight"])
    assert torch.equal(net.resnet.conv1.weight, stem) and torch.equal(net.head.weight, head)


def test_imagenet_weights_that_cannot_be_had_end_in_one_sentence(toys, tmp_path, monkeypatch):
    def unreachable(self, **kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr(type(torchvision.models.ResNet18_Weights.IMAGENET1K_V1), "get_state_dict", unreachable)
    config = ClassifierTrainConfig(**{**vars(TINY), "weights": "imagenet", "layers": (2, 2, 2, 2)})
    with pytest.raises(ValueError, match="cannot be downloaded .no route to host."):
        fit_classifier(config, toys, tmp_path)
    with pytest.raises(ValueError, match="those of ResNet-18"):
        fit_classifier(ClassifierTrainConfig(**{**vars(TINY), "weights": "imagenet"}), toys, tmp_path)


def test_a_checkpoint_folder_reconstructs_too(tiny_checkpoint, tmp_path):
    from facevae.checkpoint.checkpoint import save_checkpoint

    save_checkpoint(tmp_path, tiny_checkpoint)
    size = tiny_checkpoint.net.config.size
    assert vae_reconstruct(tmp_path)(torch.rand(2, 3, size, size)).shape == (2, 3, size, size)
