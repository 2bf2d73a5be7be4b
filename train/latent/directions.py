"""Find attribute directions of a trained VAE: fit on train faces, choose on valid faces."""

import json
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor
from tqdm import tqdm

from facevae.attributes import SHOWN, SKIN_TONE
from facevae.checkpoint.checkpoint import EMBEDDED, LabelStatistics
from facevae.checkpoint.manifest import read_bytes, tensors_from
from facevae.checkpoint.serialization import describe_direction, direction_tensors
from facevae.checkpoint.serialization import read_directions as from_table
from facevae.files import write_json, write_tensors
from facevae.latent.directions import Direction, hold, partial_centroid
from facevae.latent.hair_colour import HairColour
from facevae.latent.makeup import MakeupMoves
from facevae.photo.parts import parser_of
from train.data.augment import outputs_of
from train.data.prepared import PreparedData
from train.latent.calibration import Calibrator, DirectionsConfig
from train.latent.estimators import auroc_of, fit_steps, unit_of_score
from train.latent.hair_colour import fit_hair, hair_colours_at, hold_hair
from train.latent.learned_directions import LearningSet, learn_steps
from train.latent.skin_tone import fit_skin, tones_at
from train.measure.encodings import Pasting, PhotoRenderer, encode_many, load_run, logit
from train.networks.classifier import guide_from, judge_from
from train.networks.identity import identity_from
from train.networks.parser import load_parser


def find_directions(
    run: Path,
    classifier_run: Path,
    data: PreparedData,
    config: DirectionsConfig,
    judge: Path | None = None,
    identity: Path | None = None,
    only: tuple[str, ...] = (),
    parser: Path = EMBEDDED,
) -> dict[str, Direction]:
    """Fit, choose and calibrate a direction for each attribute that the editor shows; write them to `run`.

    Attributes with one class only, with too few probe faces, that the guide cannot tell apart or no direction moves are left
    out, and `directions.json` says why. The judge chooses between estimators, in the photo, on valid faces. With `only`, what
    `run` has of the others stays. The face parser of `parser`, a run or a checkpoint, sees the hair. `ValueError` where judge and
    guide do not answer for the same attributes.
    """
    net = load_run(run).net
    guide, (scorer, _), (embedding, _, people) = guide_from(classifier_run), judge_from(judge), identity_from(identity)
    attributes, parts = list(guide.config.attributes), load_parser(parser)
    if list(scorer.config.attributes) != attributes:
        raise ValueError("the judge answers for other attributes than the guide")
    rng = np.random.default_rng(config.seed)
    train, valid = data.sample("train", config.train_faces, rng), data.sample("valid", config.valid_faces, rng)
    z, held = encode_many(net, data, train, "encode train"), encode_many(net, data, valid, "encode valid")
    covariance = np.cov(z.T) + 1e-6 * np.eye(z.shape[1])
    learning = LearningSet(net, guide, data, train, z, torch.linalg.cholesky(torch.from_numpy(covariance)).float())
    precision, centred = torch.from_numpy(np.linalg.inv(covariance)).float(), torch.from_numpy(held - z.mean(0)).float()
    far = float(np.percentile(((centred @ precision) * centred).sum(1), config.density_percentile))
    hair = fit_hair(z, hair_colours_at(parts, data.images, train), learning.cholesky)
    colour = HairColour(hair, learning.cholesky)
    pasting = Pasting(parser_of(parts), colour, MakeupMoves({}, learning.cholesky), colour.without)
    view = PhotoRenderer(net, scorer, data, valid, held, pasting, identity=embedding)
    calibrator = Calibrator(view, centred, precision, far, people["different_95"])

    shown = [s.name for s in SHOWN if s.name in attributes and s.name in data.attributes and (not only or s.name in only)]
    few = train[: config.scored_faces]
    said, said_held = (outputs_of(guide, data.images[i]).sigmoid().numpy() for i in (few, valid))
    withheld = {
        name: unfit(data.label(name)[train], said_held[:, attributes.index(name)], data.label(name)[valid], config) for name in shown
    }
    names = [name for name in shown if not withheld[name]]
    skin = fit_skin(learning.z, tones_at(data.images, train), learning.cholesky)
    steps = all_steps(learning, names, said, held, valid, precision, config, run, skin, hair)

    found, report = {}, {}
    for name in tqdm(names, desc="directions"):
        direction, row = calibrator.calibrate(name, steps[name], data.label(name)[valid].astype(bool), attributes, config)
        if row["shift"] >= config.least_shift:
            found[name], report[name] = direction, row
        else:
            why = f"at the end of its safe range it moves the judge's logit by {row['shift']:.1f} σ, less than {config.least_shift:g}"
            withheld[name] = why
    write_tensors(run / "skin.safetensors", {"steps": skin})
    write_tensors(run / "hair.safetensors", {"slopes": hair})
    tried = {f"{name} {estimator}": step for name, own in steps.items() for estimator, step in own.items()}
    write_tensors(run / "estimators.safetensors", (read_estimators(run) if only else {}) | tried)
    spreads = {"guide_spread": learning.spread(config.learned.spread_faces), "judge_spread": torch.from_numpy(logit(view.plain).std(0))}
    write_tensors(run / "labels.safetensors", {"correlation": learning.correlation(), **spreads})
    return write_found(run, config, found, report, {name: why for name, why in withheld.items() if why}, only)


def all_steps(
    learning: LearningSet,
    names: Sequence[str],
    said: Float32[np.ndarray, "k a"],
    held: Float32[np.ndarray, "m d"],
    valid: Int[np.ndarray, " m"],
    precision: Float[Tensor, "d d"],
    config: DirectionsConfig,
    run: Path,
    skin: Float[Tensor, "3 d"],
    hair: Float[Tensor, "3 d"],
) -> dict[str, dict[str, Float[Tensor, " d"]]]:
    """attribute -> estimator -> the step of one σ, in one unit for all, and none moves the skin's tone but those that are for it.

    In the data blond goes with light skin and glasses with dark: a direction that only follows labels would repaint people. `said`
    are the guide's probabilities for the first faces of the learning; `held` and `valid` the held-out faces, encoded and by number.
    """
    data, attributes = learning.data, list(learning.guide.config.attributes)
    labels = data.labels[learning.index].astype(bool)
    starts = {name: partial_centroid(learning.z, labels, data.attributes.index(name)).astype(np.float32) for name in names}
    learned, steps = learn_steps(learning, starts, config.learned, run), {}
    for name in tqdm(names, desc="estimators"):
        seen, own = said[:, attributes.index(name)], data.label(name)[valid].astype(bool)
        fitted = fit_steps(learning.z, labels, seen, held, own, data.attributes, name) | learned[name]
        if name not in SKIN_TONE and learning.z.shape[1] > len(skin):  # of a latent of three nothing would be left
            fitted = {e: hold(torch.as_tensor(step).float(), skin, learning.cholesky).numpy() for e, step in fitted.items()}
        if learning.z.shape[1] > len(skin) + len(hair):
            fitted = {e: hold_hair(name, torch.as_tensor(step).float(), hair, learning.cholesky).numpy() for e, step in fitted.items()}
        steps[name] = {e: torch.from_numpy(unit_of_score(step, precision.double().numpy())).float() for e, step in fitted.items()}
    return steps


def read_estimators(run: Path) -> dict[str, Tensor]:
    """Steps of one σ by "attribute estimator", those that were not chosen included; empty where none were kept."""
    path = run / "estimators.safetensors"
    return tensors_from(path.read_bytes(), path) if path.is_file() else {}


def read_labels(run: Path) -> LabelStatistics:
    """What `find_directions` found of the labels; `ValueError` where it has not."""
    path = run / "labels.safetensors"
    return LabelStatistics(**tensors_from(read_bytes(path, "run"), path))


def unfit(labels: np.ndarray, said: np.ndarray, held_labels: np.ndarray, config: DirectionsConfig) -> str:
    """Why an attribute gets no slider, before any direction is tried; empty where it may.

    `labels` are those of the train faces; `said` the guide's probabilities for the held-out ones.
    """
    if labels.all() or not labels.any():
        return f"{labels.sum()} of {len(labels)} faces carry it, so there is no direction to find"
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
        report, found = ({s.name: part[s.name] for s in SHOWN if s.name in part} for part in (report, found))
    for name, why in withheld.items():
        warnings.warn(f"attribute {name} is left out: {why}", stacklevel=3)
    table = {name: describe_direction(d) for name, d in found.items()}
    write_tensors(run / "directions.safetensors", direction_tensors(found))
    write_json(run / "directions.json", {"config": asdict(config), "directions": table, "report": report, "withheld": withheld})
    return found


def read_withheld(run: Path) -> dict[str, str]:
    """The attributes that `find_directions` left out, and why."""
    return json.loads((run / "directions.json").read_text())["withheld"]


def read_directions(run: Path) -> dict[str, Direction]:
    """What `find_directions` wrote."""
    if not (run / "directions.json").is_file():
        raise ValueError(f"{run} has no directions yet; find them with: python -m train directions")
    table, path = json.loads((run / "directions.json").read_text())["directions"], run / "directions.safetensors"
    vectors = tensors_from(path.read_bytes(), path)
    return from_table(table, vectors, next(iter(vectors.values())).numel(), run) if vectors else {}
