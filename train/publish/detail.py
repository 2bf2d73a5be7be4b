"""Put a detail net or a hair net into a checkpoint folder, with what it reached."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from facevae.checkpoint.checkpoint import Checkpoint
from facevae.nets.residual_unet import ResidualUNet
from train.networks.detail import load_detail
from train.networks.hair import load_hair_net
from train.publish.export import write_with_card

NETS: dict[str, tuple[Callable[[Path], ResidualUNet], tuple[str, ...]]] = {
    "detail": (load_detail, ("dist", "sharp")),
    "hair_net": (load_hair_net, ("valid",)),
}
"""By their names in a checkpoint: how to load one from its run, and how the names of its figures begin."""


def add_net(folder: Path, name: str, run: Path, start: Path | None = None) -> Checkpoint:
    """Put the net of a run, which may have begun with that of another run `start`, into a checkpoint folder, under one of the names `NETS`.

    What was measured of its edits without it stays until it is measured again.
    """
    load, figures = NETS[name]
    runs = [start, run] if start is not None and (start / "stats.jsonl").is_file() else [run]
    checkpoint = Checkpoint.from_pretrained(folder)
    evaluation = checkpoint.evaluation | {name: read_training(runs, figures)}
    return write_with_card(folder, replace(checkpoint, **{name: load(run)}, evaluation=evaluation))


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
