"""Study: the data, nets and trained runs that a report works with."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from facevae.checkpoint.checkpoint import Checkpoint
from facevae.nets.aligner import AlignmentNet
from facevae.nets.classifier import AttributeClassifier
from facevae.nets.vae import VAE
from train.data.prepared import PreparedData
from train.measure.encodings import load_run
from train.networks.scores import Scorer
from train.report.page import ReportPage
from train.report.runs import BUDGETS, EPOCHS, Budget, BudgetName, runs_of
from train.vae.config import TrainConfig
from train.vae.loop import fit


@dataclass(frozen=True)
class StudyRun:
    """A trained run: its averaged net in eval mode on the CPU, its pictures, and its statistics at each tick."""

    name: str
    config: TrainConfig
    net: VAE
    variance: Float[Tensor, "h w"]
    data: PreparedData
    stats: list[dict[str, Any]]
    folder: Path


@dataclass(frozen=True)
class Study:
    """One report at one budget. `folder` holds `runs/`, and what the page writes."""

    report: str
    budget_name: BudgetName
    data: PreparedData
    folder: Path
    classifier: AttributeClassifier
    """The one that edits and guides."""
    judge: Scorer
    """Another one, of another seed, which only scores."""
    aligner: AlignmentNet = field(default_factory=lambda: Checkpoint.from_pretrained().aligner)
    """The embedded checkpoint's: it tells faces from what is none."""

    @property
    def budget(self) -> Budget:
        """How much of everything."""
        return BUDGETS[self.budget_name]

    def train(self) -> dict[str, StudyRun]:
        """Train, or go on training, or load, all runs of the report."""
        found = {}
        for name, config in runs_of(self.report, self.budget_name).items():
            data, folder = self.data.resized(config.net.shape), self.folder / "runs" / name
            fit(config, data, folder)
            trained = load_run(folder)
            stats = [json.loads(line) for line in (folder / "stats.jsonl").read_text().splitlines()]
            found[name] = StudyRun(name, config, trained.net, trained.variance, data, stats, folder)
        return found

    def held_out(self, split: str = "test") -> Int[np.ndarray, " n"]:
        """Data set positions of the faces that are measured."""
        return self.data.indices(split)[: self.budget.faces]

    def for_directions(self) -> Int[np.ndarray, " n"]:
        """Data set positions of the train faces whose encodings make directions, correlations and PCA."""
        return self.data.indices("train")[: self.budget.encoded]

    def labels(self, index: Int[np.ndarray, " n"], attribute: str) -> Bool[np.ndarray, " n"]:
        """True where a face carries the attribute."""
        return self.data.label(attribute)[index]

    def pictures(self, run: StudyRun, index: Int[np.ndarray, " n"]) -> UInt8[np.ndarray, "n h w c"]:
        """Pictures in the shape of the run's net."""
        return np.array(run.data.images[index])

    def page(self, title: str, introduction: str) -> ReportPage:
        """An empty page that says at which budget it was made."""
        train, seen = len(self.data.indices("train")), {n: c.total_nimg for n, c in runs_of(self.report, self.budget_name).items()}
        scale = (
            f'Budget `{self.budget_name}`: an "epoch" is a tenth of a run. Images seen: '
            f"{', '.join(f'{n} {v:,}' for n, v in seen.items())}, "
            f"of {train:,} train faces. Measured on {len(self.held_out()):,} test faces, which no net has seen. "
            f"Made by `python -m train report {self.report} --budget {self.budget_name}`."
        )
        return ReportPage(self.folder, self.report, self.budget_name, title, f"{introduction}\n\n{scale}")


def epoch_of(stats: list[dict[str, Any]], config: TrainConfig) -> list[float]:
    """The ticks of a run in epochs, which are tenths of it."""
    return [row["nimg"] * EPOCHS / config.total_nimg for row in stats]
