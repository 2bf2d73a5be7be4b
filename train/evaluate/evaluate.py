"""What a checkpoint can do on held-out faces: the protocol, classifier, edits. Numbers go to evaluation.json."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from facevae.checkpoint.checkpoint import Checkpoint
from facevae.editor import Editor
from facevae.files import write_json
from facevae.photo import images
from train.data.prepared import PreparedData, list_celeba
from train.evaluate.edit_matrix import MAIN, edit_matrix, lock_table, open_room, shipped_steps, slider_table, summary
from train.evaluate.edit_tables import edits_text
from train.evaluate.face_finding import evaluate_alignment, evaluate_photos, print_alignment
from train.evaluate.guidance import compare_guidance
from train.evaluate.inversion import evaluate_inversion, print_inversion
from train.evaluate.skin_shift import evaluate_skin, skin_text
from train.latent.directions import read_estimators
from train.latent.prior import read_prior
from train.measure.encodings import BATCH, InPhoto, encode_many, load_run
from train.measure.fidelity import load_inception
from train.measure.protocol import evaluate_reconstruction, fit_gaussian, measure_protocol, print_protocol
from train.networks.classifier import judge_from
from train.networks.identity import IdentityNet, identity_from
from train.networks.scores import SCORES, Scorer, score_pictures

SECTIONS = ("protocol", "reconstruction", "classifier", "edits", "skin", "alignment", "inversion")
LIKENESS = ("n", "distortion_nats", "rate_nats", "bits_per_dim", "psnr_db")


def evaluate(
    folder: Path,
    what: str,
    data: Path | None,
    celeba: Path | None,
    photos: Path | None,
    sheets: Path | None,
    judge: Path | None,
    fid: bool,
    split: str,
    faces: int,
    guided: int,
    classifier: Path | None = None,
    identity: Path | None = None,
    run: Path | None = None,
    compared: int = 100,
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Measure the section `what` of a checkpoint, or all whose folders are given; yields (section, values).

    `classifier` stands in for the checkpoint's own; `run` holds the directions that were not chosen, which the edit matrix compares
    on `compared` faces.

    `ValueError` where the folder that a section needs is not given, or a net that it needs cannot be had.
    """
    checkpoint = Checkpoint.from_pretrained(folder)
    if classifier is not None:
        checkpoint = replace(checkpoint, classifier=judge_from(classifier)[0])
    wanted = SECTIONS if what == "all" else (what,)
    if what == "all" and celeba is None:
        wanted = tuple(w for w in wanted if w != "alignment")
    if data is None and wanted != ("alignment",):
        raise ValueError("--data names a prepared data set; make one with: python -m train prepare")
    prepared = PreparedData(data) if data is not None else None
    # Whatever may be missing is missed before anything takes its time.
    scorer, digest = judge_from(judge) if {"protocol", "inversion", "edits"} & set(wanted) else (None, "")
    embedding, identity_digest, people = identity_from(identity) if "edits" in wanted else (None, "", {})
    inception = load_inception() if fid and "protocol" in wanted else None
    measured: dict[str, Any] = {}
    for section in wanted:
        if section == "alignment":
            if celeba is None:
                raise ValueError("--celeba names the folder with CelebA's own frames, which alignment is measured on")
            yield section, evaluate_finding(checkpoint, celeba, photos, sheets, faces)
        elif section == "inversion":
            yield section, {"judge": digest} | evaluate_inversion(checkpoint, scorer, prepared, split, faces)
        elif section == "protocol":
            parts = checkpoint.net, checkpoint.variance, checkpoint.prior
            measured = measure_protocol(*parts, scorer, digest, prepared, sheets=sheets, inception=inception)
            yield section, measured
        elif section == "reconstruction":
            # What the protocol has measured on the same faces is not measured again.
            index = prepared.indices(split)
            if measured and (measured["split"], measured["n"]) == (split, len(index)):
                values = {k: measured["reconstruction"][k] for k in LIKENESS}
            else:
                values = evaluate_reconstruction(checkpoint.net, checkpoint.variance, prepared, index)
            yield section, {"split": split} | values
        elif section == "skin":
            yield section, {"split": split} | evaluate_skin(checkpoint, prepared, split, faces, guided)
        elif section == "classifier":
            yield section, {"split": split} | evaluate_classifier(checkpoint, prepared, split)
        else:
            steps = read_estimators(run) if run is not None else {}
            values = evaluate_edits(checkpoint, scorer, embedding, people, prepared, split, faces, guided, steps, compared)
            yield section, {"split": split, "judge": digest, "identity": identity_digest} | values


def evaluate_run(run: Path | None, data: Path | None, judge: Path | None, sheets: Path | None, fid: bool) -> dict[str, Any]:
    """The protocol on the EMA weights of a training run; written to its `evaluation.json`.

    Samples come from the prior that `python -m train prior` left in the run, else from one Gaussian fitted to encodings.
    `ValueError` where a folder, or a net, is missing.
    """
    if run is None or data is None:
        raise ValueError("evaluate run needs --run, the folder of a training run, and --data, a prepared data set")
    net, variance, nimg, _ = load_run(run)
    prepared = PreparedData(data).resized(net.config.shape)
    scorer, digest = judge_from(judge)
    inception = load_inception() if fid else None
    prior = read_prior(run, net.config.latent) if (run / "prior.safetensors").is_file() else fit_gaussian(net, prepared)
    section = measure_protocol(net, variance, prior, scorer, digest, prepared, sheets=sheets, inception=inception)
    evaluation = {"training": {"nimg": nimg}, "protocol": section}
    write_json(run / "evaluation.json", evaluation)
    return evaluation


def evaluate_finding(checkpoint: Checkpoint, celeba: Path, photos: Path | None, sheets: Path | None, faces: int) -> dict[str, Any]:
    """The section "alignment": on CelebA's valid partition, and on the photos of other sets where given."""
    if photos is not None and sheets is None:
        raise ValueError("--photos needs --sheets: what was found has to be looked at")
    editor = Editor(checkpoint)
    values = evaluate_alignment(editor, list_celeba(celeba), faces=faces)
    return values | ({"photos": evaluate_photos(editor, photos, sheets)} if photos is not None and sheets is not None else {})


@torch.inference_mode()
def evaluate_classifier(checkpoint: Checkpoint, data: PreparedData, split: str, limit: int | None = None) -> dict[str, Any]:
    """Accuracy, majority baseline, balanced accuracy and AUROC per attribute, on photos and on their reconstructions."""
    index = data.indices(split)[:limit]
    labels = data.labels[index]
    on_photos = score_pictures(checkpoint.classifier, data.images[index], labels, data.attributes)
    pictures = np.concatenate(
        [
            images.to_uint8(checkpoint.net.decode(checkpoint.net.encode(images.to_float(data.images[part])).mode))
            for part in np.array_split(index, -(-len(index) // BATCH))
        ]
    )
    on_reconstructions = score_pictures(checkpoint.classifier, pictures, labels, data.attributes)
    return {"n": len(index), "photos": on_photos, "reconstructions": on_reconstructions["mean"]}


def evaluate_edits(
    checkpoint: Checkpoint,
    judge: Scorer,
    embedding: IdentityNet,
    people: dict[str, float],
    data: PreparedData,
    split: str,
    faces: int,
    guided: int,
    steps: Mapping[str, Float[Tensor, " d"]] = {},
    compared: int = 100,
) -> dict[str, Any]:
    """What edits do to held-out faces in the photo, as the judge sees it, and whether they stay the same people.

    The edit matrix and the locks (see `edit_matrix`), both ends of every slider, and guidance beside its plain form on at most
    `guided` of the faces that lack a goal. `steps` are those of the estimators that were not chosen. Adding: faces with probability < 0.2
    that end above 0.5; taking away: faces > 0.8 that end below 0.5. Leakage: mean |change| of the other attributes' logits,
    in standard deviations of that logit over the faces.
    """
    editor = Editor(checkpoint)
    attributes = list(judge.config.attributes)
    if missing := [c.name for c in editor.controls if c.name not in attributes]:
        raise ValueError(f"the judge does not answer for {', '.join(missing)}, which the checkpoint has sliders for")
    index = np.sort(np.random.default_rng(7).permutation(data.indices(split))[:faces])
    z = encode_many(checkpoint.net, data, index)
    view = InPhoto(checkpoint.net, judge, data, index, z, pasted=True, identity=embedding)
    room = open_room(checkpoint, view, attributes, people)
    matrix = edit_matrix(room, shipped_steps(checkpoint)) | edit_matrix(room, steps, compared)
    return {
        "n": len(index),
        "compared": min(compared, len(index)) if steps else 0,
        "people": people,
        "attributes": [name for name in MAIN if name in checkpoint.directions],
        "chosen": {name: d.estimator for name, d in checkpoint.directions.items()},
        "matrix": matrix,
        "summary": summary(matrix),
        "sliders": slider_table(room),
        "locks": lock_table(room, compared),
        "guidance": compare_guidance(editor, judge, data, index, z, editor.goals, guided) if guided else {},
    }


def print_tables(evaluation: dict[str, Any]) -> None:
    """Print whatever sections an evaluation has, one table each."""
    if section := evaluation.get("reconstruction"):
        print("\nReconstruction: " + ", ".join(f"{k} {v}" for k, v in section.items()))
    if section := evaluation.get("protocol"):
        print_protocol(section)
    if section := evaluation.get("classifier"):
        print(f"\nClassifier, {section['n']} faces")
        print(f"{'attribute':24}{'accuracy':>10}{'majority':>10}{'balanced':>10}{'AUROC':>10}{'Brier':>10}{'calibr.':>10}")
        for name, row in [*section["photos"].items(), ("mean on reconstructions", section["reconstructions"])]:
            cells = [row[key] for key in SCORES]
            print(f"{name:24}" + "".join(f"{'-':>10}" if c is None else f"{c:10.3f}" for c in cells))
    if section := evaluation.get("edits"):
        print(f"\nEdits, {section['n']} faces. {edits_text(section)}")
    if section := evaluation.get("skin"):
        print(f"\nSkin. {skin_text(section)}")
    if section := evaluation.get("alignment"):
        print_alignment(section)
    if section := evaluation.get("inversion"):
        print_inversion(section)
        print(f"judge {section['judge']}")
