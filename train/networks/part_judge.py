"""Train the part judge: it sees only the part of a face that an attribute is about."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Float32, UInt8
from sklearn.metrics import roc_auc_score
from torch import Tensor

from facevae.nets.judge import Judge, JudgeConfig
from facevae.nets.parser import FaceParser
from facevae.photo import images
from facevae.photo.regions import REGIONS, part_mask
from train.data.augment import blur, outputs_of, photos_at
from train.data.batches import Batches, Variation
from train.data.part_maps import as_maps, cached_part_labels
from train.data.prepared import PreparedData
from train.networks.loop import begin, fit_net, seeded_net
from train.vae.resume import config_as_json, read_state
from train.vae.schedules import check_clocks

GREY = 128
"""What lies outside the part."""


@dataclass(frozen=True)
class PartJudgeConfig:
    """Everything that decides the weights of a part judge, but for data and parser. All clocks count pictures seen (nimg)."""

    size: int = 96
    widths: tuple[int, ...] = (16, 32, 64, 128, 128)
    """Half as wide as the judge: a part is less than a face."""
    seed: int = 2
    total_nimg: int = 256_000
    batch_size: int = 128
    lr: float = 2e-3
    lr_final_share: float = 0.005
    lr_ramp_nimg: int = 12_800
    weight_decay: float = 0.05
    label_smoothing: float = 0.05
    ema_halflife_nimg: int = 4_000
    soft: float = 0.3
    """Share of the batches that are blurred: edits seldom are as sharp as photos."""
    shift_px: int = 4
    tick_nimg: int = 25_600
    precision: Literal["bf16", "no"] = "bf16"
    valid_nimg: int = 400
    """Held-out faces scored at each tick, each once for every kind of part."""

    def __post_init__(self) -> None:
        check_clocks(self.tick_nimg, self.total_nimg, self.batch_size)


def fit_part_judge(config: PartJudgeConfig, data: PreparedData, parser: FaceParser, run: Path, stop_nimg: int | None = None) -> Path:
    """Train, or go on training, the part judge in folder `run`; gives the path of its last state.

    The parser is asked once for the parts of each photo; its answers stay in the folder, with `config.json` and `stats.jsonl`. The
    same call resumes, bit-equal on the CPU. `stop_nimg` ends early. `ValueError` where no attribute of the data has a part.
    """
    attributes = judged(data.attributes)
    net = seeded_net(config.seed, lambda: Judge(JudgeConfig(attributes, config.size, config.widths)))
    training = begin(config, net, run, config_as_json(config) | {"attributes": list(attributes)}, {"data": str(data.folder)})
    photos = photos_at(config.size, data, run)
    labels = cached_part_labels(run / f"parts-{config.size}.npy", parser, data.images, config.size)
    batches = PartJudgeBatches(config, data, attributes, photos, labels)
    few = data.indices("valid")[: config.valid_nimg]

    def loss_of(nimg: int, logits: Float[Tensor, "b a"], truth: Float[Tensor, "b a"], asked: Float[Tensor, "b a"]) -> Float[Tensor, ""]:
        smooth = truth.lerp(torch.full_like(truth, 0.5), config.label_smoothing)
        losses = F.binary_cross_entropy_with_logits(logits, smooth, reduction="none")
        return (losses * asked).sum() / asked.sum()

    def measure(net: Judge) -> dict[str, float | None]:
        scores = part_auroc(net, photos, labels, data, few)
        known = [value for value in scores.values() if value is not None]
        return {"auroc": float(np.mean(known)) if known else None} | {f"auroc_{name}": value for name, value in scores.items()}

    fit_net(config, training, batches, loss_of, measure, ("auroc",), stop_nimg)
    return training.state_path


def judged(attributes: list[str]) -> tuple[str, ...]:
    """Those of the attributes that are about a part; `ValueError` where none is."""
    found = tuple(name for name in attributes if name in REGIONS)
    if not found:
        raise ValueError("no attribute of these data is about a part of the face: they have no labels that the part judge could learn")
    return found


def kinds_of(attributes: tuple[str, ...]) -> list[list[int]]:
    """Positions of the attributes that are about the same parts: one look at these answers for all of them."""
    kinds: dict[tuple, list[int]] = {}
    for column, name in enumerate(attributes):
        kinds.setdefault(REGIONS[name], []).append(column)
    return list(kinds.values())


def shown(pictures: UInt8[np.ndarray, "n s s 3"], masks: Bool[np.ndarray, "n s s"]) -> UInt8[np.ndarray, "n s s 3"]:
    """What the part judge is shown: the parts alone, the rest mid grey."""
    return np.where(masks[..., None], pictures, np.uint8(GREY))


class PartJudgeBatches:
    """Batches of parts with the labels that they are asked for; each a pure function of (seed, nimg)."""

    def __init__(
        self,
        config: PartJudgeConfig,
        data: PreparedData,
        attributes: tuple[str, ...],
        photos: UInt8[np.ndarray, "n s s 3"],
        labels: UInt8[np.ndarray, "n s s"],
    ) -> None:
        self.config, self.photos, self.labels, self.attributes = config, photos, labels, attributes
        self.truth = data.labels[:, [data.attributes.index(name) for name in attributes]]
        self.batches, self.variation, self.kinds = (
            Batches(data, "train", config.seed),
            Variation(True, config.shift_px),
            kinds_of(attributes),
        )

    def __call__(self, nimg: int) -> tuple[Float[Tensor, "b 3 s s"], Float[Tensor, "b a"], Float[Tensor, "b a"]]:
        """Pictures in [0, 1], their labels of 0 and 1, and 1 for each attribute whose part is shown.

        Each picture shows the part of an attribute drawn at random, and answers for all that are about the same part.
        """
        config, index = self.config, self.batches.indices(nimg, self.config.batch_size)
        rng, size = np.random.default_rng((config.seed, 5, nimg)), self.config.size
        both = (np.dstack([self.photos[i], self.labels[i]]) for i in index)
        moved = self.variation.apply(both, (4, size, size), (config.seed, 6, nimg), len(index))
        asked, masks = np.zeros((len(index), len(self.attributes)), np.float32), np.empty((len(index), size, size), bool)
        for row, column in enumerate(rng.integers(len(self.attributes), size=len(index))):
            asked[row, next(kind for kind in self.kinds if column in kind)] = 1
            masks[row] = own_part(self.attributes[column], moved[row, ..., 3])
        x = recolour(images.to_float(np.ascontiguousarray(moved[..., :3])), rng)
        if rng.random() < config.soft:
            x = blur(x, size * rng.uniform(0.004, 0.016))
        x = torch.where(torch.from_numpy(masks)[:, None], x, GREY / 255)
        return x.contiguous(memory_format=torch.channels_last), torch.from_numpy(self.truth[index]).float(), torch.from_numpy(asked)


def own_part(attribute: str, labels: UInt8[np.ndarray, "s s"]) -> Bool[np.ndarray, "s s"]:
    """The part of an attribute in one picture."""
    maps = as_maps(labels)
    return part_mask(attribute, maps, maps)


def recolour(x: Float[Tensor, "b 3 s s"], rng: np.random.Generator) -> Float[Tensor, "b 3 s s"]:
    """Contrast, brightness and a small cast, each picture by its own: none of that changes an attribute."""
    count = len(x)
    contrast, light = rng.uniform(0.8, 1.2, (count, 1, 1, 1)), rng.uniform(-0.1, 0.1, (count, 1, 1, 1))
    shift = torch.from_numpy(light + rng.uniform(-0.03, 0.03, (count, 3, 1, 1))).float()
    return ((x - 0.5) * torch.from_numpy(contrast).float() + 0.5 + shift).clamp(0, 1)


def part_auroc(
    net: Judge, photos: UInt8[np.ndarray, "n s s 3"], labels: UInt8[np.ndarray, "n s s"], data: PreparedData, index: np.ndarray
) -> dict[str, float | None]:
    """AUROC of each attribute on the photos at `index`, each shown its own part; None where all have the same label."""
    attributes, scores = net.config.attributes, {}
    for kind in kinds_of(attributes):
        masks = np.stack([own_part(attributes[kind[0]], np.asarray(labels[i])) for i in index])
        logits = outputs_of(net, shown(np.asarray(photos[index]), masks)).numpy()
        for column in kind:
            truth = data.label(attributes[column])[index]
            scores[attributes[column]] = float(roc_auc_score(truth, logits[:, column])) if 0 < truth.sum() < len(truth) else None
    return {name: scores[name] for name in attributes}


def valid_auroc(run: Path, data: PreparedData) -> dict[str, float | None]:
    """AUROC of each attribute on all valid photos, by the net of a run and the parts that it keeps."""
    net = load_part_judge(run)
    size = net.config.size
    labels = np.load(run / f"parts-{size}.npy", mmap_mode="r")
    return part_auroc(net, photos_at(size, data, run), labels, data, data.indices("valid"))


def part_probabilities(
    net: Judge, attribute: str, pictures: UInt8[np.ndarray, "n s s 3"], maps: Float32[np.ndarray, "n k s s"]
) -> Float32[np.ndarray, " n"]:
    """How likely the part judge finds the attribute in pictures whose parts are `maps`, each shown its own part."""
    masks = np.stack([part_mask(attribute, one, one) for one in maps])
    return outputs_of(net, shown(pictures, masks))[:, net.config.attributes.index(attribute)].sigmoid().numpy()


def load_part_judge(run: Path) -> Judge:
    """The EMA weights of a part judge's run, on the CPU, frozen, in eval mode; `ValueError` where the folder holds none."""
    if not (run / "state.safetensors").is_file():
        raise ValueError(f"{run} holds no part judge: make one with: python -m train part-judge")
    parts, saved, _ = read_state(run / "state.safetensors")
    net = Judge(JudgeConfig(tuple(saved["attributes"]), saved["size"], tuple(saved["widths"])))
    net.load_state_dict(parts["ema"], strict=True)
    return net.requires_grad_(False).eval()
