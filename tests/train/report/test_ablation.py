"""The ablation changes one thing at a time, measures what it trained, and does nothing twice."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

import train.report.ablation as ablation
from facevae.nets.classifier import AttributeClassifier, ClassifierConfig
from facevae.nets.judge import Judge, JudgeConfig
from facevae.nets.residual import ResidualConfig
from train.data.prepared import PreparedData
from train.data.synthetic import prepare_synthetic
from train.measure.encodings import load_run
from train.networks.classifier import save_classifier
from train.report.ablation import (
    CONTINUED,
    MARKS,
    SCRATCH,
    AblationConfig,
    Variant,
    ablation_table,
    config_of,
    publish,
    run_ablation,
    strip,
)
from train.vae.config import TrainConfig

NET = ResidualConfig(size=16, patch=2, widths=(8, 16), encoder_blocks=(0, 1), decoder_blocks=(1, 1), groups=4, latent=6)
SMALL = {"net": NET, "batch_size": 16, "valid_nimg": 16, "shift_px": 1, "precision": "no"}


def test_each_variant_changes_what_it_says_and_nothing_else() -> None:
    for variants in (SCRATCH, CONTINUED):
        names = list(variants)
        base = asdict(config_of(names[0], AblationConfig()))
        assert not variants[names[0]].change and not variants[names[0]].grow
        for name in names[1:]:
            other = asdict(config_of(name, AblationConfig()))
            assert {k for k in base if base[k] != other[k]} == set(variants[name].change) | ({"net"} if variants[name].grow else set()), (
                name
            )


@pytest.fixture
def setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[PreparedData, AttributeClassifier, Path]:
    prepare_synthetic(tmp_path / "data", 160, 16, seed=0)
    data = PreparedData(tmp_path / "data")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        guide = AttributeClassifier(ClassifierConfig(tuple(data.attributes), size=16, layers=(1, 1, 1, 1))).eval()
        save_classifier(tmp_path / "judge", Judge(JudgeConfig(tuple(data.attributes), 16, (4, 8))))
    full = config_of
    monkeypatch.setattr(ablation, "config_of", lambda *a: small(full(*a)))
    monkeypatch.setattr(ablation, "SCRATCH", {"base": Variant("base"), "beta-1": Variant("β 1", {"beta": 1.0})})
    monkeypatch.setattr(ablation, "CONTINUED", {"continued-feature": Variant("feature loss", {"feature_weight": 0.1})})
    return data, guide, tmp_path


def small(config: TrainConfig) -> TrainConfig:
    return replace(config, **SMALL, total_nimg=64, tick_nimg=32, lr_ramp_nimg=16)


def test_variants_are_trained_measured_and_not_done_twice(setting, monkeypatch: pytest.MonkeyPatch) -> None:
    data, guide, folder = setting
    config = AblationConfig(scratch_nimg=128, continued_nimg=128, faces=16)
    common = (folder / "out", data, guide, folder / "out" / "base", folder / "judge", config)
    run_ablation(("base",), *common)
    found = run_ablation(("base", "beta-1", "continued-feature"), *common)
    assert set(found) == {"base", "beta-1", "continued-feature"}
    assert found == json.loads((folder / "out" / "ablation.json").read_text())
    assert found["base"]["reconstruction"] != found["beta-1"]["reconstruction"]
    assert json.loads((folder / "out" / "continued-feature" / "start.json").read_text()) == {"from": "base", "nimg": 64}
    assert all(row["split"] == "valid" for row in found.values())  # test faces choose nothing

    monkeypatch.setattr(ablation, "measure_protocol", lambda *a, **k: pytest.fail("measured again"))
    assert run_ablation(("base", "beta-1"), *common) == found
    text = ablation_table(found)
    assert "| β 1 |" in text and "| feature loss |" in text and text.count("64 images each") == 2
    (folder / "page.md").write_text(f"before\n{MARKS[0]}\nold\n{MARKS[1]}\nafter\n")
    publish(folder / "page.md", found)
    page = (folder / "page.md").read_text()
    assert page.startswith("before\n") and page.endswith("\nafter\n") and "old" not in page and text in page

    net = load_run(folder / "out" / "base").net
    row = strip(net, data, np.zeros((16, 16, 3), np.uint8), samples=3)
    assert row.shape == (16, 5 * 16 + 4 * 2, 3) and not row[:, :16].any()


def test_an_unknown_variant_is_named(setting) -> None:
    data, guide, folder = setting
    with pytest.raises(ValueError, match="there is no variant sharper; known are base, beta-1, continued-feature"):
        run_ablation(("sharper",), folder / "out", data, guide, folder, folder / "judge", AblationConfig())
