"""Refined latents against encodings on held-out faces: PSNR, likeness, and edits afterwards."""

import time
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int
from torch import Tensor
from tqdm import tqdm

from facevae.checkpoint.checkpoint import Checkpoint
from facevae.latent.inversion import InversionConfig, InversionStep, refine
from facevae.photo import images
from facevae.photo.compositing import soft_mask
from train.data.prepared import PreparedData
from train.measure.encodings import Pasting, PhotoRenderer, logit
from train.networks.scores import Scorer

EDITS = {"Smiling": 2.0, "Eyeglasses": 2.0, "Blond_Hair": 2.0, "Male": 2.0}  # attribute -> strength in σ
WEAK = 0.9  # an edit that keeps less than this share of its shift counts as weakened


def evaluate_inversion(
    checkpoint: Checkpoint,
    judge: Scorer,
    data: PreparedData,
    split: str,
    faces: int,
    config: InversionConfig = InversionConfig(),
) -> dict[str, Any]:
    """Refine `faces` pictures of `split` and compare them with what the encoder gives.

    PSNR (dB) of the whole crop and of the face under the mask; likeness, the mean |logit(crop) -
    logit(reconstruction)| over the judge's attributes; for each edit the mean shift of the judge's logit
    in the photo before and after, and the share of faces whose shift fell below 90 %; leakage as in
    `PhotoRenderer.leakage`. Time is CPU time of the calling thread, as a multiple of one gradient through the
    decoder at the start of the search, measured in the same run: run it with one thread.
    """
    index = data.sample(split, faces, np.random.default_rng(11))
    ends, firsts, cost = [], [], []
    for row in tqdm(index, desc="refine", unit="face"):
        first, last, ratio = refine_one(checkpoint, data.images[row], config)
        firsts.append(first)
        ends.append(last)
        cost.append(ratio)
    before, after = (torch.cat([s.latent[None] for s in steps]).numpy() for steps in (firsts, ends))
    crops = images.to_float(np.array(data.images[index]))
    gain = np.array([b.psnr_db - a.psnr_db for a, b in zip(firsts, ends, strict=True)])
    return {
        "split": split,
        "n": len(index),
        "psnr_before_db": round(float(np.mean([s.psnr_db for s in firsts])), 3),
        "psnr_after_db": round(float(np.mean([s.psnr_db for s in ends])), 3),
        "gain_db_percentiles_5_50_95": [round(float(v), 3) for v in np.percentile(gain, [5, 50, 95])],
        "face_psnr_before_db": face_psnr_db(crops, firsts),
        "face_psnr_after_db": face_psnr_db(crops, ends),
        "likeness_before": likeness(judge, crops, firsts),
        "likeness_after": likeness(judge, crops, ends),
        "steps": round(float(np.mean([s.index for s in ends])), 1),
        "time_in_decoder_gradients": round(float(np.median(cost)), 1),
        "move_in_sigma": round(move_length(checkpoint, after - before), 2),
        "edits": compare_edits(checkpoint, judge, data, index, before, after),
    }


def refine_one(checkpoint: Checkpoint, pixels: np.ndarray, config: InversionConfig) -> tuple[InversionStep, InversionStep, float]:
    """First and last step for a crop (s, s, 3), and the time taken in gradients of the bare decoder."""
    crop = images.to_float(np.array(pixels))  # a copy: rows of prepared data are read-only
    with torch.inference_mode():
        posterior = checkpoint.net.encode(crop)
    mask = torch.from_numpy(soft_mask(crop.shape[-1]))[None, None]
    z, spread = posterior.mean[0], (0.5 * posterior.logvar[0]).exp()
    start = time.thread_time()
    with torch.enable_grad():
        free = z.clone().requires_grad_(True)
        torch.autograd.grad(checkpoint.net.decode(free[None]).square().mean(), [free])
    unit = time.thread_time() - start
    start = time.thread_time()
    steps = list(refine(checkpoint.net.decode, checkpoint.classifier.features, crop, mask, z, spread, checkpoint.cholesky, config))
    return steps[0], steps[-1], (time.thread_time() - start) / unit


def face_psnr_db(crops: Tensor, steps: list[InversionStep]) -> float:
    """Mean PSNR of the pictures' faces: squared errors weighted with the soft mask."""
    mask = torch.from_numpy(soft_mask(crops.shape[-1]))[None, None]
    errors = [((crop - s.picture[0].clamp(0, 1)).square() * mask).mean() / mask.mean() for crop, s in zip(crops, steps, strict=True)]
    return round(float((-10 * torch.stack(errors).log10()).mean()), 3)


@torch.inference_mode()
def likeness(judge: Scorer, crops: Tensor, steps: list[InversionStep]) -> float:
    """Mean |change| of the judge's logits from the crops to the pictures; 0 where it sees no difference."""
    differences = [judge(crop[None]) - judge(s.picture.clamp(0, 1)) for crop, s in zip(crops, steps, strict=True)]
    return round(float(torch.cat(differences).abs().mean()), 4)


def move_length(checkpoint: Checkpoint, moves: Float32[np.ndarray, "n d"]) -> float:
    """Mean length of moves in standard deviations of the encodings (Mahalanobis)."""
    return float(torch.linalg.solve_triangular(checkpoint.cholesky, torch.from_numpy(moves).T, upper=False).norm(dim=0).mean())


def compare_edits(
    checkpoint: Checkpoint,
    judge: Scorer,
    data: PreparedData,
    index: Int[np.ndarray, " n"],
    before: Float32[np.ndarray, "n d"],
    after: Float32[np.ndarray, "n d"],
) -> dict[str, dict[str, float]]:
    """The edits of `EDITS` from both sets of latents, as the judge sees them in the photo."""
    views = [PhotoRenderer(checkpoint.net, judge, data, index, z, pasting=Pasting.of(checkpoint)) for z in (before, after)]
    rows, plain = np.arange(len(index)), logit(views[0].plain)
    attributes = list(judge.config.attributes)
    table = {}
    for name, strength in EDITS.items():
        if name not in attributes or name not in checkpoint.directions:
            continue
        column, move = attributes.index(name), strength * checkpoint.directions[name].step
        seen = [view.probabilities(rows, move) for view in views]
        old, new = (logit(p)[:, column] - plain[:, column] for p in seen)
        leaks = [view.leakage(rows, p, column) for view, p in zip(views, seen, strict=True)]
        table[name] = {
            "strength": strength,
            "shift_before": round(float(old.mean()), 3),
            "shift_after": round(float(new.mean()), 3),
            "ratio": round(float(new.mean() / old.mean()), 3),
            "weakened": round(float((new < WEAK * old).mean()), 3),
            "leakage_before": round(leaks[0], 3),
            "leakage_after": round(leaks[1], 3),
        }
    return table


def print_inversion(section: dict[str, Any]) -> None:
    """Print what `evaluate_inversion` found."""
    low, middle, high = section["gain_db_percentiles_5_50_95"]
    print(f"\nInversion, {section['n']} faces of {section['split']}, {section['steps']} steps on average")
    gain = f"5, 50, 95 %: {low:+.2f} {middle:+.2f} {high:+.2f}"
    print(f"crop PSNR {section['psnr_before_db']:.2f} -> {section['psnr_after_db']:.2f} dB ({gain})")
    print(f"face PSNR {section['face_psnr_before_db']:.2f} -> {section['face_psnr_after_db']:.2f} dB")
    print(f"judge's logits off by {section['likeness_before']:.3f} -> {section['likeness_after']:.3f}")
    print(f"moved by {section['move_in_sigma']} σ; time of {section['time_in_decoder_gradients']} decoder gradients")
    print(f"{'edit':14}{'σ':>5}{'shift':>8}{'refined':>9}{'ratio':>7}{'weakened':>10}{'leakage':>9}{'refined':>9}")
    for name, row in section["edits"].items():
        print(
            f"{name:14}{row['strength']:5.1f}{row['shift_before']:8.2f}{row['shift_after']:9.2f}{row['ratio']:7.2f}"
            f"{row['weakened']:10.2f}{row['leakage_before']:9.2f}{row['leakage_after']:9.2f}"
        )
