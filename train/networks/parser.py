"""Train the face parser on hand- and machine-made masks, with things drawn over faces."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from facevae.checkpoint.checkpoint import Checkpoint
from facevae.nets.parser import PARTS, FaceParser, ParserConfig
from facevae.photo import images
from facevae.photo.alignment import Aligner, Square, pixel_map
from train.data.augment import Reconstruct
from train.data.distractors import damage, sample
from train.data.occluders import Occluders
from train.data.parsing import (
    CROP_PX,
    GLASSES,
    HAIR,
    HAT,
    MARGIN_PX,
    NOT_HAIR,
    SOURCES,
    UNKNOWN,
    FaceParts,
    cached_decodes,
    cached_parts,
)
from train.networks.loop import begin, fit_net, seeded_net
from train.vae.resume import config_as_json, read_state
from train.vae.schedules import check_clocks

OTHER = PARTS.index("other")
# How much a pixel of a class counts: small parts and those that few photos have count more; what is drawn over faces in training counts
# less, or textured hair is taken for it.
WEIGHTS = {"brows": 1.5, "eyes": 1.5, "glasses": 1.5, "lips": 1.5, "mouth": 1.5, "hat": 1.5, "other": 0.6}
CANVAS_TO_CROP = np.array([[1 / CROP_PX, 0, -MARGIN_PX / CROP_PX], [0, 1 / CROP_PX, -MARGIN_PX / CROP_PX]])


@dataclass(frozen=True)
class ParserTrainConfig:
    """Everything that decides the weights of a parser run, but for the data. All clocks count crops seen (nimg)."""

    net: ParserConfig = field(default_factory=ParserConfig)
    seed: int = 0
    total_nimg: int = 102_400
    batch_size: int = 32
    lr: float = 2e-3
    lr_final_share: float = 0.005
    lr_ramp_nimg: int = 6_400
    weight_decay: float = 0.02
    ema_halflife_nimg: int = 4_000
    shares: tuple[float, ...] = (0.47, 0.35, 0.08, 0.10)
    """How often each source is drawn from: celebamask, machine, hair_celeba, hair_lfw."""
    rare: float = 4.0
    """How many times as often a hand-labelled face with glasses or a hat is drawn as one without."""
    decoded: float = 0.25
    """Share of crops that are a VAE's picture of the photo."""
    decode_px: int = 128
    """The VAE's side."""
    covered: float = 0.12
    """Share of crops with something drawn over the face."""
    shift: float = 0.12
    """In crop sides."""
    smallest: float = 0.75
    largest: float = 1.3
    turn_deg: float = 20.0
    dice: float = 1.0
    """Weight of the Dice loss, which counts each class alike, beside the cross-entropy's 1."""
    tick_nimg: int = 3_200
    precision: Literal["bf16", "no"] = "bf16"

    def __post_init__(self) -> None:
        check_clocks(self.tick_nimg, self.total_nimg, self.batch_size)
        if len(self.shares) != len(SOURCES):
            raise ValueError(f"shares has {len(self.shares)} numbers, there are {len(SOURCES)} sources: {', '.join(SOURCES)}")


def fit_parser(
    config: ParserTrainConfig,
    parsing: Path,
    celeba: Path,
    run: Path,
    aligner: Aligner,
    reconstruct: Reconstruct,
    start: Path | None = None,
    stop_nimg: int | None = None,
) -> Path:
    """Train, or go on training, the face parser in folder `run`; gives the path of its last state.

    `parsing` holds the masks, `celeba` CelebA's own frames. `aligner` finds the faces of LFW's photos, `reconstruct` makes a VAE's
    pictures of crops; both are asked once and the answers stay in the folder, with `config.json` and `stats.jsonl`. The same
    call resumes, bit-equal on the CPU. A new run begins with the averaged weights of the run `start`, where given. `stop_nimg` ends early.
    """
    net = seeded_net(config.seed, lambda: FaceParser(config.net))
    if start is not None:
        net.load_state_dict(load_parser(start).state_dict(), strict=True)
    training = begin(config, net, run, config_as_json(config), {})
    parts = cached_parts(run, parsing, celeba, aligner)
    decodes = cached_decodes(run / "decodes.npy", parts.images, config.decode_px, reconstruct)
    batches = PartBatches(config, parts, decodes)
    faces, hair = (held_out(parts, source, config.net.size) for source in ("celebamask", "hair_lfw"))

    def loss_of(nimg: int, logits: Float[Tensor, "b k s s"], labels: UInt8[Tensor, "b s s"]) -> Float[Tensor, ""]:
        return parser_loss(logits, labels, config.dice)

    def measure(net: FaceParser) -> dict[str, float]:
        ious = part_ious(net, *faces)
        mean = {"iou": sum(ious.values()) / max(1, len(ious)), "iou_hair_lfw": part_ious(net, *hair)["hair"]}
        return mean | {f"iou_{name}": iou for name, iou in ious.items()}

    fit_net(config, training, batches, loss_of, measure, ("iou", "iou_hair", "iou_hair_lfw"), stop_nimg)
    return training.state_path


def parser_loss(logits: Float[Tensor, "b k s s"], labels: UInt8[Tensor, "b s s"], dice: float) -> Float[Tensor, ""]:
    """Cross-entropy over the pixels that something is known of + `dice` times the mean Dice loss of the classes that occur.

    Where a pixel is known not to be hair, and no more, the likelihood of "not hair" counts. Pixels `UNKNOWN` have no part in either.
    """
    labels = labels.long()
    sure = labels < len(PARTS)
    weights = torch.tensor([WEIGHTS.get(name, 1.0) for name in PARTS], device=logits.device)
    log_p = F.log_softmax(logits, dim=1)
    total = F.nll_loss(log_p, torch.where(sure, labels, UNKNOWN), weights, ignore_index=UNKNOWN, reduction="sum")
    half = (labels == NOT_HAIR).flatten(1).any(1)
    if half.any():
        others = torch.cat([log_p[half, :HAIR], log_p[half, HAIR + 1 :]], 1)
        total = total - (torch.logsumexp(others, 1) * (labels[half] == NOT_HAIR)).sum()
    loss = total / (labels != UNKNOWN).sum().clamp(min=1)
    # Every second row and column do for sums over a batch.
    p, labels, sure = log_p[~half][:, :, ::2, ::2].exp(), labels[~half][:, ::2, ::2], sure[~half][:, ::2, ::2]
    if dice and sure.any():
        truth = F.one_hot(torch.where(sure, labels, len(PARTS)), len(PARTS) + 1)[..., :-1].permute(0, 3, 1, 2).to(p.dtype)
        both, count = (p * truth).sum((0, 2, 3)), truth.sum((0, 2, 3))
        said = (p * sure[:, None]).sum((0, 2, 3))
        occurs = count > 0
        loss = loss + dice * (1 - 2 * both[occurs] / (said[occurs] + count[occurs])).mean()
    return loss


class PartBatches:
    """Batches of crops with their labels; each a pure function of (seed, nimg)."""

    def __init__(self, config: ParserTrainConfig, parts: FaceParts, decodes: UInt8[np.ndarray, "n s s 3"]) -> None:
        self.config, self.parts, self.decodes, self.size = config, parts, decodes, config.net.size
        self.members = [parts.of(source, held_out=False) for source in SOURCES]
        if not all(len(members) for members in self.members):
            raise ValueError("a source of masks has nothing to train on")
        self.occluders = Occluders(parts.images, np.concatenate(self.members))
        self.chances = [self._chances(source, members) for source, members in zip(SOURCES, self.members, strict=True)]

    def _chances(self, source: str, members: np.ndarray) -> np.ndarray:
        """How likely each member of a source is drawn."""
        chances = np.ones(len(members))
        if source == "celebamask":
            labels = self.parts.labels
            chances[[bool(np.isin(labels[i], (GLASSES, HAT)).any()) for i in members]] = self.config.rare
        return chances / chances.sum()

    def __call__(self, nimg: int) -> tuple[Float[Tensor, "b 3 s s"], UInt8[Tensor, "b s s"]]:
        """Crops in [0, 1]; for each pixel the number of its class, `UNKNOWN` or `NOT_HAIR`."""
        config, size = self.config, self.size
        rng = np.random.default_rng((config.seed, 7, nimg))
        shares = np.array(config.shares) / sum(config.shares)
        crops, labels = np.empty((config.batch_size, size, size, 3), np.uint8), np.empty((config.batch_size, size, size), np.uint8)
        for i in range(config.batch_size):
            source = rng.choice(len(SOURCES), p=shares)
            crops[i], labels[i] = self.draw(int(rng.choice(self.members[source], p=self.chances[source])), rng)
        return images.to_float(crops), torch.from_numpy(labels)

    def draw(self, member: int, rng: np.random.Generator) -> tuple[UInt8[np.ndarray, "s s 3"], UInt8[np.ndarray, "s s"]]:
        """One photo or its decode: moved, covered, mirrored, damaged; and its labels."""
        config, size = self.config, self.size
        scale = math.exp(rng.uniform(math.log(config.smallest), math.log(config.largest)))
        x, y = 0.5 + rng.uniform(-config.shift, config.shift, 2)
        window = Square(x, y, 1 / scale, math.radians(rng.uniform(-config.turn_deg, config.turn_deg))).matrix()
        border = (cv2.BORDER_REPLICATE, cv2.BORDER_REFLECT_101, cv2.BORDER_CONSTANT)[rng.choice(3, p=(0.5, 0.35, 0.15))]
        if rng.random() < config.decoded:
            decode = self.decodes[member]
            to_crop = np.array([[1 / len(decode), 0, 0], [0, 1 / len(decode), 0]])
            crop = sample(decode, compose(window, to_crop), size, border)
        else:
            crop = sample(self.parts.images[member], compose(window, CANVAS_TO_CROP), size, border)
        labels = sample_labels(self.parts.labels[member], compose(window, CANVAS_TO_CROP), size)
        if rng.random() < config.covered:
            crop, shape = self.occluders.cover(crop, window * size, rng)
            labels[shape > 127] = OTHER
        if rng.random() < 0.5:
            crop, labels = crop[:, ::-1], labels[:, ::-1]
        return damage(np.ascontiguousarray(crop), rng, cover=False), labels


def compose(second: Float[np.ndarray, "2 3"], first: Float[np.ndarray, "2 3"]) -> Float[np.ndarray, "2 3"]:
    """The affine map that applies `first`, then `second`."""
    return second @ np.vstack([first, [0, 0, 1]])


def sample_labels(labels: UInt8[np.ndarray, "c c"], matrix: Float[np.ndarray, "2 3"], size: int) -> UInt8[np.ndarray, "s s"]:
    """The unit window of `matrix` (label pixels -> unit) at `size` px; `UNKNOWN` outside."""
    how = {"flags": cv2.INTER_NEAREST, "borderMode": cv2.BORDER_CONSTANT, "borderValue": UNKNOWN}
    return cv2.warpAffine(labels, pixel_map(matrix * size), (size, size), **how)


def held_out(parts: FaceParts, source: str, size: int) -> tuple[UInt8[np.ndarray, "n s s 3"], UInt8[np.ndarray, "n s s"]]:
    """The crops of a source that are kept to measure on, and their labels, as they are: nothing moved, nothing damaged."""
    members = parts.of(source, held_out=True)
    photos = [sample(parts.images[i], CANVAS_TO_CROP, size, cv2.BORDER_REPLICATE) for i in members]
    return np.stack(photos), np.stack([sample_labels(parts.labels[i], CANVAS_TO_CROP, size) for i in members])


@torch.no_grad()
def part_ious(net: FaceParser, photos: UInt8[np.ndarray, "n s s 3"], labels: UInt8[np.ndarray, "n s s"]) -> dict[str, float]:
    """Intersection over union of each class, summed over all photos, among the pixels whose class is known.

    Classes that no photo has are left out. With labels that know only hair, hair has the one figure.
    """
    device, k = next(net.parameters()).device, len(PARTS)
    both, said, true = np.zeros(k), np.zeros(k), np.zeros(k)
    for start in range(0, len(photos), 32):
        found = net(images.to_float(photos[start : start + 32]).to(device)).argmax(1).cpu().numpy()
        truth = labels[start : start + 32]
        known = truth != UNKNOWN
        both += np.bincount(truth[known & (found == truth)], minlength=k)[:k]
        said += np.bincount(found[known], minlength=k)[:k]
        true += np.bincount(truth[known & (truth < k)], minlength=k)[:k]
    union = said + true - both
    return {name: float(both[i] / union[i]) for i, name in enumerate(PARTS) if true[i]}


def load_parser(run: Path) -> FaceParser:
    """The EMA weights of a parser run, or the face parser of a checkpoint folder, on the CPU, frozen, in eval mode."""
    if (run / "model.safetensors").is_file():
        return Checkpoint.from_pretrained(run).parser
    parts, saved, _ = read_state(run / "state.safetensors")
    net = FaceParser(ParserConfig(**{k: tuple(v) if isinstance(v, list) else v for k, v in saved["net"].items()}))
    net.load_state_dict(parts["ema"], strict=True)
    return net.requires_grad_(False).eval()
