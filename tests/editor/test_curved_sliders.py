"""Sliders and goals that follow the latent flow: on photos, under locks, in recipes and saved files."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from bent_flow import bent

from facevae.checkpoint.checkpoint import Checkpoint
from facevae.editor import Editor, Face
from facevae.editor.edit_parts import offset_parts
from facevae.editor.recipe import recipe_from
from facevae.latent.directions import hold
from facevae.latent.moves import guidance_of
from facevae.nets.velocity import VelocityConfig
from facevae.photo.images import open_photo


@pytest.fixture(scope="module")
def editor(tiny_checkpoint: Checkpoint) -> Editor:
    flow = bent(config=VelocityConfig(latent=6, labels=8, width=8, hidden=8, blocks=2))
    return Editor(replace(tiny_checkpoint, prior=flow, digest="0123456789abcdef" * 4))


@pytest.fixture(scope="module")
def face(editor: Editor) -> Face:
    return editor.open_photo(np.random.default_rng(0).integers(0, 256, (90, 70, 3), np.uint8))


def test_some_sliders_are_curved_and_start_at_nothing(editor: Editor, face: Face) -> None:
    assert editor.renderer.is_curved("Young") and not editor.renderer.is_curved("Male")
    assert np.array_equal(editor.edit(face, {"Young": 0.0}).photo, face.photo)
    half, whole = (editor.renderer.move(face, {"Young": strength}) for strength in (-1.5, -3.0))
    assert 0 < half.norm() < whole.norm() and not torch.allclose(whole, 2 * half, rtol=0.01)
    assert not torch.allclose(whole, editor.renderer.move(face, {"Young": 3.0}), atol=0.01)
    both = editor.renderer.move(face, {"Young": -3.0, "Male": 2.0})
    torch.testing.assert_close(both, whole + editor.renderer.move(face, {"Male": 2.0}))


def test_a_smile_goes_on_along_its_line_as_far_as_it_is_there_already(editor: Editor, face: Face) -> None:
    renderer, z = editor.renderer, torch.from_numpy(face.latent)
    assert renderer.flow_moves is not None and renderer.is_curved("Smiling")
    there = renderer.flow_moves.already(z, "Smiling", True)
    assert 0 < there < 1
    along = renderer.flow_moves.slide(z, {"Smiling": guidance_of(renderer.directions["Smiling"], 2.0)})
    torch.testing.assert_close(renderer.move(face, {"Smiling": 2.0}), along + there * 2.0 * renderer.directions["Smiling"].step)
    assert renderer.flow_moves.already(z, "Smiling", False) == pytest.approx(1 - there)


def test_a_lock_holds_on_a_curved_slider(editor: Editor, face: Face) -> None:
    axis = torch.cholesky_solve(editor.directions["Male"].step[:, None], editor.checkpoint.cholesky)[:, 0]
    free, held = (editor.renderer.move(face, {"Young": -3.0}, locks) @ axis for locks in ((), ("Male",)))
    assert abs(held) < 1e-4 < abs(free)


def test_curved_sliders_share_a_path_of_which_a_lock_leaves_its_own_slider_out(tiny_checkpoint: Checkpoint) -> None:
    attributes = ("Young", "Eyeglasses")
    known = {n: replace(tiny_checkpoint.directions[o], name=n) for n, o in zip(attributes, ("Young", "Male"), strict=True)}
    flow = bent(config=VelocityConfig(latent=6, labels=8, width=8, hidden=8, blocks=2))
    renderer = Editor(replace(tiny_checkpoint, prior=flow, directions=tiny_checkpoint.directions | known)).renderer
    face = Editor(tiny_checkpoint).generate([1])[0]
    both = {"Young": -3.0, "Eyeglasses": 2.0}
    alone = [renderer.move(face, {name: strength}) for name, strength in both.items()]
    assert not torch.allclose(renderer.move(face, both), sum(alone), atol=1e-3)
    young = renderer.locked_steps(["Young"])
    held = renderer.move(face, both, ["Young"])
    torch.testing.assert_close(held, alone[0] + hold(alone[1], young, renderer.checkpoint.cholesky))


@pytest.mark.parametrize("strengths", [{"Young": float("nan")}, {"Young": float("inf"), "Smiling": 1.0}])
def test_a_strength_that_is_no_number_is_refused_by_name(editor: Editor, face: Face, strengths: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="strength of Young must be a number"):
        editor.renderer.move(face, strengths)


def test_a_saved_file_opens_with_the_same_curve(editor: Editor, face: Face) -> None:
    strengths = {"Young": -2.0}
    content, _ = editor.save(face, strengths)
    photo = open_photo(content)
    back = editor.reopen(recipe_from(photo.recipe), photo)
    assert [part.about for part in back.face.applied or ()] == [("Young",)]
    moves = (editor.renderer.move(one, strengths) for one in (face, back.face))
    torch.testing.assert_close(*moves, atol=1e-4, rtol=1e-3)
    assert np.array_equal(editor.edit(back.face, strengths).photo, photo.pixels)


def test_a_goal_walks_along_the_flow_to_the_gentlest_move_that_is_enough(
    editor: Editor, face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A guide that is the surer the longer the move."""

    def sure(face: Face, *given: object, **more: object) -> dict[str, float]:
        return dict.fromkeys(editor.attributes, 0.1 + 0.8 * float(np.tanh(100 * np.linalg.norm(face.offset))))

    monkeypatch.setattr(editor.renderer, "probabilities", sure)
    steps = list(editor.guide(face, {"Young": True}, target=0.95))
    lengths = [np.linalg.norm(step.face.offset) for step in steps[:-1]]
    assert [step.done for step in steps] == [False] * (len(steps) - 1) + [True] and lengths == sorted(lengths)
    assert all(step.face.about == ("Young",) for step in steps)
    chosen, most = steps[-1], max(step.probability for step in steps)
    assert chosen.reason == "plateau" and np.array_equal(chosen.face.offset, steps[chosen.step - 1].face.offset)
    assert all(step.probability < 0.76 * most for step in steps[: chosen.step - 1]) and chosen.probability < most
    *rest, reached = editor.guide(face, {"Young": True}, target=steps[3].probability)
    assert len(rest) == 3 and reached.reason == "target" and np.array_equal(reached.face.offset, steps[3].face.offset)


def test_a_wish_for_more_than_the_flow_knows_goes_on_from_its_move(editor: Editor, face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = editor.probabilities(face)
    young, masculine = seen["Young"] < 0.5, seen["Male"] < 0.5
    *_, aged = editor.guide(face, {"Young": young}, target=0.99)
    steps = list(editor.guide(face, {"Young": young, "Male": masculine}, target=0.99, steps=2))
    assert steps[-1].done and set(steps[-1].probabilities) == {"Young", "Male"}
    assert [part.about for part in offset_parts(steps[-1].face)] == [("Male", "Young")]
    assert not np.allclose(steps[-1].face.offset, aged.face.offset)
    alone = list(editor.guide(face, {"Male": masculine}, target=0.99, steps=2))
    assert not np.allclose(steps[0].face.offset, alone[0].face.offset)


def test_a_side_without_a_safe_range_follows_its_direction(tiny_checkpoint: Checkpoint, editor: Editor, face: Face) -> None:
    young = replace(tiny_checkpoint.directions["Young"], high=0.0)
    straight = Editor(replace(editor.checkpoint, directions=tiny_checkpoint.directions | {"Young": young}))
    torch.testing.assert_close(straight.renderer.move(face, {"Young": 2.0}), 2 * young.step)


def test_without_a_flow_its_labels_get_head_starts_as_all_others(tiny_checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    editor, lacking = Editor(tiny_checkpoint), []
    head_starts = editor.guidance._head_starts
    monkeypatch.setattr(editor.guidance, "_head_starts", lambda asked: lacking.append(dict(asked)) or head_starts(asked))
    face = editor.generate([1])[0]
    young = editor.probabilities(face)["Young"] < 0.5
    *_, last = editor.guide(face, {"Young": young}, target=0.99, steps=1)
    assert last.done and lacking == [{"Young": young}]
