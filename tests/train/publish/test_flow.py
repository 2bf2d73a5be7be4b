"""`python -m train flow`: trained, measured beside the prior of a checkpoint, and made its prior where its faces are nearer."""

from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from facevae.checkpoint.checkpoint import Checkpoint, save_checkpoint
from facevae.checkpoint.serialization import Prior
from facevae.latent.conditional_flow import ConditionalFlow
from facevae.latent.priors import GaussianMixture
from facevae.nets.judge import Judge, JudgeConfig
from facevae.nets.vae import VAE
from train.__main__ import main
from train.data.prepared import PreparedData
from train.latent.conditional_flow import FlowTrainConfig, cached_encodings, fit_conditional_flow, load_conditional_flow
from train.networks.classifier import save_classifier

TINY = FlowTrainConfig(width=8, hidden=8, blocks=1, total_nimg=256, batch_size=32, tick_nimg=64, lr_ramp_nimg=32, precision="no")
FLAGS = ["--config.width=8", "--config.hidden=8", "--config.blocks=1", "--config.total-nimg=64", "--config.batch-size=32"]
FLAGS += ["--config.tick-nimg=64", "--config.precision=no"]


def test_a_run_that_stopped_goes_on_as_if_it_had_not(tiny_checkpoint: Checkpoint, data: PreparedData, tmp_path: Path) -> None:
    nets = tiny_checkpoint.net, tiny_checkpoint.classifier, data
    fit_conditional_flow(TINY, *nets, tmp_path / "whole")
    for stop in (128, None):
        fit_conditional_flow(TINY, *nets, tmp_path / "halves", stop)
    whole, halves = (load_conditional_flow(tmp_path / name) for name in ("whole", "halves"))
    assert whole.net.outlet.weight.any() and whole.label_means.any()
    assert all(torch.equal(v, halves.state_dict()[k]) for k, v in whole.state_dict().items())
    with pytest.raises(ValueError, match="python -m train flow"):
        load_conditional_flow(tmp_path)


def test_encodings_of_another_vae_are_refused(tiny_checkpoint: Checkpoint, data: PreparedData, tmp_path: Path) -> None:
    net, guide = tiny_checkpoint.net, tiny_checkpoint.classifier
    before = cached_encodings(tmp_path, net, guide, data)
    assert np.array_equal(cached_encodings(tmp_path, net, guide, data).mean, before.mean)
    other = deepcopy(net)
    for parameter in other.encoder.parameters():
        parameter.mul_(-3)
    with pytest.raises(ValueError, match="encodings of another VAE"):
        cached_encodings(tmp_path, other, guide, data)


def test_the_nearer_prior_is_the_checkpoints(
    tiny_checkpoint: Checkpoint, data: PreparedData, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First the flow takes the place of a mixture; the same flow again is not nearer than itself."""

    def distance(net: VAE, prior: Prior, *_: object) -> dict[str, dict[str, float]]:
        return {"frechet": {"mean": 2.0 if isinstance(prior, GaussianMixture) else 1.0, "std": 0.1}}

    monkeypatch.setattr("train.publish.flow.distance", distance)
    measured = {"training": {"nimg": 0}, "protocol": None, "prior": {"valid_nats": {"mixture 1": -1.0, "flow": 3.0}, "distances": {}}}
    folder = tmp_path / "tiny"
    save_checkpoint(folder, replace(tiny_checkpoint, evaluation=measured))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_classifier(tmp_path / "judge", Judge(JudgeConfig(tuple(data.attributes), 16, (4, 8))))
    command = ["flow", "--data", str(data.folder), "--checkpoint", str(folder), "--run", str(tmp_path / "run"), *FLAGS]
    command += ["--judge", str(tmp_path / "judge")]
    before = (folder / "config.json").read_bytes()
    assert main(command) == 0 and (folder / "config.json").read_bytes() == before
    said = capsys.readouterr().out
    assert said.count("nats per face") == said.count("Fréchet distance") == 2 and "nearest train encoding" in said
    assert main([*command, "--write"]) == 0
    found = Checkpoint.from_pretrained(folder)
    assert found.digest in capsys.readouterr().out and isinstance(found.prior, ConditionalFlow)
    assert torch.isfinite(found.prior.from_seed(1)).all()
    section = found.evaluation["prior"]
    assert set(found.evaluation) == {"training", "prior"} and section["valid_nats"] == {"mixture 1": -1.0}
    assert section["chosen"] == "flow" and set(section["distances"]) == {"mixture", "flow"}
    assert np.isfinite(section["flow"]["nats"]["flow"])
    assert "| **flow** | – |" in found.card and "The flow draws labels first" in found.card
    assert main([*command, "--write"]) == 0
    assert "keeps its prior" in capsys.readouterr().out and Checkpoint.from_pretrained(folder).digest == found.digest
