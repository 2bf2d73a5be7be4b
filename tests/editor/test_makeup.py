"""Make-up is put on at once, and laid into the photo as a tint; locks hold, and so does it in a search."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from colour_parser import PALETTE, by_colour

from facevae.checkpoint.checkpoint import Checkpoint, LabelStatistics
from facevae.editor import Editor, Face
from facevae.latent.makeup import FULL
from facevae.nets.classifier import AttributeClassifier

NAMES = ("Heavy_Makeup", "Wearing_Lipstick")
PAINTS = {name: PALETTE[name] for name in ("background", "skin", "eyes")} | {"lips": (185, 80, 70)}
LIPS = np.s_[68:74, 36:60]


@pytest.fixture(scope="module")
def editor(tiny_checkpoint: Checkpoint) -> Editor:
    """It knows make-up and lipstick, and no direction is at a right angle to another."""
    vectors = torch.randn(2, 6, generator=torch.Generator().manual_seed(3))
    known = tiny_checkpoint.directions
    own = {name: replace(known["Young"], name=name, vector=v / v.norm()) for name, v in zip(NAMES, vectors, strict=True)}
    attributes = (*tiny_checkpoint.classifier.config.attributes, *NAMES)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        classifier = AttributeClassifier(replace(tiny_checkpoint.classifier.config, attributes=attributes)).eval().requires_grad_(False)
    ones = torch.ones(len(attributes))
    labels = LabelStatistics(torch.diag(ones), ones, ones)
    editor = Editor(replace(tiny_checkpoint, directions=known | own, classifier=classifier, labels=labels))
    editor.renderer.parser = by_colour(48, PAINTS)
    return editor


@pytest.fixture(scope="module")
def face(editor: Editor) -> Face:
    y, x = np.mgrid[0:96, 0:96]
    picture = np.empty((96, 96, 3), np.uint8)
    picture[:] = PAINTS["background"]
    picture[np.hypot(x - 48, y - 52) < 36] = PAINTS["skin"]
    picture[LIPS] = PAINTS["lips"]
    return editor.open_photo(picture)


def worn(editor: Editor, face: Face) -> dict[str, float]:
    return editor.renderer.makeup.strengths(torch.from_numpy(face.offset))


def test_makeup_is_one_step_and_no_search(editor: Editor, face: Face) -> None:
    (step,) = editor.guide(face, {"Heavy_Makeup": True})
    assert step.done and step.reason == "put on" and set(step.probabilities) == {"Heavy_Makeup"}
    assert np.allclose(step.face.offset, FULL * editor.directions["Heavy_Makeup"].step.numpy(), atol=1e-5)
    assert step.probability == editor.probabilities(step.face)["Heavy_Makeup"]
    photo = editor.edit(step.face).photo
    changed = (photo != face.photo).any(axis=2)
    assert changed[LIPS].all() and not changed[:20].any() and not changed[90:].any()


def test_what_is_worn_already_counts(editor: Editor, face: Face) -> None:
    (once,) = editor.guide(face, {"Heavy_Makeup": True})
    for start, strengths in ((face, {"Heavy_Makeup": 1.5}), (once.face, {})):
        (step,) = editor.guide(start, {"Heavy_Makeup": True}, strengths)
        assert np.allclose(step.face.offset, once.face.offset, atol=1e-4)


def test_a_lock_on_what_is_asked_for_does_not_hold_and_others_do(editor: Editor, face: Face) -> None:
    (free,), (own,), (held,) = (editor.guide(face, {"Heavy_Makeup": True}, locks=locks) for locks in ((), ("Heavy_Makeup",), ("Male",)))
    assert np.allclose(own.face.offset, free.face.offset, atol=1e-5)
    before, *after = (editor.scores(f)["Male"] for f in (face, free.face, held.face))
    assert abs(after[0] - before) > 0.1 and after[1] == pytest.approx(before, abs=1e-3)
    assert held.reason == "put on" and worn(editor, held.face)["Heavy_Makeup"] > 1


def test_makeup_stays_through_a_search_for_something_else(editor: Editor, face: Face) -> None:
    steps = list(editor.guide(face, {"Heavy_Makeup": True, "Smiling": True}, target=0.9999, steps=4))
    assert len(steps) > 1 and steps[-1].reason in ("target", "plateau", "steps")
    assert set(steps[-1].probabilities) == {"Heavy_Makeup", "Smiling"}
    assert all(worn(editor, step.face)["Heavy_Makeup"] == pytest.approx(FULL, abs=1e-3) for step in steps)
    assert not np.allclose(steps[-1].face.offset, steps[0].face.offset, atol=1e-2)
