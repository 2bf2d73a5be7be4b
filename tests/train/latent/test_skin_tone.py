"""The tone of skin is found in the latent space, held by whatever does not ask for it, and measured."""

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from few_steps import guide_in_few_steps

from facevae.checkpoint.checkpoint import Checkpoint
from facevae.latent.directions import hold
from train.data.prepared import PreparedData
from train.evaluate.skin_shift import GROUPS, choose, evaluate_skin, skin_text
from train.latent.skin_tone import explained, fit_skin, tones


def test_the_tone_is_that_of_the_cheeks_alone() -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    brown = np.array([[[141, 85, 36]]], np.uint8)
    pictures[:, 34:47, 15:28] = pictures[:, 34:47, 36:49] = brown
    expected = cv2.cvtColor(brown.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[0, 0]
    np.testing.assert_allclose(tones(pictures), np.tile(expected, (3, 1)), atol=0.05)


def test_what_moves_the_tone_is_found_and_what_is_held_from_it_moves_it_no_more() -> None:
    rng = np.random.default_rng(0)
    cholesky = torch.linalg.cholesky(torch.tensor(np.cov(rng.normal(size=(9, 200)))).float())
    z = (torch.from_numpy(rng.normal(size=(2000, 9))).float() @ cholesky.T + 3).numpy()
    weights = rng.normal(size=(9, 3))
    tone = (z @ weights + rng.normal(0, 0.2, (2000, 3)) + 50).astype(np.float32)
    skin = fit_skin(z, tone, cholesky)
    assert min(explained(z, tone, skin, cholesky)) > 0.95
    assert torch.linalg.solve_triangular(cholesky, skin.T, upper=False).norm(dim=0).numpy() == pytest.approx(np.ones(3), abs=1e-4)
    step = torch.from_numpy(rng.normal(size=9)).float()
    before, after = (np.abs(move.numpy() @ weights).max() for move in (step, hold(step, skin, cholesky)))
    assert after < 0.03 * before


def test_pictures_of_one_colour_hold_nothing() -> None:
    z = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    skin = fit_skin(z, np.full((50, 3), 40, np.float32), torch.eye(4))
    assert torch.equal(hold(torch.ones(4), skin, torch.eye(4)), torch.ones(4))


def test_groups_are_spread_over_the_darkest_and_the_lightest_tenth() -> None:
    light = np.random.default_rng(0).permutation(200).astype(np.float32)
    groups = choose(light, 10)
    assert {name: (light[rows].min(), light[rows].max(), len(rows)) for name, rows in groups.items()} == {
        "darkest": (0, 19, 10),
        "all": (0, 199, 10),
        "lightest": (180, 199, 10),
    }


def test_how_far_edits_repaint_is_measured_by_group(
    toy_faces: Callable[[int], PreparedData], tiny_checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    guide_in_few_steps(monkeypatch)
    still = replace(tiny_checkpoint.directions["Young"], sigma=1e-9)
    checkpoint = replace(tiny_checkpoint, directions={"Smiling": tiny_checkpoint.directions["Smiling"], "Young": still})
    section = evaluate_skin(checkpoint, toy_faces(80), "test", 2, 1)
    for side, strength in (("add", 4.0), ("remove", -3.0)):
        assert section["sliders"]["Smiling"][side]["strength"] == strength
        for group in GROUPS:
            assert section["sliders"]["Smiling"][side][group]["colour"] > 0.02
            assert section["sliders"]["Young"][side][group]["colour"] == 0
    light = section["lightness"]
    assert light["darkest"] < light["all"] < light["lightest"]
    assert "| Smiling | 4 |" in skin_text(section) and "smiling" in section["guidance"]
