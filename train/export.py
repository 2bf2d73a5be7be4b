"""A trained run + classifier + directions + prior -> a checkpoint folder with its card."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from facevae.checkpoint import Checkpoint, save_checkpoint
from train.aligner import load_aligner
from train.card import model_card
from train.classifier import guide_from
from train.directions import read_directions, read_withheld
from train.encodings import load_run
from train.prior import read_choice, read_prior


def export(run: Path, classifier_run: Path, aligner_run: Path, out: Path) -> Checkpoint:
    """Write the checkpoint folder `out`; its evaluation holds what training knows until `evaluate` adds to it."""
    net, variance, nimg, config = load_run(run)
    checkpoint = Checkpoint(
        net=net,
        classifier=guide_from(classifier_run),
        aligner=load_aligner(aligner_run),
        directions=read_directions(run),
        prior=read_prior(run, net.config.latent),
        variance=variance,
        evaluation={
            "training": {"nimg": nimg, **{k: config[k] for k in ("beta", "seed", "batch_size", "lr")}},
            "withheld": read_withheld(run),
            **read_choice(run),
        },
        card="",
        name=out.name,
    )
    return write_with_card(out, checkpoint)


def write_with_card(out: Path, checkpoint: Checkpoint) -> Checkpoint:
    """Write the folder with a card that says what its evaluation says."""
    checkpoint = replace(checkpoint, card=model_card(checkpoint))
    return replace(checkpoint, digest=save_checkpoint(out, checkpoint))


def add_evaluation(folder: Path, section: str, values: Any) -> Checkpoint:
    """Put one section into the evaluation of a checkpoint folder, and the card and the manifest right."""
    checkpoint = Checkpoint.from_pretrained(folder)
    return write_with_card(folder, replace(checkpoint, evaluation=checkpoint.evaluation | {section: values}))
