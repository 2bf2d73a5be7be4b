"""The parts of the report "residual" that have an answer of their own: correlations, plain guidance, verdicts."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from facevae.nets.residual import ResidualVAE
from train.report.amplification import Link, amplified, chance_limit, pearson, shared, strongest, top_links, verdict_of_groups
from train.report.label_guidance import PlainConfig, guide_plainly
from train.report.residual import training_gflop
from train.report.residual_training import collapsed, squared_error, turn, verdict_of_turns
from train.vae.config import PRESETS
from train.vae.losses import GaussianLikelihood


def test_pearson_is_that_of_numpy_and_zero_for_a_dead_dimension() -> None:
    rng = np.random.default_rng(0)
    z, scores = rng.normal(3, 2, (50, 4)).astype(np.float32), rng.random((50, 2)).astype(np.float32)
    z[:, 2] = 7
    r = pearson(z, scores)
    assert r[:, 2].tolist() == [0, 0]
    for a, j in ((0, 0), (1, 3)):
        assert r[a, j] == pytest.approx(np.corrcoef(scores[:, a], z[:, j])[0, 1], abs=1e-6)


def test_planted_dimension_is_found_with_its_sign_and_beats_chance() -> None:
    rng = np.random.default_rng(1)
    z = rng.normal(size=(2000, 64))
    scores = 1 / (1 + np.exp(-np.stack([0.5 * z[:, 9] + rng.normal(size=2000), -0.5 * z[:, 30] + rng.normal(size=2000)], axis=1)))
    up, down = top_links(z, scores, ["Smiling", "Male"])
    assert (up.dimension, up.sign, up.repeated) == (9, 1, True)
    assert (down.dimension, down.sign, down.repeated) == (30, -1, True)
    # r of z_j with z_j / 2 + noise is 0.5 / sqrt(1.25) = 0.447; the logistic function takes a little of it.
    assert 0.35 < up.r < 0.46
    assert strongest(pearson(z, scores), 2).tolist() == [9, 30]


def test_chance_passes_its_limit_about_once_in_twenty() -> None:
    rng = np.random.default_rng(2)
    limit = chance_limit(400, 64)
    passed = [np.abs(pearson(rng.normal(size=(400, 64)), rng.random((400, 10)))).max(axis=1) > limit for _ in range(40)]
    share = np.mean(passed)
    assert abs(share - 0.05) < 5 * math.sqrt(0.05 * 0.95 / 400)


def test_amplification_moves_one_dimension_by_alpha_standard_deviations() -> None:
    z, spread = torch.zeros(2, 3), np.array([1.0, 0.5, 2.0])
    moved = amplified(z, 1, spread, -1, alphas=(-2.0, 0.0, 4.0))
    assert moved[:, 0].tolist() == [[0, 1, 0], [0, 0, 0], [0, -2, 0]]
    assert torch.equal(moved[:, 0], moved[:, 1])


def test_related_attributes_share_a_dimension_or_not() -> None:
    def links(**dimensions: int) -> list[Link]:
        return [Link(name, j, 0.5, True) for name, j in dimensions.items()]

    mouth, style = {"Smiling": 3, "High_Cheekbones": 3, "Mouth_Slightly_Open": 3}, {"Male": 8, "Heavy_Makeup": 8, "Wearing_Lipstick": 8}
    assert verdict_of_groups(shared(links(**mouth, **style))) == "found"
    assert verdict_of_groups(shared(links(**mouth | {"High_Cheekbones": 4}, **style))) == "partly"
    assert verdict_of_groups(shared(links(Smiling=1, High_Cheekbones=2, Mouth_Slightly_Open=3, Male=1, Wearing_Lipstick=2))) == "not found"
    assert verdict_of_groups(shared(links(Smiling=1, Male=1))) == "not testable"


class Probe(nn.Module):
    """Logits of a picture: two fixed planes."""

    def __init__(self) -> None:
        super().__init__()
        self.plane = nn.Linear(3 * 16 * 16, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 40 * self.plane(x.flatten(1))


def test_plain_guidance_lowers_the_loss_of_each_face_by_itself_and_leaves_the_nets_alone(tiny_net: ResidualVAE) -> None:
    torch.manual_seed(0)
    net, probe, start = tiny_net, Probe(), torch.randn(3, 6)
    before = [p.clone() for p in (*net.parameters(), *probe.parameters())]
    config = PlainConfig(steps=25, rate=0.1)
    end, losses = guide_plainly(net.decode, probe, start, 1, config)
    assert losses.shape == (26, 3)
    assert (losses[-1] < 0.9 * losses[0]).all()
    with torch.no_grad():
        assert (probe(net.decode(end))[:, 1] > probe(net.decode(start))[:, 1]).all()
    assert all(torch.equal(a, b) and b.grad is None for a, b in zip(before, (*net.parameters(), *probe.parameters()), strict=True))
    alone, _ = guide_plainly(net.decode, probe, start[1:2], 1, config)
    torch.testing.assert_close(alone, end[1:2], atol=1e-4, rtol=0)


def test_distortion_gives_back_the_squared_error() -> None:
    config = PRESETS["residual-64"]
    x, y = torch.rand(2, 2, *config.net.shape, generator=torch.Generator().manual_seed(0))
    distortion = GaussianLikelihood(config.net.shape[1:], config.variance, 0.0).distortion(x, y)
    found = [squared_error(d, config) for d in distortion.tolist()]
    assert found == pytest.approx((x - y).square().sum(dim=(1, 2, 3)).tolist(), rel=1e-4)


def test_a_curve_that_turns_at_epoch_three_is_told_from_one_that_only_falls() -> None:
    epochs = [1.0, 2.0, 3.0, 4.0, 5.0]
    turned = turn(epochs, [9, 7, 5, 6, 7], [50, 60, 55, 40, 30])
    assert (turned["epoch"], turned["rate_keeps_falling"], turned["rise"]) == (3.0, True, pytest.approx(0.4))
    falling = turn(epochs, [9, 7, 5, 4, 3], [50, 60, 55, 40, 30])
    late = turn([*epochs, 6.0], [9, 7, 6, 5, 4, 6], [9, 8, 7, 6, 5, 4])
    assert verdict_of_turns([turned, turned]) == "found"
    assert verdict_of_turns([turned, falling]) == "partly"
    assert verdict_of_turns([late, late]) == "partly"
    assert verdict_of_turns([falling, falling]) == "not found"


def test_collapse_is_little_rate_or_hardly_an_active_unit() -> None:
    run = lambda units, *rates: [{"nimg": 10 * i, "valid_rate": r, "active_units": units} for i, r in enumerate(rates, 1)]  # noqa: E731
    assert collapsed(run(200, 3.0, 0.2), 256)
    assert collapsed(run(2, 6.0, 5.0), 256)
    assert not collapsed(run(3, 6.0, 5.0), 256)
    assert not collapsed(run(200, 0.1, 0.2), 256), "small, but on the way up"


def test_the_published_net_costs_what_torch_counts() -> None:
    """The report gives about 16; its own order of layers would cost 48."""
    assert training_gflop(PRESETS["residual-64"].net) == pytest.approx(23.3, abs=0.1)
