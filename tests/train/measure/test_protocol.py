"""The protocol gives the same figures twice, compares nobody with himself, and is written whole or not at all."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from facevae.checkpoint.checkpoint import Checkpoint, save_checkpoint
from facevae.nets.judge import Judge, JudgeConfig
from facevae.nets.vae import VAE
from train.__main__ import main
from train.data.prepared import PreparedData
from train.data.synthetic import prepare_synthetic
from train.evaluate.evaluate import print_tables
from train.measure import protocol as p
from train.networks.classifier import save_classifier

FEW = p.Protocol(faces=20, memorised=4, sheet=8)
SETS = [p.REAL, p.REBUILT, "samples T=1", "samples T=0.7", "N(0, I) T=1"]


@pytest.fixture(scope="module")
def data(toy_faces: Callable[[int], PreparedData]) -> PreparedData:
    return toy_faces(240)


@pytest.fixture(scope="module")
def judge(data: PreparedData) -> Judge:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Judge(JudgeConfig(tuple(data.attributes), size=16, widths=(8, 8, 8))).eval().requires_grad_(False)


class Copier(VAE):
    """An autoencoder whose code is the picture, which it gives back as it was, or blurred."""

    def __init__(self, blurred: bool) -> None:
        super().__init__()
        self.config, self.variational = SimpleNamespace(latent=768, shape=(3, 16, 16)), False
        self.encoder = nn.Flatten()
        self.decoder = nn.Sequential(nn.Unflatten(1, (3, 16, 16)), nn.AvgPool2d(7, stride=1, padding=3) if blurred else nn.Identity())


def measure(checkpoint: Checkpoint, judge: Judge, data: PreparedData, sheets: Path | None = None) -> dict:
    return p.measure_protocol(checkpoint.net, checkpoint.variance, checkpoint.prior, judge, "0123456789ab", data, FEW, sheets)


def test_it_is_whole_and_the_same_twice(tiny_checkpoint: Checkpoint, data: PreparedData, judge: Judge, tmp_path: Path) -> None:
    first = measure(tiny_checkpoint, judge, data, tmp_path)
    assert json.loads(json.dumps(first)) == first
    assert (first["version"], first["judge"], first["split"], first["n"], first["subset_n"]) == (1, "0123456789ab", "test", 20, 4)
    assert list(first["distances"]) == SETS
    assert all(set(row["frechet"]) == set(row["kernel_x1000"]) == {"mean", "std"} for row in first["distances"].values())
    assert [name for name, row in first["distances"].items() if "all" not in row] == [p.REBUILT]
    assert set(first["distances"]["samples T=1"]["all"]) == {"frechet", "kernel_x1000", "precision", "recall"}
    assert first["distances"][p.REBUILT]["frechet"]["mean"] > first["distances"][p.REAL]["frechet"]["mean"]  # the net was never trained
    assert first["reconstruction"]["latent"] == 6 >= first["reconstruction"]["active_units"]
    assert first["reconstruction"]["ms_ssim"] is None  # 16 px
    assert first["memorisation"]["train_faces"] == len(data.indices("train"))
    assert len(list(tmp_path.glob("*.png"))) == 4 and len(list(tmp_path.glob("private-*.png"))) == 1

    shutil.rmtree(data.folder / "judged")
    assert measure(tiny_checkpoint, judge, data) == first
    assert measure(tiny_checkpoint, judge, data) == first  # from what is kept beside the data


def test_without_a_prior_it_draws_from_the_normal_one(tiny_checkpoint: Checkpoint, data: PreparedData, judge: Judge) -> None:
    found = measure(replace(tiny_checkpoint, prior=None), judge, data)
    assert list(found["distances"]) == [p.REAL, p.REBUILT, "N(0, I) T=1"]
    assert found["prior"] == "N(0, I)"
    assert found["distances"]["N(0, I) T=1"] == measure(tiny_checkpoint, judge, data)["distances"]["N(0, I) T=1"]


def test_no_reconstruction_meets_its_own_original(data: PreparedData, judge: Judge) -> None:
    """A perfect copy must look like any other photos, at the floor and not at 0; a blurred one lies farther off."""
    rows = p.subsets(23, 5)
    assert rows.shape == (5, 4) and len(np.unique(rows)) == 20
    variance = torch.full((16, 16), 0.01)
    perfect, blurred = (p.measure_protocol(Copier(b), variance, None, judge, "0123456789ab", data, FEW) for b in (False, True))
    floor, copies = (perfect["distances"][name] for name in (p.REAL, p.REBUILT))
    assert perfect["reconstruction"]["ssim"] == 1
    assert {k: floor[k] for k in copies} == copies and copies["frechet"]["mean"] > 0
    assert blurred["distances"][p.REBUILT]["frechet"]["mean"] > 2 * floor["frechet"]["mean"]


def test_too_few_faces_are_refused(tiny_checkpoint: Checkpoint, judge: Judge, tmp_path: Path) -> None:
    prepare_synthetic(tmp_path, 16, 16, seed=0)
    with pytest.raises(ValueError, match="the protocol needs 10 of each"):
        measure(tiny_checkpoint, judge, PreparedData(tmp_path))


def test_on_the_command_line(
    tiny_checkpoint: Checkpoint, data: PreparedData, judge: Judge, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, judged, sheets = tmp_path / "tiny", tmp_path / "judge", tmp_path / "sheets"
    save_checkpoint(folder, tiny_checkpoint)
    save_classifier(judged, judge)
    command = ["evaluate", "protocol", "--checkpoint", str(folder), "--data", str(data.folder), "--judge", str(judged), "--write"]

    def offline(**_: object) -> None:
        raise ModuleNotFoundError("Torch-fidelity is not installed.")

    monkeypatch.setattr("train.measure.fidelity.FrechetInceptionDistance", offline)
    monkeypatch.setattr("train.evaluate.evaluate.measure_protocol", lambda *_, **__: pytest.fail("nothing may be measured before"))
    before = (folder / "evaluation.json").read_bytes()
    assert main([*command, "--fid"]) == 2
    error = capsys.readouterr().err
    assert "pip install torch-fidelity" in error and error.count("\n") == 1
    assert (folder / "evaluation.json").read_bytes() == before

    monkeypatch.setattr("train.evaluate.evaluate.measure_protocol", p.measure_protocol)
    assert main([*command, "--sheets", str(sheets)]) == 0
    loaded = Checkpoint.from_pretrained(folder)
    section = loaded.evaluation["protocol"]
    title = f"Protocol 1, judge {section['judge']}: {len(data.indices('test'))} faces of test"
    assert title in capsys.readouterr().out and title in loaded.card
    assert list(section["distances"]) == SETS and all(f"| {name} |" in loaded.card for name in SETS)
    assert len(list(sheets.glob("*.png"))) == 4


def test_on_a_training_run(data: PreparedData, judge: Judge, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    save_classifier(tmp_path / "judge", judge)
    net = ["--config.net.size=16", "--config.net.patch=2", "--config.net.latent=4", "--config.net.head-channels=3"]
    levels = ["--config.net.encoder-blocks", "0", "1", "--config.net.decoder-blocks", "1", "1", "--config.net.widths", "8", "16"]
    sizes = ["--config.total-nimg=64", "--config.batch-size=32", "--config.tick-nimg=64", "--config.valid-nimg=16"]
    fit = ["fit", "--preset", "toy-32", "--data", str(data.folder), "--run", str(tmp_path / "run"), *sizes, *net, *levels]
    assert main(fit) == 0
    command = ["evaluate", "run", "--data", str(data.folder), "--judge", str(tmp_path / "judge")]
    assert main(command) == 2
    assert "needs --run" in capsys.readouterr().err
    assert main([*command, "--run", str(tmp_path / "run")]) == 0
    evaluation = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert evaluation["training"] == {"nimg": 64}
    assert list(evaluation["protocol"]["distances"]) == SETS and evaluation["protocol"]["prior"] == "GaussianMixture"
    assert evaluation["protocol"]["judge"] in capsys.readouterr().out


def test_inception_has_a_column_of_its_own(
    tiny_checkpoint: Checkpoint, data: PreparedData, judge: Judge, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = measure(tiny_checkpoint, judge, data)
    print_tables({"protocol": section})
    assert "FID" not in capsys.readouterr().out
    for row in section["distances"].values():
        if "all" in row:
            row["all"]["fid"] = 12.34
    print_tables({"protocol": section})
    assert "Inception FID" in (out := capsys.readouterr().out) and out.count("12.3") == 4
