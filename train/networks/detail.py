"""Train the detail net, which sharpens what a decoder drew, on photos with a replaced part."""

import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from facevae.checkpoint.checkpoint import Checkpoint
from facevae.files import write_json
from facevae.nets.architectures import config_from
from facevae.nets.classifier import AttributeClassifier
from facevae.nets.detail import DetailConfig, DetailNet, grain
from facevae.photo.detail import sharpness_of
from train.data.batches import prefetch
from train.data.replaced_parts import PARTS, Batch, Crops, ReplacedParts, as_floats, part_of, replaced
from train.networks.loop import average, seeded_net, step
from train.vae.efficient_features import EfficientFeatures, ProjectedAdversary, mean_in, perceptual_distance
from train.vae.logging import add_line, drop_later_stats, progress
from train.vae.resume import config_as_json, load_state, read_state, readable, save_state
from train.vae.schedules import check_clocks, cosine


@dataclass(frozen=True)
class DetailTrainConfig:
    """Everything that decides the weights of a detail net, but for the data. All clocks count windows seen (nimg)."""

    net: DetailConfig = field(default_factory=DetailConfig)
    seed: int = 0
    total_nimg: int = 160_000
    batch_size: int = 16
    window: int = 64
    """Side of the squares that it learns from, in pixels of crops of 128 and of 256 px."""
    large: float = 0.6
    """Share of the windows that are cut out of crops of 256 px."""
    edited: float = 0.25
    """Share of the windows of edited faces, of which nobody knows what they should look like: they count for the adversary alone."""
    edits: int = 600
    """How many crops of either size are edited."""
    lr: float = 5e-4
    adversary_lr: float = 5e-4
    lr_final_share: float = 0.05
    lr_ramp_nimg: int = 1_600
    weight_decay: float = 0.0
    gradient: float = 1.0
    """Weight of the absolute error of the gradients, beside that of the pixels."""
    perceptual: float = 0.3
    """Weight of the distance in features."""
    low: float = 2.0
    """Weight of the absolute change of light and colour where a face is edited."""
    pull: float = 1.0
    """Gradient of the adversary at the picture, as a share of that of all other losses there."""
    alone_nimg: int = 4_000
    """Windows that the adversary learns from before the net hears of it."""
    ramp_nimg: int = 8_000
    """Its pull grows to the full one over so many windows."""
    ema_halflife_nimg: int = 4_000
    tick_nimg: int = 8_000

    def __post_init__(self) -> None:
        check_clocks(self.tick_nimg, self.total_nimg, self.batch_size)

    def pull_at(self, nimg: int) -> float:
        """The pull after `nimg` windows."""
        return self.pull * min(1.0, max(0.0, (nimg - self.alone_nimg) / self.ramp_nimg))


def fit_detail(
    config: DetailTrainConfig,
    sets: tuple[Crops, ...],
    guide: AttributeClassifier,
    run: Path,
    start: DetailNet | None = None,
    stop_nimg: int | None = None,
) -> Path:
    """Train, or go on training, the detail net in folder `run`; gives the path of its last state.

    `sets` are crops of 128 and of 256 px. `guide` only measures. A new run begins with the weights of `start`, where given. The same call
    resumes, bit-equal on the CPU. `stop_nimg` ends early.
    """
    net = seeded_net(config.seed, lambda: DetailNet(config.net))
    if start is not None:
        net.load_state_dict(start.state_dict(), strict=True)
    adversary, features = seeded_net(config.seed + 1, ProjectedAdversary), EfficientFeatures()
    ema = seeded_net(config.seed, lambda: DetailNet(config.net)).requires_grad_(False).eval()
    ema.load_state_dict(net.state_dict())
    for module in (net, ema, adversary, features):
        module.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), lr=config.lr, weight_decay=config.weight_decay, betas=(0.9, 0.99), fused=True)
    heads = [p for p in adversary.parameters() if p.requires_grad]
    rival = torch.optim.AdamW(heads, lr=config.adversary_lr, weight_decay=0.0, betas=(0.5, 0.99), fused=True)
    modules, optimizers, described = (
        {"net": net, "ema": ema, "heads": adversary},
        {"net": optimizer, "heads": rival},
        config_as_json(config),
    )
    path, nimg = run / "state.safetensors", 0
    if path.is_file():
        nimg = load_state(readable(path), modules, optimizers, described)
    else:
        write_json(run / "config.json", described)
    drop_later_stats(run / "stats.jsonl", nimg)
    batches = ReplacedParts(sets, config.seed, config.batch_size, config.window, config.edited, config.large)
    total = min(config.total_nimg, stop_nimg or config.total_nimg)
    found, since = [], (time.monotonic(), nimg)
    with closing(prefetch(batches, nimg, config.batch_size)) as source, progress(config.total_nimg, nimg) as bar:
        while nimg < total:
            batch = next(source)
            share = cosine(nimg, config.total_nimg, 1.0, config.lr_final_share, config.lr_ramp_nimg)
            optimizer.param_groups[0]["lr"], rival.param_groups[0]["lr"] = share * config.lr, share * config.adversary_lr
            noise = torch.randn((config.batch_size, 1, config.window, config.window), generator=torch.Generator().manual_seed(nimg))
            found.append(train_step(config, net, adversary, features, optimizer, rival, batch, noise, config.pull_at(nimg)))
            nimg += config.batch_size
            average(ema, net, 1 - 0.5 ** (config.batch_size / min(config.ema_halflife_nimg, max(nimg / 10, 1))))
            bar.update(config.batch_size)
            if nimg % config.tick_nimg == 0 or nimg == total:
                speed = {"img_per_sec": (nimg - since[1]) / (time.monotonic() - since[0])}
                means = {name: float(np.mean([losses[name] for losses in found])) for name in found[0]}
                stats = {"nimg": nimg, **means, **speed, **measure(ema, sets, guide)}
                add_line(run / "stats.jsonl", stats)
                save_state(path, modules, optimizers, described, nimg)
                bar.set_postfix_str(", ".join(f"{k} {v:.3f}" for k, v in stats.items() if k.startswith(("dist", "sharp"))), refresh=False)
                found, since = [], (time.monotonic(), nimg)
    return path


def train_step(
    config: DetailTrainConfig,
    net: DetailNet,
    adversary: ProjectedAdversary,
    features: EfficientFeatures,
    optimizer: torch.optim.AdamW,
    rival: torch.optim.AdamW,
    batch: Batch,
    noise: Float[Tensor, "b 1 w w"],
    pull: float,
) -> dict[str, float]:
    """One step of the adversary and one of the net; gives what each loss was.

    The adversary's gradient at the pictures is scaled to `pull` times the length of that of all other losses (Esser et al., Taming
    Transformers, 2021, eq. 7, at the picture), and moves light alone: what is missing is edges and grain, and with colours it drew green
    stripes on teeth.
    """
    given, mask, photo, sharpness, known = (t.contiguous(memory_format=torch.channels_last) if t.ndim == 4 else t for t in batch)
    picture = net(given, mask, noise, sharpness)
    with torch.no_grad():
        wanted = features(photo)
    seen = features(picture)
    paired = known > 0
    area = mask.sum((1, 2, 3)).clamp(min=16)
    error = ((picture - photo).abs().mean(1, keepdim=True) * mask).sum((1, 2, 3)) / area
    edges = sum(((g(picture) - g(photo)).abs().mean(1, keepdim=True) * g(mask, mean=True)).sum((1, 2, 3)) for g in (across, down)) / area
    distance = perceptual_distance(seen, wanted, mask)
    light = (smooth(picture - photo).abs().mean(1, keepdim=True) * mask).sum((1, 2, 3)) / area
    each = torch.where(paired, error + config.gradient * edges + config.perceptual * distance, config.low * light)
    loss = each.mean()
    # The adversary learns: photos against what the net makes of pictures with a replaced part, edited ones among them.
    real, fake = adversary([w[paired] for w in wanted]), adversary([s.detach() for s in seen])
    hinge = mean_in([F.relu(1 - r) for r in real], mask[paired]) + mean_in([F.relu(1 + f) for f in fake], mask)
    rival.zero_grad()
    hinge.backward()
    rival.step()
    found = {"loss": loss.item(), "l1": error[paired].mean().item(), "perceptual": distance[paired].mean().item(), "hinge": hinge.item()}
    if pull:
        for p in adversary.heads.parameters():
            p.requires_grad_(False)
        displeasure = -mean_in(adversary(seen), mask)
        for p in adversary.heads.parameters():
            p.requires_grad_(True)
        others = torch.autograd.grad(loss, picture, retain_graph=True)[0]
        own = torch.autograd.grad(displeasure, picture)[0].mean(1, keepdim=True).expand_as(picture)
        scale = pull * others.norm() / own.norm().clamp(min=1e-12)
        loss = (picture * (others + scale * own).detach()).sum()
    step(net, optimizer, loss)
    return found


def across(x: Float[Tensor, "b c h w"], mean: bool = False) -> Float[Tensor, "b c h v"]:
    """Differences of neighbours in a row, or their mean."""
    return (x[..., 1:] + x[..., :-1]) / 2 if mean else x[..., 1:] - x[..., :-1]


def down(x: Float[Tensor, "b c h w"], mean: bool = False) -> Float[Tensor, "b c v w"]:
    """Differences of neighbours in a column, or their mean."""
    return (x[..., 1:, :] + x[..., :-1, :]) / 2 if mean else x[..., 1:, :] - x[..., :-1, :]


def smooth(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c i j"]:
    """Light and colour: means of 8 x 8 pixels, at the picture's own grid."""
    return F.interpolate(F.avg_pool2d(x, 8), scale_factor=8, mode="nearest")


HELD_OUT = 24
"""Faces measured at each tick, each with some of the parts."""


@torch.inference_mode()
def measure(net: DetailNet, sets: tuple[Crops, ...], guide: AttributeClassifier, count: int = HELD_OUT) -> dict[str, float]:
    """On held-out faces, for each size: the distance to the photo in the part, over the decode's, in features of the guide, which the net
    was not trained with; and the sharpness of the part over the photo's, beside the decode's."""
    found: dict[str, float] = {}
    for crops in sets:
        size, distances, sharp = crops.photos.shape[1], [], []
        labelled = [i for i in crops.kept if (crops.labels[i] < 200).all()][:count]
        for number, i in enumerate(labelled):
            mask = part_of(crops, int(i), PARTS[number % len(PARTS)])
            photo = as_floats(crops.photos[i])
            given = replaced(photo, as_floats(crops.decodes[i]), mask)
            x, m = (torch.from_numpy(np.ascontiguousarray(a.transpose(2, 0, 1)))[None] for a in (given, mask[:, :, None]))
            after = net(x, m, grain(size), torch.tensor([sharpness_of(photo)]))[0].permute(1, 2, 0).numpy().clip(0, 1)
            three = np.stack([photo, given, after])
            distances.append(distance_in(guide, three, mask))
            sharp.append([energy(picture, mask) for picture in three])
        before, after = np.mean(distances, axis=0)
        photos, decodes, sharpened = np.mean(sharp, axis=0)
        found |= {f"dist{size}": after / before, f"sharp{size}": sharpened / photos, f"sharp{size}_decode": decodes / photos}
    return {name: float(value) for name, value in found.items()}


def distance_in(guide: AttributeClassifier, three: np.ndarray, mask: np.ndarray) -> tuple[float, float]:
    """Distance of the second and the third picture to the first, over the places of the mask."""
    x = torch.from_numpy(np.ascontiguousarray(three.transpose(0, 3, 1, 2)))
    photo, *others = ([h[k : k + 1] for h in guide.features(x, 2, x.shape[-1] / 128)] for k in range(3))
    return tuple(float(perceptual_distance(other, photo, torch.from_numpy(mask)[None, None])) for other in others)


def energy(picture: np.ndarray, mask: np.ndarray) -> float:
    """Energy of the gradient of the light, over the places of the mask."""
    light = picture.mean(axis=2)
    gradient = cv2.Sobel(light, cv2.CV_32F, 1, 0) ** 2 + cv2.Sobel(light, cv2.CV_32F, 0, 1) ** 2
    return float((gradient * mask).sum() / max(mask.sum(), 1))


def load_detail(folder: Path) -> DetailNet:
    """The averaged net of a run, or the net of a checkpoint folder; `ValueError` where the folder holds none."""
    if (folder / "state.safetensors").is_file():
        parts, described, _ = read_state(folder / "state.safetensors")
        net = DetailNet(config_from(DetailConfig, described["net"], str(folder)))
        net.load_state_dict(parts["ema"], strict=True)
    else:
        found = Checkpoint.from_pretrained(folder).detail
        if found is None:
            raise ValueError(f"{folder} is a checkpoint without a detail net")
        net = found
    return net.eval().requires_grad_(False)
