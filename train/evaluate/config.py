"""EvaluateConfig: what an evaluation measures, and with what. Light: imports no torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class EvaluateConfig:
    """Options of `train.evaluate.evaluate.evaluate`; also flags of `python -m train evaluate`."""

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
    run: Path | None = None
    """Run folder of a VAE, for "run", or of a face parser, for "parser"; for "edits" the one that holds the directions that were not
    chosen, which the matrix compares."""
    split: Literal["train", "valid", "test"] = "test"
    """For all but "protocol", whose faces are fixed."""
    faces: int = 300
    """Faces of the edit table, of each group of "skin", of "alignment" and of "inversion"."""
    guided: int = 20
    """Faces for each goal of guidance; 0 leaves guidance out."""
    compared: int = 100
    """Faces that the directions that were not chosen, and the locks, are tried on."""
