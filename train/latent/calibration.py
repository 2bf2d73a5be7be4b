"""Choice between direction estimators by the judge, and the safe range of each slider."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from torch import Tensor

from facevae.attributes import SHOWN
from facevae.latent.directions import Direction
from train.latent.estimators import auroc_of
from train.latent.learned_directions import LearnedConfig
from train.measure.encodings import PhotoRenderer, logit

# Whose right end is the other of two names, not the label: people move them both ways alike.
TWO_SIDED = frozenset(shown.name for shown in SHOWN if shown.reversed and "↔" in shown.label)
TAKEN_AWAY = frozenset(shown.name for shown in SHOWN if shown.reversed) - TWO_SIDED
MORE = 0.01
"""By so much the judge's mean probability must rise for a longer step to be the better one."""


@dataclass(frozen=True)
class DirectionsConfig:
    """How directions and their safe ranges are found."""

    train_faces: int = 12_000
    scored_faces: int = 4_000
    """Train faces whose correlations with the guide's probability are taken."""
    valid_faces: int = 1_000
    probe_faces: int = 32
    """Held-out faces that decide on an estimator and on each end of a range."""
    choose_at: tuple[float, ...] = (3, 6)
    """Estimators are compared at these strengths, in σ, each at its best one."""
    leakage_price: float = 0.5
    """Each unit of leakage (σ of the other logits) must be made up for by this much of the way to the other label ..."""
    strangers_price: float = 0.5
    """... and each face that looks like somebody else by this much."""
    least_way: float = 0.1
    """A strength at which faces come less far than this on the way to the other label is none to compare at."""
    ladder: tuple[float, ...] = (1, 2, 3, 3.5, 4, 4.5, 5, 5.5, 6)
    """Strengths that are tried as the end of a range, in σ. Up to 10 the judge agrees more often, but what it then sees is painted on:
    black blobs for bangs and beards, white masks for pale skin."""
    sure: float = 0.95
    """A range ends where the judge's mean probability reaches this (1 - this, where the attribute is taken away) ..."""
    strangers: float = 0.2
    """... or before more than this share of the faces look less like themselves than 19 of 20 pairs of two people do ..."""
    density_percentile: float = 99.0
    """... or before the median face is further from the mean, in the encodings' metric, than this share of held-out faces."""
    least_shift: float = 0.5
    """A slider whose end moves the judge's own logit by less than this, in σ, is left out."""
    least_auroc: float = 0.85
    """An attribute that the guide itself tells apart less well than this, on held-out photos, is left out."""
    learned: LearnedConfig = field(default_factory=LearnedConfig)
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.ladder or not self.choose_at:
            raise ValueError("ladder and choose_at each need at least one strength")


def probe_faces(seen: np.ndarray, labels: Bool[np.ndarray, " n"], limit: int) -> tuple[np.ndarray, np.ndarray]:
    """Faces that lack and that have an attribute, clearly so to the classifier (below 0.2, above 0.8), else by label."""
    sides = ((seen < 0.2, ~labels), (seen > 0.8, labels))
    return tuple((np.flatnonzero(clear) if clear.any() else np.flatnonzero(labelled))[:limit] for clear, labelled in sides)


@dataclass(frozen=True)
class Calibrator:
    """Held-out faces that directions are tried on, and what a range must not leave."""

    view: PhotoRenderer
    centred: Float[Tensor, "n d"]
    """Encodings minus their mean."""
    precision: Float[Tensor, "d d"]
    far: float
    """Largest squared Mahalanobis distance from the mean that counts as within the data."""
    stranger: float
    """Cosine of two people's embeddings that 19 of 20 pairs stay below."""
    about: tuple[str, ...] = ()
    """The attributes that the tried edits are about."""

    def merit(self, rows: Int[np.ndarray, " m"], sign: int, column: int, step: Float[Tensor, " d"], config: DirectionsConfig) -> float:
        """How far faces come on their way to a changed label, minus priced leakage and strangers, at the best of `choose_at`.

        `sign` -1 takes the label away. The way, from the judge's logit to 0, and not its end: or of a hard attribute the direction that
        does nothing would be best. For the same reason a step that comes less than `least_way` along at its best strength is worth -inf.
        """
        values, before = [], logit(self.view.plain[rows, column])
        for strength in config.choose_at:
            seen = self.view.look(rows, sign * strength * step, self.about)
            way = ((logit(seen.probabilities[:, column]) - before) / -before).clip(0, 1).mean()
            leak = self.view.leakage(rows, seen.probabilities, column)
            strangers = (seen.cosine < self.stranger).mean()
            worth = way - config.leakage_price * leak - config.strangers_price * strangers
            values.append(worth if way >= config.least_way else -np.inf)
        return float(max(values))

    def end_of_range(
        self, rows: Int[np.ndarray, " m"], column: int, step: Float[Tensor, " d"], sign: int, config: DirectionsConfig
    ) -> tuple[float, str, float]:
        """The last safe strength (σ), what ends the range there (see `Direction.limits`), and the share of faces that changed.

        Where the judge is less convinced further on, not more, the range ends where it was most: "best". 0 where not even the first
        strength is safe.
        """
        best, convinced, safe, limit = (0.0, 0.0), -1.0, [], "best"
        for strength in config.ladder:
            move = sign * strength * step
            seen = self.view.look(rows, move, self.about)
            away = self.centred[rows] + move
            if float(((away @ self.precision) * away).sum(1).median()) > self.far:
                limit = "density"
                break
            if float((seen.cosine < self.stranger).mean()) > config.strangers:
                limit = "identity"
                break
            safe.append(strength)
            said = seen.probabilities[:, column] if sign > 0 else 1 - seen.probabilities[:, column]
            if said.mean() > convinced + MORE:
                best, convinced = (strength, float((said > 0.5).mean())), float(said.mean())
            if said.mean() >= config.sure:
                limit = "sure"
                break
        return best[0], limit if best[0] in safe[-1:] or not safe else "best", best[1]

    def shifts(self, rows: Int[np.ndarray, " m"], move: Float[Tensor, " d"], attributes: list[str]) -> dict[str, float]:
        """Mean signed change of the judge's logits, in σ."""
        mean = self.view.change(rows, self.view.probabilities(rows, move, self.about)).mean(0)
        return {name: round(float(v), 3) for name, v in zip(attributes, mean, strict=True)}

    def calibrate(
        self,
        name: str,
        steps: Mapping[str, Float[Tensor, " d"]],
        own: Bool[np.ndarray, " n"],
        attributes: list[str],
        config: DirectionsConfig,
    ) -> tuple[Direction, dict[str, Any]]:
        """The direction of the estimator that the judge likes best, with its range, and what it was chosen by.

        `steps` of one σ, by estimator; `own` are the held-out faces' labels. "shift" is how far the end that the slider is named
        for moves the judge's own logit, in σ.
        """
        self, column = replace(self, about=(name,)), attributes.index(name)
        lack, have = probe_faces(self.view.plain[:, column], own, config.probe_faces)
        # What a slider is named for is what it is for: "Beard" takes No_Beard away, another task than shaving; "Young ↔ older" is for both.
        both = [(lack, 1), (have, -1)]
        sides = both if name in TWO_SIDED else both[1:] if name in TAKEN_AWAY else both[:1]
        sides = [side for side in sides if len(side[0])] or both[:1]
        merits = {e: float(np.mean([self.merit(*faces, column, step, config) for faces in sides])) for e, step in steps.items()}
        estimator = max(merits, key=merits.__getitem__)
        step = steps[estimator]
        high, upper, success = self.end_of_range(lack, column, step, +1, config)
        leakage = self.shifts(lack, high * step, attributes)
        shift = leakage.pop(name)
        # Nobody who has it among the held-out faces: the other end mirrors this one.
        low, lower, removal = self.end_of_range(have, column, step, -1, config) if len(have) else (high, upper, None)
        if sides[0][1] < 0:
            shift = -self.shifts(have, -low * step, attributes)[name]
        auroc = auroc_of((self.centred @ self.precision @ steps["natural"]).numpy(), own)
        sigma = float(step.norm())
        found = Direction(name, estimator, step / sigma, sigma, -low, high, auroc, (lower, upper), leakage, steps["natural"])
        merits = {estimator: merit if np.isfinite(merit) else None for estimator, merit in merits.items()}
        return found, {"merits": merits, "shift": shift, "success": success, "removal": removal}
