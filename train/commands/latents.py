"""Commands `directions`, `prior` and `exhibit`: the latent space of a finished run."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from train.latent.calibration import DirectionsConfig
from train.latent.prior import Kind, PriorConfig


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
    only: tuple[str, ...] = ()
    """Attributes; what the run has of the others stays. All where not given."""
    write: Path | None = None
    """A checkpoint folder of the same weights, which gets the directions too."""
    config: DirectionsConfig = field(default_factory=DirectionsConfig)

    def run(self) -> None:
        from train.data.prepared import PreparedData
        from train.latent.directions import find_directions
        from train.publish.export import add_directions

        found = find_directions(self.run_dir, self.classifier, PreparedData(self.data), self.config, self.judge, self.identity, self.only)
        for name, d in found.items():
            ends = f"{d.low:g} ({d.limits[0]}) … {d.high:g} ({d.limits[1]}) σ"
            print(f"{name:22} {d.estimator:12} AUROC {d.auroc:.3f}  safe range {ends}")
        if self.write is not None:
            print(f"{self.write}: {add_directions(self.write, self.run_dir, self.judge).digest}")


@dataclass(frozen=True)
class Prior:
    """Fit the prior that new faces are drawn from to encodings of the train split; written to the VAE's run folder."""

    data: Path
    run_dir: Annotated[Path, tyro.conf.arg(name="run")]
    kind: Kind = "auto"
    """"auto": the mixture or the flow, whichever draws faces that are nearer to held-out ones in the judge's features."""
    judge: Path | None = None
    """Folder of an exported judge, or of its run; the embedded judge where not given."""
    config: PriorConfig = field(default_factory=PriorConfig)

    def run(self) -> None:
        from train.data.prepared import PreparedData
        from train.latent.prior import find_prior

        about = find_prior(self.run_dir, PreparedData(self.data), self.config, self.kind, self.judge)
        for name, value in about["valid_nats"].items():
            print(f"{name:12} {value:9.2f} nats per held-out face")
        for name, row in about["distances"].items():
            frechet = row["frechet"]
            print(f"{name:12} Fréchet distance {frechet['mean']:.4g} ± {frechet['std']:.2g}{'  chosen' if name == about['chosen'] else ''}")


@dataclass(frozen=True)
class MakeExhibit:
    """Measure the latent space of a run for the page's Latent space tab (app.py --exhibits). It holds nobody's encoding."""

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
