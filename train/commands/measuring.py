"""Commands `evaluate` and `figures`: measurements and pictures of a checkpoint or a run."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from train.evaluate.config import EvaluateConfig


@dataclass(frozen=True)
class Evaluate:
    """Measure a checkpoint on held-out faces and print the tables; --write keeps them in the checkpoint and its card."""

    what: Annotated[
        Literal[
            "all",
            "reconstruction",
            "protocol",
            "draws",
            "classifier",
            "edits",
            "skin",
            "parts",
            "morph",
            "detail",
            "hair_net",
            "detectability",
            "alignment",
            "inversion",
            "run",
            "parser",
            "show",
        ],
        tyro.conf.Positional,
    ] = "all"
    """"show" prints what the checkpoint already holds; "all" leaves out "morph", "detectability" and, without --celeba, "alignment",
    "detail" and "hair_net"; "run" measures the protocol on the training run --run and writes its evaluation.json; "parser" measures
    the run of a face parser, --run."""
    checkpoint: Path | None = None
    """Folder; the embedded checkpoint where not given."""
    config: Annotated[EvaluateConfig, tyro.conf.arg(name="")] = field(default_factory=EvaluateConfig)
    write: bool = False
    keep: str = ""
    """What to call the weights in the table of docs/milestones.md, which "run" and "protocol" add a row to."""

    def run(self) -> None:
        from facevae.checkpoint.checkpoint import EMBEDDED, Checkpoint
        from train.evaluate.evaluate import evaluate, evaluate_run, print_tables
        from train.publish.export import add_evaluation
        from train.publish.milestones import keep_milestone

        folder = self.checkpoint or EMBEDDED
        if self.keep and self.what not in ("run", "protocol"):
            raise ValueError('--keep is for "run" and "protocol"')
        if self.what == "show":
            return print_tables(Checkpoint.from_pretrained(folder).evaluation)
        if self.what == "parser":
            return self.measure_parser()
        if self.what == "run":
            evaluation = evaluate_run(self.config)
            print_tables(evaluation)
            return keep_milestone(self.keep, evaluation) if self.keep else None
        if self.config.classifier is not None and (self.what != "classifier" or self.write):
            raise ValueError('--classifier is for "classifier", without --write: a checkpoint keeps figures of its own classifier only')
        for section, values in evaluate(folder, self.what, self.config):
            print_tables({section: values})
            if self.write:
                add_evaluation(folder, section, values)
            if self.keep:
                keep_milestone(self.keep, {"training": Checkpoint.from_pretrained(folder).evaluation["training"], section: values})

    def measure_parser(self) -> None:
        """The table of a face parser's run."""
        from train.evaluate.face_parts import evaluate_parser, print_parts

        if self.config.run is None:
            raise ValueError("evaluate parser needs --run, the folder that python -m train parser has written")
        print_parts(evaluate_parser(self.config.run))


@dataclass(frozen=True)
class Figures:
    """Draw the pictures of README and docs, of drawn faces and a public-domain photo; write the README's table and docs/milestones.md."""

    what: Annotated[Literal["docs", "gallery"], tyro.conf.Positional] = "docs"
    """"gallery" draws every look and both ends of every slider on the photos of --photos and on drawn faces, to be judged by a person."""
    out: Path = Path("assets/figures")
    photos: Path | None = None
    """A folder of photos for the gallery. Its sheets show them: --out is a folder outside the repository."""
    tally: Path | None = None
    """A list of verdicts, which the gallery has written and a person has filled in: prints its table, and draws nothing."""
    checkpoint: Path | None = None
    celeba: Path | None = None
    """With a folder in CelebA's own layout: sheets of its test faces go to --out, and nothing else. They may not be published."""

    def run(self) -> None:
        from facevae.editor import Editor
        from train.publish.blending import compare_blending
        from train.publish.figures import draw_figures, private_sheets

        if self.what == "gallery":
            return self.draw_gallery()
        if self.celeba is not None:
            return private_sheets(Editor(self.checkpoint), self.celeba, self.out)
        draw_figures(self.checkpoint, self.out)
        compare_blending(self.out, self.checkpoint)

    def draw_gallery(self) -> None:
        """The sheets and the list of verdicts, or the table of one."""
        from facevae.editor import Editor
        from train.publish.gallery import draw_gallery, photos_of, tally

        if self.tally is not None:
            return print(tally(self.tally))
        if self.photos is None or self.out == Figures.out:
            raise ValueError("the gallery needs --photos, a folder, and --out, a folder outside the repository")
        print(draw_gallery(Editor(self.checkpoint), photos_of(self.photos), self.out))
