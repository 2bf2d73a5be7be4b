"""What a checkpoint can do on held-out faces: the protocol, classifier, edits. Numbers go to evaluation.json."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from facevae.checkpoint import Checkpoint
from facevae.editor import Editor, Face
from facevae.files import write_json
from facevae.photo import images
from facevae.photo.alignment import whole
from train.alignment import evaluate_alignment, evaluate_photos, print_alignment
from train.classifier import SCORES, judge_from, score_pictures
from train.data import PreparedData, list_celeba
from train.encodings import BATCH, InPhoto, encode_many, load_run
from train.fidelity import load_inception
from train.inversion import evaluate_inversion, print_inversion
from train.judge import Scorer
from train.prior import read_prior
from train.protocol import evaluate_reconstruction, fit_gaussian, measure_protocol, print_protocol

SECTIONS = ("protocol", "reconstruction", "classifier", "edits", "alignment", "inversion")
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
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Measure the section `what` of a checkpoint, or all whose folders are given; yields (section, values).

    `classifier` stands in for the checkpoint's own.

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
        elif section == "classifier":
            yield section, {"split": split} | evaluate_classifier(checkpoint, prepared, split)
        else:
            values = evaluate_edits(checkpoint, scorer, prepared, split, faces, guided)
            yield section, {"split": split, "judge": digest} | values


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


def evaluate_edits(checkpoint: Checkpoint, judge: Scorer, data: PreparedData, split: str, faces: int, guided: int) -> dict[str, Any]:
    """Share of faces whose label the judge sees change, in the photo, at both ends of each slider, and by guidance.

    Adding: faces with probability < 0.2 that end above 0.5; taking away: faces > 0.8 that end below
    0.5. Leakage: mean |change| of the other attributes' logits, in standard deviations of that logit
    over the faces. Guidance runs on at most `guided` of the faces that lack a goal.
    """
    editor = Editor(checkpoint)
    attributes = list(judge.config.attributes)
    if missing := [c.name for c in editor.controls if c.name not in attributes]:
        raise ValueError(f"the judge does not answer for {', '.join(missing)}, which the checkpoint has sliders for")
    index = np.sort(np.random.default_rng(7).permutation(data.indices(split))[:faces])
    z = encode_many(checkpoint.net, data, index)
    view = InPhoto(checkpoint.net, judge, data, index, z, pasted=True)
    plain = view.plain
    table: dict[str, Any] = {}
    for control in tqdm(editor.controls, desc="edits"):
        direction, column = checkpoint.directions[control.name], attributes.index(control.name)
        row: dict[str, Any] = {}
        for side, strength, rows in (
            ("add", direction.high, np.flatnonzero(plain[:, column] < 0.2)),
            ("remove", direction.low, np.flatnonzero(plain[:, column] > 0.8)),
        ):
            if len(rows):
                after = view.probabilities(rows, strength * direction.step)
                flipped = after[:, column] > 0.5 if side == "add" else after[:, column] < 0.5
                leak = view.leakage(rows, after, column)
                row[side] = {
                    "strength": strength,
                    "n": len(rows),
                    "success": round(float(flipped.mean()), 3),
                    "leakage": round(leak, 3),
                }
        table[control.name] = row
    return {
        "n": len(index),
        "sliders": table,
        "guidance": evaluate_guidance(editor, judge, data, index, z, plain, guided) if guided else {},
    }


def evaluate_guidance(
    editor: Editor, judge: Scorer, data: PreparedData, index: np.ndarray, z: np.ndarray, plain: np.ndarray, guided: int
) -> dict[str, Any]:
    """For each goal: faces whose hardest label the judge sees below 0.2, the share that it and the guide see end above 0.5, mean steps."""
    attributes = list(judge.config.attributes)
    table = {}
    for goal in tqdm(editor.goals, desc="guidance"):
        wanted = np.array([attributes.index(a) for a in goal.wanted])
        right = np.array([float(v) for v in goal.wanted.values()])
        hardest = np.where(right > 0, plain[:, wanted], 1 - plain[:, wanted]).min(1)
        rows = np.flatnonzero(hardest < 0.2)[:guided]
        ends, guided_ends, steps = [], [], []
        for row in rows:
            picture = np.array(data.images[index[row]])
            face = Face(z[row], np.zeros_like(z[row]), picture, photo=picture, screen=picture, alignment=whole(editor.size))
            last = list(editor.guide(face, goal.wanted))[-1]
            with torch.inference_mode():
                seen = judge(images.to_float(editor.edit(last.face, {}).crop[None])).sigmoid()[0].numpy()
            ends.append(np.where(right > 0, seen[wanted], 1 - seen[wanted]).min())
            guided_ends.append(last.probability)
            steps.append(last.step)
        if len(rows):
            table[goal.name] = {
                "n": len(rows),
                "success": round(float((np.array(ends) > 0.5).mean()), 3),
                "guide": round(float((np.array(guided_ends) > 0.5).mean()), 3),
                "steps": round(float(np.mean(steps)), 1),
            }
    return table


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
            cells = [row.get(key) for key in SCORES]
            print(f"{name:24}" + "".join(f"{'-':>10}" if c is None else f"{c:10.3f}" for c in cells))
    if section := evaluation.get("edits"):
        print(f"\nEdits in the photo at the ends of the sliders, {section['n']} faces; strengths and leakage in σ")
        print(f"{'attribute':22}{'add at':>8}{'n':>6}{'success':>9}{'leak':>7}{'remove at':>12}{'n':>6}{'success':>9}{'leak':>7}")
        for name, row in section["sliders"].items():
            print(f"{name:22}{edit_cells(row.get('add'), 8)}{edit_cells(row.get('remove'), 12)}")
        for name, row in section["guidance"].items():
            print(f"make it {name:14}{row['n']:14}{row['success']:9.3f}   {row['steps']:.1f} steps")
    if section := evaluation.get("alignment"):
        print_alignment(section)
    if section := evaluation.get("inversion"):
        print_inversion(section)
        if "judge" in section:
            print(f"judge {section['judge']}")


def edit_cells(row: dict[str, float] | None, width: int) -> str:
    """Strength, n, success and leakage of one end of a slider; blanks where no face could be tried."""
    return " " * (width + 22) if row is None else f"{row['strength']:{width}.1f}{row['n']:6}{row['success']:9.3f}{row['leakage']:7.2f}"
