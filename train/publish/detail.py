"""Put a detail net or a hair net into a checkpoint folder, with what it reached."""

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from facevae.checkpoint.checkpoint import Checkpoint
from train.networks.detail import load_detail
from train.networks.hair import load_hair_net
from train.publish.export import write_with_card


def add_detail(folder: Path, runs: Sequence[Path]) -> Checkpoint:
    """Make the net of the last of the `runs`, each begun with the one before, the detail net of a checkpoint folder.

    What was measured of its edits without it stays until it is measured again.
    """
    checkpoint = Checkpoint.from_pretrained(folder)
    evaluation = checkpoint.evaluation | {"detail": read_training(runs, ("dist", "sharp"))}
    return write_with_card(folder, replace(checkpoint, detail=load_detail(runs[-1]), evaluation=evaluation))


def add_hair_net(folder: Path, runs: Sequence[Path]) -> Checkpoint:
    """The same for the hair net."""
    checkpoint = Checkpoint.from_pretrained(folder)
    evaluation = checkpoint.evaluation | {"hair_net": read_training(runs, ("valid",))}
    return write_with_card(folder, replace(checkpoint, hair_net=load_hair_net(runs[-1]), evaluation=evaluation))


def read_training(runs: Sequence[Path], names: tuple[str, ...]) -> dict[str, Any]:
    """Windows seen and hours of all runs, and the figures of the last tick whose names begin so."""
    windows, sec, last = 0, 0.0, dict[str, float]()
    for run in runs:
        lines = [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]
        seen = [0, *(line["nimg"] for line in lines)]
        sec += sum((end - start) / line["img_per_sec"] for (start, end), line in zip(pairwise(seen), lines, strict=True))
        windows, last = windows + seen[-1], lines[-1]
    figures = {name: round(value, 3) for name, value in last.items() if name.startswith(names)}
    return {"windows": windows, "hours": round(sec / 3600, 2), "held_out": figures}
