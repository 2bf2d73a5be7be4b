"""Each report at the smoke budget: toy faces drawn by code, tiny nets, every line of its page."""

import json
import re
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import train.report.label_guidance
import train.report.runs
from facevae.nets.judge import Judge, JudgeConfig
from train.__main__ import main
from train.data.prepared import PreparedData
from train.networks.classifier import save_classifier
from train.report.command import REPORTS, find_judge, run_report, smoke_study
from train.report.label_guidance import PlainConfig
from train.report.page import ReportPage, publish
from train.report.runs import BUDGETS, beta_of_lambda, runs_of


@pytest.fixture(scope="module")
def nets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the data, the classifier and the judge of the smoke budget, which are those of every report."""
    folder = tmp_path_factory.mktemp("nets")
    smoke_study("twins", folder)
    return folder


@pytest.mark.parametrize("name", REPORTS)
def test_report_is_written_whole(name: str, nets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train.report.label_guidance, "PlainConfig", partial(PlainConfig, steps=6))  # of forty
    monkeypatch.setattr(train.report.runs, "EPOCHS", 3)  # of ten
    shutil.copytree(nets, tmp_path, dirs_exist_ok=True)
    page = run_report(name, "smoke", tmp_path)
    text = page.read_text()
    results = json.loads((tmp_path / "results.json").read_text())
    assert len(results["claims"]) >= 3
    assert {c["verdict"] for c in results["claims"]} <= {"found", "partly", "not found", "not testable"}
    shown = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text)
    assert len(shown) >= 5
    assert [link for link in shown if not (tmp_path / link).is_file() or not link.startswith("figures/")] == []
    assert list((tmp_path / "private").glob("*.png")), "photos of the data belong to the private folder"

    states = {p: p.stat().st_mtime_ns for p in tmp_path.glob("runs/*/state.safetensors")}
    assert len(states) == len(runs_of(name, "smoke"))
    if name == "disentangling":  # which is the quickest
        assert run_report(name, "smoke", tmp_path).read_text() == text, "a second call repeats it"
        assert {p: p.stat().st_mtime_ns for p in states} == states, "a second call trains nothing"


def test_publishing_leaves_private_pictures_behind(tmp_path: Path) -> None:
    page = ReportPage(tmp_path / "run", "twins", "smoke", "Title", "Introduction.")
    picture = np.zeros((2, 2, 3), np.uint8)
    page.figure("open", picture, "Open")
    page.figure("closed", picture, "Closed", private=True)
    page.claim("the moon is cheese", "it is not", "not found")
    page.write()
    index = publish(tmp_path / "run", tmp_path / "docs")
    assert sorted(p.name for p in (tmp_path / "docs").rglob("*") if p.is_file()) == ["open.png", "report.md", "reports.md", "results.json"]
    assert "| the moon is cheese | it is not | **not found** |" in index.read_text()


def test_lambda_is_converted_to_beta() -> None:
    """On [-1, 1] an error is twice as large: mean squared error there is 4 / D of the sum here."""
    shape = (3, 64, 48)
    squares, rate, weight = 7.0, 3.0, 1e-3
    theirs = 4 * squares / (3 * 64 * 48) + weight * rate
    ours = squares + beta_of_lambda(weight, shape) * rate
    assert theirs / ours == pytest.approx(4 / (3 * 64 * 48))


def test_short_budget_trains_the_presets_as_published_but_for_the_half_width() -> None:
    from train.vae.config import PRESETS

    presets = {"residual": "residual-64", "disentangling": "disentangling-64", "lambda": "lambda-64x48", "twins": "twins-24"}
    for report, preset in presets.items():
        first = next(iter(runs_of(report, "full").values()))
        assert first.net == PRESETS[preset].net
        assert next(iter(runs_of(report, "short").values())).net.latent == first.net.latent
        assert next(iter(runs_of(report, "long").values())).net == first.net
    assert BUDGETS["short"].small == {"residual": {"width": PRESETS["residual-64"].net.width // 2}}


def test_the_judge_may_be_a_saved_one(data: PreparedData, tmp_path: Path) -> None:
    """As in the README's own call, `--judge assets/judge`: a folder that is no run."""
    save_classifier(tmp_path / "judge", Judge(JudgeConfig(tuple(data.attributes), 16, (4, 8))))
    assert isinstance(find_judge(data, tmp_path / "out", tmp_path / "judge", "short"), Judge)
    save_classifier(tmp_path / "other", Judge(JudgeConfig(("Smiling",), 16, (4, 8))))
    with pytest.raises(ValueError, match="answers for Smiling"):
        find_judge(data, tmp_path / "out", tmp_path / "other", "short")


def test_wrong_calls_end_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "twins", "--budget", "short", "--out", str(tmp_path)]) == 2
    assert "needs --data" in capsys.readouterr().err
    assert main(["report", "twins", "--out", str(tmp_path), "--data", str(tmp_path)]) == 2
    assert "is not a prepared data set" in capsys.readouterr().err
