"""One command from a finished run to what the editor ships: everything that depends on the weights is made anew, in the right order."""

from pathlib import Path
from typing import Any

from facevae.checkpoint.checkpoint import EMBEDDED, Checkpoint
from facevae.files import ASSETS
from train.data.prepared import PreparedData
from train.evaluate.evaluate import evaluate, print_tables
from train.latent.calibration import DirectionsConfig
from train.latent.directions import find_directions
from train.latent.prior import PriorConfig, find_prior
from train.networks.classifier import judge_from
from train.publish.exhibits import make_editors_exhibit
from train.publish.export import add_evaluation, export, same_weights
from train.publish.figures import draw_figures


def release(
    run: Path,
    classifier: Path,
    aligner: Path,
    data_folder: Path,
    judge: Path | None,
    celeba: Path | None,
    photos: Path | None,
    sheets: Path | None,
    out: Path,
    directions: DirectionsConfig,
    prior: PriorConfig,
    faces: int,
    guided: int,
    figures: bool,
) -> Checkpoint:
    """Directions, prior, export, every section of the evaluation on the test partition, exhibit and figures.

    What finds faces is measured anew where `celeba` is given; else that section stays, if `out` holds the same alignment net already.
    Exhibit and figures belong to the embedded checkpoint alone. A release that stopped is done again from its beginning, and what it
    replaces stays whole until the export.
    """
    data = PreparedData(data_folder)
    scorer, _ = judge_from(judge)  # what may be missing is missed before anything takes its time
    find_directions(run, classifier, data, directions, judge)
    find_prior(run, data, prior, judge=judge)
    kept = kept_sections(out)
    checkpoint = export(run, classifier, aligner, out, judge)
    if kept and same_weights(kept["checkpoint"].aligner, checkpoint.aligner) and celeba is None:
        checkpoint = add_evaluation(out, "alignment", kept["alignment"])
    for section, values in evaluate(out, "all", data_folder, celeba, photos, sheets, judge, False, "test", faces, guided, run=run):
        print_tables({section: values})
        checkpoint = add_evaluation(out, section, values)
    if figures and out.resolve() == EMBEDDED.resolve():
        make_editors_exhibit(out, run, data, scorer, ASSETS / "exhibits")
        draw_figures(None, ASSETS / "figures")
    return checkpoint


def kept_sections(out: Path) -> dict[str, Any]:
    """The alignment section of the checkpoint that is about to be replaced, and that checkpoint; nothing where there is none."""
    if not (out / "config.json").is_file():
        return {}
    before = Checkpoint.from_pretrained(out)
    return {"checkpoint": before, "alignment": before.evaluation["alignment"]} if "alignment" in before.evaluation else {}
