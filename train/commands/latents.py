"""Commands `directions`, `prior`, `flow` and `exhibit`: the latent space of a finished run."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from train.latent.calibration import DirectionsConfig
from train.latent.conditional_flow import FlowTrainConfig
from train.latent.prior import PriorConfig


@dataclass(frozen=True)
class Directions:
    """Find the directions of the attributes and their safe ranges; written to the VAE's run folder."""

    data: Path
    run_dir: Annotated[Path, tyro.conf.arg(name="run")]
    classifier: Path
    judge: Path | None = None
    """Folder of an exported judge, or of its run; the embedded judge where not given."""
    identity: Path | None = None
    """Folder of a saved identity embedding; the embedded one where not given."""
    parser: Path | None = None
    """Run or checkpoint folder of the face parser, which sees the hair; that of the embedded checkpoint where not given."""
    only: tuple[str, ...] = ()
    """Attributes; what the run has of the others stays. All where not given."""
    write: Path | None = None
    """A checkpoint folder of the same weights, which gets the directions too."""
    config: DirectionsConfig = field(default_factory=DirectionsConfig)

    def run(self) -> None:
        from facevae.checkpoint.checkpoint import EMBEDDED
        from train.data.prepared import PreparedData
        from train.latent.directions import find_directions
        from train.publish.export import add_directions

        nets, data = {"judge": self.judge, "identity": self.identity, "parser": self.parser or EMBEDDED}, PreparedData(self.data)
        found = find_directions(self.run_dir, self.classifier, data, self.config, only=self.only, **nets)
        for name, d in found.items():
            ends = f"{d.low:g} ({d.limits[0]}) … {d.high:g} ({d.limits[1]}) σ"
            print(f"{name:22} {d.estimator:12} AUROC {d.auroc:.3f}  safe range {ends}")
        if self.write is not None:
            print(f"{self.write}: {add_directions(self.write, self.run_dir, self.judge).digest}")


@dataclass(frozen=True)
class Prior:
    """Fit the prior that new faces are drawn from, a mixture, to encodings of the train split; written to the VAE's run folder."""

    data: Path
    run_dir: Annotated[Path, tyro.conf.arg(name="run")]
    judge: Path | None = None
    """Folder of an exported judge, or of its run; the embedded judge where not given."""
    config: PriorConfig = field(default_factory=PriorConfig)

    def run(self) -> None:
        from train.data.prepared import PreparedData
        from train.latent.prior import find_prior

        about = find_prior(self.run_dir, PreparedData(self.data), self.config, self.judge)
        for name, value in about["valid_nats"].items():
            print(f"{name:12} {value:9.2f} nats per held-out face")
        for name, row in about["distances"].items():
            print(f"{name:12} Fréchet distance {row['frechet']['mean']:.4g} ± {row['frechet']['std']:.2g}")


@dataclass(frozen=True)
class Flow:
    """Train the latent flow of a checkpoint, a prior that can be told labels, and compare it with the prior that is there."""

    data: Path
    checkpoint: Path
    """Folder; its VAE and its classifier are what the flow learns from."""
    run_dir: Annotated[Path, tyro.conf.arg(name="run")]
    """Folder of the flow's own training, which holds the encodings, too. The same command resumes."""
    judge: Path | None = None
    """Folder of an exported judge, or of its run; the embedded judge where not given."""
    write: bool = False
    """Make it the checkpoint's prior, if its faces are nearer to held-out ones than those of the prior that is there."""
    config: FlowTrainConfig = field(default_factory=FlowTrainConfig)

    def run(self) -> None:
        from train.data.prepared import PreparedData
        from train.publish.flow import add_flow, measure_flow, train_flow

        data = train_flow(self.checkpoint, self.run_dir, PreparedData(self.data), self.config)
        found = measure_flow(self.checkpoint, self.run_dir, data, self.config, self.judge)
        print("\n".join(found.lines()))
        if not self.write:
            return
        if not found.is_nearer:
            print(f"{self.checkpoint} keeps its prior: the flow's faces are not nearer to held-out ones")
            return
        digest = add_flow(self.checkpoint, self.run_dir, found).digest
        print(f"{self.checkpoint}: {digest}. Of the prior before, the section protocol is gone: measure it with")
        print(f"python -m train evaluate protocol --checkpoint {self.checkpoint} --data {self.data} --write")


@dataclass(frozen=True)
class MakeExhibit:
    """Measure the latent space of a run for the page's tab Inside the model (app.py --exhibits). It holds nobody's encoding."""

    data: Path
    run_dir: Annotated[Path, tyro.conf.arg(name="run")]
    out: Path
    judge: Path | None = None
    """Folder of a saved judge, or of its run; the embedded judge where not given."""
    title: str = ""
    """Name in the tab; that of the run's folder where not given."""
    twins: Path | None = None
    """With the runs folder of the report "twins": the four exhibits that are embedded, --run being that of the embedded checkpoint."""

    def run(self) -> None:
        from facevae.checkpoint.checkpoint import EMBEDDED
        from train.data.prepared import PreparedData
        from train.networks.classifier import judge_from
        from train.publish.exhibits import make_exhibit, make_exhibits, subject_of_run

        data, (judge, _) = PreparedData(self.data), judge_from(self.judge)
        if self.twins is not None:
            make_exhibits(EMBEDDED, self.run_dir, self.twins, data, judge, self.out)
        else:
            title = self.title or self.run_dir.name
            make_exhibit(subject_of_run(self.run_dir), data, judge, self.out, title, f"The run {self.run_dir.name}.")
        print(f"exhibit: {self.out}")
