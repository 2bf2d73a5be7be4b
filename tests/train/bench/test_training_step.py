"""What the benches of training, data and editor count, on tiny nets: which step is timed, what a tick costs, what is missing."""

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from facevae.editor import Editor
from facevae.nets.convolutional import ConvolutionalConfig
from facevae.nets.residual import ResidualVAE
from tests.conftest import TINY
from train.bench import data as data_bench
from train.bench import editor, training_step
from train.bench.data import bench_data, print_data
from train.bench.editor import Repeated, list_pairs, print_editor, time_rows
from train.bench.peers import PEERS
from train.bench.training_step import Clock, bench_peers, clocked, operations, ours, print_step
from train.data.prepared import CELEBA_CROP_PX, PreparedData, list_celeba, prepare
from train.data.synthetic import write_celeba_layout
from train.vae.config import TrainConfig

MACHINE = {"cores": 2, "load_before": 0.1}
CONFIG = TrainConfig(net=TINY, batch_size=4, total_nimg=400, tick_nimg=40, valid_nimg=4, shift_px=1, precision="no")


@pytest.fixture(scope="module")
def celeba(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("celeba")
    write_celeba_layout(folder, 60, seed=0)
    return folder


@pytest.fixture(scope="module")
def data(celeba: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    out = tmp_path_factory.mktemp("prepared")
    prepare(list_celeba(celeba), out, 16, CELEBA_CROP_PX)
    return PreparedData(out)


def test_only_training_steps_of_a_vae_are_timed_and_the_first_do_not_count(tiny_net: ResidualVAE) -> None:
    x = torch.rand(1, 3, 16, 16)
    with clocked() as clock:
        tiny_net(x)  # in eval mode
        tiny_net.train()
        for _ in range(3):
            tiny_net(x)
        tiny_net.encode(x)
    tiny_net(x)
    assert len(clock.at) == 3
    assert Clock([0.0, 9.0, 20.0, 30.0, 31.0, 33.0]).step_sec(2) == 1.5


def test_ticks_are_spread_over_the_images_between_them(data: PreparedData, monkeypatch: pytest.MonkeyPatch) -> None:
    begin = training_step.WARM_UP
    times = [0.0] * begin + [1.0, 2.0, 3.0, 4.0] + [15.0, 16.0]  # a second a step, and a tick of ten seconds after the last counted one

    def fit(config: TrainConfig, *_: object, stop_nimg: int) -> None:
        assert config.tick_nimg == (begin + 4) * config.batch_size == stop_nimg - 2 * config.batch_size

    class Told:
        def __enter__(self) -> Clock:
            return Clock(times)

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(training_step, "fit", fit)
    monkeypatch.setattr(training_step, "clocked", Told)
    assert ours(CONFIG, data, 4) == {"loop": 1.0, "loop, ticks included": pytest.approx(1 + 10 * 4 / 40)}


def test_peers_train_our_net_and_those_that_are_missing_are_named(
    data: PreparedData, celeba: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    found = bench_peers(CONFIG, data, celeba, repeats=1, steps=2)
    print_step(found)
    out = capsys.readouterr().out
    assert "lightning is missing" in out and "pythae is missing" in out and "pip install" in out
    assert set(found["img_per_sec"]) == {
        "loop", "loop, ticks included", "bare step", "the reports' way (DataLoader, JPEGs)", "the reports' way (DataLoader, JPEGs), tuned",
    }  # fmt: skip
    assert found["share"]["bare step"] == 1 and all(rate > 0 for rate in found["img_per_sec"].values())
    assert f"{sum(p.numel() for p in ResidualVAE(TINY).parameters())} weights" in out


def test_the_operations_of_a_step_are_those_of_its_layers() -> None:
    """A convolution each way, counted by hand: a product and a sum for each weight and position, three times but at the input."""
    net = ConvolutionalConfig(8, 8, encoder=((4, 3, 2),), decoder=((3, 3, 2),), latent=2)
    stem = 2 * 4 * 4 * (3 * 3 * 3 * 4)  # 4 × 4 positions
    head = 2 * 4 * 4 * (4 * 3 * 3 * 3)
    linear = 2 * (64 * 4 + 2 * 64)
    assert operations(TrainConfig(net=net)) == 2 * stem + 3 * (head + linear)


@pytest.mark.parametrize("name", [name for name, peer in PEERS.items() if peer.package])
@pytest.mark.parametrize("tuned", [False, True])
def test_a_peer_moves_the_weights_of_our_net(celeba: Path, tmp_path: Path, name: str, tuned: bool) -> None:
    peer = PEERS[name]
    pytest.importorskip(peer.package)
    net, files = ResidualVAE(TINY), list_celeba(celeba).files
    before = [p.clone() for p in net.parameters()]
    with clocked() as clock:
        peer.train(net, training_step.Bound(CONFIG), files, CONFIG, 3, tuned, tmp_path)
    assert len(clock.at) == 3 + peer.tried
    assert any(not torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))


def test_goals_of_training_are_told(capsys: pytest.CaptureFixture) -> None:
    name = next(iter(PEERS))
    rates = {"loop": 99.0, "loop, ticks included": 90.0, "bare step": 100.0, name: 50.0}
    share, times = {k: v / 100 for k, v in rates.items()}, {k: 90 / v for k, v in rates.items()}
    print_step(
        {
            **MACHINE,
            "device": "cpu",
            "threads": 2,
            "repeats": 5,
            "weights": 9,
            "operations": 1e9,
            "img_per_sec": rates,
            "share": share,
            "times": times,
        }
    )
    out = capsys.readouterr().out
    assert out.count("MISSED") == 2 and "reaches 0.90" in out and "1.80 times PyTorch-VAE" in out


# ---- the data


def test_runs_over_more_pictures_are_measured_in_a_process_of_their_own(
    celeba: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(data_bench, "READ", 2)  # batches of 64 pictures
    monkeypatch.setattr(data_bench, "WARM_UP", 1)
    found = bench_data(celeba, repeats=1, steps=2, counts=(200,))
    assert set(found["growth"]) == {"200"} and all(row["ms"] > 0 and row["mb"] > 50 for row in found["growth"].values())
    reading = found["images"]
    assert len(reading) == 5 and all(row["per_sec"] > 0 and row["per_core_sec"] > 0 for row in reading.values())
    assert 1_000 < reading["pack, one worker"]["bytes"] < 128 * 128 * 3  # tars of JPEGs
    slow = {name: {**row, "per_sec": 900.0} for name, row in reading.items()}
    print_data(found | {"images": slow, "growth": {"1": {"ms": 1.0, "mb": 100.0}, "2": {"ms": 1.2, "mb": 101.0}}})
    out = capsys.readouterr().out
    assert out.count("MISSED") == 2 and "memory over most pictures is 1.01 times" in out


# ---- the editor


def test_the_first_call_after_a_rest_counts_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    now, order = [0.0], []

    def call(name: str) -> None:
        now[0] += 1.0 if order and order[-1] == name else 20.0
        order.append(name)

    monkeypatch.setattr(editor, "time", SimpleNamespace(sleep=lambda sec: None, perf_counter=lambda: now[0]))
    found = time_rows({"a": lambda: call("a"), "b": lambda: call("b")}, rounds=2)
    assert order == (["a"] * 6 + ["b"] * 6) * 3
    assert {name: times.tolist() for name, times in found.items()} == {"a": [20.0, 1.0], "b": [20.0, 1.0]}


def test_a_search_that_ends_begins_anew() -> None:
    begun = []
    steps = Repeated(lambda: begun.append(1) or iter([1, 2, 3]))
    for _ in range(5):
        steps()
    assert len(begun) == 2


def test_every_call_of_the_editor_has_a_floor_that_computes_the_same(tiny_checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    assert onnxruntime and pytest.importorskip("onnx")
    for call, floor in list_pairs(Editor(tiny_checkpoint), {"Smiling": True}).values():
        call(), floor()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ValueError, match="pip install"):
        list_pairs(Editor(tiny_checkpoint), {"Smiling": True})


def test_goals_of_the_editor_are_told(capsys: pytest.CaptureFixture) -> None:
    row = {"ms": 12.0, "floor_ms": 10.0, "ratio": 1.2, "rested_ms": 20.0, "rested_ratio": 1.7}
    rows = dict.fromkeys(("decode", "decode, 8 users at once, each", "guidance step"), row)
    print_editor({**MACHINE, "threads": 2, "rounds": 3, "rows": rows, "app_peak_mb": 900.0})
    out = capsys.readouterr().out
    assert out.count("MISSED") == 2 and "1.20" in out and "900 MB" in out
    assert np.isclose(float(out.split("decode")[1].split()[2]), 1.2)
