"""One command makes everything that depends on the weights, and keeps what does not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from few_steps import guide_in_few_steps

from facevae.checkpoint.checkpoint import Checkpoint, save_checkpoint
from facevae.editor import Editor
from facevae.nets.judge import Judge, JudgeConfig
from facevae.nets.residual import ResidualConfig
from train.data.prepared import PreparedData
from train.data.synthetic import prepare_synthetic
from train.evaluate.config import EvaluateConfig
from train.evaluate.evaluate import evaluate
from train.latent.calibration import DirectionsConfig
from train.latent.conditional_flow import FlowTrainConfig, load_conditional_flow
from train.latent.learned_directions import LearnedConfig
from train.latent.prior import PriorConfig, read_prior
from train.networks.classifier import ClassifierTrainConfig, fit_classifier, save_classifier
from train.publish.export import add_evaluation
from train.publish.release import ReleaseConfig, release
from train.vae.config import TrainConfig
from train.vae.loop import fit

NET = ResidualConfig(size=16, patch=2, widths=(8, 16), encoder_blocks=(0, 1), decoder_blocks=(1, 1), groups=4, latent=6)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that a release is made of, as small as it can be."""
    folder = tmp_path_factory.mktemp("parts")
    prepare_synthetic(folder / "data", 320, 16, seed=0)
    data = PreparedData(folder / "data")
    tiny = {"size": 16, "layers": (1, 1, 1, 1), "batch_size": 32, "lr_ramp_nimg": 32, "ema_halflife_nimg": 64, "valid_nimg": 16}
    config = ClassifierTrainConfig(**tiny, total_nimg=1280, tick_nimg=1280, reconstructed=0, precision="no")
    fit_classifier(config, data, folder / "guide")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_classifier(folder / "judge", Judge(JudgeConfig(tuple(data.attributes), 16, (4, 8))))
    vae = TrainConfig(net=NET, total_nimg=640, batch_size=16, tick_nimg=640, lr_ramp_nimg=32, valid_nimg=16, shift_px=1, precision="no")
    fit(vae, data, folder / "run")
    return folder


def make(parts: Path, aligner: Path, out: Path) -> Checkpoint:
    few = {"train_faces": 200, "valid_faces": 16}
    directions = DirectionsConfig(
        **few,
        probe_faces=2,
        ladder=(2, 8),
        choose_at=(4,),
        least_shift=-9,
        least_auroc=0.6,
        learned=LearnedConfig(steps=4, batch_size=4),
    )
    prior = PriorConfig(**few, components=(1, 2))
    flow = FlowTrainConfig(width=8, hidden=8, blocks=1, total_nimg=64, batch_size=32, tick_nimg=64, lr_ramp_nimg=32, precision="no")
    measures = EvaluateConfig(parts / "data", judge=parts / "judge", faces=3, guided=1)
    nets = {"classifier": parts / "guide", "aligner": aligner, "parser": aligner}
    made = {"directions": directions, "prior": prior, "flow": flow}
    return release(ReleaseConfig(parts / "run", **nets, out=out, evaluate=measures, **made, figures=False))


@pytest.mark.filterwarnings("ignore:attribute .* is left out", "ignore:0 of 200 faces show hair")
def test_a_release_is_measured_whole_and_keeps_what_has_not_changed(
    parts: Path, tiny_checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.evaluate.plain_guidance.STEPS", 4)  # of a hundred, for each goal
    monkeypatch.setattr("train.evaluate.drawn_people.SEEDS", 2)
    monkeypatch.setattr("train.publish.flow.FlowFigures.is_nearer", True)
    guide_in_few_steps(monkeypatch)
    save_checkpoint(tmp_path / "before", tiny_checkpoint)
    out = tmp_path / "out"
    checkpoint = make(parts, tmp_path / "before", out)
    assert set(checkpoint.evaluation) == {
        "training",
        "withheld",
        "prior",
        "reconstruction",
        "protocol",
        "draws",
        "classifier",
        "edits",
        "parts",
        "skin",
        "inversion",
    }
    assert checkpoint.evaluation["training"]["nimg"] == 640
    flow = load_conditional_flow(parts / "run" / "flow")
    torch.testing.assert_close(checkpoint.prior.net.outlet.weight, flow.net.outlet.weight, rtol=1e-3, atol=1e-6)  # float16 on disk
    assert checkpoint.evaluation["prior"]["chosen"] == "flow" and checkpoint.evaluation["draws"]["n"] == 2
    # What the protocol has measured already is what a measurement of its own finds.
    ((_, again),) = evaluate(out, "reconstruction", EvaluateConfig(parts / "data"))
    assert checkpoint.evaluation["reconstruction"] == again
    assert checkpoint.skin is not None
    cholesky = replace(checkpoint, prior=read_prior(parts / "run", 6)).cholesky  # directions are found before there is a flow
    for name in set(checkpoint.directions) - {"Pale_Skin"}:
        step = checkpoint.directions[name].step
        assert (torch.cholesky_solve(checkpoint.skin.T, cholesky).T @ step).abs().max() < 0.05 * step.norm()
    assert {checkpoint.evaluation[k]["judge"] for k in ("protocol", "edits", "inversion")} == {checkpoint.evaluation["protocol"]["judge"]}
    for name, why in checkpoint.evaluation["withheld"].items():
        assert name not in checkpoint.directions and f"- {name}: {why}" in checkpoint.card
    assert "| mean |" in checkpoint.card and "Brier" in checkpoint.card

    # The same alignment net: its measurement, which needs whole frames, is still true. What is measured above is not measured twice more.
    for part in ("find_directions", "find_prior", "evaluate"):
        monkeypatch.setattr(f"train.publish.release.{part}", lambda *_, **__: [])
    found = {"n": 1, "celeba": {"pipeline": {}, "net": {}, "haar": {}}, "astronaut": {"n": 1, "found": 1, "haar": 0}, "faceless": {}}
    add_evaluation(out, "alignment", found)
    assert make(parts, out, out).evaluation["alignment"] == found
    moved = {k: v + 1 if v.is_floating_point() else v for k, v in tiny_checkpoint.aligner.state_dict().items()}
    other = Editor(tiny_checkpoint).checkpoint.aligner.__class__(tiny_checkpoint.aligner.config)
    other.load_state_dict(moved)
    save_checkpoint(tmp_path / "other", replace(tiny_checkpoint, aligner=other))
    assert "alignment" not in make(parts, tmp_path / "other", out).evaluation
    # What was written is what was given back.
    assert np.isfinite(Editor(out).generate([0])[0].crop).all() and Checkpoint.from_pretrained(out).digest
