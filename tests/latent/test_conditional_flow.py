"""The flow is one density, and one face for a seed: in any company, at any temperature, with and without labels."""

import pytest
import torch
from bent_flow import CONFIG, bent

from facevae.latent.conditional_flow import ROWS, ConditionalFlow
from facevae.nets.velocity import query_of


def test_a_new_flow_is_the_gaussian_of_its_encodings() -> None:
    flow, other = ConditionalFlow(CONFIG).double(), bent()
    flow.mean.copy_(other.mean)
    flow.cholesky.copy_(other.cholesky)
    z = torch.randn(20, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    gaussian = torch.distributions.MultivariateNormal(flow.mean, flow.covariance)
    # Of 16 steps the error is some 1 % of the distance from the mean; of 64 a sixteenth of that.
    torch.testing.assert_close(flow.log_prob(z, steps=64), gaussian.log_prob(z), rtol=1e-3, atol=1e-3)


def test_likelihood_is_that_of_the_exact_trace() -> None:
    """With as many signs as the trace needs, here all 2⁶, Hutchinson's estimate is the trace; with a few it is near."""
    flow = bent().double()
    z = flow.colour(torch.randn(3, 6, generator=torch.Generator().manual_seed(2), dtype=torch.float64))
    x, h, total = flow.whiten(z), -1 / 16, torch.zeros(3, dtype=torch.float64)

    def velocity(row: torch.Tensor, t: float) -> torch.Tensor:
        return flow.net(query_of(row[None], row.new_full((1,), t), row.new_zeros(1, 4)))[0]

    def trace(x: torch.Tensor, t: float) -> torch.Tensor:
        return torch.stack([torch.autograd.functional.jacobian(lambda row: velocity(row, t), row).trace() for row in x])

    for step in range(16):
        t = 1 + step * h
        first = torch.stack([velocity(row, t) for row in x])
        ahead = x + h * first
        second = torch.stack([velocity(row, t + h) for row in ahead])
        total += h / 2 * (trace(x, t) + trace(ahead, t + h))
        x = x + h / 2 * (first + second)
    expected = torch.distributions.Normal(0.0, 1.0).log_prob(x).sum(1) + total - flow.cholesky.diagonal().log().sum()
    found = flow.log_prob(z, probes=4000)
    torch.testing.assert_close(found, expected, rtol=0, atol=0.05)
    assert torch.equal(flow.log_prob(z), flow.log_prob(z))


def test_a_seed_is_one_face_in_any_company() -> None:
    flow, seeds = bent(), [*range(ROWS), 5, 77]
    many = flow.from_seeds(seeds, 0.7)
    assert many.shape == (ROWS + 2, 6)
    for row, seed in ((3, 3), (5, 5), (ROWS, 5), (ROWS + 1, 77)):  # some processors round by the place in a batch
        torch.testing.assert_close(many[row], flow.from_seed(seed, 0.7), rtol=1e-5, atol=1e-5)
    assert not torch.allclose(many[0], many[1])


def test_cold_faces_are_one_for_each_component() -> None:
    flow = bent(2)
    cold = flow.from_seeds(range(12), 0.0)
    assert len({tuple(row.tolist()) for row in (1e4 * cold).round()}) == 2
    spread = [flow.whiten(flow.from_seeds(range(64), t)).std(0).mean() for t in (0.3, 0.6, 1.0)]
    assert spread[0] < spread[1] < spread[2]


def test_a_wanted_label_replaces_the_drawn_one_and_takes_along_what_goes_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, asked = bent(1), []

    def remember(x: torch.Tensor, begin: float, end: float, labels: torch.Tensor, *rest: torch.Tensor) -> torch.Tensor:
        asked.append((x, labels))
        return x

    monkeypatch.setattr(flow, "flow", remember)
    flow.label_cholesky[0, 1, :2] = torch.tensor([-0.9, 0.19**0.5])  # of four labels the second is the opposite of the first
    flow.from_seeds([1, 2])
    flow.from_seeds([1, 2], wanted={0: True, 3: False})
    flow.from_seeds([1, 2], wanted={0: True, 3: False}, held=[1])
    noises, (drawn, told, held) = zip(*asked, strict=True)
    assert all(torch.equal(noises[0], noise) for noise in noises)
    for labels in (told, held):
        assert (labels[:, 0] == 1).all() and (labels[:, 3] == -1).all() and torch.equal(labels[:, 2], drawn[:, 2])
    assert (told[:, 1] < drawn[:, 1]).all() and torch.equal(held[:, 1], drawn[:, 1]) and (drawn.abs() < 1).all()
    moved = torch.logit((told[:, 1] + 1) / 2) - torch.logit((drawn[:, 1] + 1) / 2)
    torch.testing.assert_close(moved, -0.9 * (5 - torch.logit((drawn[:, 0] + 1) / 2)), rtol=1e-2, atol=1e-2)
