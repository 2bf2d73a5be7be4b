"""release(): from a finished run to the shipped checkpoint, measurements and figures."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from facevae.checkpoint.checkpoint import EMBEDDED, Checkpoint
from facevae.files import ASSETS
from train.evaluate.config import EvaluateConfig
from train.evaluate.evaluate import evaluate, open_data, print_tables
from train.latent.calibration import DirectionsConfig
from train.latent.conditional_flow import FlowTrainConfig, fit_conditional_flow
from train.latent.directions import find_directions
from train.latent.prior import PriorConfig, find_prior
from train.measure.encodings import load_run
from train.networks.classifier import guide_from, judge_from
from train.publish.exhibits import make_editors_exhibit
from train.publish.export import add_evaluation, export, same_weights
from train.publish.figures import draw_figures
from train.publish.flow import add_flow, measure_flow


@dataclass(frozen=True)
class ReleaseConfig:
    """What a release is made of, and how it is measured."""

    run: Path
    classifier: Path
    """Run folder of the guide, or one that holds it already."""
    aligner: Path
    """Run or checkpoint folder of the alignment net."""
    out: Path
    evaluate: EvaluateConfig
    """Its data and judge also make directions and prior."""
    parser: Path = EMBEDDED
    """Run or checkpoint folder of the face parser."""
    detail: Path = EMBEDDED
    """Run or checkpoint folder of the detail net."""
    hair_net: Path = EMBEDDED
    """Run or checkpoint folder of the hair net."""
    directions: DirectionsConfig = field(default_factory=DirectionsConfig)
    prior: PriorConfig = field(default_factory=PriorConfig)
    flow: FlowTrainConfig = field(default_factory=FlowTrainConfig)
    figures: bool = True


def release(config: ReleaseConfig) -> Checkpoint:
    """Directions, prior, latent flow, export, every section of the evaluation on the test partition, exhibit and figures.

    The flow is trained in the folder `flow` of the run, and is the prior where its faces are nearer to held-out ones than the mixture's.
    Face finding is measured again where `celeba` is given; else that section stays, if `out` holds the same alignment net already.
    Exhibit and figures belong to the embedded checkpoint alone. A release that stopped is done again from its beginning, and what it
    replaces stays whole until the export.
    """
    run, out, judge = config.run, config.out, config.evaluate.judge
    data = open_data(config.evaluate)
    scorer, _ = judge_from(judge)  # fail early, before any long measurement
    find_directions(run, config.classifier, data, config.directions, judge, parser=config.parser)
    find_prior(run, data, config.prior, judge=judge)
    fit_conditional_flow(config.flow, load_run(run).net, guide_from(config.classifier), data, run / "flow")
    kept = read_face_finding(out)
    checkpoint = export(run, config.classifier, config.aligner, out, judge, config.parser, config.detail, config.hair_net)
    found = measure_flow(out, run / "flow", data, config.flow, judge)
    print(*found.lines(), sep="\n")
    if found.is_nearer:
        checkpoint = add_flow(out, run / "flow", found)
    if kept and same_weights(kept["checkpoint"].aligner, checkpoint.aligner) and config.evaluate.celeba is None:
        checkpoint = add_evaluation(out, "alignment", kept["alignment"])
    for section, values in evaluate(out, "all", replace(config.evaluate, run=run)):
        print_tables({section: values})
        checkpoint = add_evaluation(out, section, values)
    if config.figures and out.resolve() == EMBEDDED.resolve():
        make_editors_exhibit(out, run, data, scorer, ASSETS / "exhibits")
        draw_figures(None, ASSETS / "figures")
    return checkpoint


def read_face_finding(out: Path) -> dict[str, Any]:
    """The alignment section of the checkpoint that is about to be replaced, and that checkpoint; nothing where there is none."""
    if not (out / "config.json").is_file():
        return {}
    before = Checkpoint.from_pretrained(out)
    return {"checkpoint": before, "alignment": before.evaluation["alignment"]} if "alignment" in before.evaluation else {}
