"""Export a run, its helper nets, directions and prior to a checkpoint folder."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from torch.nn import Module

from facevae.checkpoint.checkpoint import EMBEDDED, Checkpoint, save_checkpoint
from facevae.nets.judge import Judge
from train.latent.directions import read_directions, read_labels, read_withheld
from train.latent.hair_colour import read_hair
from train.latent.prior import read_choice, read_prior
from train.latent.skin_tone import read_skin
from train.measure.encodings import load_run
from train.networks.aligner import load_aligner
from train.networks.classifier import guide_from, judge_from
from train.networks.detail import load_detail
from train.networks.hair import load_hair_net
from train.networks.parser import load_parser
from train.publish.card import model_card


def export(
    run: Path,
    classifier_run: Path,
    aligner_run: Path,
    out: Path,
    judge: Path | None = None,
    parser_run: Path = EMBEDDED,
    detail_run: Path = EMBEDDED,
    hair_run: Path = EMBEDDED,
) -> Checkpoint:
    """Write the checkpoint folder `out`; its evaluation holds what training knows until `evaluate` adds to it."""
    trained, guide = load_run(run), guide_from(classifier_run)
    checkpoint = Checkpoint(
        net=trained.net,
        classifier=guide,
        aligner=load_aligner(aligner_run),
        parser=load_parser(parser_run),
        detail=load_detail(detail_run),
        hair_net=load_hair_net(hair_run),
        **parts_of_directions(run, judge, guide.config.attributes),
        prior=read_prior(run, trained.net.config.latent),
        variance=trained.variance,
        evaluation={
            "training": {"nimg": trained.nimg, **{k: trained.config[k] for k in ("beta", "seed", "batch_size", "lr")}},
            "withheld": read_withheld(run),
            **read_choice(run),
        },
        card="",
        name=out.name,
    )
    return write_with_card(out, checkpoint)


def parts_of_directions(run: Path, judge: Path | None, attributes: tuple[str, ...]) -> dict[str, Any]:
    """The fields of a checkpoint that `python -m train directions` made, and the judge that chose among them.

    A classifier of the guide's own kind may stand in for the judge while directions are found, but no checkpoint reports by it.
    """
    scorer, _ = judge_from(judge)
    reports = isinstance(scorer, Judge) and scorer.config.attributes == attributes
    return {
        "directions": read_directions(run),
        "labels": read_labels(run),
        "skin": read_skin(run),
        "hair": read_hair(run),
        "judge": scorer if reports else None,
    }


def add_directions(folder: Path, run: Path, judge: Path | None = None) -> Checkpoint:
    """Give a checkpoint folder the directions that were found for its weights in `run`; `ValueError` where those are others'."""
    checkpoint = Checkpoint.from_pretrained(folder)
    net = load_run(run).net
    if not same_weights(net, checkpoint.net):
        raise ValueError(f"{run} and {folder} hold different weights: directions of the one mean nothing to the other")
    # These sections moved faces along the directions that go.
    kept = {k: v for k, v in checkpoint.evaluation.items() if k not in ("edits", "inversion", "skin")}
    evaluation = kept | {"withheld": read_withheld(run)}
    return write_with_card(
        folder, replace(checkpoint, evaluation=evaluation, **parts_of_directions(run, judge, checkpoint.classifier.config.attributes))
    )


def same_weights(a: Module, b: Module) -> bool:
    """Whether two nets are the same, float16 on disk allowed for."""
    one, other = a.state_dict(), b.state_dict()
    return one.keys() == other.keys() and all(one[k].shape == other[k].shape and one[k].half().equal(other[k].half()) for k in one)


def write_with_card(out: Path, checkpoint: Checkpoint) -> Checkpoint:
    """Write the folder with a card that says what its evaluation says."""
    checkpoint = replace(checkpoint, card=model_card(checkpoint))
    return replace(checkpoint, digest=save_checkpoint(out, checkpoint))


def add_evaluation(folder: Path, section: str, values: Any) -> Checkpoint:
    """Put one section into the evaluation of a checkpoint folder, and the card and the manifest right."""
    checkpoint = Checkpoint.from_pretrained(folder)
    return write_with_card(folder, replace(checkpoint, evaluation=checkpoint.evaluation | {section: values}))
