"""Command `fit`: train a VAE, from the beginning or from the folder of a run."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from train.commands.presets import value_of
from train.vae.config import PRESETS, TrainConfig, train_config


@dataclass(frozen=True)
class Fit:
    """Train a VAE. The run folder holds statistics, sheets and the state; the same command resumes, and so does --resume alone."""

    data: str = ""
    """Prepared data, or the train shards of `pack`: "shards/train-{000..199}.tar", a path or an http(s) address."""
    run_dir: Annotated[Path | None, tyro.conf.arg(name="run")] = None
    resume: Path | None = None
    """A run folder: what it says of its data, config, classifier and start stands in the place of the other options."""
    preset: Literal[tuple(PRESETS)] = "faces-128"  # type: ignore[valid-type]
    """Where the values of --config come from; single ones can be changed."""
    config: tyro.conf.AvoidSubcommands[TrainConfig] = field(default_factory=TrainConfig)
    """Of the net, the values of the preset's own architecture can be changed."""
    classifier: Path | None = None
    """Run or checkpoint folder of the classifier that --config.feature-weight, or --config.adversary.sees features, compares by."""
    start: Path | None = None
    """Run or checkpoint folder whose weights a new run begins with."""
    tracker: Literal["tensorboard", "trackio"] | None = None
    """Also send the statistics there; it has to be installed."""

    @classmethod
    def defaults(cls, args: Sequence[str]) -> "Fit":
        """The values that single options change: those of the run to be resumed, or of the preset that is named."""
        if resume := value_of("--resume", args):
            return fit_of(Path(resume))
        return cls(config=PRESETS.get(value_of("--preset", args) or "faces-128", TrainConfig()))

    def run(self) -> None:
        from train.data.prepared import open_data
        from train.networks.classifier import guide_from
        from train.vae.loop import fit

        if not self.data or self.run_dir is None:
            raise ValueError("fit needs --data and --run, or --resume with the folder of a run")
        if self.resume not in (None, self.run_dir):
            raise ValueError(f"--resume {self.resume} and --run {self.run_dir} name two runs")
        guide = guide_from(self.classifier) if self.classifier is not None else None
        data = open_data(self.data, self.config.net.shape)
        origin = {"classifier": str(self.classifier.resolve()) if self.classifier is not None else None}
        print(f"state: {fit(self.config, data, self.run_dir, None, guide, self.start, origin, self.tracker)}")


def fit_of(run: Path) -> Fit:
    """The command that made a run, as its folder tells it."""
    path = run / "config.json"
    if not path.is_file():
        raise ValueError(f"{run} holds no training run: {path.name} is missing")
    told = json.loads(path.read_text())
    if "data" not in told or "net" not in told:
        raise ValueError(f"{path} is not that of a VAE's run")
    data, classifier, start = told.pop("data"), told.pop("classifier", None), told.pop("start", None)
    folders = {k: Path(v) if v else None for k, v in {"classifier": classifier, "start": start}.items()}
    return Fit(data=data, run_dir=run, resume=run, config=train_config(told, str(path)), **folders)
