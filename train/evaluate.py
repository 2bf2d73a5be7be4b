"""What a checkpoint can do on held-out faces: reconstruction, classifier, edits. Numbers go to evaluation.json."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from facevae.checkpoint import Checkpoint
from facevae.editor import Editor, Face
from facevae.photo import images
from facevae.photo.alignment import whole
from train.alignment import evaluate_alignment, evaluate_photos, print_alignment
from train.classifier import load_trained, score_pictures
from train.data import PreparedData, list_celeba
from train.encodings import BATCH, InPhoto, encode_many
from train.inversion import evaluate_inversion, print_inversion
from train.losses import GaussianLikelihood, elbo, psnr_db


def evaluate(
    folder: Path,
    what: str,
    data: Path | None,
    celeba: Path | None,
    photos: Path | None,
    sheets: Path | None,
    judge: Path | None,
    split: str,
    faces: int,
    guided: int,
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Measure the section `what` of a checkpoint, or all whose folders are given; yields (section, values).

    `ValueError` where the folder that a section needs is not given.
    """
    checkpoint = Checkpoint.from_pretrained(folder)
    wanted = ("reconstruction", "classifier", "edits", "alignment", "inversion") if what == "all" else (what,)
    if what == "all":
        wanted = tuple(w for w in wanted if (celeba or w != "alignment") and (judge or w != "inversion"))
    if data is None and wanted != ("alignment",):
        raise ValueError("--data names a prepared data set; make one with: python -m train prepare")
    prepared = PreparedData(data) if data is not None else None
    for section in wanted:
        if section == "alignment":
            if celeba is None:
                raise ValueError("--celeba names the folder with CelebA's own frames, which alignment is measured on")
            yield section, evaluate_finding(checkpoint, celeba, photos, sheets, faces)
        elif section == "inversion":
            if judge is None:
                raise ValueError("--judge names the run of a classifier of another seed: python -m train classifier --config.seed 1")
            yield section, evaluate_inversion(checkpoint, load_trained(judge), prepared, split, faces)
        elif section == "reconstruction":
            yield section, {"split": split} | evaluate_reconstruction(checkpoint, prepared, split)
        elif section == "classifier":
            yield section, {"split": split} | evaluate_classifier(checkpoint, prepared, split)
        else:
            yield section, {"split": split} | evaluate_edits(checkpoint, prepared, split, faces, guided)


def evaluate_finding(checkpoint: Checkpoint, celeba: Path, photos: Path | None, sheets: Path | None, faces: int) -> dict[str, Any]:
    """The section "alignment": on CelebA's valid partition, and on the photos of other sets where given."""
    if (photos is None) != (sheets is None):
        raise ValueError("--photos and --sheets go together: what was found has to be looked at")
    editor = Editor(checkpoint)
    values = evaluate_alignment(editor, list_celeba(celeba), faces=faces)
    return values | ({"photos": evaluate_photos(editor, photos, sheets)} if photos is not None and sheets is not None else {})


@torch.inference_mode()
def evaluate_reconstruction(checkpoint: Checkpoint, data: PreparedData, split: str, limit: int | None = None) -> dict[str, float]:
    """Distortion and rate (nats per image, one posterior draw), bits/dim, PSNR (dB) through the posterior mean.

    bits/dim is (distortion + rate) / (dimensions · ln 2) + 8: the density of pixels in [0, 1], as a
    code for 256 levels.
    """
    net = checkpoint.net
    likelihood = GaussianLikelihood(net.config.size)
    likelihood.variance.copy_(checkpoint.variance)
    index = data.indices(split)[:limit]
    rows = []
    for number, part in enumerate(tqdm(np.array_split(index, -(-len(index) // BATCH)), desc="reconstruct", unit="batch")):
        x = images.to_float(data.images[part])
        posterior = net.encode(x)
        drawn = net.decode(posterior.sample(torch.Generator().manual_seed(number)))
        bound = elbo(likelihood, x, drawn, posterior)
        rows.append(torch.stack([bound.distortion, bound.rate, psnr_db(x, net.decode(posterior.mode))]))
    distortion, rate, psnr = torch.cat(rows, dim=1).mean(dim=1).tolist()
    dimensions = math.prod(x.shape[1:])
    return {
        "n": len(index),
        "distortion_nats": round(distortion, 1),
        "rate_nats": round(rate, 1),
        "bits_per_dim": round((distortion + rate) / (dimensions * math.log(2)) + 8, 4),
        "psnr_db": round(psnr, 3),
    }


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


def evaluate_edits(checkpoint: Checkpoint, data: PreparedData, split: str, faces: int, guided: int) -> dict[str, Any]:
    """Share of faces whose label the classifier sees change, in the photo, at both ends of each slider, and by guidance.

    Adding: faces with probability < 0.2 that end above 0.5; taking away: faces > 0.8 that end below
    0.5. Leakage: mean |change| of the other attributes' logits, in standard deviations of that logit
    over the faces. Guidance runs on at most `guided` of the faces that lack a goal.
    """
    editor = Editor(checkpoint)
    attributes = list(checkpoint.classifier.config.attributes)
    index = np.sort(np.random.default_rng(7).permutation(data.indices(split))[:faces])
    z = encode_many(checkpoint.net, data, index)
    view = InPhoto(checkpoint.net, checkpoint.classifier, data, index, z, pasted=True)
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
    return {"n": len(index), "sliders": table, "guidance": evaluate_guidance(editor, data, index, z, plain, guided) if guided else {}}


def evaluate_guidance(
    editor: Editor, data: PreparedData, index: np.ndarray, z: np.ndarray, plain: np.ndarray, guided: int
) -> dict[str, Any]:
    """For each goal: faces whose hardest label is below 0.2, the share that ends above 0.5, mean steps."""
    attributes = list(editor.checkpoint.classifier.config.attributes)
    table = {}
    for goal in tqdm(editor.goals, desc="guidance"):
        wanted = np.array([attributes.index(a) for a in goal.wanted])
        right = np.array([float(v) for v in goal.wanted.values()])
        hardest = np.where(right > 0, plain[:, wanted], 1 - plain[:, wanted]).min(1)
        rows = np.flatnonzero(hardest < 0.2)[:guided]
        ends, steps = [], []
        for row in rows:
            picture = np.array(data.images[index[row]])
            face = Face(z[row], np.zeros_like(z[row]), picture, photo=picture, screen=picture, alignment=whole(editor.size))
            last = list(editor.guide(face, goal.wanted))[-1]
            ends.append(last.probability)
            steps.append(last.step)
        if len(rows):
            table[goal.name] = {
                "n": len(rows),
                "success": round(float((np.array(ends) > 0.5).mean()), 3),
                "steps": round(float(np.mean(steps)), 1),
            }
    return table


def print_tables(evaluation: dict[str, Any]) -> None:
    """Print whatever sections an evaluation has, one table each."""
    if section := evaluation.get("reconstruction"):
        print("\nReconstruction: " + ", ".join(f"{k} {v}" for k, v in section.items()))
    if section := evaluation.get("classifier"):
        print(f"\nClassifier, {section['n']} faces")
        print(f"{'attribute':24}{'accuracy':>10}{'majority':>10}{'balanced':>10}{'AUROC':>10}")
        for name, row in [*section["photos"].items(), ("mean on reconstructions", section["reconstructions"])]:
            cells = [row[key] for key in ("accuracy", "majority", "balanced", "auroc")]
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


def edit_cells(row: dict[str, float] | None, width: int) -> str:
    """Strength, n, success and leakage of one end of a slider; blanks where no face could be tried."""
    return " " * (width + 22) if row is None else f"{row['strength']:{width}.1f}{row['n']:6}{row['success']:9.3f}{row['leakage']:7.2f}"
