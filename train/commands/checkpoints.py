"""Commands `export`, `push` and `release`: make, send and release a checkpoint."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro

from train.latent.calibration import DirectionsConfig
from train.latent.prior import PriorConfig


@dataclass(frozen=True)
class Export:
    """Put a run, a classifier, an alignment net, the directions and the prior together to a checkpoint folder."""

    run_dir: Annotated[Path, tyro.conf.arg(name="run")]
    classifier: Path
    aligner: Path
    out: Path

    def run(self) -> None:
        from train.publish.export import export

        print(f"{self.out}: {export(self.run_dir, self.classifier, self.aligner, self.out).digest}")


@dataclass(frozen=True)
class Push:
    """Send a checkpoint to the Hugging Face Hub: repository, files in one commit, card with data, licence, evaluation and drawn faces."""

    repo: Annotated[str, tyro.conf.Positional]
    """owner/name."""
    checkpoint: Path | None = None
    """Folder; the embedded checkpoint where not given."""
    private: bool = False
    """Nobody else sees it. Refused where the repository is there already and public."""

    def prepared(self) -> Any:
        from facevae.checkpoint.checkpoint import EMBEDDED
        from train.publish.push import describe_push, prepare_push

        push = prepare_push(self.checkpoint or EMBEDDED, self.repo)
        print(describe_push(push, self.private))
        return push

    def plan(self) -> None:
        """What --dry-run shows: every file as it would be sent, without a request."""
        self.prepared()

    def run(self) -> None:
        from train.publish.push import send

        print(f"pushed: {send(self.prepared(), self.private)}")


@dataclass(frozen=True)
class Release:
    """A finished run -> what the editor ships: directions, prior, export, all measurements, card, exhibit, README's numbers, figures."""

    data: Path
    run_dir: Annotated[Path, tyro.conf.arg(name="run")]
    classifier: Path
    """Run folder of the guide, or one that holds it already."""
    aligner: Path | None = None
    """Run folder of the alignment net; that of the embedded checkpoint where not given."""
    judge: Path | None = None
    celeba: Path | None = None
    """Folder in CelebA's own layout: finding faces is measured anew. Not needed where the alignment net has not changed."""
    photos: Path | None = None
    sheets: Path | None = None
    out: Path | None = None
    """Folder; the embedded checkpoint where not given."""
    directions: DirectionsConfig = field(default_factory=DirectionsConfig)
    prior: PriorConfig = field(default_factory=PriorConfig)
    faces: int = 300
    guided: int = 20
    figures: bool = True

    def run(self) -> None:
        from facevae.checkpoint.checkpoint import EMBEDDED
        from train.evaluate.config import EvaluateConfig
        from train.publish.release import ReleaseConfig, release

        shared = {k: getattr(self, k) for k in ("data", "judge", "celeba", "photos", "sheets", "faces", "guided")}
        own = {k: getattr(self, k) for k in ("classifier", "directions", "prior", "figures")}
        folders = {"run": self.run_dir, "aligner": self.aligner or EMBEDDED, "out": self.out or EMBEDDED}
        print(f"checkpoint: {release(ReleaseConfig(evaluate=EvaluateConfig(**shared), **folders, **own)).digest}")
