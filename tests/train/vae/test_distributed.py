"""Two processes learn what one learns: the same pictures, the same weights within float error."""

import json
import os
import signal
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from forks import FORKS, PATIENCE_SEC
from safetensors.torch import load_file

import train.vae.loop
from facevae.nets.convolutional import ConvolutionalConfig
from tests.train.conftest import CONFIG
from train.data.prepared import PreparedData
from train.vae.adversary import AdversaryConfig
from train.vae.loop import fit
from train.vae.resume import read_meta
from train.vae.schedules import RateSchedule

PLAIN = replace(
    CONFIG,
    total_nimg=480,  # 30 steps
    batch_size=16,
    tick_nimg=240,
    valid_nimg=100,  # three parts, of which one process has two
    precision="no",
)
CONFIGS = {
    "plain": PLAIN,
    # Everything that is no mean over the batch, or draws for it.
    "everything": replace(
        PLAIN,
        adversary=AdversaryConfig(weight=0.5, start_nimg=32, alone_nimg=32, ramp_nimg=64, width=4),
        focal_weight=0.1,
        free_nats=0.2,
        centre_pull=1.0,
        turn_deg=3.0,
    ),
    "capacity": replace(PLAIN, beta_schedule=RateSchedule("capacity", ramp_nimg=400, capacity_nats=5.0), likelihood="shared"),
}


@pytest.fixture(scope="module")
def data(toy_faces: Callable[[int], PreparedData]) -> PreparedData:
    return toy_faces(200)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def as_rank(rank: int, port: int, work: Callable[..., None], args: tuple) -> None:
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.set_num_threads(1)
    work(*args)


def in_two_processes(work: Callable[..., None], *args: object) -> None:
    """As `accelerate launch --cpu --num_processes 2` would, without its start."""
    port = free_port()
    processes = [FORKS.Process(target=as_rank, args=(rank, port, work, args)) for rank in (0, 1)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(PATIENCE_SEC)
    assert [process.exitcode for process in processes] == [0, 0]


def fit_all(folder: Path, runs: Path) -> None:
    for name, config in CONFIGS.items():
        fit(config, PreparedData(folder), runs / name)


@pytest.fixture(scope="module")
def runs(data: PreparedData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folders "one" and "two": each config in so many processes."""
    runs = tmp_path_factory.mktemp("runs")
    in_two_processes(fit_all, data.folder, runs / "two")
    fit_all(data.folder, runs / "one")
    return runs


@pytest.mark.parametrize("name", CONFIGS)
def test_two_processes_make_the_weights_of_one(runs: Path, name: str) -> None:
    one, two = (load_file(runs / number / name / "state.safetensors") for number in ("one", "two"))
    assert one.keys() == two.keys()
    for key in one:
        if key.startswith(("net.", "ema.", "likelihood.", "watch.")):
            torch.testing.assert_close(two[key], one[key], rtol=1e-4, atol=2e-6)
        # Adam makes whole steps of gradients that are nothing but rounding, as those of the hinge's biases: its moments are compared.
        if key.startswith("adversary_exp_avg."):
            torch.testing.assert_close(two[key], one[key], rtol=1e-3, atol=2e-6)


@pytest.mark.parametrize("name", CONFIGS)
def test_two_processes_tell_what_one_tells(runs: Path, name: str) -> None:
    one, two = ([json.loads(line) for line in (runs / number / name / "stats.jsonl").read_text().splitlines()] for number in ("one", "two"))
    assert [row["nimg"] for row in two] == [240, 480]
    for a, b in zip(one, two, strict=True):
        assert {k: v for k, v in b.items() if k != "img_per_sec"} == pytest.approx({k: a[k] for k in a if k != "img_per_sec"}, rel=1e-4)
    sheets = [sorted(p.name for p in (runs / number / name / "sheets").iterdir()) for number in ("one", "two")]
    assert sheets[0] == sheets[1] and len(sheets[0]) == 4
    assert (runs / "two" / name / "config.json").read_text() == (runs / "one" / name / "config.json").read_text()


def fit_with_a_signal(folder: Path, run: Path) -> None:
    """The second process alone is asked to stop, in its tenth step."""
    objective, calls = train.vae.loop.objective, []

    def interrupted(*args: object) -> object:
        calls.append(1)
        if len(calls) == 10 and os.environ["RANK"] == "1":
            os.kill(os.getpid(), signal.SIGTERM)
        return objective(*args)

    train.vae.loop.objective = interrupted
    with pytest.raises(KeyboardInterrupt):
        fit(PLAIN, PreparedData(folder), run)


def test_all_processes_stop_in_the_same_step_and_any_number_goes_on(data: PreparedData, runs: Path, tmp_path: Path) -> None:
    in_two_processes(fit_with_a_signal, data.folder, tmp_path)
    assert read_meta(tmp_path / "state.safetensors")[1] == 160
    one, went_on = load_file(runs / "one" / "plain" / "state.safetensors"), load_file(fit(PLAIN, data, tmp_path))
    for key in one:
        torch.testing.assert_close(went_on[key], one[key], rtol=1e-4, atol=2e-6)


def fit_what_cannot_be_shared(folder: Path, run: Path) -> None:
    data = PreparedData(folder)
    with pytest.raises(ValueError, match="15 pictures of a batch cannot be shared evenly by 2 processes"):
        fit(replace(PLAIN, batch_size=15, tick_nimg=150, total_nimg=150), data, run)
    conv = ConvolutionalConfig(16, 16, encoder=((8, 3, 2), (8, 3, 2)), decoder=((8, 3, 2), (3, 3, 2)), latent=4)
    with pytest.raises(ValueError, match="a net with BatchNorm learns in one process only"):
        fit(replace(PLAIN, net=conv), data, run / "conv")
    apart = run / os.environ["RANK"]  # a disk of its own for each process
    if os.environ["RANK"] == "0":
        apart.mkdir(parents=True)
        (apart / "state.safetensors").write_bytes((run / "state.safetensors").read_bytes())
    with pytest.raises(ValueError, match="not all processes see the same state"):
        fit(PLAIN, data, apart)


def test_what_cannot_be_shared_is_refused(data: PreparedData, runs: Path, tmp_path: Path) -> None:
    (tmp_path / "state.safetensors").write_bytes((runs / "one" / "plain" / "state.safetensors").read_bytes())
    in_two_processes(fit_what_cannot_be_shared, data.folder, tmp_path)
