"""Load and save checkpoint folders: safetensors and JSON only, no code in them runs.

manifest.json          size and SHA-256 of every other file (see facevae.checkpoint.manifest)
config.json            format, nets, attributes, and SHA-256 of the files below; recipes name a checkpoint by the SHA-256 of config.json
model.safetensors      the VAE, float16 on disk
classifier.safetensors the attribute classifier, float16 on disk
aligner.safetensors    the alignment net, float16 on disk
parser.safetensors     the face parser, float16 on disk
directions.json/.safetensors, prior.safetensors (a mixture, or a flow in float16, as config.json says), likelihood.safetensors
labels.safetensors     how labels go together in the data, and how far logits spread over photos
skin.safetensors       the moves that change the tone of skin, which guidance holds
hair.safetensors       how far a move changes the colour of the hair
detail.safetensors     optional: the detail net, float16 on disk
hair_net.safetensors   optional: the hair net, float16 on disk
judge.safetensors      optional: the classifier that reports on edits and never guides, float16 on disk
evaluation.json        what was measured
README.md              the model card
"""

import hashlib
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from facevae.checkpoint.hub import fetch, source_of
from facevae.checkpoint.manifest import (
    CARD,
    FILES,
    KNOWN,
    MANIFEST,
    OPTIONAL,
    check_listed,
    check_shapes,
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
    build,
    check_above_zero,
    check_described,
    check_floating,
    describe_direction,
    describe_prior,
    direction_tensors,
    fill,
    half_where_exact,
    prior_from,
    prior_on_disk,
    read_directions,
)
from facevae.files import write_atomic, write_json, write_tensors
from facevae.latent.conditional_flow import ConditionalFlow
from facevae.latent.directions import Direction
from facevae.nets.aligner import AlignerConfig, AlignmentNet
from facevae.nets.architectures import config_from
from facevae.nets.classifier import AttributeClassifier, ClassifierConfig
from facevae.nets.detail import DetailNet
from facevae.nets.hair import HairNet
from facevae.nets.judge import Judge, JudgeConfig
from facevae.nets.parser import FaceParser, ParserConfig
from facevae.nets.residual import ResidualConfig, ResidualVAE
from facevae.nets.residual_unet import ResidualUNet, ResidualUNetConfig

UNetT = TypeVar("UNetT", bound=ResidualUNet)
FORMAT = 6
SKIN_STEPS = 3  # lightness and two of hue
NETS = ("net", "classifier", "aligner", "parser")
OPTIONAL_NETS = ("judge", "detail", "hair_net")
KEYS = {"format", *NETS, *OPTIONAL_NETS, "prior", "files"}


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
    """A VAE and everything that an editor needs to know about it."""

    net: ResidualVAE
    classifier: AttributeClassifier
    aligner: AlignmentNet
    parser: FaceParser
    directions: dict[str, Direction]
    prior: Prior
    variance: Tensor
    """Variance of each pixel position under the likelihood, (s, s)."""
    labels: LabelStatistics
    skin: Float[Tensor, "k d"]
    """Moves that make skin lighter, redder and yellower."""
    hair: Float[Tensor, "3 d"]
    """Change of the hair's colour in CIELAB (L*, a*, b*) for a move of z: hair @ move."""
    evaluation: dict[str, Any]
    card: str
    name: str = "unsaved"
    digest: str = ""
    """SHA-256 of config.json, which holds those of all other files."""
    judge: Judge | None = None
    """Answers for the same attributes as `classifier`, in the same order."""
    detail: DetailNet | None = None
    """Sharpens what the decoder draws into a photo."""
    hair_net: HairNet | None = None
    """Finds how much hair is in a photo's pixels, and draws the strands of lighter hair."""

    @cached_property
    def cholesky(self) -> Float[Tensor, "d d"]:
        """L with L Lᵀ the covariance of the encodings: what one σ is, in every direction."""
        # The first caller may be in inference mode, and the next one may need gradients.
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
    if version != FORMAT or not isinstance(version, int):
        advice = "update facevae" if isinstance(version, int) and version > FORMAT else "export it again"
        raise ValueError(f"{folder} has checkpoint format {version!r:.40}, this version of facevae reads {FORMAT}: {advice}")
    if missing := [key for key in (*NETS, "prior", "files") if key not in config]:
        raise ValueError(f"{path} lacks {', '.join(missing)}")
    if unknown := sorted(set(config) - KEYS):
        raise ValueError(f"{path} has unknown keys: {', '.join(unknown)[:200]}")
    if not isinstance(config["files"], dict) or not set(config["files"]) <= {*FILES, *OPTIONAL}:
        raise ValueError(f"{path}: files must list files of a checkpoint and their SHA-256")
    for key in (*NETS, *OPTIONAL_NETS, "prior"):
        check_described(config.get(key, {}), f"{path}: {key}")
    return config, raw


def read_folder(folder: Path) -> tuple[dict[str, Any], str, dict[str, bytes]]:
    """config.json of a folder, its SHA-256, and the bytes of all other files, which are those that config.json and manifest.json list."""
    config, raw = read_config(folder)
    digest = hashlib.sha256(raw).hexdigest()
    listed = read_manifest(folder)
    # The card is compared with the manifest alone: it may be rewritten, on the Hub for example, and recipes still find the checkpoint.
    card = read_bytes(folder / CARD)
    present = [file for file in (*FILES, *OPTIONAL) if file != CARD and (file in FILES or file in config["files"])]
    content = {file: read_listed(folder, file, config["files"]) for file in present} | {CARD: card}
    digests = {"config.json": digest, **config["files"], CARD: hashlib.sha256(card).hexdigest()}
    check_listed(folder, listed, {"config.json": raw, **content}, digests)
    return config, digest, content


def load_checkpoint(folder: Path, name: str | None = None) -> Checkpoint:
    """Read and check a whole checkpoint folder."""
    config, digest, raw = read_folder(folder)
    where = str(folder / "config.json")
    vae_config = config_from(ResidualConfig, config["net"], f"{where}: net")
    classifier_config = config_from(ClassifierConfig, config["classifier"], f"{where}: classifier")
    aligner_config = config_from(AlignerConfig, config["aligner"], f"{where}: aligner")
    parser_config = config_from(ParserConfig, config["parser"], f"{where}: parser")
    # The small ones first: most faults are found before the large ones are read through.
    names = sorted((file for file in raw if file.endswith(".safetensors")), key=lambda file: len(raw[file]))
    tensors = {file: tensors_from(raw[file], folder / file) for file in names}
    for part in ("directions", "prior", "likelihood", "labels", "skin", "hair"):
        check_floating(tensors.get(f"{part}.safetensors", {}), folder / f"{part}.safetensors")
    net, classifier, aligner, parser = (
        fill(build(lambda: make(its), f"{where}: {key}"), tensors[file], folder / file)  # noqa: B023 (called at once)
        for key, make, its, file in (
            ("net", ResidualVAE, vae_config, "model.safetensors"),
            ("classifier", AttributeClassifier, classifier_config, "classifier.safetensors"),
            ("aligner", AlignmentNet, aligner_config, "aligner.safetensors"),
            ("parser", FaceParser, parser_config, "parser.safetensors"),
        )
    )
    d, s = vae_config.latent, vae_config.size
    prior = prior_from(config["prior"], tensors["prior.safetensors"], d, folder / "prior.safetensors", where)
    if isinstance(prior, ConditionalFlow) and prior.config.labels != len(classifier_config.attributes):
        raise ValueError(f"{where}: the prior knows {prior.config.labels} labels, the classifier {len(classifier_config.attributes)}")
    variance = tensors["likelihood.safetensors"]
    check_shapes(variance, {"variance": (s, s)}, folder / "likelihood.safetensors")
    check_above_zero(variance, ("variance",), folder / "likelihood.safetensors")
    table = parse_json(raw["directions.json"], folder / "directions.json")
    directions = read_directions(table, tensors["directions.safetensors"], d, folder)
    if unknown := sorted(set(directions) - set(classifier_config.attributes)):
        raise ValueError(f"{folder}: directions for attributes that the classifier does not know: {', '.join(unknown)}")
    attributes = classifier_config.attributes
    return Checkpoint(
        net=net,
        classifier=classifier,
        aligner=aligner,
        parser=parser,
        directions=directions,
        prior=prior,
        variance=variance["variance"],
        labels=labels_from(tensors["labels.safetensors"], len(attributes), folder / "labels.safetensors"),
        skin=skin_from(tensors["skin.safetensors"], d, folder / "skin.safetensors"),
        hair=hair_from(tensors["hair.safetensors"], d, folder / "hair.safetensors"),
        evaluation=parse_json(raw["evaluation.json"], folder / "evaluation.json"),
        card=raw["README.md"].decode("utf-8", errors="replace"),
        name=name or folder.name,
        digest=digest,
        judge=judge_from(folder, config, tensors.get("judge.safetensors"), attributes),
        detail=unet_from(folder, config, "detail", DetailNet, tensors.get("detail.safetensors")),
        hair_net=unet_from(folder, config, "hair_net", HairNet, tensors.get("hair_net.safetensors")),
    )


def labels_from(tensors: dict[str, Tensor], count: int, path: Path) -> LabelStatistics:
    """The statistics of `count` labels; `ValueError` names what does not fit."""
    check_shapes(tensors, {"correlation": (count, count), "guide_spread": (count,), "judge_spread": (count,)}, path)
    check_above_zero(tensors, ("guide_spread", "judge_spread"), path)
    return LabelStatistics(**tensors)


def skin_from(tensors: dict[str, Tensor], latent: int, path: Path) -> Float[Tensor, "k d"]:
    """The moves that change the tone of skin; `ValueError` names what does not fit."""
    check_shapes(tensors, {"steps": (SKIN_STEPS, latent)}, path)
    return tensors["steps"]


def hair_from(tensors: dict[str, Tensor], latent: int, path: Path) -> Float[Tensor, "3 d"]:
    """How far a move changes the hair's colour; `ValueError` names what does not fit."""
    check_shapes(tensors, {"slopes": (3, latent)}, path)
    return tensors["slopes"]


def judge_from(folder: Path, config: dict[str, Any], tensors: dict[str, Tensor] | None, attributes: tuple[str, ...]) -> Judge | None:
    """The judge, where the folder has one; `ValueError` where it answers for other attributes than the classifier's."""
    if tensors is None:
        return None
    where = f"{folder / 'config.json'}: judge"
    judge_config = config_from(JudgeConfig, config.get("judge", {}), where)
    if judge_config.attributes != attributes:
        raise ValueError(f"{folder}: the judge answers for other attributes than the classifier")
    return fill(build(lambda: Judge(judge_config), where), tensors, folder / "judge.safetensors")


def unet_from(
    folder: Path, config: dict[str, Any], name: str, make: Callable[[ResidualUNetConfig], UNetT], tensors: dict[str, Tensor] | None
) -> UNetT | None:
    """A small net of this name, where the folder has it."""
    if tensors is None:
        return None
    where = f"{folder / 'config.json'}: {name}"
    its = config_from(ResidualUNetConfig, config.get(name, {}), where)
    return fill(build(lambda: make(its), where), tensors, folder / f"{name}.safetensors")


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> str:
    """Write a checkpoint folder, config.json and the manifest last; gives its digest. Weights are rounded to float16."""
    parse_json(json.dumps(checkpoint.evaluation).encode(), folder / "evaluation.json")  # NaN could not be read again
    (folder / MANIFEST).unlink(missing_ok=True)  # what it lists is about to change
    extra = {name: net for name in OPTIONAL_NETS if (net := getattr(checkpoint, name)) is not None}
    nets = {"model": checkpoint.net} | {name: getattr(checkpoint, name) for name in ("classifier", "aligner", "parser")} | extra
    for name, net in nets.items():
        write_tensors(folder / f"{name}.safetensors", half_where_exact(net.state_dict()))
    for name in set(OPTIONAL_NETS) - set(extra):
        (folder / f"{name}.safetensors").unlink(missing_ok=True)  # of another checkpoint that was here
    write_tensors(folder / "labels.safetensors", vars(checkpoint.labels))
    write_tensors(folder / "skin.safetensors", {"steps": checkpoint.skin})
    write_tensors(folder / "hair.safetensors", {"slopes": checkpoint.hair})
    write_json(folder / "directions.json", {name: describe_direction(d) for name, d in checkpoint.directions.items()})
    write_tensors(folder / "directions.safetensors", direction_tensors(checkpoint.directions))
    write_tensors(folder / "prior.safetensors", prior_on_disk(checkpoint.prior))
    write_tensors(folder / "likelihood.safetensors", {"variance": checkpoint.variance})
    write_json(folder / "evaluation.json", checkpoint.evaluation)
    write_atomic(folder / "README.md", lambda p: p.write_text(checkpoint.card))
    config = {
        "format": FORMAT,
        **{name: asdict(getattr(checkpoint, name).config) for name in NETS},
        "prior": describe_prior(checkpoint.prior),
        **{name: asdict(net.config) for name, net in extra.items()},
        "files": {
            name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
            for name in KNOWN
            if name in FILES or (name in OPTIONAL and name.removesuffix(".safetensors") in extra)
        },
    }
    write_json(folder / "config.json", config)
    write_manifest(folder, FORMAT)
    return hashlib.sha256((folder / "config.json").read_bytes()).hexdigest()
