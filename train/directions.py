"""Directions of a trained VAE, from encodings of the train split; ranges measured on the valid split."""

import json
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from tqdm import tqdm

from facevae.attributes import HAIR_COLOURS, SHOWN
from facevae.files import write_json, write_tensors
from facevae.latent.directions import Direction, centroid, correlation, exclusive_centroid, natural, need_both, partial_centroid
from train.classifier import guide_from
from train.data import PreparedData
from train.encodings import InPhoto, encode_many, load_run

# Of one unit of leakage (σ of the other logits) an estimator must make up by this much success to be chosen.
LEAKAGE_PRICE = 0.25


@dataclass(frozen=True)
class DirectionsConfig:
    """How directions and their ranges are found."""

    train_faces: int = 8_000
    valid_faces: int = 1_000
    probe_faces: int = 40
    """Held-out faces that decide on an estimator and on each end of a range."""
    ladder: tuple[float, ...] = (1.5, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9, 10)
    """Strengths that are tried, in σ."""
    wanted_success: float = 0.9
    """A range ends at the first strength at which this share of the probe faces changes its label."""
    least_success: float = 0.5
    """A slider whose best strength reaches fewer of them is left out."""
    least_auroc: float = 0.85
    """An attribute that the guide itself tells apart less well than this, on held-out photos, is left out."""
    choose_at: tuple[float, ...] = (3, 5, 8)
    """Estimators are compared at these strengths."""
    seed: int = 0


def fit_steps(z: Float32[np.ndarray, "n d"], labels: Bool[np.ndarray, "n a"], attributes: list[str], name: str) -> dict[str, np.ndarray]:
    """The step of one σ, (d,), by each estimator that this attribute allows."""
    column = attributes.index(name)
    own = labels[:, column]
    mean, spread = z.mean(0), z.std(0) + 1e-8
    model = LogisticRegression(C=0.05, max_iter=300).fit((z - mean) / spread, own)
    steps = {
        "centroid": centroid(z, own),
        "correlation": correlation(z, own.astype(np.float32)),
        "logistic": natural(model.coef_[0] / spread, np.cov(z.T)),
        "partial": partial_centroid(z, labels, column),
    }
    rivals = [a for a in HAIR_COLOURS if a in attributes]
    if name in rivals and len(rivals) > 1:
        steps["exclusive"] = exclusive_centroid(z, labels[:, [attributes.index(a) for a in rivals]], rivals.index(name))
    return steps


def unit_of_score(step: Float[np.ndarray, " d"], precision: Float[np.ndarray, "d d"]) -> Float[np.ndarray, " d"]:
    """The step made so long that the score w = Σ⁻¹ · step, whose cheapest move it is, rises by one σ.

    One unit for all estimators, the Mahalanobis length, so that their strengths can be compared.
    """
    return step / np.sqrt(step @ precision @ step)


def auroc_of(score: Float[np.ndarray, " n"], labels: Bool[np.ndarray, " n"]) -> float:
    """How well a score separates; 0.5, that is not at all, where there is one class only."""
    return float(roc_auc_score(labels, score)) if 0 < labels.sum() < len(labels) else 0.5


def merit(view: InPhoto, rows: np.ndarray, column: int, step: torch.Tensor, config: DirectionsConfig) -> float:
    """Success minus priced leakage, the mean over the strengths of `choose_at`."""
    values = []
    for strength in config.choose_at:
        seen = view.probabilities(rows, strength * step)
        values.append((seen[:, column] > 0.5).mean() - LEAKAGE_PRICE * view.leakage(rows, seen, column))
    return float(np.mean(values))


def probe_faces(seen: np.ndarray, labels: Bool[np.ndarray, " n"], limit: int) -> tuple[np.ndarray, np.ndarray]:
    """Faces that lack and that have an attribute, clearly so to the classifier (below 0.2, above 0.8), else by label."""
    sides = ((seen < 0.2, ~labels), (seen > 0.8, labels))
    return tuple((np.flatnonzero(clear) if clear.any() else np.flatnonzero(labelled))[:limit] for clear, labelled in sides)


def range_end(view: InPhoto, rows: np.ndarray, column: int, step: torch.Tensor, sign: int, config: DirectionsConfig) -> tuple[float, float]:
    """The first strength (σ) at which enough faces change their label, and that share; else the best one tried."""
    best = (config.ladder[0], -1.0)
    for strength in config.ladder:
        seen = view.probabilities(rows, sign * strength * step)[:, column]
        share = float((seen > 0.5).mean() if sign > 0 else (seen < 0.5).mean())
        if share > best[1] + 0.02:
            best = (strength, share)
        if share >= config.wanted_success:
            break
    return best


def find_directions(run: Path, classifier_run: Path, data: PreparedData, config: DirectionsConfig) -> dict[str, Direction]:
    """Fit, choose and calibrate a direction for each attribute that the editor shows; write them to `run`.

    Attributes with one class only, with too few probe faces, that the guide cannot tell apart or no direction moves are left
    out, and `directions.json` says why.
    """
    net, _, _, _ = load_run(run)
    classifier = guide_from(classifier_run)
    attributes = list(classifier.config.attributes)
    rng = np.random.default_rng(config.seed)
    pick = lambda split, n: np.sort(rng.permutation(data.indices(split))[:n])  # noqa: E731
    train, valid = pick("train", config.train_faces), pick("valid", config.valid_faces)
    z, z_valid = encode_many(net, data, train, "encode train"), encode_many(net, data, valid, "encode valid")

    precision = np.linalg.inv(np.cov(z.T) + 1e-6 * np.eye(z.shape[1]))
    view = InPhoto(net, classifier, data, valid, z_valid)
    found: dict[str, Direction] = {}
    report: dict[str, dict] = {}
    withheld: dict[str, str] = {}
    for name in tqdm([s.name for s in SHOWN if s.name in attributes and s.name in data.attributes], desc="directions"):
        labels, column = data.label(name), attributes.index(name)
        lack, have = probe_faces(view.plain[:, column], labels[valid], config.probe_faces)
        told_apart = auroc_of(view.plain[:, column], labels[valid])
        try:
            need_both(name, labels[train])
        except ValueError as error:
            withheld[name] = str(error)
            continue
        if not len(lack):
            withheld[name] = "every held-out face has it"
            continue
        if told_apart < config.least_auroc and 0 < labels[valid].sum() < len(valid):
            withheld[name] = (
                f"the guide's AUROC is {told_apart:.2f} on held-out photos, below {config.least_auroc}: the label is not reliable"
            )
            continue
        fitted = fit_steps(z, data.labels[train].astype(bool), data.attributes, name)
        steps = {e: torch.from_numpy(unit_of_score(s, precision)).float() for e, s in fitted.items()}
        merits = {e: merit(view, lack, column, s, config) for e, s in steps.items()}
        estimator = max(merits, key=merits.__getitem__)
        step = steps[estimator]
        high, success = range_end(view, lack, column, step, +1, config)
        if success < config.least_success:
            withheld[name] = f"no direction that was tried changes the label of half of the held-out faces ({success:.0%} at best)"
            continue
        # Nobody who has it among the held-out faces: the other end mirrors this one.
        low, removal = range_end(view, have, column, step, -1, config) if len(have) else (high, float("nan"))
        sigma = float(step.norm())
        auroc = auroc_of(z_valid @ precision @ step.numpy(), labels[valid])
        found[name] = Direction(name, estimator, step / sigma, sigma, -low, high, auroc)
        report[name] = {
            "estimator": estimator,
            "merits": merits,
            "high": high,
            "success": success,
            "low": -low,
            "removal": removal,
            "auroc": auroc,
        }
    for name, why in withheld.items():
        warnings.warn(f"attribute {name} is left out: {why}", stacklevel=2)
    write_json(run / "directions.json", {"config": asdict(config), "directions": report, "withheld": withheld})
    write_tensors(run / "directions.safetensors", {n: d.vector * d.sigma for n, d in found.items()})
    return found


def read_withheld(run: Path) -> dict[str, str]:
    """The attributes that `find_directions` left out, and why."""
    return json.loads((run / "directions.json").read_text()).get("withheld", {})


def read_directions(run: Path) -> dict[str, Direction]:
    """What `find_directions` wrote."""
    from safetensors.torch import load_file

    if not (run / "directions.json").is_file():
        raise ValueError(f"{run} has no directions yet; find them with: python -m train directions")
    table = json.loads((run / "directions.json").read_text())["directions"]
    steps = load_file(run / "directions.safetensors")
    return {
        name: Direction(
            name, row["estimator"], steps[name] / steps[name].norm(), float(steps[name].norm()), row["low"], row["high"], row["auroc"]
        )
        for name, row in table.items()
    }
