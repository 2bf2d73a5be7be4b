"""What a run does, and what it refuses. That nothing is lost: test_lost.py."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from facevae.nets.convolutional import ConvolutionalConfig
from tests.train.conftest import CONFIG
from train.data.prepared import PreparedData
from train.vae.config import TrainConfig
from train.vae.loop import fit
from train.vae.schedules import RateSchedule


@pytest.fixture(scope="module")
def whole(data: PreparedData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("whole")
    fit(CONFIG, data, run)
    return run


def test_training_lowers_the_loss_and_leaves_a_readable_run(whole: Path) -> None:
    stats = [json.loads(line) for line in (whole / "stats.jsonl").read_text().splitlines()]
    assert [s["nimg"] for s in stats] == [64, 128, 192, 256]
    assert stats[-1]["valid_distortion"] < stats[0]["valid_distortion"]
    assert len(list((whole / "sheets").glob("*.png"))) == 8


def test_another_config_is_refused_by_field(data: PreparedData, whole: Path) -> None:
    with pytest.raises(ValueError, match=r"lr: 0.001 in the run, 0.5 asked for"):
        fit(replace(CONFIG, lr=0.5), data, whole)


def test_wrong_picture_size_is_named(data: PreparedData, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="pictures of 16 px, the net wants 128 px"):
        fit(TrainConfig(), data, tmp_path)


def test_broken_gradient_stops_the_run_and_keeps_the_last_state(
    data: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit(CONFIG, data, tmp_path, stop_nimg=64)
    before = load_file(tmp_path / "state.safetensors")
    monkeypatch.setattr(RateSchedule, "weight", lambda *a: float("nan"))
    with pytest.raises(FloatingPointError, match="not finite"):
        fit(CONFIG, data, tmp_path)
    after = load_file(tmp_path / "state.safetensors")
    assert all(torch.equal(after[k], v) for k, v in before.items() if k.startswith(("net.", "exp_avg")))


def test_fit_leaves_the_callers_random_numbers_alone(data: PreparedData, tmp_path: Path) -> None:
    torch.manual_seed(5)
    expected, before = torch.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002
    fit(CONFIG, data, tmp_path, stop_nimg=64)
    assert torch.equal(expected, torch.get_rng_state())
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


@pytest.mark.parametrize("pull", [0.0, 1.0])
def test_what_is_differentiated_is_the_loss_with_its_pull_to_the_centre(
    data: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pull: float
) -> None:
    """distortion + β · (KL + pull · ‖mean‖² / 2), in nats per pixel and channel."""
    import train.vae.loop as loop

    bounds, means, losses, elbo, backward = [], [], [], loop.elbo, loop.Accelerator.backward

    def listen(likelihood, x, mean, posterior):
        bounds.append(elbo(likelihood, x, mean, posterior))
        means.append(posterior.mean)
        return bounds[-1]

    monkeypatch.setattr(loop, "elbo", listen)
    monkeypatch.setattr(loop.Accelerator, "backward", lambda self, loss: losses.append(loss.item()) or backward(self, loss))
    fit(replace(CONFIG, centre_pull=pull, beta=3.0, beta_schedule=RateSchedule("constant"), precision="no"), data, tmp_path, stop_nimg=8)
    assert len(losses) == 1 and means[0].square().sum() > 0
    distortion, rate = bounds[0].distortion.mean().item(), bounds[0].rate.mean().item()
    centre = 0.5 * means[0].square().sum(dim=1).mean().item()
    assert losses[0] * 3 * 16 * 16 == pytest.approx(distortion + 3 * (rate + pull * centre), rel=1e-6)
    assert 3 * centre > 1e-5 * distortion  # or the line above could not tell


def test_a_net_with_batch_norm_goes_on_as_if_unbroken(data: PreparedData, tmp_path: Path) -> None:
    net = ConvolutionalConfig(16, 16, encoder=((8, 3, 2), (8, 3, 2)), decoder=((8, 3, 2), (3, 3, 2)), latent=4)
    config = replace(CONFIG, net=net, precision="no")
    fit(config, data, tmp_path / "broken", stop_nimg=64)
    broken = load_file(fit(config, data, tmp_path / "broken", stop_nimg=128))
    unbroken = load_file(fit(config, data, tmp_path / "whole", stop_nimg=128))
    assert any("running_var" in k for k in broken)
    assert broken.keys() == unbroken.keys() and all(torch.equal(broken[k], unbroken[k]) for k in broken)


def test_a_tracker_hears_of_every_tick(data: PreparedData, tmp_path: Path) -> None:
    """TensorBoard's own file, in the run folder; the figures are those of stats.jsonl."""
    from accelerate.utils import is_tensorboard_available

    assert is_tensorboard_available()  # tensorboardX, which the tests install, writes it too
    fit(CONFIG, data, tmp_path, stop_nimg=128, tracker="tensorboard")
    (events,) = (tmp_path / "facevae").glob("events.out.tfevents.*")
    heard = [event for event in read_events(events) if "valid_psnr_db" in event]
    told = [json.loads(line) for line in (tmp_path / "stats.jsonl").read_text().splitlines()]
    assert heard == [
        pytest.approx({k: v for k, v in row.items() if k != "nimg"} | {"step": row["nimg"], "nimg": row["nimg"]}) for row in told
    ]


def read_events(path: Path) -> list[dict[str, float]]:
    """The scalars of each step: records are a length, its checksum, a message and its checksum."""
    from tensorboardX.proto.event_pb2 import Event

    content, at, steps = path.read_bytes(), 0, {}
    while at < len(content):
        size = int.from_bytes(content[at : at + 8], "little")
        event = Event.FromString(content[at + 12 : at + 12 + size])
        at += size + 16
        for value in event.summary.value:
            if value.HasField("simple_value"):
                steps.setdefault(event.step, {"step": event.step})[value.tag] = value.simple_value
    return list(steps.values())


def test_a_tracker_that_is_not_installed_is_named(data: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.vae.logging.get_available_trackers", lambda: [])
    with pytest.raises(ValueError, match="trackio is not installed: pip install trackio"):
        fit(CONFIG, data, tmp_path, stop_nimg=8, tracker="trackio")


def test_the_live_line_tells_what_matters(data: PreparedData, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    fit(CONFIG, data, tmp_path, stop_nimg=136)
    line = capsys.readouterr().err.replace("\r", "\n").strip().splitlines()[-1]
    told = json.loads((tmp_path / "stats.jsonl").read_text().splitlines()[1])
    assert "136/256" in line and "img/s" in line and "<" in line  # images, speed, time left
    assert re.search(rf"distortion -?\d+, rate \d+ nats, PSNR {told['valid_psnr_db']:.2f} dB", line)
