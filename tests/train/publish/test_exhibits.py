"""An exhibit is measured as it says, and keeps no encoding of anybody."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from facevae.exhibits import views
from facevae.exhibits.exhibit import load_exhibit
from facevae.nets.classifier import AttributeClassifier, ClassifierConfig
from facevae.nets.convolutional import ConvolutionalConfig, ConvolutionalVAE
from train.data.prepared import PreparedData
from train.publish.exhibits import ExhibitConfig, Subject, make_exhibit, subject_of_ppca

NET = ConvolutionalConfig(height=8, width=8, encoder=((4, 3, 2),), decoder=((1, 3, 2),), latent=4, channels=1)
CONFIG = ExhibitConfig(encoded=100, held_out=5, judged=4, least_class=20)


@pytest.fixture(scope="module")
def data(toy_faces: Callable[[int], PreparedData]) -> PreparedData:
    return toy_faces(160)


@pytest.fixture(scope="module")
def judge(data: PreparedData) -> AttributeClassifier:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return AttributeClassifier(ClassifierConfig(tuple(data.attributes), size=16, layers=(1, 1, 1, 1))).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def vae() -> Subject:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        net = ConvolutionalVAE(NET).eval().requires_grad_(False)
    return Subject(net, "vae", {"nimg": [1.0], "rate": [2.0]})


def test_an_exhibit_says_what_encodings_say(data: PreparedData, judge: AttributeClassifier, vae: Subject, tmp_path: Path) -> None:
    make_exhibit(vae, data, judge, tmp_path / "vae", "A title", "A sentence.", CONFIG)
    exhibit = load_exhibit(tmp_path / "vae")
    about, space = exhibit.about, exhibit.space
    train = data.indices("train")[:100]
    z = views.encode(exhibit, np.array(data.resized((1, 8, 8)).images[train]))
    name = about.attributes[0]
    own = data.label(name)[train]
    assert all(20 <= data.label(a)[train].sum() <= 80 for a in about.attributes)
    assert np.allclose(space.spread_of_dimensions, z.std(0, ddof=1), rtol=0.02)  # weights are kept in float16
    assert np.allclose(space.class_means[0, 1], z[own].mean(0), atol=0.01)
    assert np.allclose(space.correlation[0], [np.corrcoef(own, column)[0, 1] for column in z.T], atol=0.01)
    difference = z[own].mean(0) - z[~own].mean(0)
    assert space.steps[0] @ difference / np.linalg.norm(space.steps[0]) / np.linalg.norm(difference) > 0.999
    assert set(about.directions[name].leakage) == set(about.attributes) and about.judged == 4
    assert len(about.kl_nats) == 4 and min(about.kl_nats) >= 0 and about.curves["rate"] == [2.0]
    assert space.points.shape == (len(data.indices("test")[:5]), 2)


def test_a_ppca_is_exhibited_beside_it(data: PreparedData, judge: AttributeClassifier, vae: Subject, tmp_path: Path) -> None:
    subject = subject_of_ppca(data, vae)
    make_exhibit(subject, data, judge, tmp_path / "ppca", "PPCA", "Linear.", CONFIG)
    exhibit = load_exhibit(tmp_path / "ppca")
    assert exhibit.about.curves == {}
    # Half the log of signal and noise over noise: mean and spread of the posterior add up to the prior's.
    expected = 0.5 * (exhibit.model.precision / exhibit.model.noise_variance).log()
    assert np.allclose(exhibit.about.kl_nats, expected, rtol=0.35)  # on 100 faces of the 120 that it was fitted to
    # The best linear map reconstructs better than a net that was never trained.
    make_exhibit(vae, data, judge, tmp_path / "vae", "VAE", "Untrained.", CONFIG)
    assert exhibit.about.psnr_db > load_exhibit(tmp_path / "vae").about.psnr_db
