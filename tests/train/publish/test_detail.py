"""A detail net or a hair net in a checkpoint folder: the net, its figures and the card."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from facevae.checkpoint.checkpoint import Checkpoint, save_checkpoint
from facevae.nets.detail import DetailNet
from facevae.nets.hair import HairNet
from facevae.nets.residual_unet import ResidualUNetConfig
from train.networks.detail import load_detail
from train.networks.hair import load_hair_net
from train.publish import detail

SIZED = {f"{name}{size}{end}": 0.5 for size in (128, 256) for name, end in (("dist", ""), ("sharp", ""), ("sharp", "_decode"))}
VALID = {f"valid_{name}": 0.5 for name in ("matte", "matte_parser", "light", "light_shift", "spread", "spread_shift")}


@pytest.mark.parametrize(
    "name, make, load, figures", [("detail", DetailNet, load_detail, SIZED), ("hair_net", HairNet, load_hair_net, VALID)]
)
def test_the_folder_gets_net_figures_and_a_word_in_the_card(
    name: str, make: type, load: Callable, figures: dict, tiny_checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, run = tmp_path / "checkpoint", tmp_path / "run"
    run.mkdir()
    first = min(figures)
    lines = [{"nimg": n, "img_per_sec": 10.0, **figures, first: 0.5 + n / 1e6, "l1": 0.1} for n in (36_000, 72_000)]
    (run / "stats.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    save_checkpoint(folder, replace(tiny_checkpoint, evaluation={"edits": {}}))
    with pytest.raises(ValueError, match=f"without a {name.removesuffix('_net')} net"):
        load(folder)
    net = make(ResidualUNetConfig((4, 8), 1, 4))
    monkeypatch.setitem(detail.NETS, name, (lambda run: net, detail.NETS[name][1]))
    found = detail.add_net(folder, name, run, run)
    assert found.evaluation == {"edits": {}, name: {"windows": 144_000, "hours": 4.0, "held_out": figures | {first: 0.572}}}
    assert detail.add_net(folder, name, run, folder).evaluation[name]["windows"] == 72_000  # a checkpoint knows no hours
    read = Checkpoint.from_pretrained(folder)
    assert "learned from 72,000 squares" in read.card and "2.0 hours" in read.card
    assert torch.equal(load(folder).fold[0].weight, net.fold[0].weight.half().float())
