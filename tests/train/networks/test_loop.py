"""The loop of the small nets, on one that could hardly be smaller."""

import json
from dataclasses import dataclass, replace

import pytest
import torch
from torch import nn

from train.networks.loop import Training, average, begin, fit_net, seeded_net
from train.vae.resume import read_state
from train.vae.schedules import check_clocks


@dataclass(frozen=True)
class Config:
    total_nimg: int = 96
    batch_size: int = 8
    lr: float = 0.05
    lr_final_share: float = 0.1
    lr_ramp_nimg: int = 16
    weight_decay: float = 0.0
    ema_halflife_nimg: int = 16
    tick_nimg: int = 32
    precision: str = "no"

    def __post_init__(self) -> None:
        check_clocks(self.tick_nimg, self.total_nimg, self.batch_size)


def small_net() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 6, 1))


def batches(nimg):
    """Is the left half brighter than the right one?"""
    x = torch.rand((8, 3, 8, 8), generator=torch.Generator().manual_seed(nimg))
    return x, (x[..., :4].mean((1, 2, 3)) > x[..., 4:].mean((1, 2, 3))).float()


def loss_of(nimg, output, truth):
    return nn.functional.binary_cross_entropy_with_logits(output[:, 0], truth)


def measure(ema):
    with torch.no_grad():
        x, truth = batches(10_000)
        return {"right": ((ema(x)[:, 0] > 0) == (truth > 0.5)).float().mean().item()}


def fitted(run, config=Config(), make=batches, loss=loss_of, stop_nimg=None) -> Training:
    training = begin(config, seeded_net(0, small_net), run, {"lr": config.lr}, {"data": "here"})
    fit_net(config, training, make, loss, measure, ("right",), stop_nimg)
    return training


def stats_of(run):
    return [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]


def test_a_net_learns_and_the_folder_tells_of_it(tmp_path):
    training = fitted(tmp_path, replace(Config(), total_nimg=1_600, tick_nimg=160))
    lines = stats_of(tmp_path)
    assert [line["nimg"] for line in lines] == list(range(160, 1_601, 160)) and training.nimg == 1_600
    assert lines[-1]["loss"] < 0.5 < lines[0]["loss"] and lines[-1]["lr"] < lines[0]["lr"]
    assert set(lines[0]) == {"nimg", "loss", "lr", "img_per_sec", "right"}
    assert json.loads((tmp_path / "config.json").read_text()) == {"lr": 0.05, "data": "here"}
    assert not training.ema.training and not any(p.requires_grad for p in training.ema.parameters())


def test_resumed_run_equals_an_unbroken_one_and_later_lines_are_forgotten(tmp_path):
    whole, half = fitted(tmp_path / "whole"), fitted(tmp_path / "halves", stop_nimg=32)
    with (tmp_path / "halves" / "stats.jsonl").open("a") as file:
        file.write('{"nimg": 64}\n')  # a kill between this line and its state
    again = fitted(tmp_path / "halves")
    assert half.nimg == 32 and again.nimg == 96
    a, b = (read_state(t.state_path)[0] for t in (whole, again))
    assert a.keys() == b.keys() and all(torch.equal(v, b[part][k]) for part, tensors in a.items() for k, v in tensors.items())
    assert [line["nimg"] for line in stats_of(tmp_path / "halves")] == [32, 64, 96]


def test_a_finished_run_is_left_as_it_is(tmp_path):
    before = fitted(tmp_path).state_path.read_bytes()
    assert fitted(tmp_path).state_path.read_bytes() == before and len(stats_of(tmp_path)) == 3


def test_another_config_in_the_same_folder_is_refused_and_its_files_stay(tmp_path):
    fitted(tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    with pytest.raises(ValueError, match=r"lr: 0\.05 in the run, 0\.1 asked for"):
        fitted(tmp_path, replace(Config(), lr=0.1))
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_a_batch_that_gives_no_number_costs_one_step(tmp_path):
    """Neither weights nor BatchNorm's statistics, nor the mean loss, may remember it."""

    def broken_at_40(nimg):
        x, truth = batches(nimg)
        return (x.fill_(torch.nan), truth) if nimg == 40 else (x, truth)

    fitted(tmp_path, make=broken_at_40)
    parts = read_state(tmp_path / "state.safetensors")[0]
    assert all(v.isfinite().all() for tensors in parts.values() for v in tensors.values())
    assert int(parts["step"]["0.weight"]) == 96 // 8 - 1
    assert all(0 < line["loss"] < 2 for line in stats_of(tmp_path))


@pytest.mark.parametrize("factor", [torch.nan, torch.inf, 1e12])
def test_gradients_that_stay_unusable_end_the_run_with_the_last_good_state(tmp_path, factor):
    with pytest.raises(FloatingPointError, match=r"10 steps in a row .*state\.safetensors holds the last good state"):
        fitted(tmp_path, loss=lambda nimg, output, truth: loss_of(nimg, output, truth) * (factor if nimg >= 16 else 1))
    parts, _, nimg = read_state(tmp_path / "state.safetensors")
    assert nimg == 64 and int(parts["step"]["0.weight"]) == 2
    assert all(v.isfinite().all() for tensors in parts.values() for v in tensors.values())


def test_averages_move_by_the_weight_and_counters_are_copied():
    slow, fast = seeded_net(0, small_net), seeded_net(1, small_net)
    fast(torch.rand(2, 3, 8, 8))
    wanted = 0.75 * slow[0].weight + 0.25 * fast[0].weight, 0.75 * slow[1].running_mean + 0.25 * fast[1].running_mean
    average(slow, fast, 0.25)
    torch.testing.assert_close((slow[0].weight, slow[1].running_mean), wanted)
    assert slow[1].num_batches_tracked == 1


def test_weights_come_from_the_seed_and_from_nothing_else():
    before = torch.get_rng_state()
    a, b, c = (seeded_net(seed, small_net)[0].weight for seed in (3, 3, 4))
    assert torch.equal(a, b) and not torch.equal(a, c) and torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("field", ["tick_nimg", "total_nimg"])
def test_clocks_that_tick_between_two_batches_are_refused(field):
    with pytest.raises(ValueError, match=f"{field} 100 .*must be multiples of batch_size 8"):
        replace(Config(), **{field: 100})
