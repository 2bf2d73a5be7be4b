"""Measure exhibits for the tab Inside the model; no file holds anybody's encoding."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Int, UInt8
from tqdm import tqdm

from facevae.attributes import WITHHELD
from facevae.checkpoint.checkpoint import Checkpoint
from facevae.exhibits.exhibit import Description, DirectionScores, Exhibit, Kind, Space, save_exhibit
from facevae.latent.directions import Direction, centroid
from facevae.nets.ppca import PPCA
from facevae.nets.vae import VAE
from train.data.prepared import PreparedData
from train.latent.estimators import auroc_of
from train.latent.ppca import fit_ppca
from train.measure import features
from train.measure.encodings import load_run
from train.networks.scores import Scorer
from train.vae.warm_start import read_stats

CURVES = ("nimg", "distortion", "valid_distortion", "rate", "valid_rate", "valid_psnr_db")
CHUNK = 256  # pictures that are read from the disk at a time
MOVE_SIGMA = 2.0


@dataclass(frozen=True)
class ExhibitConfig:
    """How many faces an exhibit is measured on."""

    encoded: int = 3_000
    """Train faces behind mean, principal components, correlations and centroids."""
    held_out: int = 600
    """Test faces on the map."""
    judged: int = 64
    """Test faces that are moved along each direction, decoded and judged."""
    least_class: int = 20
    """An attribute with fewer train faces on either side is left out: the mean of a few encodings would be somebody's likeness."""


@dataclass(frozen=True)
class Subject:
    """What is exhibited."""

    model: VAE | PPCA
    kind: Kind
    curves: dict[str, list[float]]
    directions: dict[str, Direction] | None = None
    """Those of a checkpoint; None: centroids are found here."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of its pictures."""
        return self.model.shape if isinstance(self.model, PPCA) else self.model.config.shape


def subject_of_run(run: Path) -> Subject:
    """A training run: its averaged weights and its statistics."""
    net = load_run(run).net
    return Subject(net, "vae" if net.variational else "ae", read_curves(run))


def subject_of_checkpoint(folder: Path, run: Path) -> Subject:
    """A checkpoint of the editor with its own directions, and the statistics of the run that it came from."""
    checkpoint = Checkpoint.from_pretrained(folder)
    return Subject(checkpoint.net, "vae", read_curves(run), checkpoint.directions)


def subject_of_ppca(data: PreparedData, like: Subject) -> Subject:
    """The PPCA of the train faces, with the shape and the latent size of another subject; it has no training curves."""
    data = data.resized(like.shape)
    return Subject(fit_ppca(np.array(data.images[data.indices("train")]), latent_of(like.model)), "ppca", {})


def latent_of(model: VAE | PPCA) -> int:
    """Dimensions of z."""
    return model.latent if isinstance(model, PPCA) else model.config.latent


def read_curves(run: Path) -> dict[str, list[float]]:
    """The statistics of a run, and of those that it began with, that are drawn; four significant digits or more."""
    rows = read_stats(run)
    if not rows:
        raise ValueError(f"{run / 'stats.jsonl'} is empty: the run has no tick yet")
    return {key: [round(float(row[key]), 3) for row in rows] for key in CURVES if key in rows[0]}


def make_exhibit(
    subject: Subject,
    data: PreparedData,
    judge: Scorer,
    out: Path,
    title: str,
    sentence: str,
    config: ExhibitConfig = ExhibitConfig(),
) -> Exhibit:
    """Measure a model on prepared faces and write the exhibit folder `out`.

    What is written of the train faces are means, a covariance and correlations; of each held-out face two numbers
    and its labels. Nothing of it decodes to the likeness of one person.
    """
    data = data.resized(subject.shape)
    train, test = data.indices("train")[: config.encoded], data.indices("test")[: config.held_out]
    mean, logvar = encode_all(subject.model, data, train)
    held = encode_all(subject.model, data, test)[0]
    names = select_attributes(data, train, config.least_class)
    columns = [data.attributes.index(name) for name in names]
    labels, held_labels = data.labels[train][:, columns].astype(bool), data.labels[test][:, columns]
    space = describe_space(mean, labels, held, held_labels)
    steps, found = find_directions(subject, mean, labels, held, held_labels, names)
    judged = np.arange(min(config.judged, len(held)))
    leakage = leakage_of(subject.model, judge, held[judged], steps, names)
    directions = {
        name: DirectionScores(
            estimator, round(auroc, 4), {other: round(float(v), 3) for other, v in zip(names, leakage[name], strict=True)}
        )
        for name, (estimator, auroc) in found.items()
    }
    kl = features.kl_of_dimensions(torch.from_numpy(mean), torch.from_numpy(logvar)).tolist() if subject.kind != "ae" else None
    about = Description(
        title=title,
        sentence=sentence,
        kind=subject.kind,
        shape=subject.shape,
        latent=mean.shape[1],
        encoded=len(train),
        held_out=len(test),
        judged=len(judged),
        psnr_db=round(psnr_of(subject.model, data, test, held), 2),
        kl_nats=None if kl is None else [round(v, 4) for v in kl],
        attributes=names,
        directions=directions,
        curves=subject.curves,
    )
    exhibit = Exhibit(
        out.name, about, Space(**space, steps=np.stack([steps[name] for name in directions]).astype(np.float32)), subject.model
    )
    save_exhibit(out, exhibit, from_checkpoint=subject.directions is not None)
    return exhibit


def make_exhibits(
    checkpoint: Path, run: Path, twins: Path, data: PreparedData, judge: Scorer, out: Path, config: ExhibitConfig = ExhibitConfig()
) -> list[Exhibit]:
    """The four exhibits of the page: the editor's checkpoint (trained in `run`), and the twins `twins`/vae, `twins`/ae and their PPCA."""
    vae, ae = subject_of_run(twins / "vae"), subject_of_run(twins / "ae")
    grey = pixels_and_latents(vae)
    plan = [
        (vae, "twins-vae", "Small VAE", f"A VAE of a few layers: grey, {grey}."),
        (
            ae,
            "twins-ae",
            "Autoencoder",
            f"The layers of the small VAE, but no rate and no noise: nothing keeps its codes near N(0, I). {grey}.",
        ),
        (subject_of_ppca(data, vae), "twins-ppca", "PPCA", f"The linear twin of the small VAE, fitted in closed form: {grey}."),
    ]
    made = [make_exhibit(subject, data, judge, out / name, title, sentence, config) for subject, name, title, sentence in plan]
    return [*made, make_editors_exhibit(checkpoint, run, data, judge, out, config)]


def make_editors_exhibit(
    checkpoint: Path, run: Path, data: PreparedData, judge: Scorer, out: Path, config: ExhibitConfig = ExhibitConfig()
) -> Exhibit:
    """The exhibit of the editor's own checkpoint, which belongs to its weights: it is made again whenever they change."""
    faces = subject_of_checkpoint(checkpoint, run)
    sentence = f"The model of the other tabs: {pixels_and_latents(faces)}."
    return make_exhibit(faces, data, judge, out / "faces-128", "Editor's VAE", sentence, config)


def pixels_and_latents(subject: Subject) -> str:
    """How large a model's pictures and latents are, in words."""
    return f"{subject.shape[1]} × {subject.shape[2]} pixels, {latent_of(subject.model)} latent dimensions"


# Measuring ------------------------------------------------------------------------------------------------------------


def encode_all(model: VAE | PPCA, data: PreparedData, index: Int[np.ndarray, " n"]) -> tuple[Float32[np.ndarray, "n d"], ...]:
    """Posterior means and log variances (-inf for an autoencoder, which has no posterior)."""
    means, logvars = [], []
    for part in tqdm(np.array_split(index, -(-len(index) // CHUNK)), desc="encode", unit="chunk"):
        mean, logvar = features.encode(model, np.array(data.images[part]))
        means.append(mean.numpy())
        logvars.append(logvar.numpy())
    return np.concatenate(means), np.concatenate(logvars)


def decode_all(model: VAE | PPCA, z: Float32[np.ndarray, "n d"]) -> UInt8[np.ndarray, "n h w c"]:
    """The pictures of latents."""
    return features.decode(model, torch.from_numpy(z))


def select_attributes(data: PreparedData, train: Int[np.ndarray, " n"], least: int) -> list[str]:
    """Attributes that may be shown (see `facevae.attributes.WITHHELD`) and that enough train faces have, and lack."""
    counts = data.labels[train].sum(0)
    enough = {name: least <= count <= len(train) - least for name, count in zip(data.attributes, counts, strict=True)}
    return [name for name in data.attributes if enough[name] and name not in WITHHELD]


def describe_space(
    z: Float32[np.ndarray, "n d"], labels: np.ndarray, held: Float32[np.ndarray, "m d"], held_labels: np.ndarray
) -> dict[str, np.ndarray]:
    """The fields of a `Space`, but for the directions."""
    mean = z.mean(0, dtype=np.float64)
    values, vectors = np.linalg.eigh(np.cov(z.T.astype(np.float64)))
    basis = vectors.T[::-1]  # the widest first
    away, marked = (z - mean) / (z.std(0) + 1e-12), labels - labels.mean(0)
    correlation = marked.T @ away / len(z) / labels.std(0)[:, None]
    space = {
        "mean": mean,
        "basis": basis,
        "spread": np.sqrt(values[::-1].clip(0)),
        "points": (held - mean) @ basis[:2].T,
        "class_means": np.stack([[z[~own].mean(0), z[own].mean(0)] for own in labels.T]),
        "correlation": correlation,
    }
    return {k: np.ascontiguousarray(v, np.float32) for k, v in space.items()} | {"labels": held_labels.astype(np.uint8)}


def find_directions(
    subject: Subject, z: np.ndarray, labels: np.ndarray, held: np.ndarray, held_labels: np.ndarray, names: list[str]
) -> tuple[dict[str, Float32[np.ndarray, " d"]], dict[str, tuple[str, float]]]:
    """For each attribute the step of +1 σ; and its estimator, and its AUROC on held-out faces."""
    if subject.directions is not None:
        own = {name: d for name, d in subject.directions.items() if name in names}
        # Measured where the directions were made, on faces of the valid split, with the score that they were made for.
        return {n: d.step.numpy() for n, d in own.items()}, {n: (d.estimator, d.auroc) for n, d in own.items()}
    steps = {name: centroid(z, labels[:, k]).astype(np.float32) for k, name in enumerate(names)}
    found = {name: ("centroid", auroc_of(held @ steps[name], held_labels[:, k].astype(bool))) for k, name in enumerate(names)}
    return steps, found


def leakage_of(
    model: VAE | PPCA, judge: Scorer, z: Float32[np.ndarray, "n d"], steps: dict[str, np.ndarray], names: list[str]
) -> dict[str, Float32[np.ndarray, " a"]]:
    """For each direction: the mean change of the judge's logits of `names` when decoded faces move by +2 σ, each in its own spread."""
    columns = [list(judge.config.attributes).index(name) for name in names]
    before = features.logits(judge, decode_all(model, z))[:, columns]
    changes = {}
    for name, step in tqdm(steps.items(), desc="leakage", unit="direction"):
        after = features.logits(judge, decode_all(model, z + np.float32(MOVE_SIGMA) * step))[:, columns]
        changes[name] = (after - before).mean(0) / (before.std(0) + 1e-6)
    return changes


def psnr_of(model: VAE | PPCA, data: PreparedData, index: Int[np.ndarray, " n"], z: Float32[np.ndarray, "n d"]) -> float:
    """Mean PSNR of the reconstructions, dB."""
    parts = np.array_split(np.arange(len(index)), -(-len(index) // CHUNK))
    values = [features.psnr(np.array(data.images[index[part]]), decode_all(model, z[part])) * len(part) for part in parts]
    return float(sum(values) / len(index))
