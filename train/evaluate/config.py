"""EvaluateConfig: what an evaluation measures, and with what. Light: imports no torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class EvaluateConfig:
    """Options of `train.evaluate.evaluate.evaluate`; also flags of `python -m train evaluate`."""

    data: Path | None = None
    """Prepared data: needed for all but "alignment", "detail", "hair_net" and "draws"."""
    celeba: Path | None = None
    """Folder in CelebA's own layout, for "alignment", "detail" and "hair_net": they need whole frames."""
    parsing: Path | None = None
    """Folder with the masks of the face parser and their photos, for "detail" and "hair_net", which need --celeba, too."""
    photos: Path | None = None
    """Folder with lfw/ and fairface/, for "alignment": share of faces found in each group."""
    sheets: Path | None = None
    """Where "alignment" puts sheets of the crops of --photos, and "protocol" samples and the training faces nearest to them, outside the
    project."""
    judge: Path | None = None
    """Folder of a saved judge, or the run of a classifier of another seed, for "protocol", "draws", "edits" and "inversion"; the embedded
    judge where not given."""
    classifier: Path | None = None
    """Folder of a saved classifier, or its run: "classifier" measures it in the place of the checkpoint's own."""
    identity: Path | None = None
    """Folder of a saved identity embedding, for "draws" and "edits"; the embedded one where not given."""
    part_judge: Path | None = None
    """Run of a part judge, for "parts"; without it that section counts no successes."""
    attributes: tuple[str, ...] = ()
    """Sliders that "detectability" tries; all where none is named."""
    fid: bool = False
    """Let "protocol" measure the standard Inception FID too; it needs torch-fidelity, which downloads the weights."""
    run: Path | None = None
    """Run folder of a VAE, for "run", or of a face parser, for "parser"; for "edits" the one that holds the directions that were not
    chosen, which the matrix compares."""
    split: Literal["train", "valid", "test"] = "test"
    """For all but "protocol", whose faces are fixed."""
    faces: int = 300
    """Faces of the edit table, of each group of "skin", of "parts", of "alignment" and of "inversion", and pairs of "morph"."""
    guided: int = 20
    """Faces for each goal of guidance; 0 leaves guidance out."""
    compared: int = 100
    """Faces that the directions that were not chosen, and the locks, are tried on."""
    examples: int = 2_000
    """Edited and as many untouched train faces that the nets of "detectability" learn from."""
    tried: int = 500
    """Edited and as many untouched faces of --split that they are tried on."""
