"""Load and save exhibits: a model with statistics of its latent space, as a folder.

Safetensors and JSON only, no picture of a person.

exhibit.json         title, the net, how each direction was found, training curves, SHA-256 of the other files
weights.safetensors  the net, float16; absent where the checkpoint of the editor supplies it
latent.safetensors   statistics of encodings, and held-out encodings as points on a map, which keep two numbers each

Encodings themselves are not kept: a decoder would turn them into likenesses of the people of the data set.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor

from facevae.checkpoint.manifest import check_shapes, read_bytes, read_listed, tensors_from
from facevae.checkpoint.serialization import half_where_exact
from facevae.files import ASSETS, write_json, write_tensors
from facevae.nets.architectures import build_net, describe_net, net_config
from facevae.nets.ppca import PPCA
from facevae.nets.vae import VAE
from facevae.settings import is_number

Kind = Literal["vae", "ae", "ppca"]
FORMAT = 1
EMBEDDED = ASSETS / "exhibits"
MAX_SIDE_PX, MAX_LATENT, MAX_POINTS, MAX_TEXT = 512, 4096, 5000, 400


@dataclass(frozen=True)
class DirectionScores:
    """How the direction of an attribute was found, and what a move of +2 σ does on held-out faces."""

    estimator: str
    auroc: float
    leakage: dict[str, float]
    """Mean change of the judge's logit of each attribute, its own included, in standard deviations of that logit."""


@dataclass(frozen=True)
class Description:
    """What exhibit.json holds besides the net and the hashes."""

    title: str
    sentence: str
    kind: Kind
    shape: tuple[int, int, int]
    """Channels, height and width of the pictures."""
    latent: int
    encoded: int
    """Train faces behind the statistics."""
    held_out: int
    """Held-out faces behind the map and the PSNR."""
    judged: int
    """Held-out faces behind the leakage."""
    psnr_db: float
    """Of reconstructions of the held-out faces through the mean of the posterior."""
    kl_nats: list[float] | None
    """Mean KL of each latent dimension to N(0, 1); None for an autoencoder, which has no posterior."""
    attributes: list[str]
    directions: dict[str, DirectionScores]
    curves: dict[str, list[float]]
    """Statistics of training by name, each as long as `nimg`; empty where nothing was trained in steps."""


@dataclass(frozen=True, eq=False)
class Space:
    """Statistics of the encodings of train faces, and the map of held-out ones."""

    mean: Float32[np.ndarray, " d"]
    basis: Float32[np.ndarray, "d d"]
    """Principal components of the encodings as rows, the widest first."""
    spread: Float32[np.ndarray, " d"]
    """Standard deviation along each principal component."""
    points: Float32[np.ndarray, "n 2"]
    """Coordinates on the first two principal components."""
    labels: UInt8[np.ndarray, "n a"]
    class_means: Float32[np.ndarray, "a 2 d"]
    """Mean encoding without (0) and with (1) each attribute."""
    correlation: Float32[np.ndarray, "a d"]
    """Pearson correlation of each latent dimension with each label."""
    steps: Float32[np.ndarray, "f d"]
    """What +1 σ adds to a latent, for each of the directions in their order."""

    @property
    def spread_of_dimensions(self) -> Float32[np.ndarray, " d"]:
        """Standard deviation of each latent dimension."""
        return np.sqrt((self.basis**2 * self.spread[:, None] ** 2).sum(0))


@dataclass(frozen=True, eq=False)
class Exhibit:
    """A model and its measured latent space."""

    name: str
    about: Description
    space: Space
    model: VAE | PPCA


KEYS = {field.name for field in fields(Description)} | {"format", "net", "net_sha256", "files"}


# Save -----------------------------------------------------------------------------------------------------------------


def save_exhibit(folder: Path, exhibit: Exhibit, from_checkpoint: bool = False) -> None:
    """Write an exhibit folder, exhibit.json last. `from_checkpoint`: no weights, only the hash of the net they belong to."""
    if not from_checkpoint:
        # Variances may be too small for float16 as well as too large.
        write_tensors(folder / "weights.safetensors", half_where_exact(weights_of(exhibit.model), ("running_var", "noise_variance")))
    space = {k: torch.from_numpy(v) for k, v in vars(exhibit.space).items()}
    # The map, and directions in it, are read off to a few digits; what latents are computed from keeps all of them.
    for key in ("points", "class_means", "correlation"):
        space[key] = space[key].half()
    write_tensors(folder / "latent.safetensors", space)
    files = ["latent.safetensors"] + ([] if from_checkpoint else ["weights.safetensors"])
    net = describe_net(exhibit.model.config) if isinstance(exhibit.model, VAE) and not from_checkpoint else None
    described = {
        "format": FORMAT,
        **asdict(exhibit.about),
        "net": net,
        "net_sha256": fingerprint(exhibit.model) if from_checkpoint else None,
        "files": {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in files},
    }
    write_json(folder / "exhibit.json", described)


def weights_of(model: VAE | PPCA) -> dict[str, Tensor]:
    """The tensors of a model by name."""
    if isinstance(model, PPCA):
        return {"mean": model.mean, "weights": model.weights, "noise_variance": model.noise_variance}
    return dict(model.state_dict())


def fingerprint(model: VAE) -> str:
    """SHA-256 of a net's weights: an exhibit without weights belongs to this net and to no other."""
    digest = hashlib.sha256()
    for key, value in sorted(model.state_dict().items()):
        digest.update(key.encode())
        digest.update(value.contiguous().cpu().numpy().tobytes())
    return digest.hexdigest()


# Load -----------------------------------------------------------------------------------------------------------------


def open_exhibits(net: VAE, more: Path | None = None) -> list[Exhibit]:
    """What the page shows: the embedded exhibits, and those of another folder."""
    embedded = load_exhibits(EMBEDDED, net) if any(EMBEDDED.glob("*/exhibit.json")) else []
    return embedded + (load_exhibits(more, net) if more is not None else [])


def load_exhibits(folder: Path, net: VAE) -> list[Exhibit]:
    """All exhibits below a folder, or the one that it is: those of the editor's net first, then VAEs, autoencoders, PPCA.

    Exhibits that belong to the net of another checkpoint are left out. `ValueError` where nothing is there, or where
    a folder is not as it was written.
    """
    folders = [folder] if (folder / "exhibit.json").is_file() else sorted(p.parent for p in folder.glob("*/exhibit.json"))
    if not folders:
        raise ValueError(f"{folder} holds no exhibit: neither exhibit.json nor folders with one")
    own, found = fingerprint(net), []
    for path in folders:
        described = read_description(path)
        if described["net_sha256"] in (None, own):
            found.append((described["net_sha256"] is None, load_exhibit(path, net)))
    order = get_args(Kind)
    return [e for _, e in sorted(found, key=lambda entry: (entry[0], order.index(entry[1].about.kind)))]


def load_exhibit(folder: Path, net: VAE | None = None) -> Exhibit:
    """Read and check one exhibit folder; `net` is the editor's, for exhibits without weights.

    `ValueError`, naming the file, where anything is missing, changed, of the wrong shape or not finite.
    """
    described = read_description(folder)
    where = folder / "exhibit.json"
    try:
        about = description_from(described)
    except (TypeError, KeyError, ValueError, AttributeError, OverflowError) as error:
        raise ValueError(f"{where} is not the description of an exhibit ({error})") from None
    tensors = {name: tensors_from(read_listed(folder, name, described["files"], "exhibit"), folder / name) for name in described["files"]}
    space = tensors.pop("latent.safetensors", {})
    n = space["points"].shape[0] if "points" in space and space["points"].dim() else 0
    check_shapes(space, shapes_of_space(about, n), folder / "latent.safetensors")
    if n > MAX_POINTS:
        raise ValueError(f"{folder / 'latent.safetensors'}: a map of {n} points, at most {MAX_POINTS} are drawn")
    arrays = {k: v.numpy() if k != "labels" else v.to(torch.uint8).numpy() for k, v in space.items()}
    return Exhibit(folder.name, about, Space(**arrays), model_from(folder, described, about, tensors.get("weights.safetensors"), net))


def read_description(folder: Path) -> dict[str, Any]:
    """exhibit.json with the right keys, of our format."""
    path = folder / "exhibit.json"
    raw = read_bytes(path, "exhibit")
    try:
        described = json.loads(raw)
        version = described["format"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError(f"{path} is not the description of an exhibit") from None
    if version != FORMAT:
        raise ValueError(f"{path} has format {version}, this version of facevae reads {FORMAT}")
    if set(described) != KEYS:
        raise ValueError(f"{path}: missing or unknown keys: {', '.join(sorted(set(described) ^ KEYS))}")
    names, weights = described["files"], described["net_sha256"] is None
    if not isinstance(names, dict) or set(names) != {"latent.safetensors"} | ({"weights.safetensors"} if weights else set()):
        raise ValueError(f"{path} does not list the files of an exhibit")
    return described


def description_from(values: Mapping[str, Any]) -> Description:
    """The checked description; `ValueError` or `TypeError` says what is wrong with it."""
    texts = [values["title"], values["sentence"], *values["attributes"]]
    if any(not isinstance(t, str) or not t or len(t) > MAX_TEXT for t in texts) or len(set(values["attributes"])) != len(
        values["attributes"]
    ):
        raise ValueError("title, sentence and attributes must be texts, each attribute once")
    if values["kind"] not in get_args(Kind):
        raise ValueError(f"kind must be one of {', '.join(get_args(Kind))}")
    shape, latent = tuple(map(int, values["shape"])), int(values["latent"])
    if (
        len(shape) != 3
        or shape[0] not in (1, 3)
        or not all(1 <= side <= MAX_SIDE_PX for side in shape[1:])
        or not 2 <= latent <= MAX_LATENT
    ):
        raise ValueError(f"shape {shape} or latent {latent} is out of range")
    kl = None if values["kl_nats"] is None else numbers(values["kl_nats"])
    if kl is not None and len(kl) != latent:
        raise ValueError(f"kl_nats has {len(kl)} values, latent is {latent}")
    findings = {name: DirectionScores(**row) for name, row in values["directions"].items()}
    known = set(values["attributes"])
    for name, finding in findings.items():
        numbers([finding.auroc, *finding.leakage.values()])
        if not {name, *finding.leakage} <= known or not isinstance(finding.estimator, str):
            raise ValueError(f"the direction of {name} names attributes that are not there")
    curves = {str(key): numbers(row) for key, row in values["curves"].items()}
    if curves and ("nimg" not in curves or len({len(row) for row in curves.values()}) != 1):
        raise ValueError("the curves are not all as long as nimg")
    counts = [int(values[key]) for key in ("encoded", "held_out", "judged")]
    psnr_db = numbers([values["psnr_db"]])[0]
    return Description(
        values["title"], values["sentence"], values["kind"], shape, latent, *counts, psnr_db, kl, values["attributes"], findings, curves
    )


def numbers(values: Sequence[Any]) -> list[float]:
    """Finite numbers, or `ValueError`: JSON as Python reads it also knows NaN."""
    if not all(map(is_number, values)):
        raise ValueError("a number is missing or not finite")
    return [float(v) for v in values]


def shapes_of_space(about: Description, n: int) -> dict[str, tuple[int, ...]]:
    """Shapes of the tensors of latent.safetensors."""
    a, d = len(about.attributes), about.latent
    return {
        "mean": (d,),
        "basis": (d, d),
        "spread": (d,),
        "points": (n, 2),
        "labels": (n, a),
        "class_means": (a, 2, d),
        "correlation": (a, d),
        "steps": (len(about.directions), d),
    }


def model_from(
    folder: Path, described: dict[str, Any], about: Description, weights: dict[str, Tensor] | None, net: VAE | None
) -> VAE | PPCA:
    """The model of an exhibit: from its own weights, or the editor's net where it has none."""
    path = folder / "weights.safetensors"
    if weights is None:
        if (
            net is None
            or fingerprint(net) != described["net_sha256"]
            or (net.config.shape, net.config.latent) != (about.shape, about.latent)
        ):
            raise ValueError(f"{folder / 'exhibit.json'} belongs to the net of another checkpoint")
        return net
    if about.kind == "ppca":
        p = math.prod(about.shape)
        check_shapes(weights, {"mean": (p,), "weights": (p, about.latent), "noise_variance": ()}, path)
        return PPCA(**weights, shape=about.shape)
    config = net_config(described["net"], f"{folder / 'exhibit.json'}: net")
    if (config.shape, config.latent) != (about.shape, about.latent):
        raise ValueError(f"{folder / 'exhibit.json'}: the net has shape {config.shape} and latent {config.latent}, unlike the exhibit")
    # On no device at first: a description cannot ask for more memory than the file holds.
    with torch.device("meta"):
        model = build_net(config)
    try:
        model.load_state_dict(weights, strict=True, assign=True)
    except RuntimeError as error:
        raise ValueError(f"{path} does not fit the net of exhibit.json: {' '.join(str(error).split())[:300]}") from None
    return model.eval().requires_grad_(False)
