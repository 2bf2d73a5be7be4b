"""Priors are chosen by what held-out encodings say, and a run's prior is found again."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import train.latent.prior as module
from facevae.latent.flow import CouplingFlow
from facevae.latent.priors import GaussianMixture
from facevae.nets.judge import Judge, JudgeConfig
from facevae.nets.residual import ResidualConfig
from train.data.prepared import PreparedData
from train.data.synthetic import prepare_synthetic
from train.latent.prior import PriorConfig, find_prior, fit_flow, fit_mixture, mean_nats, new_flow, read_prior
from train.measure.encodings import encode_many, load_run
from train.networks.classifier import judge_from, save_classifier
from train.vae.config import TrainConfig
from train.vae.loop import fit

NET = ResidualConfig(size=16, patch=2, widths=(8, 16), encoder_blocks=(0, 1), decoder_blocks=(1, 1), groups=4, latent=6)
QUICK = PriorConfig(components=(1, 2, 4, 8), flow_layers=4, flow_width=16, flow_nimg=400, batch_size=20, lr=1e-3)


def three_clouds(n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    means, spreads = np.array([[-6, 0], [0, 5], [6, 0]]), np.array([0.5, 1.0, 2.0])
    k = rng.integers(0, 3, n)
    return (means[k] + spreads[k, None] * rng.standard_normal((n, 2))).astype(np.float32)


def banana(n: int, seed: int) -> np.ndarray:
    x, noise = np.random.default_rng(seed).standard_normal((2, n))
    return np.stack([x, x**2 + 0.3 * noise], axis=1).astype(np.float32)


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


def test_flow_bends_where_the_gaussian_cannot() -> None:
    z, held_out = banana(2000, 0), banana(1000, 1)
    config = PriorConfig(flow_layers=4, flow_width=32, flow_nimg=16_000, batch_size=40, lr=5e-3)
    flow, nats = fit_flow(z, held_out, config)
    with torch.random.fork_rng():
        gaussian = new_flow(z, config)
    with torch.no_grad():
        gain = (flow.log_prob(torch.from_numpy(held_out)) - gaussian.log_prob(torch.from_numpy(held_out))).double()
    assert gain.mean() > 5 * gain.std() / len(gain) ** 0.5
    assert mean_nats(flow, held_out) == nats
    # The truth is a normal of x and a normal of width 0.3 around x²: no density can beat its entropy by more than chance.
    truth = torch.distributions.Normal(0.0, 1.0)
    x, y = torch.from_numpy(held_out).T
    excess = flow.log_prob(torch.from_numpy(held_out)) - truth.log_prob(x) - torch.distributions.Normal(x**2, 0.3).log_prob(y)
    assert excess.mean() < 5 * excess.std() / len(excess) ** 0.5
    torch.testing.assert_close(flow.covariance, torch.from_numpy(np.cov(z.T)).float(), rtol=1e-3, atol=1e-3)


def test_flow_is_the_same_for_the_same_seed() -> None:
    z = banana(200, 0)
    config = replace(QUICK, flow_dropout=0.1)
    torch.manual_seed(7)
    before = torch.get_rng_state()
    first, _ = fit_flow(z, z, config)
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(8)
    again, _ = fit_flow(z, z, config)
    assert all(torch.equal(v, again.state_dict()[k]) for k, v in first.state_dict().items())
    other, _ = fit_flow(z, z, replace(config, seed=1))
    assert not torch.equal(first.layers[0].hidden.weight, other.layers[0].hidden.weight)


def test_flow_stops_early_and_keeps_its_best() -> None:
    """On twenty encodings every step makes held-out ones less likely: the Gaussian it began as comes back."""
    z = np.random.default_rng(0).standard_normal((1020, 6)).astype(np.float32)
    flow, nats = fit_flow(z[:20], z[20:], replace(QUICK, lr=0.05, flow_nimg=100_000))
    assert nats == mean_nats(flow, z[20:])
    with torch.random.fork_rng():
        assert nats >= mean_nats(new_flow(z[:20], QUICK), z[20:])


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


@pytest.mark.parametrize(("kind", "cls"), [("mixture", GaussianMixture), ("flow", CouplingFlow)])
def test_prior_of_a_run_is_found_again(toys: tuple[Path, PreparedData], kind: str, cls: type) -> None:
    run, data = toys
    about = find_prior(run, data, QUICK, kind, run / "judge")
    prior, written = read_prior(run, 6), json.loads((run / "prior.json").read_text())
    assert isinstance(prior, cls) and written["prior"]["kind"] == written["chosen"] == kind
    assert written["valid_nats"] == about["valid_nats"] and set(written["distances"]) == {kind, "N(0, I)"}
    assert all(name.startswith(kind) for name in written["valid_nats"])
    with pytest.raises(ValueError, match="expected|the net has 5"):
        read_prior(run, 5)


def test_auto_takes_the_prior_whose_faces_are_nearer(toys: tuple[Path, PreparedData], monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the likelier one: faces are what counts."""
    run, data = toys
    for near in (CouplingFlow, GaussianMixture):

        def distance(net, prior, judge, data, near=near):
            return {"frechet": {"mean": 1.0 if isinstance(prior, near) else 2.0, "std": 0.1}}

        monkeypatch.setattr(module, "distance", distance)
        about = find_prior(run, data, QUICK, judge=run / "judge")
        assert about["chosen"] == ("flow" if near is CouplingFlow else "mixture")
        assert isinstance(read_prior(run, 6), near)


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
