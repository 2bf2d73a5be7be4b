"""Edit matrix: success, leakage and identity of edits on held-out faces, by estimator."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from tqdm import tqdm

from facevae.checkpoint.checkpoint import Checkpoint
from facevae.editor.renderer import Renderer
from facevae.latent.directions import hold, remaining, steps_to_hold
from train.measure.encodings import PhotoRenderer

Mover = Float[Tensor, " d"] | Callable[..., Float[Tensor, " d"]]

MAIN = (
    "Smiling",
    "Male",
    "Young",
    "Blond_Hair",
    "Black_Hair",
    "Gray_Hair",
    "Bangs",
    "Eyeglasses",
    "Mustache",
    "No_Beard",
    "Heavy_Makeup",
    "Pale_Skin",
)
STRENGTHS: dict[str, float | None] = {"1": 1.0, "2": 2.0, "3": 3.0, "end": None}
"""In σ; None is the end of the slider's safe range."""
SLIDER_FACES = 200  # of each slider; the main attributes have more in the edit matrix
LOCKED = (
    ("Smiling", "Mouth_Slightly_Open"),
    ("Eyeglasses", "Young"),
    ("Blond_Hair", "Male"),
    ("Gray_Hair", "Young"),
    ("Heavy_Makeup", "Male"),
    ("Male", "Heavy_Makeup"),
    ("Bangs", "Young"),
    ("No_Beard", "Male"),
)
"""Edits whose companion the lock is asked to hold."""


@dataclass(frozen=True)
class EditMeter:
    """Held-out faces, what looks at them, and the checkpoint whose edits are measured."""

    checkpoint: Checkpoint
    view: PhotoRenderer
    attributes: list[str]
    correlation: Float[Tensor, "a a"]
    rare: float
    """Log-density under the prior that 99 of 100 held-out encodings exceed, nats."""
    stranger: float
    """Cosine that 19 of 20 pairs of two people stay below."""

    def sides(self, name: str, limit: int | None = None) -> tuple[Int[np.ndarray, " m"], Float[np.ndarray, " m"]]:
        """Faces that clearly lack or have an attribute to the judge, and the sign of the edit that flips each."""
        seen = self.view.plain[:limit, self.attributes.index(name)]
        rows = np.flatnonzero((seen < 0.2) | (seen > 0.8))
        return rows, np.where(seen[rows] < 0.2, 1.0, -1.0)

    def measure(self, name: str, rows: Int[np.ndarray, " m"], sign: Float[np.ndarray, " m"], moves: Float[Tensor, "m d"]) -> dict[str, Any]:
        """What moves that shall flip an attribute do to the faces `rows`."""
        column = self.attributes.index(name)
        seen = self.view.look(rows, moves, (name,))
        density = self.checkpoint.prior.log_prob(self.view.z[rows] + moves)
        leaks = [self.view.leakage(rows, seen.probabilities, column, w) for w in (None, 1 - self.correlation[column].abs().numpy())]
        return {
            "n": len(rows),
            "success": share_flipped(seen.probabilities[:, column], sign),
            "leakage": round(leaks[0], 3),
            "masked": round(leaks[1], 3),
            "identity": round(float(seen.cosine.mean()), 3),
            "same": round(float((seen.cosine > self.stranger).mean()), 3),
            "density": round(float((density > self.rare).float().mean()), 3),
        }

    def ends(self, name: str, sign: Float[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
        """The signed end of the safe range for each face."""
        direction = self.checkpoint.directions[name]
        return np.where(sign > 0, direction.high, direction.low)


def share_flipped(seen: Float[np.ndarray, " m"], sign: Float[np.ndarray, " m"]) -> float:
    """Share of the faces whose probability ends on the side of 0.5 that their edit was for."""
    return round(float(((seen - 0.5) * sign > 0).mean()), 3)


def open_meter(checkpoint: Checkpoint, view: PhotoRenderer, attributes: list[str], people: Mapping[str, float]) -> EditMeter:
    """`view` pastes, judges and embeds; `people` holds the cosines that the embedding was saved with."""
    known = list(checkpoint.classifier.config.attributes)
    correlation = torch.eye(len(attributes))  # of labels that the checkpoint knows nothing of: none
    both = [name for name in attributes if name in known]
    here, there = ([names.index(name) for name in both] for names in (attributes, known))
    correlation[np.ix_(here, here)] = checkpoint.labels.correlation[np.ix_(there, there)]
    rare = float(checkpoint.prior.log_prob(view.z).quantile(0.01))
    return EditMeter(checkpoint, view, attributes, correlation, rare, people["different_95"])


def shipped_steps(renderer: Renderer) -> dict[str, Mover]:
    """The sliders' own moves as `edit_matrix` takes them, and beside those that follow the latent flow the straight ones."""
    directions = renderer.checkpoint.directions
    straight = {f"{name} {'straight' if renderer.is_curved(name) else 'shipped'}": d.step for name, d in directions.items()}
    return straight | {f"{name} shipped": partial(slide, renderer, name) for name in directions if renderer.is_curved(name)}


def slide(renderer: Renderer, name: str, z: Float[Tensor, " d"], strength: float) -> Float[Tensor, " d"]:
    """What one slider that follows the latent flow adds to a latent."""
    return renderer.displace(z, {name: strength})


def edit_matrix(meter: EditMeter, steps: Mapping[str, Mover], limit: int | None = None) -> dict[str, dict[str, dict[str, Any]]]:
    """estimator -> attribute -> strength -> row, of the main attributes, on the first `limit` faces.

    `steps` are of one σ, or give the move of a latent for a strength, by "attribute estimator"; the end of the range is that of the
    shipped direction for all estimators, since all steps have one unit.
    """
    jobs = [(*key.split(" ", 1), step) for name in MAIN for key, step in steps.items() if key.split(" ", 1)[0] == name]
    table: dict[str, dict[str, dict[str, Any]]] = {}
    for name, estimator, step in tqdm([job for job in jobs if job[0] in meter.checkpoint.directions], desc="edit matrix"):
        rows, sign = meter.sides(name, limit)
        if not len(rows):
            continue
        ends = meter.ends(name, sign)
        for label, strength in STRENGTHS.items():
            signed = torch.from_numpy(ends if strength is None else strength * sign).float()
            row = meter.measure(name, rows, sign, moves_of(step, meter.view.z[rows], signed))
            table.setdefault(estimator, {}).setdefault(name, {})[label] = {"strength": round(signed.abs().mean().item(), 2), **row}
    return table


def moves_of(step: Mover, z: Float[Tensor, "m d"], strengths: Float[Tensor, " m"]) -> Float[Tensor, "m d"]:
    """What each strength adds to each latent."""
    if isinstance(step, Tensor):
        return strengths[:, None] * step
    return torch.stack([step(row, strength=strength) for row, strength in zip(z, strengths.tolist(), strict=True)])


def slider_table(meter: EditMeter, steps: Mapping[str, Mover]) -> dict[str, Any]:
    """Both ends of the safe range of each slider: faces tried, share that flips, leakage."""
    table: dict[str, Any] = {}
    for name, direction in tqdm(meter.checkpoint.directions.items(), desc="sliders"):
        rows, sign = meter.sides(name, SLIDER_FACES)
        table[name] = {}
        for side, strength, flip in (("add", direction.high, 1.0), ("remove", direction.low, -1.0)):
            some = rows[sign == flip]
            if len(some):
                moves = moves_of(steps[f"{name} shipped"], meter.view.z[some], torch.full((len(some),), float(strength)))
                row = meter.measure(name, some, np.full(len(some), flip), moves)
                table[name][side] = {"strength": strength, **{k: row[k] for k in ("n", "success", "leakage", "same")}}
    return table


def lock_table(meter: EditMeter, steps: Mapping[str, Mover], faces: int) -> list[dict[str, Any]]:
    """Edits to the end of their range with and without their companion locked: what the lock takes and what it holds."""
    checkpoint, rows_out = meter.checkpoint, []
    for name, companion in tqdm(LOCKED, desc="locks"):
        if not {name, companion} <= set(checkpoint.directions):
            continue
        direction, held = checkpoint.directions[name], steps_to_hold(checkpoint.directions[companion])
        rows, sign = meter.sides(name, faces)
        if not len(rows):
            continue
        moves = moves_of(steps[f"{name} shipped"], meter.view.z[rows], torch.from_numpy(meter.ends(name, sign)).float())
        row: dict[str, Any] = {
            "attribute": name,
            "locked": companion,
            "left": round(remaining(direction, held, checkpoint.cholesky), 3),
            "n": len(rows),
        }
        left = torch.stack([hold(move, held, checkpoint.cholesky) for move in moves])
        for state, some in (("free", moves), ("held", left)):
            row[state] = moved_companion(meter, name, companion, rows, sign, some)
        rows_out.append(row)
    return rows_out


def moved_companion(
    meter: EditMeter, name: str, companion: str, rows: Int[np.ndarray, " m"], sign: Float[np.ndarray, " m"], moves: Float[Tensor, "m d"]
) -> dict[str, float]:
    """Success of an edit, and how far it moves the companion's logit."""
    column, other = meter.attributes.index(name), meter.attributes.index(companion)
    seen = meter.view.probabilities(rows, moves, (name,))
    moved = np.abs(meter.view.change(rows, seen)[:, other]).mean()
    return {"success": share_flipped(seen[:, column], sign), "companion": round(float(moved), 3)}


def summary(matrix: Mapping[str, Mapping[str, Mapping[str, dict[str, Any]]]]) -> dict[str, dict[str, float]]:
    """Means over the attributes at the ends of the ranges, by estimator.

    Where sliders follow the latent flow, those of "latent flow" compare with those of "straight": they are over the same attributes.
    """
    keys = ("success", "leakage", "masked", "identity", "same", "density")
    flow = {"latent flow": {name: matrix["shipped"][name] for name in matrix["straight"]}} if "straight" in matrix else {}
    return {
        estimator: {k: round(float(np.mean([row["end"][k] for row in table.values()])), 3) for k in keys}
        for estimator, table in {**matrix, **flow}.items()
    }
