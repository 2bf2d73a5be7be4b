"""The whole life of a checkpoint on toy faces: prepare, fit, kill, resume, classifier, directions, export, app, edit."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from few_steps import guide_in_few_steps

from facevae.checkpoint.checkpoint import Checkpoint
from facevae.editor import Editor
from train.__main__ import main
from train.data.prepared import PreparedData
from train.data.synthetic import write_celeba_layout

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("life")


@pytest.fixture(scope="module")
def checkpoint(place: Path) -> Path:
    """A checkpoint made by the commands alone; the fit is killed after its first tick and started again.

    Directions of two attributes, and guidance, plain and ours, in a few steps instead of a hundred: each
    part of each command runs, and how often is not what is asked here.
    """
    data, run, classifier, aligner, out = (str(place / name) for name in ("data", "run", "classifier", "aligner", "toy"))
    assert main(["prepare", "--synthetic", "400", "--size", "32", "--out", data]) == 0
    sizes = ["--config.total-nimg", "1280", "--config.tick-nimg", "640", "--config.valid-nimg", "32"]
    fit = ["fit", "--preset", "toy-32", "--data", data, "--run", run, *sizes]
    process = subprocess.Popen([sys.executable, "-m", "train", *fit], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    state, end = Path(run) / "state.safetensors", time.monotonic() + 600
    while not state.is_file() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert main(fit) == 0
    quick = ["--config.total-nimg=256", "--config.batch-size=64", "--config.tick-nimg=128", "--config.valid-nimg=40", "--config.size=32"]
    assert main(["classifier", "--data", data, "--run", classifier, "--vae", run, *quick, "--config.layers", "1", "1", "1", "1"]) == 0
    write_celeba_layout(place / "celeba", 60, seed=0)
    quick = ["--config.total-nimg=256", "--config.batch-size=32", "--config.tick-nimg=128", "--config.valid-nimg=32"]
    assert main(["aligner", "--celeba", str(place / "celeba"), "--run", aligner, *quick]) == 0
    few = ["--config.train-faces=320", "--config.valid-faces=40", "--config.probe-faces=3", "--config.least-shift=-9"]
    few += ["--config.least-auroc=0", "--config.learned.steps=2", "--judge", classifier, "--config.ladder", "1", "3"]
    few += ["--only", "Smiling", "Blond_Hair"]
    assert main(["directions", "--data", data, "--run", run, "--classifier", classifier, *few]) == 0
    few = ["--config.train-faces=320", "--config.valid-faces=40", "--config.components", "1", "2"]
    assert main(["prior", "--data", data, "--run", run, *few]) == 0
    assert main(["export", "--run", run, "--classifier", classifier, "--aligner", aligner, "--out", out]) == 0
    for what in ("reconstruction", "classifier"):
        assert main(["evaluate", what, "--checkpoint", out, "--data", data, "--write"]) == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("train.evaluate.plain_guidance.STEPS", 4)
        guide_in_few_steps(patch)
        assert main(["evaluate", "edits", "--checkpoint", out, "--data", data, "--faces", "4", "--guided", "1", "--write"]) == 0
    return Path(out)


def test_stats_show_both_lives(checkpoint: Path, place: Path) -> None:
    lines = [json.loads(line) for line in (place / "run" / "stats.jsonl").read_text().splitlines()]
    assert [line["nimg"] for line in lines] == [640, 1280]


def test_evaluation_and_card_say_the_same(checkpoint: Path, capsys: pytest.CaptureFixture) -> None:
    loaded = Checkpoint.from_pretrained(checkpoint)
    assert set(loaded.evaluation) == {"training", "withheld", "prior", "reconstruction", "classifier", "edits"}
    assert f"PSNR {loaded.evaluation['reconstruction']['psnr_db']:.2f} dB" in loaded.card
    assert main(["evaluate", "show", "--checkpoint", str(checkpoint)]) == 0
    assert "mean on reconstructions" in capsys.readouterr().out


def test_edit_with_it(checkpoint: Path, place: Path) -> None:
    editor = Editor(checkpoint)
    face = editor.open_photo(np.array(PreparedData(place / "data").images[3]))  # of the first faces, the one with hair to the parser
    control = next(c for c in editor.controls if c.name == "Blond_Hair")
    assert (editor.edit(face, {"Blond_Hair": control.high}).photo != face.photo).any()


def test_app_serves_it(checkpoint: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    app = subprocess.Popen([sys.executable, "app.py", "--checkpoint", str(checkpoint), "--port", str(port)], cwd=ROOT, env=dict(os.environ))
    try:
        end = time.monotonic() + 600  # against an app that never answers, not a measure of speed
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60) as answer:
                    assert b"facevae" in answer.read()
                    return
            except OSError:
                assert app.poll() is None and time.monotonic() < end
                time.sleep(0.2)
    finally:
        app.terminate()
        app.wait()


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["prepare", "--out", "x"], "give exactly one of"),
        (["prepare", "--celeba", "/no/such", "--out", "x"], "img_align_celeba is missing"),
        (["fit", "--data", "/no/such", "--run", "x"], "not a prepared data set"),
        (["export", "--run", "/no/such", "--classifier", "x", "--aligner", "x", "--out", "y"], "holds no training run"),
        (["evaluate"], "--data names a prepared data set"),
    ],
)
def test_mistakes_end_in_one_sentence(argv: list[str], message: str, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(argv) == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error and error.count("\n") == 1
