"""Guidance on a linear probe, where the answer is known."""

import threading
from itertools import pairwise

import pytest
import torch

from facevae.latent.guidance import GuidanceConfig, guide


def walk(steps: int = 30, target: float = 0.95) -> list:
    """z is the picture; two linear logits along two axes; only the first is wanted."""
    weights = torch.zeros(2, 4)
    weights[0, 0] = weights[1, 1] = 1.0
    weights[0, 1] = 0.5  # pushing the first label also pushes the second
    return list(
        guide(
            render=lambda move: move.reshape(1, 1, 1, 4),
            classify=lambda x: x.reshape(1, 4) @ weights.T - 2,
            start=torch.zeros(4),
            cholesky=torch.eye(4),
            wanted=torch.tensor([True, False]),
            mask=torch.tensor([True, False]),
            config=GuidanceConfig(steps=steps, target=target, rate=0.3, keep=0.1),
        )
    )


def test_wanted_logit_rises_step_by_step_and_stops_at_the_target() -> None:
    steps = walk(steps=100)
    probabilities = [s.probability for s in steps]
    assert all(b > a for a, b in pairwise(probabilities))
    assert steps[-1].done and probabilities[-1] >= 0.95 and len(steps) < 101


def test_others_are_kept_and_idle_dimensions_stay() -> None:
    move = walk(steps=100)[-1].move
    assert abs(move[1]) < 0.3 * move[0]
    assert torch.equal(move[2:], torch.zeros(2))


def test_works_from_a_thread_and_under_inference_mode() -> None:
    found = []

    def run() -> None:
        with torch.no_grad():
            found.extend(walk())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert [s.probability for s in found] == pytest.approx([s.probability for s in walk()])
