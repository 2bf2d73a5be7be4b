"""What a checkpoint or a run is worth, in tables and pictures."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro


@dataclass(frozen=True)
class Evaluate:
    """Measure a checkpoint on held-out faces and print the tables; --write keeps them in the checkpoint and its card."""

    what: Annotated[
        Literal["all", "reconstruction", "protocol", "classifier", "edits", "skin", "alignment", "inversion", "run", "show"],
        tyro.conf.Positional,
    ] = "all"
    """"show" prints what the checkpoint already holds; "all" leaves out "alignment" without --celeba; "run" measures the protocol on the
    training run --run and writes its evaluation.json."""
    checkpoint: Path | None = None
    """Folder; the embedded checkpoint where not given."""
    data: Path | None = None
    """Prepared data: needed for all but "alignment"."""
    celeba: Path | None = None
    """Folder in CelebA's own layout, for "alignment": it needs whole frames (of the valid partition)."""
    photos: Path | None = None
    """Folder with lfw/ and fairface/, for "alignment": share of faces found in each group."""
    sheets: Path | None = None
    """Where "alignment" puts sheets of the crops of --photos, and "protocol" samples and the training faces nearest to them, outside the
    project."""
    judge: Path | None = None
    """Folder of a saved judge, or the run of a classifier of another seed, for "protocol", "edits" and "inversion"; the embedded judge
    where not given."""
    classifier: Path | None = None
    """Folder of a saved classifier, or its run: "classifier" measures it in the place of the checkpoint's own."""
    identity: Path | None = None
    """Folder of a saved identity embedding, for "edits"; the embedded one where not given."""
    fid: bool = False
    """Let "protocol" measure the standard Inception FID too; it needs torch-fidelity, which downloads the weights."""
    run_dir: Annotated[Path | None, tyro.conf.arg(name="run")] = None
    """Run folder of a VAE, for "run"; for "edits" the one that holds the directions that were not chosen, which the matrix compares."""
    split: Literal["train", "valid", "test"] = "test"
    """For all but "protocol", whose faces are fixed."""
    faces: int = 300
    """Faces of the edit table, of each group of "skin", of "alignment" and of "inversion"."""
    guided: int = 20
    """Faces for each goal of guidance; 0 leaves guidance out."""
    compared: int = 100
    """Faces that the directions that were not chosen, and the locks, are tried on."""
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
        if self.what == "run":
            evaluation = evaluate_run(self.run_dir, self.data, self.judge, self.sheets, self.fid)
            print_tables(evaluation)
            return keep_milestone(self.keep, evaluation) if self.keep else None
        if self.classifier is not None and (self.what != "classifier" or self.write):
            raise ValueError('--classifier is for "classifier", without --write: a checkpoint keeps figures of its own classifier only')
        given = {k: v for k, v in vars(self).items() if k not in ("checkpoint", "run_dir", "write", "keep")} | {"run": self.run_dir}
        for section, values in evaluate(folder, **given):
            print_tables({section: values})
            if self.write:
                add_evaluation(folder, section, values)
            if self.keep:
                keep_milestone(self.keep, {"training": Checkpoint.from_pretrained(folder).evaluation["training"], section: values})


@dataclass(frozen=True)
class Figures:
    """Draw the pictures of README and docs, of drawn faces and a public-domain photo; write the README's table and docs/milestones.md."""

    out: Path = Path("assets/figures")
    checkpoint: Path | None = None
    celeba: Path | None = None
    """With a folder in CelebA's own layout: sheets of its test faces go to --out, and nothing else. They may not be published."""

    def run(self) -> None:
        from facevae.editor import Editor
        from train.publish.blending import compare_blending
        from train.publish.figures import draw_figures, private_sheets

        if self.celeba is not None:
            return private_sheets(Editor(self.checkpoint), self.celeba, self.out)
        draw_figures(self.checkpoint, self.out)
        compare_blending(self.out, self.checkpoint)
