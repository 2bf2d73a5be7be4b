"""Directions of a trained VAE, from encodings of the train split; chosen, and their safe ranges measured, on the valid split."""

import json
import warnings
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from tqdm import tqdm

from facevae.attributes import SHOWN
from facevae.checkpoint import LabelStatistics, describe_direction, direction_tensors, tensors_from
from facevae.checkpoint import read_directions as from_table
from facevae.files import write_json, write_tensors
from facevae.latent.directions import Direction, need_both, partial_centroid
from train.classifier import guide_from, judge_from, logits_of
from train.data import PreparedData
from train.encodings import InPhoto, encode_many, load_run, logit
from train.estimators import auroc_of, fit_steps, unit_of_score
from train.identity import identity_from
from train.learned import Classroom, LearnedConfig, learn_steps
from train.person import identity_steps

CANDIDATES = ("partial", "natural", "learned", "sparing")
"""Estimators that the judge chooses from; the others stand in the edit matrix only."""


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
    identity_steps: int = 0
    """Steps that "keep identity" locks; 0 ships no such lock: with 16 it leaves half of an edit, and nearly no face changes its label."""
    identity_faces: int = 640
    """Train faces that these are found on."""
    learned: LearnedConfig = field(default_factory=LearnedConfig)
    seed: int = 0


def probe_faces(seen: np.ndarray, labels: Bool[np.ndarray, " n"], limit: int) -> tuple[np.ndarray, np.ndarray]:
    """Faces that lack and that have an attribute, clearly so to the classifier (below 0.2, above 0.8), else by label."""
    sides = ((seen < 0.2, ~labels), (seen > 0.8, labels))
    return tuple((np.flatnonzero(clear) if clear.any() else np.flatnonzero(labelled))[:limit] for clear, labelled in sides)


@dataclass(frozen=True)
class Bench:
    """Held-out faces that directions are tried on, and what a range must not leave."""

    view: InPhoto
    centred: Float[Tensor, "n d"]
    """Encodings minus their mean."""
    precision: Float[Tensor, "d d"]
    far: float
    """Largest squared Mahalanobis distance from the mean that counts as within the data."""
    stranger: float
    """Cosine of two people's embeddings that 19 of 20 pairs stay below."""

    def merit(self, rows: Int[np.ndarray, " m"], column: int, step: Float[Tensor, " d"], config: DirectionsConfig) -> float:
        """How far faces come on their way to a changed label, minus priced leakage and strangers, at the best of `choose_at`.

        The way, from the judge's logit to 0, and not its end: or of a hard attribute the direction that does nothing would be best.
        """
        values, before = [], logit(self.view.plain[rows, column])
        for strength in config.choose_at:
            seen = self.view.look(rows, strength * step)
            way = ((logit(seen.probabilities[:, column]) - before) / -before).clip(0, 1).mean()
            leak = self.view.leakage(rows, seen.probabilities, column)
            strangers = (seen.cosine < self.stranger).mean()
            values.append(way - config.leakage_price * leak - config.strangers_price * strangers)
        return float(max(values))

    def end_of_range(
        self, rows: Int[np.ndarray, " m"], column: int, step: Float[Tensor, " d"], sign: int, config: DirectionsConfig
    ) -> tuple[float, str, float]:
        """The last safe strength (σ), what ends the range there (see `Direction.limits`), and the share of faces that changed."""
        best, limit = (config.ladder[0], 0.0, -1.0), "best"
        for strength in config.ladder:
            move = sign * strength * step
            seen = self.view.look(rows, move)
            away = self.centred[rows] + move
            if float(((away @ self.precision) * away).sum(1).median()) > self.far:
                limit = "density"
                break
            if float((seen.cosine < self.stranger).mean()) > config.strangers:
                limit = "identity"
                break
            said = seen.probabilities[:, column] if sign > 0 else 1 - seen.probabilities[:, column]
            if said.mean() > best[2] + 0.01:
                best = (strength, float((said > 0.5).mean()), float(said.mean()))
            if said.mean() >= config.sure:
                limit = "sure"
                break
        tried = config.ladder[: config.ladder.index(strength) + (limit in ("sure", "best"))]
        # Further on the judge is less convinced, not more: the range ends where it was most.
        return best[0], limit if tried and best[0] == tried[-1] else "best", best[1]

    def shifts(self, rows: Int[np.ndarray, " m"], move: Float[Tensor, " d"], attributes: list[str]) -> dict[str, float]:
        """Mean signed change of the judge's logits, in σ."""
        mean = self.view.change(rows, self.view.probabilities(rows, move)).mean(0)
        return {name: round(float(v), 3) for name, v in zip(attributes, mean, strict=True)}


def find_directions(
    run: Path,
    classifier_run: Path,
    data: PreparedData,
    config: DirectionsConfig,
    judge: Path | None = None,
    identity: Path | None = None,
    only: tuple[str, ...] = (),
) -> dict[str, Direction]:
    """Fit, choose and calibrate a direction for each attribute that the editor shows; write them to `run`.

    Attributes with one class only, with too few probe faces, that the guide cannot tell apart or no direction moves are left
    out, and `directions.json` says why. The judge chooses between estimators, in the photo, on valid faces. With `only`, what
    `run` has of the others stays. `ValueError` where judge and guide do not answer for the same attributes.
    """
    net, _, _, _ = load_run(run)
    guide, (scorer, _), (embedding, _, people) = guide_from(classifier_run), judge_from(judge), identity_from(identity)
    attributes = list(guide.config.attributes)
    if list(scorer.config.attributes) != attributes:
        raise ValueError("the judge answers for other attributes than the guide")
    rng = np.random.default_rng(config.seed)
    pick = lambda split, n: np.sort(rng.permutation(data.indices(split))[:n])  # noqa: E731
    train, valid = pick("train", config.train_faces), pick("valid", config.valid_faces)
    z, held = encode_many(net, data, train, "encode train"), encode_many(net, data, valid, "encode valid")
    covariance = np.cov(z.T) + 1e-6 * np.eye(z.shape[1])
    precision, centred = torch.from_numpy(np.linalg.inv(covariance)).float(), torch.from_numpy(held - z.mean(0)).float()
    far = float(np.percentile(((centred @ precision) * centred).sum(1), config.density_percentile))
    view = InPhoto(net, scorer, data, valid, held, pasted=True, identity=embedding)
    bench = Bench(view, centred, precision, far, people["different_95"])

    labels, withheld = data.labels[train].astype(bool), {}
    few = np.arange(len(train))[: config.scored_faces]
    said, said_held = (logits_of(guide, data.images[i]).sigmoid().numpy() for i in (train[few], valid))
    names = [s.name for s in SHOWN if s.name in attributes and s.name in data.attributes and (not only or s.name in only)]
    for name in list(names):
        if why := unfit(
            name, labels[:, data.attributes.index(name)], said_held[:, attributes.index(name)], data.label(name)[valid], config
        ):
            withheld[name] = why
            names.remove(name)
    starts = {name: partial_centroid(z, labels, data.attributes.index(name)).astype(np.float32) for name in names}
    room = Classroom(net, guide, data, train, z, torch.linalg.cholesky(torch.from_numpy(covariance)).float())
    learned = learn_steps(room, starts, config.learned, run)

    found, report, tried = {}, {}, {}
    for name in tqdm(names, desc="directions"):
        column, own = attributes.index(name), data.label(name)[valid].astype(bool)
        fitted = fit_steps(z, labels, said[:, column], held, own, data.attributes, name) | learned[name]
        steps = {e: torch.from_numpy(unit_of_score(step, precision.double().numpy())).float() for e, step in fitted.items()}
        tried |= {f"{name} {e}": step for e, step in steps.items()}
        lack, have = probe_faces(view.plain[:, column], own, config.probe_faces)
        merits = {e: bench.merit(lack, column, steps[e], config) for e in CANDIDATES if e in steps}
        estimator = max(merits, key=merits.__getitem__)
        step = steps[estimator]
        high, upper, success = bench.end_of_range(lack, column, step, +1, config)
        leakage = bench.shifts(lack, high * step, attributes)
        if (shift := leakage.pop(name)) < config.least_shift:
            withheld[name] = f"at the end of its safe range it moves the judge's logit by {shift:.1f} σ, less than {config.least_shift:g}"
            continue
        # Nobody who has it among the held-out faces: the other end mirrors this one.
        low, lower, removal = bench.end_of_range(have, column, step, -1, config) if len(have) else (high, upper, float("nan"))
        auroc = auroc_of(held @ (precision @ steps["natural"]).numpy(), own)
        sigma = float(step.norm())
        found[name] = Direction(name, estimator, step / sigma, sigma, -low, high, auroc, (lower, upper), leakage, steps["natural"])
        report[name] = {"merits": merits, "shift": shift, "success": success, "removal": None if np.isnan(removal) else removal}
    write_tensors(run / "estimators.safetensors", (read_estimators(run) if only else {}) | tried)
    spreads = {"guide_spread": room.spread(config.learned.spread_faces), "judge_spread": torch.from_numpy(logit(view.plain).std(0))}
    write_tensors(run / "labels.safetensors", {"correlation": room.correlation(), **spreads})
    some = slice(config.identity_faces)
    person = (
        identity_steps(net, scorer, data, train[some], z[some], room.cholesky, config.identity_steps) if config.identity_steps else None
    )
    write_identity(run, person)
    return write_found(run, config, found, report, withheld, only)


def read_estimators(run: Path) -> dict[str, Tensor]:
    """Steps of one σ by "attribute estimator", those that were not chosen included; empty where none were kept."""
    path = run / "estimators.safetensors"
    return tensors_from(path.read_bytes(), path) if path.is_file() else {}


def write_identity(run: Path, steps: Tensor | None) -> None:
    """Keep what "keep identity" locks, or nothing."""
    path = run / "identity.safetensors"
    if steps is None:
        path.unlink(missing_ok=True)
    else:
        write_tensors(path, {"steps": steps})


def read_identity(run: Path) -> Tensor | None:
    """The steps that "keep identity" locks, (k, d); None where the run has none."""
    path = run / "identity.safetensors"
    return tensors_from(path.read_bytes(), path)["steps"] if path.is_file() else None


def read_labels(run: Path) -> LabelStatistics | None:
    """What `find_directions` found of the labels; None in runs from before it looked."""
    path = run / "labels.safetensors"
    return LabelStatistics(**tensors_from(path.read_bytes(), path)) if path.is_file() else None


def unfit(name: str, labels: np.ndarray, said: np.ndarray, held_labels: np.ndarray, config: DirectionsConfig) -> str:
    """Why an attribute gets no slider, before any direction is tried; empty where it may."""
    try:
        need_both(name, labels)
    except ValueError as error:
        return str(error)
    if held_labels.all():
        return "every held-out face has it"
    told_apart = auroc_of(said, held_labels.astype(bool))
    if told_apart < config.least_auroc and held_labels.any():
        return f"the guide's AUROC is {told_apart:.2f} on held-out photos, below {config.least_auroc}: the label is not reliable"
    return ""


def write_found(
    run: Path,
    config: DirectionsConfig,
    found: dict[str, Direction],
    report: dict[str, dict],
    withheld: dict[str, str],
    only: tuple[str, ...],
) -> dict[str, Direction]:
    """Write what was found, and warn of what was not; gives all directions that the run now has."""
    if only and (run / "directions.json").is_file():
        kept = json.loads((run / "directions.json").read_text())
        report = {k: v for k, v in kept["report"].items() if k not in only} | report
        withheld = {k: v for k, v in kept["withheld"].items() if k not in only} | withheld
        found = {k: v for k, v in read_directions(run).items() if k not in only} | found
    for name, why in withheld.items():
        warnings.warn(f"attribute {name} is left out: {why}", stacklevel=3)
    table = {name: describe_direction(d) for name, d in found.items()}
    write_tensors(run / "directions.safetensors", direction_tensors(found))
    write_json(run / "directions.json", {"config": asdict(config), "directions": table, "report": report, "withheld": withheld})
    return found


def read_withheld(run: Path) -> dict[str, str]:
    """The attributes that `find_directions` left out, and why."""
    return json.loads((run / "directions.json").read_text()).get("withheld", {})


def read_directions(run: Path) -> dict[str, Direction]:
    """What `find_directions` wrote."""
    if not (run / "directions.json").is_file():
        raise ValueError(f"{run} has no directions yet; find them with: python -m train directions")
    table, path = json.loads((run / "directions.json").read_text())["directions"], run / "directions.safetensors"
    vectors = tensors_from(path.read_bytes(), path)
    return from_table(table, vectors, next(iter(vectors.values())).numel(), run) if vectors else {}
