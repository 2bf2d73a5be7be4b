"""The sections "parts" and "detectability" are whole, read well, and compare like with like."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from facevae.checkpoint.checkpoint import Checkpoint
from facevae.nets.judge import Judge, JudgeConfig
from train.data.prepared import PreparedData
from train.evaluate import detectability
from train.evaluate.config import EvaluateConfig
from train.evaluate.detectability import alike, anyone, detectability_text, evaluate_detectability
from train.evaluate.edited_parts import evaluate_parts, flips, parts_text
from train.evaluate.evaluate import open_part_judge, sections_of_all
from train.publish.card import model_card


@pytest.fixture(scope="module")
def data(toy_faces: Callable[[int], PreparedData]) -> PreparedData:
    return toy_faces(160)


def test_parts_are_measured_at_both_ends_of_every_slider(tiny_checkpoint: Checkpoint, data: PreparedData) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        judge = Judge(JudgeConfig(("Smiling", "Male"), 16, (4, 8))).eval()
    section = evaluate_parts(tiny_checkpoint, judge, data, "test", 4)
    assert set(section["sliders"]) == {"Smiling", "Blond_Hair", "Male", "Young"}
    assert section["sliders"]["Smiling"]["add"]["strength"] == 4 and "success" not in section["sliders"]["Young"]["add"]
    text = parts_text(section | {"part_judge": "ba9876543210"})
    assert "| Smiling | 4 · -3 |" in text and "part judge ba9876543210" in text
    plain = parts_text(evaluate_parts(tiny_checkpoint, None, data, "test", 2))
    assert "success" not in plain and "part judge" not in plain.partition("|")[0]
    measured = {"parts": section | {"part_judge": "ba9876543210"}, "detectability": {"edits": {}}}
    card = model_card(replace(tiny_checkpoint, evaluation=measured))
    assert text in card and "## Can edits be told from photos?" in card


def test_success_is_a_flip_of_faces_that_clearly_lack_it() -> None:
    before, after = np.array([0.1, 0.1, 0.5, 0.9], np.float32), np.array([0.6, 0.4, 0.9, 0.3], np.float32)
    assert flips(before, after, adding=True) == {"lacking": 2, "success": 0.5}
    assert flips(before, after, adding=False) == {"lacking": 1, "success": 1.0}
    assert flips(after[2:3], after[2:3], adding=True) == {"lacking": 0, "success": None}


def test_faces_alike_differ_in_the_label_alone(data: PreparedData) -> None:
    rng = np.random.default_rng(0)
    has, lacks = alike(data, "train", "Smiling", True, 1000, rng)
    assert len(has) == len(lacks) > 4 and not set(has) & set(lacks)
    assert data.label("Smiling")[has].all() and not data.label("Smiling")[lacks].any()
    for label in {"Male", "Young"} & set(data.attributes):
        assert data.label(label)[has].sum() == data.label(label)[lacks].sum()
    lost, kept = alike(data, "train", "Smiling", False, 3, rng)
    assert len(lost) == len(kept) == 3 and not data.label("Smiling")[lost].any()
    one, other = anyone(data, "test", "Smiling", True, 1000, rng)
    assert len(one) == len(other) and not set(one) & set(other)


def test_detectability_compares_untouched_with_edited(
    tiny_checkpoint: Checkpoint, data: PreparedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(detectability, "told_apart", lambda train, test, seed: asked.append((train, test)) or 0.7512)
    section = evaluate_detectability(tiny_checkpoint, data, "test", ["Smiling"], examples=6, tried=3)
    assert section["edits"]["Smiling"]["anyone"] == {"auroc": 0.751, "train": 6, "test": 3}
    (untouched, edited), (held_out, _) = asked[0]
    everyone = {picture.tobytes() for picture in data.images}
    assert {picture.tobytes() for picture in untouched} | {picture.tobytes() for picture in held_out} <= everyone
    assert not {picture.tobytes() for picture in edited} & everyone
    assert "| Smiling | +3 | 0.751 | 0.65 |" in detectability_text(section)
    with pytest.raises(ValueError, match="no slider for Bangs"):
        evaluate_detectability(tiny_checkpoint, data, "test", ["Bangs"], 2, 2)


def test_what_is_not_given_is_left_out_or_asked_for() -> None:
    assert not {"morph", "detectability", "alignment"} & set(sections_of_all(EvaluateConfig()))
    assert open_part_judge(EvaluateConfig()) is None
