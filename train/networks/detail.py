"""Train the detail net, which sharpens what a decoder drew, on photos with a replaced part."""

from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from facevae.nets.classifier import AttributeClassifier
from facevae.nets.detail import DetailNet
from facevae.nets.residual_unet import ResidualUNetConfig, grain
from facevae.photo.detail import sharpness_of
from train.data.replaced_parts import PARTS, Batch, Crops, ReplacedParts, as_floats, part_of, replaced
from train.networks.adversarial_loop import Rivals, fit_against, load_unet
from train.networks.loop import step
from train.vae.efficient_features import mean_in, perceptual_distance
from train.vae.schedules import check_clocks


@dataclass(frozen=True)
class DetailTrainConfig:
    """Everything that decides the weights of a detail net, but for the data. All clocks count windows seen (nimg)."""

    net: ResidualUNetConfig = field(default_factory=ResidualUNetConfig)
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
    batches = ReplacedParts(sets, config.seed, config.batch_size, config.window, config.edited, config.large)
    return fit_against(config, DetailNet, start, batches, train_step, lambda net: measure(net, sets, guide), run, stop_nimg)


def train_step(config: DetailTrainConfig, rivals: Rivals, batch: Batch, noise: Float[Tensor, "b 1 w w"], pull: float) -> dict[str, float]:
    """One step of the adversary and one of the net; gives what each loss was.

    The adversary's gradient at the pictures is scaled to `pull` times the length of that of all other losses (Esser et al., Taming
    Transformers, 2021, eq. 7, at the picture), and moves light alone: what is missing is edges and grain, and with colours it drew green
    stripes on teeth.
    """
    adversary, features = rivals.adversary, rivals.features
    given, mask, photo, sharpness, known = (t.contiguous(memory_format=torch.channels_last) if t.ndim == 4 else t for t in batch)
    picture = rivals.net(given, mask, noise, sharpness)
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
    rivals.rival.zero_grad()
    hinge.backward()
    rivals.rival.step()
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
    step(rivals.net, rivals.optimizer, loss)
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
    return load_unet(folder, DetailNet, "detail")
