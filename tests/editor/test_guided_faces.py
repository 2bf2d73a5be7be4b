"""Guidance in the editor: what it carries, what it holds, and its report."""

import gc
from dataclasses import replace

import numpy as np
import pytest
import torch

from facevae.checkpoint.checkpoint import Checkpoint, LabelStatistics
from facevae.editor import Editor, Face
from facevae.nets.judge import Judge, JudgeConfig
from facevae.nets.mkldnn import packable
from facevae.photo import images


def test_searches_at_the_same_time_share_their_packed_nets_and_none_stay_behind(editor: Editor, face: Face) -> None:
    if not packable(editor.checkpoint.net):
        pytest.skip("nothing is packed on this processor")
    first, second = (editor.guide(face, {name: True}, target=0.9999) for name in ("Smiling", "Male"))
    next(first), next(second)
    copies = dict(editor.renderer._packed)
    assert len(copies) == 2 and not {id(editor.checkpoint.net.decoder), id(editor.checkpoint.classifier)} & set(map(id, copies.values()))
    third = editor.guide(face, {"Young": True})
    assert dict(editor.renderer._packed) == copies
    del copies
    for search in (first, second, third):
        search.close()
    del search, first, second, third
    gc.collect()
    assert not editor.renderer._packed


def test_guidance_carries_the_sliders_and_leaves_weights_alone(editor: Editor, face: Face) -> None:
    before = {k: v.clone() for k, v in editor.checkpoint.net.state_dict().items()}
    steps = list(editor.guide(face, {"Smiling": True}, {"Male": 1.0}, target=0.99, steps=5))
    assert steps[-1].done and steps[-1].reason and len(steps) <= 6
    # What counts is the crop as the user gets it, blended.
    assert steps[-1].probability == pytest.approx(editor.probabilities(steps[-1].face)["Smiling"], abs=1e-4)
    assert steps[-1].probabilities == {"Smiling": pytest.approx(steps[-1].probability)}
    assert (editor.edit(steps[-1].face).crop != face.crop).any()
    assert all((v == before[k]).all() for k, v in editor.checkpoint.net.state_dict().items())
    assert not editor.reset(steps[-1].face).offset.any()


def test_guidance_of_a_drawn_face_counts_what_is_shown_and_is_the_same_each_time(editor: Editor) -> None:
    drawn = editor.generate([3])[0]
    first, again = (list(editor.guide(drawn, {"Young": True, "Smiling": False}, target=0.99, steps=3)) for _ in range(2))
    assert all(np.array_equal(a.face.offset, b.face.offset) and a.loss == b.loss for a, b in zip(first, again, strict=True))
    seen = editor.probabilities(first[-1].face)
    assert first[-1].probability == pytest.approx(min(seen["Young"], 1 - seen["Smiling"]), abs=1e-4)


def test_guidance_does_not_move_along_locks(editor: Editor, face: Face) -> None:
    steps = list(editor.guide(face, {"Smiling": True}, target=0.99, steps=4, locks=("Male",)))
    axis = editor.directions["Male"].step
    assert len(steps) > 1
    for step in steps[1:]:
        along = torch.from_numpy(step.face.offset) @ torch.cholesky_solve(axis[:, None], editor.checkpoint.cholesky)
        assert abs(along.item()) < 1e-4 < np.abs(step.face.offset).max()


def test_an_edit_leaves_the_tone_of_the_skin_but_where_it_is_asked_for(editor: Editor, face: Face) -> None:
    offset = np.full_like(face.offset, 1.5)
    plain = face.crop.mean((0, 1))
    away = {
        name: np.abs(editor.edit(replace(face, offset=offset, about=(name,))).crop.mean((0, 1)) - plain).max()
        for name in ("Young", "Pale_Skin")
    }
    assert away["Young"] < 0.6 * away["Pale_Skin"] and away["Pale_Skin"] > 2


def test_guidance_takes_no_step_that_colours_skin_but_where_it_is_asked_for(
    tiny_checkpoint: Checkpoint, face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_checkpoint.classifier.config
    monkeypatch.setattr(tiny_checkpoint.classifier, "config", replace(config, attributes=("Pale_Skin", *config.attributes[1:])))
    free = replace(tiny_checkpoint, directions={"Male": tiny_checkpoint.directions["Male"]}, hair=torch.zeros(3, 6))
    editors = Editor(free), Editor(replace(free, skin=torch.randn(3, 6, generator=torch.Generator().manual_seed(0))))
    moved = {}
    for name, locks in (("Young", ()), ("Young", ("Male",)), ("Pale_Skin", ())):
        for held, editor in enumerate(editors):
            *_, last = editor.guide(face, {name: True}, target=0.99, steps=4, locks=locks)
            moved[name, locks, held] = torch.from_numpy(last.face.offset)
    with torch.inference_mode():
        *_, last = editors[1].guide(face, {"Young": True}, target=0.99, steps=4, locks=("Male",))
    assert np.array_equal(last.face.offset, moved["Young", ("Male",), True])
    assert torch.equal(moved["Pale_Skin", (), False], moved["Pale_Skin", (), True])
    skin, male = (
        torch.cholesky_solve(steps.T, free.cholesky) for steps in (editors[1].checkpoint.skin, free.directions["Male"].step[None])
    )
    assert (moved["Young", (), True] @ skin).abs().max() < 1e-4 < (moved["Young", (), False] @ skin).abs().max()
    assert abs(moved["Young", ("Male",), True] @ male) < 1e-4 < moved["Young", ("Male",), True].abs().max()


@pytest.mark.parametrize("judged", [False, True])
def test_a_report_names_what_moved_with_its_sign(tiny_checkpoint: Checkpoint, face: Face, judged: bool) -> None:
    attributes = tiny_checkpoint.classifier.config.attributes
    with torch.random.fork_rng():
        torch.manual_seed(1)
        judge = Judge(JudgeConfig(attributes, 32, (4, 8, 8))).eval() if judged else None
    a, spread = len(attributes), 1e-4 * torch.arange(1, len(attributes) + 1)
    labels = LabelStatistics(torch.zeros(a, a), guide_spread=spread, judge_spread=2 * spread)
    editor = Editor(replace(tiny_checkpoint, judge=judge, labels=labels))
    after = editor.bake(face, {"Male": 4.0, "Smiling": 2.0})
    report = editor.report(face, {"Male": 1.0}, after, {"Smiling": True})
    crops = images.to_float(np.stack([editor.edit(face, {"Male": 1.0}).crop, editor.edit(after).crop]))
    with torch.inference_mode():
        guided, seen = editor.checkpoint.classifier(crops), (judge or editor.checkpoint.classifier)(crops)
    assert report.asked == {"Smiling": True} and report.guide == {"Smiling": pytest.approx(guided[1, 0].sigmoid().item())}
    assert report.judge == ({"Smiling": pytest.approx(seen[1, 0].sigmoid().item())} if judged else None)
    sigmas = ((seen[1] - seen[0]) / (2 * spread if judged else spread)).tolist()
    expected = {name: sigma for name, sigma in zip(attributes, sigmas, strict=True) if name != "Smiling"}
    large = sorted((abs(sigma) for sigma in expected.values() if abs(sigma) >= 0.25), reverse=True)
    assert len(large) > 3 and [abs(sigma) for _, sigma in report.moved] == pytest.approx(large, rel=1e-3)
    assert all(sigma == pytest.approx(expected[name], rel=1e-3) for name, sigma in report.moved)
    assert report.leakage == pytest.approx(np.mean([abs(sigma) for sigma in expected.values()]), rel=1e-3)
