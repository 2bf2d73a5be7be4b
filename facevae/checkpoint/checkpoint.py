"""A checkpoint folder <-> objects. Safetensors and JSON only; nothing in a checkpoint can execute.

manifest.json          size and SHA-256 of every other file (see facevae.checkpoint.manifest)
config.json            format, architecture, attributes, and SHA-256 of the files below; recipes know a checkpoint by that of config.json
model.safetensors      the VAE, float16 on disk
classifier.safetensors the attribute classifier, float16 on disk
aligner.safetensors    the alignment net, float16 on disk
directions.json/.safetensors, prior.safetensors (a mixture or a flow, as config.json says), likelihood.safetensors
judge.safetensors      optional: the classifier that reports on edits and never guides, float16 on disk
labels.safetensors     optional: how labels go together in the data, and how far logits spread over photos
skin.safetensors       optional: the moves that change the tone of skin, which guidance holds
evaluation.json        what was measured
README.md              the model card
"""

import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from facevae.checkpoint.hub import fetch, source_of
from facevae.checkpoint.manifest import (
    CARD,
    FILES,
    MANIFEST,
    OPTIONAL,
    check_listed,
    need,
    parse_json,
    read_bytes,
    read_listed,
    read_manifest,
    tensors_from,
    write_manifest,
)
from facevae.checkpoint.metadata import EMBEDDED as EMBEDDED
from facevae.checkpoint.serialization import (
    Prior,
    above_zero,
    all_real,
    build,
    check_described,
    describe_direction,
    describe_prior,
    direction_tensors,
    fill,
    prior_from,
    prior_tensors,
    read_directions,
)
from facevae.files import write_atomic, write_json, write_tensors
from facevae.latent.directions import Direction
from facevae.nets.aligner import AlignerConfig, AlignmentNet
from facevae.nets.architectures import config_from, net_config
from facevae.nets.classifier import AttributeClassifier, ClassifierConfig
from facevae.nets.judge import Judge, JudgeConfig
from facevae.nets.residual import ResidualConfig, ResidualVAE

FORMAT = 5  # 2 added the alignment net, 3 the choice of prior, 4 the optional files, 5 the tone of skin among them
READABLE = (2, 3, 4, 5)
SKIN_STEPS = 3  # lightness and two of hue
KEYS = {"format", "net", "classifier", "aligner", "prior", "judge", "files"}


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
    skin: Float[Tensor, "k d"] | None = None
    """Moves that make skin lighter, redder and yellower; None in older folders."""

    @cached_property
    def cholesky(self) -> Float[Tensor, "d d"]:
        """L with L Lᵀ the covariance of the encodings: what one σ is, in every direction."""
        # Whoever asks first may be in inference mode, and the next one wants gradients.
        with torch.inference_mode(False):
            return torch.linalg.cholesky(self.prior.covariance + 1e-6 * torch.eye(self.net.config.latent))

    @classmethod
    def from_pretrained(cls, source: str | Path | None = None, revision: str | None = None) -> "Checkpoint":
        """Load a local folder, a Hub repository "owner/name" or "owner/name@revision", or, for None, the embedded checkpoint.

        A Hub revision (a commit, a tag, or a branch: main where none is given) becomes a commit, which is printed and is part of
        the checkpoint's name. `ValueError`, naming the file, where anything is missing, changed, too large or not finite;
        `facevae.checkpoint.hub.Unreachable`, which is one, where the Hub does not answer and the cache does not have it.
        """
        folder = EMBEDDED if source is None else Path(source)
        if source != "" and folder.is_dir():
            if revision is not None:
                raise ValueError(f"{folder} is a folder, and only a Hub repository has a revision such as {revision}")
            return load_checkpoint(folder)
        if isinstance(source, Path):
            raise ValueError(f"there is no checkpoint folder {source}")
        fetched = fetch(source_of(source, revision))
        if fetched.note:
            print(fetched.note, file=sys.stderr)
        return load_checkpoint(fetched.folder, name=str(fetched.source))


def read_config(folder: Path) -> tuple[dict[str, Any], bytes]:
    """config.json of a folder, checked as far as it can be by itself, and its bytes."""
    path = folder / "config.json"
    raw = read_bytes(path)
    config = parse_json(raw, path)
    version = config.get("format")
    if version not in READABLE or not isinstance(version, int):
        known, newer = f"{', '.join(map(str, READABLE[:-1]))} and {READABLE[-1]}", isinstance(version, int) and version > FORMAT
        advice = "update facevae" if newer else "export it again"
        raise ValueError(f"{folder} has checkpoint format {version!r:.40}, this version of facevae reads {known}: {advice}")
    if missing := [key for key in ("net", "classifier", "aligner", "files") if key not in config]:
        raise ValueError(f"{path} lacks {', '.join(missing)}")
    if unknown := sorted(set(config) - KEYS):
        raise ValueError(f"{path} has unknown keys: {', '.join(unknown)[:200]}")
    if not isinstance(config["files"], dict) or not set(config["files"]) <= {*FILES, *OPTIONAL}:
        raise ValueError(f"{path}: files must list files of a checkpoint and their SHA-256")
    for key in ("net", "classifier", "aligner", "judge", "prior"):
        check_described(config.get(key, {}), f"{path}: {key}")
    return config, raw


def read_folder(folder: Path) -> tuple[dict[str, Any], str, dict[str, bytes]]:
    """config.json of a folder, its SHA-256, and the bytes of all other files, which are those that config.json and manifest.json list."""
    config, raw = read_config(folder)
    digest = hashlib.sha256(raw).hexdigest()
    listed = read_manifest(folder)
    digests = {"config.json": digest, **config["files"]}
    present = [file for file in (*FILES, *OPTIONAL) if file in FILES or file in config["files"]]
    if listed is not None:
        # The card may be written anew, on the Hub for one, without the checkpoint being another one to recipes.
        present.remove(CARD)
        digests[CARD] = hashlib.sha256(card := read_bytes(folder / CARD)).hexdigest()
    content = {file: read_listed(folder, file, config["files"]) for file in present}
    if listed is not None:
        content[CARD] = card
        check_listed(folder, listed, {"config.json": raw, **content}, digests)
    return config, digest, content


def load_checkpoint(folder: Path, name: str | None = None) -> Checkpoint:
    """Read and check a whole checkpoint folder."""
    config, digest, raw = read_folder(folder)
    where = str(folder / "config.json")
    vae_config = net_config(config["net"], f"{where}: net")
    if not isinstance(vae_config, ResidualConfig):
        raise ValueError(f"{where}: the editor works with residual nets, this one is {config['net']['architecture']}")
    classifier_config = config_from(ClassifierConfig, config["classifier"], f"{where}: classifier")
    aligner_config = config_from(AlignerConfig, config["aligner"], f"{where}: aligner")
    # The small ones first: most faults are found before the large ones are looked through.
    names = sorted((file for file in raw if file.endswith(".safetensors")), key=lambda file: len(raw[file]))
    tensors = {file: tensors_from(raw[file], folder / file) for file in names}
    for file in ("directions.safetensors", "prior.safetensors", "likelihood.safetensors", "labels.safetensors", "skin.safetensors"):
        all_real(tensors.get(file, {}), folder / file)
    net, classifier, aligner = (
        fill(build(lambda: make(its), f"{where}: {key}"), tensors[file], folder / file)  # noqa: B023 (called at once)
        for key, make, its, file in (
            ("net", ResidualVAE, vae_config, "model.safetensors"),
            ("classifier", AttributeClassifier, classifier_config, "classifier.safetensors"),
            ("aligner", AlignmentNet, aligner_config, "aligner.safetensors"),
        )
    )
    d, s = vae_config.latent, vae_config.size
    # Folders from before there was a choice hold a mixture and say nothing.
    prior = prior_from(config.get("prior", {"kind": "mixture"}), tensors["prior.safetensors"], d, folder / "prior.safetensors", where)
    variance = tensors["likelihood.safetensors"]
    need(variance, {"variance": (s, s)}, folder / "likelihood.safetensors")
    above_zero(variance, ("variance",), folder / "likelihood.safetensors")
    table = parse_json(raw["directions.json"], folder / "directions.json")
    directions = read_directions(table, tensors["directions.safetensors"], d, folder)
    if unknown := sorted(set(directions) - set(classifier_config.attributes)):
        raise ValueError(f"{folder}: directions for attributes that the classifier does not know: {', '.join(unknown)}")
    return Checkpoint(
        net=net,
        classifier=classifier,
        aligner=aligner,
        directions=directions,
        prior=prior,
        variance=variance["variance"],
        evaluation=parse_json(raw["evaluation.json"], folder / "evaluation.json"),
        card=raw["README.md"].decode("utf-8", errors="replace"),
        name=name or folder.name,
        digest=digest,
        **load_optional(folder, config, tensors, classifier_config.attributes, d),
    )


def load_optional(
    folder: Path, config: dict[str, Any], tensors: Mapping[str, dict[str, Tensor]], attributes: tuple[str, ...], latent: int
) -> dict[str, Any]:
    """The fields `judge`, `labels` and `skin` of a `Checkpoint`, as far as the folder has their files."""
    found: dict[str, Any] = {}
    a, where = len(attributes), f"{folder / 'config.json'}: judge"
    if (held := tensors.get("judge.safetensors")) is not None:
        judge_config = config_from(JudgeConfig, config.get("judge", {}), where)
        if judge_config.attributes != attributes:
            raise ValueError(f"{folder}: the judge answers for other attributes than the classifier")
        found["judge"] = fill(build(lambda: Judge(judge_config), where), held, folder / "judge.safetensors")
    if (held := tensors.get("labels.safetensors")) is not None:
        need(held, {"correlation": (a, a), "guide_spread": (a,), "judge_spread": (a,)}, folder / "labels.safetensors")
        above_zero(held, ("guide_spread", "judge_spread"), folder / "labels.safetensors")
        found["labels"] = LabelStatistics(**held)
    if (held := tensors.get("skin.safetensors")) is not None:
        need(held, {"steps": (SKIN_STEPS, latent)}, folder / "skin.safetensors")
        found["skin"] = held["steps"]
    return found


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> str:
    """Write a checkpoint folder, config.json and the manifest last; gives its digest. Weights are rounded to float16."""
    parse_json(json.dumps(checkpoint.evaluation).encode(), folder / "evaluation.json")  # NaN could not be read again
    (folder / MANIFEST).unlink(missing_ok=True)  # what it lists is about to change
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
    if checkpoint.skin is not None:
        write_tensors(folder / "skin.safetensors", {"steps": checkpoint.skin})
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
    write_manifest(folder, FORMAT)
    return hashlib.sha256((folder / "config.json").read_bytes()).hexdigest()
