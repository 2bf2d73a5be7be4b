"""The report's label guidance: Adam on z against the cross-entropy of one label.

Decode, classify, cross-entropy to the wanted label; nothing keeps z near a face.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from train.measure import features
from train.report.page import ReportPage
from train.report.plots import draw_lines, panels, picture_sheet
from train.report.study import Study, StudyRun
from train.report.verdicts import verdict

WANTED = ("Blond_Hair", "Mustache", "Smiling", "Bangs", "Male")
HELD_OUT, DRAWN = 12, 4
"""Faces that are guided towards each label: reconstructions that are measured, and drawn faces that may be shown."""
CANDIDATES = 96
"""Faces among which the first without the label are taken."""


@dataclass(frozen=True)
class PlainConfig:
    """How long and how fast."""

    steps: int = 40
    rate: float = 0.1
    """Adam's step in each z_j."""


def guide_plainly(
    render: Callable[[Tensor], Tensor],
    classify: Callable[[Tensor], Tensor],
    start: Float[Tensor, "n d"],
    column: int,
    config: PlainConfig = PlainConfig(),
) -> tuple[Float[Tensor, "n d"], Float[np.ndarray, "k n"]]:
    """Walk each latent towards label `column`; gives where it ends, and the losses before each step and at the end.

    `render` maps latents to pictures, `classify` pictures to logits (n, a). The loss of a face is the binary cross-entropy of
    that one logit to 1; faces do not know of each other (a sum over the batch, and Adam keeps to each value). Weights stay as they are.
    """
    z = start.detach().clone().requires_grad_(True)
    optimizer = torch.optim.Adam([z], lr=config.rate)
    losses = []
    for step in range(config.steps + 1):
        with torch.set_grad_enabled(step < config.steps):
            logit = classify(render(z))[:, column]
            loss = F.binary_cross_entropy_with_logits(logit, torch.ones_like(logit), reduction="none")
        losses.append(loss.detach().numpy().copy())
        if step < config.steps:
            (z.grad,) = torch.autograd.grad(loss.sum(), [z])
            optimizer.step()
    return z.detach(), np.stack(losses)


@dataclass(frozen=True)
class Guided:
    """Faces before and after, and all that is said of them; the first `held_out` are reconstructions of photos, the others drawn."""

    attribute: str
    held_out: int
    before: UInt8[np.ndarray, "n h w c"]
    after: UInt8[np.ndarray, "n h w c"]
    losses: Float[np.ndarray, "k n"]
    row: dict[str, Any]


def label_guidance(page: ReportPage, study: Study, run: StudyRun) -> None:
    """The section of the page."""
    known, config = list(study.classifier.config.attributes), PlainConfig()
    page.section(
        "Label guidance",
        f"The plain form: G(z), the guide's logit of the wanted label, binary cross-entropy to 1, Adam on z ({config.steps} steps of "
        f"{config.rate:g}); no other label is held, nothing keeps z near the prior. (The editor's own guidance does both: "
        f"`facevae/latent/guidance.py`.) From z of {HELD_OUT} reconstructions of held-out faces that lack the label in the guide's eyes, "
        f"and of {DRAWN} drawn faces. A guide can be pleased without the picture changing to the eye; hence the judge, whose gradient "
        "nobody followed.",
    )
    missing = [n for n in WANTED if n not in known]
    faces = candidates(study, run)
    found = [g for n in WANTED if n in known and (g := guided(study, run, faces, n, config)) is not None]
    absent = missing + [n for n in WANTED if n in known and n not in [g.attribute for g in found]]
    if absent:
        page.text(f"Left out, for want of the label or of faces without it: {', '.join(absent)}.")
    if not found:
        page.claim("Label guidance gives a face the wanted label", "no face to guide", "not testable")
        return
    tables(page, found)
    figures(page, found)


@dataclass(frozen=True)
class Candidates:
    """Latents of held-out and of drawn faces, what the guide says of their pictures; spread of the judge's logits over photos."""

    latents: tuple[Float[Tensor, "n d"], Float[Tensor, "m d"]]
    seen: tuple[Float[np.ndarray, "n a"], Float[np.ndarray, "m a"]]
    scale: Float[np.ndarray, " a"]


def candidates(study: Study, run: StudyRun) -> Candidates:
    """The faces among which each label finds its own."""
    encoded, _ = features.encode(run.net, study.pictures(run, study.held_out()[:CANDIDATES]))
    latents = encoded, features.noises(CANDIDATES // 4, run.config.net.latent, start=400)
    seen = tuple(features.probabilities(study.classifier, features.decode(run.net, z)) for z in latents)
    scale = features.logits(study.judge, study.pictures(run, study.held_out())).std(axis=0) + 1e-6
    return Candidates(latents, (seen[0], seen[1]), scale)


def guided(study: Study, run: StudyRun, faces: Candidates, attribute: str, config: PlainConfig) -> Guided | None:
    """Guide the first faces that lack an attribute; None where no held-out one does."""
    column = list(study.classifier.config.attributes).index(attribute)
    lacking = [z[torch.from_numpy(seen[:, column] < 0.5)] for z, seen in zip(faces.latents, faces.seen, strict=True)]
    starts = [lacking[0][:HELD_OUT], lacking[1][:DRAWN]]
    held_out = len(starts[0])
    if not held_out:
        return None
    start = torch.cat(starts)
    end, losses = guide_plainly(lambda z: run.net.decode(z).clamp(0, 1).expand(-1, 3, -1, -1), study.classifier, start, column, config)
    before, after = features.decode(run.net, start), features.decode(run.net, end)
    judge_column = list(study.judge.config.attributes).index(attribute)
    row: dict[str, Any] = {"faces": held_out}
    seen = {}
    for when, pictures in (("before", before), ("after", after)):
        logits = {"guide": features.logits(study.classifier, pictures), "judge": features.logits(study.judge, pictures)}
        seen[when] = logits["judge"][:held_out]
        for who, at in (("guide", column), ("judge", judge_column)):
            row[f"{who}_{when}"] = float((1 / (1 + np.exp(-logits[who][:held_out, at]))).mean())
    row["judge_agrees"] = float((seen["after"][:, judge_column] > 0).mean())
    row["judge_agreed_before"] = float((seen["before"][:, judge_column] > 0).mean())
    row["leakage"] = float(np.delete(np.abs(seen["after"] - seen["before"]) / faces.scale, judge_column, axis=1).mean())
    row["move"] = float((end - start)[:held_out].norm(dim=1).mean())
    row["length_before"], row["length_after"] = (float(z[:held_out].norm(dim=1).mean()) for z in (start, end))
    row["pixels"] = float(np.sqrt(((after[:held_out].astype(float) - before[:held_out]) ** 2).mean()))
    row["loss"] = losses[:, :held_out].mean(axis=1).tolist()
    return Guided(attribute, held_out, before, after, losses, row)


def tables(page: ReportPage, found: list[Guided]) -> None:
    """Guide and judge before and after, the claim, and the numbers."""
    columns = {
        "faces": "faces",
        "guide before": "guide_before",
        "guide after": "guide_after",
        "judge before": "judge_before",
        "judge after": "judge_after",
        "judge says yes after": "judge_agrees",
        "other labels, σ": "leakage",
        "‖Δz‖": "move",
        "‖z‖ before": "length_before",
        "‖z‖ after": "length_after",
        "RMS change, levels": "pixels",
    }
    page.table(["label", *columns], [[g.attribute, *(g.row[k] for k in columns.values())] for g in found])
    page.text(
        "Means over the held-out reconstructions: probabilities of the wanted label; share of faces that have it, to the judge, in the "
        "end; mean |change| of the judge's other logits, in standard deviations over held-out photos; length of the move and of z; "
        "change of the picture."
    )
    agrees = [g.row["judge_agrees"] > 0.5 for g in found]
    page.claim(
        "Label guidance gives a face the wanted label",
        "; ".join(
            f"{g.attribute}: guide {g.row['guide_before']:.2f} → {g.row['guide_after']:.2f}, judge {g.row['judge_before']:.2f} → "
            f"{g.row['judge_after']:.2f}"
            for g in found
        ),
        verdict(*agrees),
    )
    page.text("Rule: found where the judge sees the label on more than half of the guided faces for each label, partly where for some.")
    page.number("label_guidance", {g.attribute: g.row for g in found})


def figures(page: ReportPage, found: list[Guided]) -> None:
    """Losses over steps; drawn faces and reconstructions, before above after."""
    figure, (left, right) = panels(2)
    steps = list(range(len(found[0].losses)))
    draw_lines(left, {g.attribute: (steps, g.row["loss"]) for g in found}, "step", "cross-entropy", "Loss, mean of the faces", log_y=True)
    for place, g in enumerate(found):
        for k, (who, colour) in enumerate((("guide", "#0072B2"), ("judge", "#D55E00"))):
            ends = [g.row[f"{who}_before"], g.row[f"{who}_after"]]
            x = place + 0.24 * k - 0.12
            right.annotate("", xy=(x, ends[1]), xytext=(x, ends[0]), arrowprops={"arrowstyle": "->", "color": colour})
            right.plot([x, x], ends, "o", markersize=4, color=colour, label=who if place == 0 else None)
    right.set_xticks(range(len(found)), [g.attribute for g in found], fontsize=8, rotation=20)
    right.set(ylim=(-0.03, 1.03), ylabel="probability", title="Before and after")
    right.legend(fontsize=8, frameon=False)
    page.figure(
        "guidance-curves",
        figure,
        "Loss along the guidance, and the label's mean probability before and after, to the guide and to the judge.",
    )
    drawn = [(g.before[g.held_out :], g.after[g.held_out :]) for g in found]
    photos = [(g.before[: g.held_out], g.after[: g.held_out]) for g in found]
    sheet(page, "guidance", found, drawn, "Faces drawn from N(0, I), and the same after guidance to each label.", private=False)
    sheet(page, "guidance-held-out", found, photos, "Reconstructions of held-out faces, and the same after guidance.", private=True)


def sheet(
    page: ReportPage, name: str, found: list[Guided], pairs: list[tuple[np.ndarray, np.ndarray]], caption: str, private: bool
) -> None:
    """A row for each label: faces before, then the same faces after; shorter rows are filled up with white."""
    longest = max(len(before) for before, _ in pairs)
    if not longest:
        return

    def fill(row: np.ndarray) -> np.ndarray:
        return np.concatenate([row, np.full((longest - len(row), *row.shape[1:]), 255, np.uint8)])

    rows = [np.concatenate([fill(before), fill(after)]) for before, after in pairs]
    names = ["before"] * longest + ["after"] * longest
    page.figure(name, picture_sheet(rows, [g.attribute for g in found], names, scale=1 if private else 2), caption, private=private)
