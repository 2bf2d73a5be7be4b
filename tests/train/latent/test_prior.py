"""Priors are chosen by what held-out encodings say, and a run's prior is found again."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import train.latent.prior as module
from facevae.latent.priors import GaussianMixture
from facevae.nets.judge import Judge, JudgeConfig
from facevae.nets.residual import ResidualConfig
from train.data.prepared import PreparedData
from train.data.synthetic import prepare_synthetic
from train.latent.prior import PriorConfig, find_prior, fit_mixture, mean_nats, read_prior
from train.measure.encodings import encode_many, load_run
from train.networks.classifier import judge_from, save_classifier
from train.vae.config import TrainConfig
from train.vae.loop import fit

NET = ResidualConfig(size=16, patch=2, widths=(8, 16), encoder_blocks=(0, 1), decoder_blocks=(1, 1), groups=4, latent=6)
QUICK = PriorConfig(components=(1, 2, 4, 8))


def three_clouds(n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    means, spreads = np.array([[-6, 0], [0, 5], [6, 0]]), np.array([0.5, 1.0, 2.0])
    k = rng.integers(0, 3, n)
    return (means[k] + spreads[k, None] * rng.standard_normal((n, 2))).astype(np.float32)


def test_valid_likelihood_finds_the_planted_components() -> None:
    mixture, table = fit_mixture(three_clouds(300, 0), three_clouds(2000, 1), PriorConfig(components=(1, 2, 3, 6, 12)))
    assert max(table, key=table.__getitem__) == 3 == len(mixture.weights)
    assert list(table) == [1, 2, 3, 6, 12]
    np.testing.assert_allclose(sorted(mixture.means[:, 0].tolist()), [-6, 0, 6], atol=5 * 2 / np.sqrt(300 / 3))
    assert mean_nats(mixture, three_clouds(2000, 1)) == table[3]


def test_too_few_encodings_for_a_component() -> None:
    z = three_clouds(31, 0)
    assert list(fit_mixture(z, z, PriorConfig(components=(1, 4, 7, 8)))[1]) == [1, 4, 7]
    with pytest.raises(ValueError, match="31 encodings of 2 values are too few for mixtures of 8, 9: try 1"):
        fit_mixture(z, z, PriorConfig(components=(8, 9)))


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, PreparedData]:
    folder, run = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("run")
    prepare_synthetic(folder, 240, 16, seed=0)
    data = PreparedData(folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_classifier(run / "judge", Judge(JudgeConfig(tuple(data.attributes), 16, (4, 8))))
    fit(TrainConfig(net=NET, total_nimg=16, batch_size=8, tick_nimg=16, lr_ramp_nimg=8, valid_nimg=8), data, run)
    return run, data


def test_prior_of_a_run_is_found_again(toys: tuple[Path, PreparedData]) -> None:
    run, data = toys
    about = find_prior(run, data, QUICK, run / "judge")
    prior, written = read_prior(run, 6), json.loads((run / "prior.json").read_text())
    assert isinstance(prior, GaussianMixture) and written["prior"]["kind"] == written["chosen"] == "mixture"
    assert written["valid_nats"] == about["valid_nats"] and set(written["distances"]) == {"mixture", "N(0, I)"}
    assert all(name.startswith("mixture") for name in written["valid_nats"])
    with pytest.raises(ValueError, match="expected"):
        read_prior(run, 5)


def test_distance_is_that_of_the_protocol(toys: tuple[Path, PreparedData]) -> None:
    run, data = toys
    judge, _ = judge_from(run / "judge")
    net = load_run(run).net
    far = GaussianMixture(torch.ones(1), torch.full((1, 6), 30.0), torch.eye(6)[None])
    near = fit_mixture(encode_many(net, data, data.indices("train")), encode_many(net, data, data.indices("valid")), QUICK)[0]
    small = [module.distance(net, p, judge, data)["frechet"]["mean"] for p in (near, far)]
    assert small[0] < small[1]
    assert module.distance(net, near, judge, data) == module.distance(net, near, judge, data)


def test_run_without_a_prior(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no prior yet; fit it with: python -m train prior"):
        read_prior(tmp_path, 6)
