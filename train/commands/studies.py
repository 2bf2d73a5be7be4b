"""Commands `ablation` and `report`: studies of many runs."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from train.report.ablation import AblationConfig
from train.report.runs import BudgetName


@dataclass(frozen=True)
class Ablation:
    """Train and measure the variants of the ablation, one change at a time at equal images seen; what is done is not done again."""

    data: Path
    out: Path
    classifier: Path
    """Run or checkpoint folder of the classifier whose features sharpen."""
    start: Path | None = None
    """Run or checkpoint folder that the continued variants begin with; the embedded checkpoint where not given."""
    judge: Path | None = None
    only: tuple[str, ...] = ()
    """Names of variants; all where not given."""
    picture: Path | None = None
    """Where the sheet of rebuilt and drawn faces goes."""
    publish: Path | None = None
    """A document with the ablation's marks (docs/ablation.md), which gets the tables."""
    config: AblationConfig = field(default_factory=AblationConfig)

    def run(self) -> None:
        from facevae.checkpoint.checkpoint import EMBEDDED
        from train.data.prepared import PreparedData
        from train.networks.classifier import guide_from
        from train.report.ablation import CONTINUED, SCRATCH, ablation_table, draw_strips, publish, run_ablation

        data, names = PreparedData(self.data), self.only or (*SCRATCH, *CONTINUED)
        found = run_ablation(names, self.out, data, guide_from(self.classifier), self.start or EMBEDDED, self.judge, self.config)
        print(ablation_table(found))
        if self.picture is not None:
            draw_strips(self.out, data, names, self.picture)
        if self.publish is not None:
            publish(self.publish, found)


@dataclass(frozen=True)
class Report:
    """Reproduce one of the four reports: train what it needs, measure, write report.md with "claimed / found" for each claim."""

    name: Annotated[Literal["residual", "disentangling", "lambda", "twins"], tyro.conf.Positional]
    budget: BudgetName = "short"
    """full: as the report trained. long: ten times short, one to five hours on two cores. short: at most 40 minutes
    on two cores. smoke: toy faces drawn by code, tiny nets, under a minute."""
    data: Path | None = None
    """Prepared data; not needed for smoke."""
    out: Path | None = None
    """Folder of the runs, the page and the figures; runs/reports/NAME-BUDGET where not given."""
    classifier: Path | None = None
    """Run folder of the classifier that edits and guides; the embedded checkpoint's where not given."""
    judge: Path | None = None
    """Folder of a saved judge (assets/judge), or the run of a classifier of another seed, which scores; trained where not given."""
    publish: Path | None = None
    """Folder of documents (docs): the page and those figures that show no photo of the data go to its reports/NAME."""

    def run(self) -> None:
        from train.report.command import run_report

        out = self.out or Path("runs/reports") / f"{self.name}-{self.budget}"
        start = time.monotonic()
        page = run_report(self.name, self.budget, out, self.data, self.classifier, self.judge, self.publish)
        print(f"report: {page}, after {(time.monotonic() - start) / 60:.1f} min")
