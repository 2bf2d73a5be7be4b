"""A checkpoint folder <-> objects. Safetensors and JSON only; nothing in a checkpoint can execute.

config.json            format, architecture, attributes, and size and SHA-256 of every other file
model.safetensors      the VAE, float16 on disk
classifier.safetensors the attribute classifier, float16 on disk
aligner.safetensors    the alignment net, float16 on disk
directions.json/.safetensors, prior.safetensors (a mixture or a flow, as config.json says), likelihood.safetensors
judge.safetensors      optional: the classifier that reports on edits and never guides, float16 on disk
labels.safetensors     optional: how labels go together in the data, and how far logits spread over photos
evaluation.json        what was measured
README.md              the model card
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch import Tensor, nn

from facevae.files import write_atomic, write_json, write_tensors
from facevae.latent.directions import Direction
from facevae.latent.flow import CouplingFlow, FlowConfig
from facevae.latent.priors import GaussianMixture
from facevae.nets.aligner import AlignerConfig, AlignmentNet
from facevae.nets.architectures import config_from, net_config
from facevae.nets.classifier import AttributeClassifier, ClassifierConfig
from facevae.nets.judge import Judge, JudgeConfig
from facevae.nets.residual import ResidualConfig, ResidualVAE
from facevae.summary import EMBEDDED as EMBEDDED

FORMAT = 4  # 2 added the alignment net, 3 the choice of prior, 4 the optional files
READABLE = (2, 3, 4)
MAX_FILE_BYTES = 200 * 2**20
FILES = (
    "model.safetensors",
    "classifier.safetensors",
    "aligner.safetensors",
    "directions.json",
    "directions.safetensors",
    "prior.safetensors",
    "likelihood.safetensors",
    "evaluation.json",
    "README.md",
)
READER = "{} reader"
OPTIONAL = ("judge.safetensors", "labels.safetensors")


Prior = GaussianMixture | CouplingFlow


@dataclass(frozen=True)
class LabelStatistics:
    """What it takes to tell an edit from its side effects: all in the order of the classifier's attributes."""

    correlation: Tensor
    """Of the labels over the train faces, (a, a)."""
    guide_spread: Tensor
    """Standard deviation of each of the classifier's logits over photos, (a,)."""
    judge_spread: Tensor
    """The same of the judge's logits, (a,)."""


@dataclass(frozen=True)
class Checkpoint:
    """A VAE with all that an editor needs to know about it."""

    net: ResidualVAE
    classifier: AttributeClassifier
    aligner: AlignmentNet
    directions: dict[str, Direction]
    prior: Prior
    variance: Tensor
    """Variance of each pixel position under the likelihood, (s, s)."""
    evaluation: dict[str, Any]
    card: str
    name: str = "unsaved"
    digest: str = ""
    """SHA-256 of config.json, which holds those of all other files."""
    judge: Judge | None = None
    """Answers for the same attributes as `classifier`, in the same order; None in older folders."""
    labels: LabelStatistics | None = None

    @cached_property
    def cholesky(self) -> Float[Tensor, "d d"]:
        """L with L Lᵀ the covariance of the encodings: what one σ is, in every direction."""
        # Whoever asks first may be in inference mode, and the next one wants gradients.
        with torch.inference_mode(False):
            return torch.linalg.cholesky(self.prior.covariance + 1e-6 * torch.eye(self.net.config.latent))

    @classmethod
    def from_pretrained(cls, source: str | Path | None = None, revision: str | None = None) -> "Checkpoint":
        """Load a local folder, a Hub repository "owner/name", or, for None, the embedded checkpoint.

        `ValueError`, naming the file, where anything is missing, changed, too large or not finite.
        """
        if source is None:
            return load_checkpoint(EMBEDDED)
        if Path(source).is_dir():
            return load_checkpoint(Path(source))
        if isinstance(source, Path) or str(source).count("/") != 1 or str(source).startswith((".", "/", "~")):
            raise ValueError(f"{source} is neither a checkpoint folder nor a Hub name owner/name")
        return load_checkpoint(download(str(source), revision), name=f"{source}@{revision or 'main'}")


def download(repo: str, revision: str | None) -> Path:
    """Fetch the files of a checkpoint, and no others, from the Hub; `ValueError` in one sentence where that fails."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        return Path(snapshot_download(repo, revision=revision, allow_patterns=["config.json", *FILES, *OPTIONAL]))
    except RevisionNotFoundError:
        raise ValueError(f"the Hub repository {repo} has no revision {revision}") from None
    except RepositoryNotFoundError:
        raise ValueError(f"the Hub has no public repository {repo}") from None
    except LocalEntryNotFoundError:
        raise ValueError(f"the Hub cannot be reached and {repo} is not in the local cache") from None
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise ValueError(f"{repo} could not be downloaded from the Hub ({error})") from None


def read_bytes(path: Path, kind: str = "checkpoint") -> bytes:
    """A whole file of a checkpoint (or of another `kind` of folder), refused where it is missing or larger than any of ours."""
    if not path.is_file():
        raise ValueError(f"the {kind} {path.parent} lacks {path.name}")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise ValueError(f"{path} has {path.stat().st_size} bytes, more than the {MAX_FILE_BYTES} allowed")
    return path.read_bytes()


def read_config(folder: Path) -> tuple[dict[str, Any], str]:
    """config.json of a folder and its SHA-256."""
    raw = read_bytes(folder / "config.json")
    try:
        config = json.loads(raw)
        version = config["format"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError(f"{folder / 'config.json'} is not the description of a checkpoint") from None
    if version not in READABLE:
        known = f"{', '.join(map(str, READABLE[:-1]))} and {READABLE[-1]}"
        raise ValueError(f"{folder} has checkpoint format {version}, this version of facevae reads {known}: export it again")
    missing = [key for key in ("net", "classifier", "aligner", "files") if key not in config]
    if missing:
        raise ValueError(f"{folder / 'config.json'} lacks {', '.join(missing)}")
    return config, hashlib.sha256(raw).hexdigest()


def read_listed(folder: Path, name: str, listed: Mapping[str, str], kind: str = "checkpoint") -> bytes:
    """A file whose content is the one that the folder's description lists."""
    raw, description = read_bytes(folder / name, kind), "config.json" if kind == "checkpoint" else f"{kind}.json"
    if name not in listed:
        raise ValueError(f"{folder / description} does not list {name}")
    if hashlib.sha256(raw).hexdigest() != listed[name]:
        raise ValueError(f"{folder / name} is not the file that {description} lists: its SHA-256 differs")
    return raw


def tensors_from(raw: bytes, path: Path) -> dict[str, Tensor]:
    """Finite float32 tensors of a safetensors file."""
    try:
        tensors = load_tensors(raw)
    except (SafetensorError, ValueError) as error:
        raise ValueError(f"{path} is not a safetensors file ({error})") from None
    for key, value in tensors.items():
        if not torch.isfinite(value.float()).all():
            raise ValueError(f"{path}: {key} holds values that are not finite")
    return {k: v.float() if v.is_floating_point() else v for k, v in tensors.items()}


def fill(net: nn.Module, tensors: dict[str, Tensor], path: Path) -> nn.Module:
    """Put weights into a net, strictly; `ValueError` names the keys or the shape that differ."""
    try:
        net.load_state_dict(tensors, strict=True)
    except RuntimeError as error:
        raise ValueError(f"{path} does not fit the net of config.json: {' '.join(str(error).split())[:300]}") from None
    return net.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def load_checkpoint(folder: Path, name: str | None = None) -> Checkpoint:
    """Read and check a whole checkpoint folder."""
    config, digest = read_config(folder)
    present = [file for file in (*FILES, *OPTIONAL) if file in FILES or file in config["files"]]
    raw = {file: read_listed(folder, file, config["files"]) for file in present}
    where = str(folder / "config.json")
    vae_config = net_config(config["net"], f"{where}: net")
    if not isinstance(vae_config, ResidualConfig):
        raise ValueError(f"{where}: the editor works with residual nets, this one is {config['net']['architecture']}")
    classifier_config = config_from(ClassifierConfig, config["classifier"], f"{where}: classifier")
    aligner_config = config_from(AlignerConfig, config["aligner"], f"{where}: aligner")
    tensors = {file: tensors_from(raw[file], folder / file) for file in present if file.endswith(".safetensors")}
    net = fill(ResidualVAE(vae_config), tensors["model.safetensors"], folder / "model.safetensors")
    classifier = fill(AttributeClassifier(classifier_config), tensors["classifier.safetensors"], folder / "classifier.safetensors")
    aligner = fill(AlignmentNet(aligner_config), tensors["aligner.safetensors"], folder / "aligner.safetensors")
    d, s = vae_config.latent, vae_config.size
    # Folders from before there was a choice hold a mixture and say nothing.
    prior = prior_from(config.get("prior", {"kind": "mixture"}), tensors["prior.safetensors"], d, folder / "prior.safetensors", where)
    variance = tensors["likelihood.safetensors"]
    need(variance, {"variance": (s, s)}, folder / "likelihood.safetensors")
    try:
        table = json.loads(raw["directions.json"])
        vectors = tensors["directions.safetensors"]
        directions = read_directions(table, vectors, d, folder)
        evaluation = json.loads(raw["evaluation.json"])
    except (AttributeError, TypeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{folder}: directions.json or evaluation.json cannot be read ({error})") from None
    if unknown := sorted(set(directions) - set(classifier_config.attributes)):
        raise ValueError(f"{folder}: directions for attributes that the classifier does not know: {', '.join(unknown)}")
    extras = load_optional(folder, config, tensors, classifier_config.attributes)
    return Checkpoint(
        net=net,
        classifier=classifier,
        aligner=aligner,
        directions=directions,
        prior=prior,
        variance=variance["variance"],
        evaluation=evaluation,
        card=raw["README.md"].decode("utf-8", errors="replace"),
        name=name or folder.name,
        digest=digest,
        **extras,
    )


def load_optional(
    folder: Path, config: dict[str, Any], tensors: Mapping[str, dict[str, Tensor]], attributes: tuple[str, ...]
) -> dict[str, Any]:
    """The fields `judge` and `labels` of a `Checkpoint`, as far as the folder has their files."""
    found: dict[str, Any] = {}
    a = len(attributes)
    if (held := tensors.get("judge.safetensors")) is not None:
        judge_config = config_from(JudgeConfig, config.get("judge", {}), f"{folder / 'config.json'}: judge")
        if judge_config.attributes != attributes:
            raise ValueError(f"{folder}: the judge answers for other attributes than the classifier")
        found["judge"] = fill(Judge(judge_config), held, folder / "judge.safetensors")
    if (held := tensors.get("labels.safetensors")) is not None:
        need(held, {"correlation": (a, a), "guide_spread": (a,), "judge_spread": (a,)}, folder / "labels.safetensors")
        found["labels"] = LabelStatistics(**held)
    return found


def need(tensors: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]], path: Path) -> None:
    """`ValueError` where a file does not hold exactly these tensors in these shapes."""
    if set(tensors) != set(shapes):
        raise ValueError(f"{path} holds {sorted(tensors)}, expected {sorted(shapes)}")
    for key, shape in shapes.items():
        if tuple(tensors[key].shape) != shape:
            raise ValueError(f"{path}: {key} has shape {tuple(tensors[key].shape)}, expected {shape}")


def describe_direction(direction: Direction) -> dict[str, Any]:
    """All of a direction but its name and its vector, as JSON can hold it."""
    return {
        "estimator": direction.estimator,
        "sigma": direction.sigma,
        "low": direction.low,
        "high": direction.high,
        "auroc": direction.auroc,
        "limits": list(direction.limits),
        "leakage": dict(direction.leakage),
    }


def direction_tensors(directions: Mapping[str, Direction]) -> dict[str, Tensor]:
    """What directions.safetensors holds: the unit vector of each by its name, and its reader where it has one."""
    readers = {READER.format(n): d.reader for n, d in directions.items() if d.reader is not None}
    return {n: d.vector for n, d in directions.items()} | readers


def read_directions(table: dict[str, Any], vectors: dict[str, Tensor], latent: int, folder: Path) -> dict[str, Direction]:
    """The directions that `describe_direction` and `direction_tensors` wrote; `ValueError` names what does not fit."""
    readers = {name: READER.format(name) for name in table if READER.format(name) in vectors}
    need(vectors, dict.fromkeys([*table, *readers.values()], (latent,)), folder / "directions.safetensors")
    found = {name: direction_from(name, vectors[name], row, str(folder / "directions.json")) for name, row in table.items()}
    return {name: replace(d, reader=vectors.get(readers.get(name, ""))) for name, d in found.items()}


def direction_from(name: str, vector: Tensor, values: dict[str, Any], where: str) -> Direction:
    """The direction that `describe_direction` described; `ValueError` names what is no number or out of order."""
    given = {"limits": ["", ""], "leakage": {}} | values
    if set(given) != {"estimator", "sigma", "low", "high", "auroc", "limits", "leakage"}:
        raise ValueError(f"{where}: the direction {name} has other keys than estimator, sigma, low, high, auroc, limits and leakage")
    numbers = [given["sigma"], given["low"], given["high"], given["auroc"], *given["leakage"].values()]
    if not all(isinstance(v, int | float) and math.isfinite(v) for v in numbers) or not given["sigma"] > 0 or given["low"] > given["high"]:
        raise ValueError(f"{where}: the direction {name} needs finite numbers, a sigma above 0 and low below high")
    return Direction(name=name, vector=vector, **given | {"limits": tuple(map(str, given["limits"]))})


def describe_prior(prior: Prior) -> dict[str, Any]:
    """The kind of a prior and its config, as JSON can hold them."""
    return {"kind": "mixture"} if isinstance(prior, GaussianMixture) else {"kind": "flow", **asdict(prior.config)}


def prior_tensors(prior: Prior) -> dict[str, Tensor]:
    """What prior.safetensors holds, in full precision."""
    if isinstance(prior, GaussianMixture):
        return {"weights": prior.weights, "means": prior.means, "cholesky": prior.cholesky}
    return prior.state_dict()


def prior_from(values: Any, tensors: dict[str, Tensor], latent: int, path: Path, where: str) -> Prior:
    """The prior that `describe_prior` and `prior_tensors` gave; `ValueError` names what does not fit.

    `path` is the file of the tensors, `where` the description's.
    """
    kind = values.get("kind") if isinstance(values, dict) else None
    if kind not in ("mixture", "flow"):
        raise ValueError(f"{where}: there is no prior of kind {kind!r}; known are mixture and flow")
    rest = {k: v for k, v in values.items() if k != "kind"}
    if kind == "mixture":
        if rest:
            raise ValueError(f"{where}: prior has unknown keys: {', '.join(sorted(rest))}")
        k = tensors["weights"].shape[0] if "weights" in tensors else 0
        need(tensors, {"weights": (k,), "means": (k, latent), "cholesky": (k, latent, latent)}, path)
        return GaussianMixture(**tensors)
    config = config_from(FlowConfig, rest, f"{where}: prior")
    if config.latent != latent:
        raise ValueError(f"{where}: the prior has latents of {config.latent} values, the net has {latent}")
    return fill(CouplingFlow(config), tensors, path)


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> str:
    """Write a checkpoint folder, config.json last; gives its digest. Weights are rounded to float16."""
    half = {k: v.half() for k, v in checkpoint.net.state_dict().items()}
    write_tensors(folder / "model.safetensors", half)
    for name in ("classifier", "aligner", "judge"):
        net = getattr(checkpoint, name)
        if net is None:
            continue
        # Running statistics of BatchNorm may exceed float16's range of 65,504; its counters are whole numbers.
        small = {k: v.half() if v.is_floating_point() and v.abs().max() < 6e4 else v for k, v in net.state_dict().items()}
        write_tensors(folder / f"{name}.safetensors", small)
    if checkpoint.labels is not None:
        write_tensors(folder / "labels.safetensors", vars(checkpoint.labels))
    # What another checkpoint left in the folder does not belong to this one.
    kept = [f for f in OPTIONAL if getattr(checkpoint, f.partition(".")[0]) is not None]
    for name in set(OPTIONAL) - set(kept):
        (folder / name).unlink(missing_ok=True)
    write_json(folder / "directions.json", {name: describe_direction(d) for name, d in checkpoint.directions.items()})
    write_tensors(folder / "directions.safetensors", direction_tensors(checkpoint.directions))
    exact = ("weights", "means", "mean")
    prior = {k: v if k in exact else v.half() for k, v in prior_tensors(checkpoint.prior).items()}
    write_tensors(folder / "prior.safetensors", prior)
    write_tensors(folder / "likelihood.safetensors", {"variance": checkpoint.variance})
    write_json(folder / "evaluation.json", checkpoint.evaluation)
    write_atomic(folder / "README.md", lambda p: p.write_text(checkpoint.card))
    config = {
        "format": FORMAT,
        "net": asdict(checkpoint.net.config),
        "classifier": asdict(checkpoint.classifier.config),
        "aligner": asdict(checkpoint.aligner.config),
        "prior": describe_prior(checkpoint.prior),
        **({"judge": asdict(checkpoint.judge.config)} if checkpoint.judge is not None else {}),
        "files": {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in (*FILES, *kept)},
    }
    write_json(folder / "config.json", config)
    return hashlib.sha256((folder / "config.json").read_bytes()).hexdigest()
