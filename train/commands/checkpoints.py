"""Commands `export`, `hair`, `decoder`, `push`, `release`: make and send a checkpoint."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro

from train.latent.calibration import DirectionsConfig
from train.latent.conditional_flow import FlowTrainConfig
from train.latent.prior import PriorConfig


@dataclass(frozen=True)
class Export:
    """Put a run, a classifier, an alignment net, a face parser, the directions and the prior together to a checkpoint folder."""

    run_dir: Annotated[Path, tyro.conf.arg(name="run")]
    classifier: Path
    aligner: Path
    out: Path
    parser: Path | None = None
    """Run or checkpoint folder of the face parser; that of the embedded checkpoint where not given."""

    def run(self) -> None:
        from facevae.checkpoint.checkpoint import EMBEDDED
        from train.publish.export import export

        made = export(self.run_dir, self.classifier, self.aligner, self.out, parser_run=self.parser or EMBEDDED)
        print(f"{self.out}: {made.digest}")


@dataclass(frozen=True)
class Hair:
    """Give a checkpoint folder, also one of format 5, a face parser, and find how far its latent moves the colour of the hair."""

    checkpoint: Path
    parser: Path
    """Run or checkpoint folder of the face parser."""
    data: Path
    faces: int = 6_000
    """Train faces that are encoded and parsed; the 1,000 first valid faces tell how much of the colour is explained."""

    def run(self) -> None:
        from train.data.prepared import PreparedData
        from train.networks.parser import load_parser
        from train.publish.hair import add_hair

        found, explained, ranges = add_hair(self.checkpoint, load_parser(self.parser), PreparedData(self.data), self.faces)
        for name, share in explained.items():
            print(f"{name}  R² {share:.3f} on held-out faces")
        print("What colours hair has in the train faces, 3rd and 97th percentile by L* (facevae/photo/recolour.py):")
        for lightness, *limits in ranges:
            print(f"L* {lightness:3.0f}  a* {limits[0]:5.1f} to {limits[1]:5.1f}  b* {limits[2]:5.1f} to {limits[3]:5.1f}")
        print(f"{self.checkpoint}: {found.digest}")


@dataclass(frozen=True)
class Decoder:
    """Give a checkpoint folder the decoder of a run that began with it and kept its encoder (fit --config.frozen encoder.).

    The embedded checkpoint's exhibit on the tab Inside the model belongs to the decoder, and is made anew.
    """

    run_dir: Annotated[Path, tyro.conf.arg(name="run")]
    checkpoint: Path
    data: Path | None = None
    """Prepared data, for the exhibit: needed for the embedded checkpoint alone."""

    def run(self) -> None:
        from facevae.checkpoint.checkpoint import EMBEDDED
        from facevae.files import ASSETS
        from train.data.prepared import PreparedData
        from train.networks.classifier import judge_from
        from train.publish.decoder import add_decoder
        from train.publish.exhibits import make_editors_exhibit

        embedded = self.checkpoint.resolve() == EMBEDDED.resolve()
        if embedded and self.data is None:
            raise ValueError("the exhibit of the embedded checkpoint is made anew with its decoder: --data names the prepared data")
        print(f"{self.checkpoint}: {add_decoder(self.checkpoint, self.run_dir).digest}")
        if embedded:
            make_editors_exhibit(self.checkpoint, self.run_dir, PreparedData(self.data), judge_from(None)[0], ASSETS / "exhibits")


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
    """A finished run -> what the editor ships: directions, prior, flow, export, measurements, card, exhibit, README's numbers, figures."""

    data: Path
    run_dir: Annotated[Path, tyro.conf.arg(name="run")]
    classifier: Path
    """Run folder of the guide, or one that holds it already."""
    aligner: Path | None = None
    """Run folder of the alignment net; that of the embedded checkpoint where not given."""
    parser: Path | None = None
    """Run folder of the face parser; that of the embedded checkpoint where not given."""
    detail: Path | None = None
    """Run folder of the detail net; that of the embedded checkpoint where not given."""
    hair_net: Path | None = None
    """The same of the hair net."""
    judge: Path | None = None
    celeba: Path | None = None
    """Folder in CelebA's own layout: finding faces is measured anew. Not needed where the alignment net has not changed."""
    photos: Path | None = None
    sheets: Path | None = None
    out: Path | None = None
    """Folder; the embedded checkpoint where not given."""
    directions: DirectionsConfig = field(default_factory=DirectionsConfig)
    prior: PriorConfig = field(default_factory=PriorConfig)
    flow: FlowTrainConfig = field(default_factory=FlowTrainConfig)
    faces: int = 300
    guided: int = 20
    figures: bool = True

    def run(self) -> None:
        from facevae.checkpoint.checkpoint import EMBEDDED
        from train.evaluate.config import EvaluateConfig
        from train.publish.release import ReleaseConfig, release

        shared = {k: getattr(self, k) for k in ("data", "judge", "celeba", "photos", "sheets", "faces", "guided")}
        own = {k: getattr(self, k) for k in ("classifier", "directions", "prior", "flow", "figures")}
        nets = {name: getattr(self, name) or EMBEDDED for name in ("aligner", "parser", "detail", "hair_net", "out")}
        folders = {"run": self.run_dir, **nets}
        print(f"checkpoint: {release(ReleaseConfig(evaluate=EvaluateConfig(**shared), **folders, **own)).digest}")
