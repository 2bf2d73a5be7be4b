"""Guidance on a linear probe, where the answer is known."""

import threading
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from facevae.latent.guidance import GuidanceConfig, SearchStep, Wish, guide

# z is the picture; three linear logits along three axes, and an idle fourth. Pushing the first label also pushes the second.
WEIGHTS = torch.tensor([[1.0, 0.5, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.5, 0.0, 1.0, 0.0]])
QUIET = GuidanceConfig(steps=100, target=0.95, rate=0.15, keep=0.3, identity=0.0, views=1, patience=100)


def walk(
    config: GuidanceConfig = QUIET,
    correlation: float = 0.0,
    starts: Tensor = torch.zeros(1, 4),
    project: Callable[[Tensor], Tensor] | None = None,
    render: Callable[[Tensor], Tensor] = lambda moves: moves.reshape(-1, 1, 2, 2),
) -> list[SearchStep]:
    """The steps towards the first label; `correlation` is that of the third with it."""
    related = torch.eye(3)
    related[0, 2] = related[2, 0] = correlation
    mask = torch.tensor([True, False, False])
    return list(
        guide(
            render=render,
            embed=lambda x: x.flatten(1),
            head=lambda features: features @ WEIGHTS.T - 2,
            origin=torch.zeros(4),
            starts=starts,
            cholesky=torch.eye(4),
            wish=Wish.of(mask, mask, related, torch.ones(3)),
            generator=torch.Generator().manual_seed(0),
            project=project,
            config=config,
        )
    )


def moved(steps: list[SearchStep]) -> Tensor:
    """How far each logit has come, over the wanted one's way."""
    change = steps[-1].logits + 2
    return change / change[0]


def test_wanted_logit_rises_step_by_step_and_stops_at_the_target() -> None:
    steps = walk()
    probabilities = [s.probability for s in steps]
    assert all(b > a for a, b in pairwise(probabilities))
    assert probabilities[-1] >= 0.95 and len(steps) < 101
    assert [s.reason for s in steps] == [""] * (len(steps) - 1) + ["target"]


def test_others_are_kept_and_idle_dimensions_stay() -> None:
    kept, free = walk(), walk(replace(QUIET, keep=0.0))
    assert (moved(kept)[1:].abs() < 0.7 * moved(free)[1:].abs()).all()
    assert kept[-1].move[3] == 0


def test_a_natural_companion_is_not_punished() -> None:
    apart, together = walk(), walk(correlation=1.0)
    assert moved(together)[2] > moved(apart)[2] + 0.1
    assert moved(together)[2] == pytest.approx(moved(walk(correlation=-1.0))[2].item())


def test_the_same_generator_state_gives_the_same_steps() -> None:
    noisy = replace(QUIET, views=3, noise=0.3, grain=0.05)
    one, other = walk(noisy), walk(noisy)
    assert len(one) == len(other) and all(torch.equal(a.move, b.move) and a.loss == b.loss for a, b in zip(one, other, strict=True))
    assert not torch.equal(one[1].move, walk()[1].move)


def test_it_stops_on_a_plateau_and_when_the_steps_are_used_up() -> None:
    blind = walk(replace(QUIET, patience=3), render=lambda moves: 0 * moves.reshape(-1, 1, 2, 2))
    assert (blind[-1].reason, blind[-1].index) == ("plateau", 3)
    few = walk(replace(QUIET, steps=2))
    assert (few[-1].reason, few[-1].index) == ("steps", 2)


def test_it_begins_with_the_gentlest_start_that_is_enough_else_the_best() -> None:
    ladder = torch.tensor([0.5, 3.0, 6.0, 8.0])[:, None] * torch.tensor([1.0, 0.0, 0.0, 0.0])
    assert torch.equal(walk(replace(QUIET, keep=0.0), starts=ladder)[0].move, ladder[2])
    assert torch.equal(walk(replace(QUIET, keep=0.0, prior=0.0), starts=ladder[:2])[0].move, ladder[1])


def test_a_projection_holds_at_every_step() -> None:
    held = walk(starts=torch.ones(1, 4), project=lambda move: move * torch.tensor([1.0, 0.0, 1.0, 1.0]))
    assert len(held) > 2 and all(s.move[1] == 0 for s in held)


def test_the_move_is_never_longer_than_the_radius() -> None:
    steps = walk(replace(QUIET, radius=2.0, target=0.999, steps=30), starts=9 * torch.ones(1, 4))
    assert all(s.move.norm() <= 2.0 + 1e-5 for s in steps)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_works_from_a_thread_in_any_mode(mode: Callable) -> None:
    found = []

    def run() -> None:
        with mode():
            found.extend(walk())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert [s.probability for s in found] == pytest.approx([s.probability for s in walk()])


@pytest.mark.parametrize("wrong", [{"target": 1.0}, {"steps": 0}, {"steps": 501}])
def test_limits_out_of_range_are_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match="must lie between 0 and 1 and steps"):
        GuidanceConfig(**wrong)
