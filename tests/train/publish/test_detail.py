"""A detail net in a checkpoint folder: the net, its figures and the card."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from facevae.checkpoint.checkpoint import Checkpoint, save_checkpoint
from facevae.nets.detail import DetailNet
from facevae.nets.residual_unet import ResidualUNetConfig
from train.networks.detail import load_detail
from train.publish import detail


def test_the_folder_gets_net_figures_and_a_word_in_the_card(
    tiny_checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, run = tmp_path / "checkpoint", tmp_path / "run"
    run.mkdir()
    rest = {f"{name}{size}{end}": 0.5 for size in (128, 256) for name, end in (("dist", ""), ("sharp", ""), ("sharp", "_decode"))}
    lines = [{"nimg": n, "img_per_sec": 10.0, **rest, "dist128": 0.5 + n / 1e6, "l1": 0.1} for n in (36_000, 72_000)]
    (run / "stats.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    save_checkpoint(folder, replace(tiny_checkpoint, evaluation={"edits": {}}))
    with pytest.raises(ValueError, match="without a detail net"):
        load_detail(folder)
    net = DetailNet(ResidualUNetConfig((4, 8), 1, 4))
    monkeypatch.setattr(detail, "load_detail", lambda run: net)
    found = detail.add_detail(folder, [run, run])
    assert found.evaluation == {"edits": {}, "detail": {"windows": 144_000, "hours": 4.0, "held_out": rest | {"dist128": 0.572}}}
    read = Checkpoint.from_pretrained(folder)
    assert "learned from 144,000 squares" in read.card and "4.0 hours" in read.card
    assert torch.equal(load_detail(folder).fold[0].weight, net.fold[0].weight.half().float())
