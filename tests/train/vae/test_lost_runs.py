"""Nothing lost: whatever kills a run, and wherever, the same call makes the weights that an unbroken run makes."""

import json
import os
import random
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from forks import FORKS, PATIENCE_SEC
from safetensors.torch import load_file, save

import facevae.files
import train.vae.loop
from facevae.nets.convolutional import ConvolutionalConfig
from tests.train.conftest import CONFIG
from train.__main__ import main
from train.data.prepared import PreparedData
from train.vae.adversary import AdversaryConfig
from train.vae.config import TrainConfig
from train.vae.logging import drop_later_stats
from train.vae.loop import fit
from train.vae.resume import previous_of, read_meta


@pytest.fixture(scope="module")
def unbroken(data: PreparedData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("unbroken")
    fit(CONFIG, data, run)
    return run


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def half_a_state(tensors: dict[str, torch.Tensor], path: Path, metadata: dict[str, str]) -> None:
    content = save(tensors, metadata)
    path.write_bytes(content[: len(content) // 2])
    die()


def half_a_line(path: Path, stats: dict) -> None:
    with path.open("a") as file:
        file.write(json.dumps(stats)[:30])
    die()


def kept_but_not_renamed(source: Path, target: Path) -> None:
    os.link(source, target)
    die()


def lasting(seconds: float) -> Callable[..., object]:
    """A write of the state that takes its time, so that a kill from outside often finds it half done."""

    def slowly(tensors: dict[str, torch.Tensor], path: Path, metadata: dict[str, str]) -> None:
        content = save(tensors, metadata)
        with path.open("wb") as file:
            for i in range(10):
                file.write(content[len(content) * i // 10 : len(content) * (i + 1) // 10])
                file.flush()
                time.sleep(seconds / 10)

    return slowly


DEATHS: dict[str, tuple[object, str, Callable[..., object]]] = {
    "from outside": (safetensors.torch, "save_file", lasting(0.3)),
    "half a state": (safetensors.torch, "save_file", half_a_state),
    "before the rename": (facevae.files, "link_or_copy", kept_but_not_renamed),
    "half a line": (train.vae.loop, "add_line", half_a_line),
}


def fit_and_die(config: TrainConfig, folder: Path, run: Path, death: str, number: int) -> None:
    """In a process of its own: `death` strikes when it comes up for the time `number`."""
    torch.set_num_threads(1)
    place, name, deadly = DEATHS[death]
    harmless, calls = getattr(place, name), []

    def called(*args: object, **named: object) -> object:
        calls.append(name)
        return (deadly if len(calls) >= number else harmless)(*args, **named)

    setattr(place, name, called)
    sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115
    fit(config, PreparedData(folder), run)


def kill_again_and_again(config: TrainConfig, data: PreparedData, run: Path, unbroken: Path, kills: int, seed: int) -> None:
    dice, killed = random.Random(seed), 0
    for number in range(kills):
        death = list(DEATHS)[number % len(DEATHS)]
        process = FORKS.Process(
            target=fit_and_die, args=(config, data.folder, run, death, 1 if death == "from outside" else dice.choice((1, 1, 2)))
        )
        process.start()
        if death == "from outside":
            process.join(dice.uniform(0.05, 0.5))
            process.kill()
        process.join(PATIENCE_SEC)
        killed += process.exitcode == -signal.SIGKILL
    assert killed == kills
    assert (run / "state.safetensors").is_file()  # some of it was learned before the last kill
    final = load_file(fit(config, data, run))
    expected = load_file(unbroken / "state.safetensors")
    assert final.keys() == expected.keys()
    assert [k for k in final if not torch.equal(final[k], expected[k])] == []
    assert figures(run) == figures(unbroken)
    assert not [p for p in run.rglob("*") if p.name.endswith(".tmp")]


def figures(run: Path) -> list[dict]:
    """What the lines say, but for the speed."""
    lines = [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "img_per_sec"} for line in lines]


def test_four_kills_in_four_places_change_nothing(data: PreparedData, unbroken: Path, tmp_path: Path) -> None:
    kill_again_and_again(CONFIG, data, tmp_path, unbroken, kills=4, seed=0)


@pytest.mark.slow
def test_twenty_kills_change_nothing(data: PreparedData, tmp_path: Path) -> None:
    config = replace(CONFIG, total_nimg=6_400)
    fit(config, data, tmp_path / "unbroken")
    kill_again_and_again(config, data, tmp_path / "killed", tmp_path / "unbroken", kills=20, seed=1)


def test_two_states_are_kept_and_a_damaged_one_is_told_of(
    data: PreparedData, unbroken: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = fit(CONFIG, data, tmp_path, stop_nimg=192)
    assert (read_meta(path)[1], read_meta(previous_of(path))[1]) == (192, 128)
    path.write_bytes(path.read_bytes()[:-100])
    path = fit(CONFIG, data, tmp_path)
    assert "going on from state.previous.safetensors, after 128 images" in capsys.readouterr().err
    final, expected = load_file(path), load_file(unbroken / "state.safetensors")
    assert all(torch.equal(final[k], expected[k]) for k in expected)
    assert figures(tmp_path) == figures(unbroken)


def test_where_there_are_no_hard_links_the_state_before_is_copied(
    data: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object) -> None:
        raise PermissionError("no hard links here")

    monkeypatch.setattr(os, "link", refuse)
    path = fit(CONFIG, data, tmp_path, stop_nimg=128)
    assert (read_meta(path)[1], read_meta(previous_of(path))[1]) == (128, 64)


def fit_with_ctrl_c(argv: list[str], step: int, kind: signal.Signals) -> None:
    torch.set_num_threads(1)
    objective, calls = train.vae.loop.objective, []

    def interrupted(*args: object) -> object:
        calls.append(1)
        if len(calls) == step:
            os.kill(os.getpid(), kind)
        return objective(*args)

    train.vae.loop.objective = interrupted
    sys.exit(main(argv))


def command(data: PreparedData, run: Path) -> list[str]:
    values = ["--config.total-nimg", "64", "--config.batch-size", "8", "--config.tick-nimg", "32", "--config.valid-nimg", "8"]
    net = ["--config.net.size", "16", "--config.net.widths", "8", "16", "--config.net.encoder-blocks", "0", "1"]
    net += ["--config.net.decoder-blocks", "1", "1", "--config.net.groups", "4", "--config.net.latent", "6"]
    return ["fit", "--preset", "toy-32", "--data", str(data.folder), "--run", str(run), *values, *net]


@pytest.fixture(scope="module")
def finished(data: PreparedData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of `command`, unbroken."""
    run = tmp_path_factory.mktemp("finished") / "whole"
    assert main(command(data, run)) == 0
    return run


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_saves_the_step_it_finds_and_exits_with_130(
    data: PreparedData, finished: Path, tmp_path: Path, kind: signal.Signals
) -> None:
    process = FORKS.Process(target=fit_with_ctrl_c, args=(command(data, tmp_path / "broken"), 6, kind))
    process.start()
    process.join(PATIENCE_SEC)
    assert process.exitcode == 130
    assert read_meta(tmp_path / "broken" / "state.safetensors")[1] == 48  # between two ticks
    assert main(["fit", "--resume", str(tmp_path / "broken")]) == 0
    whole, broken = (load_file(run / "state.safetensors") for run in (finished, tmp_path / "broken"))
    assert whole.keys() == broken.keys() and all(torch.equal(whole[k], broken[k]) for k in whole)
    assert figures(finished) == figures(tmp_path / "broken")  # the mean over a tick counts the steps before the stop


def fit_on_a_full_disk(argv: list[str], said: Path) -> None:
    torch.set_num_threads(1)
    draw, calls = train.vae.loop.draw_sheets, []

    def full(*args: object) -> None:
        calls.append(1)
        if len(calls) == 2:  # from the second tick on no file may grow past 50 kB: sheets fit, a state does not
            resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
        draw(*args)

    train.vae.loop.draw_sheets = full
    sys.stderr = said.open("w")
    code = main(argv)
    sys.stderr.flush()
    os._exit(code)


def test_a_full_disk_stops_the_run_with_one_sentence_and_the_state_is_whole(data: PreparedData, finished: Path, tmp_path: Path) -> None:
    run = tmp_path / "full"
    process = FORKS.Process(target=fit_on_a_full_disk, args=(command(data, run), tmp_path / "said"))
    process.start()
    process.join(PATIENCE_SEC)
    assert process.exitcode == 2
    said = (tmp_path / "said").read_text().splitlines()
    assert said[-1].startswith(f"error: {run} cannot be written (") and "make room" in said[-1]
    assert not [line for line in said if "Traceback" in line]
    assert read_meta(run / "state.safetensors")[1] == 32
    assert main(command(data, run)) == 0
    whole, full = (load_file(folder / "state.safetensors") for folder in (finished, run))
    assert all(torch.equal(whole[k], full[k]) for k in whole)
    assert figures(finished) == figures(run)


@pytest.mark.parametrize("kind", ["residual", "batch norm", "adversary"])
def test_one_batch_of_nans_costs_a_step_and_nothing_else(
    data: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    conv = ConvolutionalConfig(16, 16, encoder=((8, 3, 2), (8, 3, 2)), decoder=((8, 3, 2), (3, 3, 2)), latent=4)
    config = {
        "residual": CONFIG,
        "batch norm": replace(CONFIG, net=conv),
        "adversary": replace(CONFIG, adversary=AdversaryConfig(weight=0.5, alone_nimg=0, ramp_nimg=0, width=4)),
    }[kind]
    break_batches(monkeypatch, {3})
    state = load_file(fit(config, data, tmp_path, stop_nimg=128))
    assert [k for k, v in state.items() if not torch.isfinite(v).all()] == []
    first, second = figures(tmp_path)
    assert (first["skipped"], second["skipped"]) == (1, 0)
    assert np.isfinite([first[k] for k in ("distortion", "rate", "grad_norm", "valid_distortion")]).all()


def test_ten_batches_of_nans_in_a_row_stop_the_run_at_its_last_good_state(
    data: PreparedData, unbroken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        break_batches(broken, set(range(10, 30)))
        with pytest.raises(FloatingPointError, match="10 steps in a row"):
            fit(CONFIG, data, tmp_path)
    assert read_meta(tmp_path / "state.safetensors")[1] == 128  # with the tenth step in the third tick
    fit(CONFIG, data, tmp_path / "healthy", stop_nimg=64)
    previous, healthy = load_file(previous_of(tmp_path / "state.safetensors")), load_file(tmp_path / "healthy" / "state.safetensors")
    assert all(torch.equal(previous[k], healthy[k]) for k in healthy)


def break_batches(monkeypatch: pytest.MonkeyPatch, numbers: set[int]) -> None:
    """Make these training batches NaN, the first being number 1."""
    to_float, seen = train.vae.loop.images.to_float, []

    def broken(pictures: np.ndarray) -> torch.Tensor:
        x = to_float(pictures)
        if len(x) != CONFIG.batch_size:  # of the held-out pictures
            return x
        seen.append(1)
        return x * torch.nan if len(seen) in numbers else x

    monkeypatch.setattr(train.vae.loop.images, "to_float", broken)


def test_stats_after_the_state_and_half_lines_are_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "stats.jsonl"
    path.write_text('{"nimg": 10}\n{"nimg": 20}\n{"nimg": 30, "rat')
    drop_later_stats(path, 10)
    assert path.read_text() == '{"nimg": 10}\n'


def test_a_run_folder_tells_how_it_was_made(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Config, data and all: the folder alone is enough to go on, from any place."""
    run = tmp_path / "moved"
    shutil.copytree(finished, run)
    assert main(["fit", "--resume", str(run)]) == 0
    assert '"latent": 6' in capsys.readouterr().out
    assert main(["fit", "--resume", str(run), "--config.lr", "0.5"]) == 2
    assert "lr: 0.002 in the run, 0.5 asked for" in capsys.readouterr().err
    assert main(["fit", "--resume", str(tmp_path)]) == 2
    assert "holds no training run" in capsys.readouterr().err
    assert main(["fit"]) == 2
    assert "--data and --run, or --resume" in capsys.readouterr().err
