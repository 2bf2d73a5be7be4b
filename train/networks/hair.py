"""Train the hair net: how much hair is in each pixel, and what light hair would look like."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from facevae.nets.hair import LIGHT, HairNet, lightness
from facevae.nets.residual_unet import ResidualUNetConfig, grain
from train.data.darkened_hair import SIZE, Batch, HairPhotos, HairWindows
from train.networks.adversarial_loop import Rivals, fit_against, load_unet
from train.networks.detail import across, down
from train.networks.loop import step
from train.vae.efficient_features import mean_in, perceptual_distance
from train.vae.schedules import check_clocks

MATTE = 2.0
"""Weight of the absolute error of the matte, where half of the pixels are its outline's."""
FREE_L = 8.0
"""L* by which the mean of lightened hair may miss `LIGHT` for nothing, where nobody knows what it would look like."""


@dataclass(frozen=True)
class HairTrainConfig:
    """Everything that decides the weights of a hair net, but for the data. All clocks count windows seen (nimg)."""

    net: ResidualUNetConfig = field(default_factory=lambda: ResidualUNetConfig((24, 48, 64, 96), 2, 12))
    seed: int = 0
    total_nimg: int = 16_000
    batch_size: int = 8
    window: int = 128
    """Side of the squares that it learns from, in pixels of photos of 256."""
    dark: float = 0.4
    """Share of the windows of dark hair, of which nobody knows what it would look like: its light counts for the adversary alone."""
    lr: float = 6e-4
    adversary_lr: float = 4e-4
    lr_final_share: float = 0.05
    lr_ramp_nimg: int = 800
    weight_decay: float = 0.0
    gradient: float = 1.0
    """Weight of the absolute error of the gradients of the light, beside that of the light."""
    perceptual: float = 0.3
    """Weight of the distance in features."""
    low: float = 2.0
    """Weight of how far the mean light of dark hair is from the wanted one."""
    pull: float = 1.0
    """Gradient of the adversary at the light, as a share of that of all other losses there."""
    alone_nimg: int = 1_000
    """Windows that the adversary learns from before the net hears of it."""
    ramp_nimg: int = 2_000
    """Its pull grows to the full one over so many windows."""
    ema_halflife_nimg: int = 1_500
    tick_nimg: int = 2_000

    def __post_init__(self) -> None:
        check_clocks(self.tick_nimg, self.total_nimg, self.batch_size)

    def pull_at(self, nimg: int) -> float:
        """The pull after `nimg` windows."""
        return self.pull * min(1.0, max(0.0, (nimg - self.alone_nimg) / self.ramp_nimg))


def fit_hair_net(
    config: HairTrainConfig, photos: HairPhotos, run: Path, start: HairNet | None = None, stop_nimg: int | None = None
) -> Path:
    """Train, or go on training, the hair net in folder `run`; gives the path of its last state.

    A new run begins with the weights of `start`, where given. The same call resumes, bit-equal on the CPU. `stop_nimg` ends early.
    """
    batches = HairWindows(photos, config.seed, config.batch_size, config.window, config.dark)
    return fit_against(config, HairNet, start, batches, train_step, lambda net: measure(net, photos), run, stop_nimg)


def train_step(config: HairTrainConfig, rivals: Rivals, batch: Batch, noise: Float[Tensor, "b 1 w w"], pull: float) -> dict[str, float]:
    """One step of the adversary and one of the net; gives what each loss was.

    The adversary sees the light alone. Its gradient there is scaled to `pull` times the length of that of all other losses (Esser et
    al., Taming Transformers, 2021, eq. 7, at the picture).
    """
    adversary, features = rivals.adversary, rivals.features
    given, shares, matte, wanted, median, known = (t.contiguous(memory_format=torch.channels_last) if t.ndim == 4 else t for t in batch)
    found, gain = rivals.net(given, shares, noise, median)
    light = lightness(given) + found * gain / 100
    seen = features(light.expand(-1, 3, -1, -1))
    paired = known > 0
    with torch.no_grad():
        real = features(wanted[paired].expand(-1, 3, -1, -1))
    area = matte.sum((1, 2, 3)).clamp(min=16)
    outline = ((matte > 0.02) & (matte < 0.98) | ((matte - shares[:, :1]).abs() > 0.3)).float()
    off = (found - matte).abs()
    miss = off.mean((1, 2, 3)) + (off * outline).sum((1, 2, 3)) / outline.sum((1, 2, 3)).clamp(min=64)
    error = ((light - wanted).abs() * matte).sum((1, 2, 3)) / area
    edges = sum(((g(light) - g(wanted)).abs() * g(matte, mean=True)).sum((1, 2, 3)) for g in (across, down)) / area
    distance = torch.zeros(len(given)).masked_scatter(paired, perceptual_distance([s[paired] for s in seen], real, matte[paired]))
    mean_light = (light * matte).sum((1, 2, 3)) / area
    away = ((mean_light - LIGHT / 100).abs() - FREE_L / 100).clamp(min=0)
    each = torch.where(paired, error + config.gradient * edges + config.perceptual * distance, config.low * away)
    loss = each.mean() + MATTE * miss.mean()
    # The adversary learns: the light of light hair against what the net makes of dark hair.
    judged = adversary(real), adversary([s.detach() for s in seen])
    hinge = mean_in([F.relu(1 - r) for r in judged[0]], matte[paired]) + mean_in([F.relu(1 + f) for f in judged[1]], matte)
    rivals.rival.zero_grad()
    hinge.backward()
    rivals.rival.step()
    losses = {
        "loss": loss.item(),
        "light": error[paired].mean().item(),
        "perceptual": distance[paired].mean().item(),
        "matte": off.mean().item(),
        "hinge": hinge.item(),
    }
    if pull:
        for p in adversary.heads.parameters():
            p.requires_grad_(False)
        displeasure = -mean_in(adversary(seen), matte)
        for p in adversary.heads.parameters():
            p.requires_grad_(True)
        others = torch.autograd.grad(each.mean(), light, retain_graph=True)[0]
        own = torch.autograd.grad(displeasure, light, retain_graph=True)[0]
        scale = pull * others.norm() / own.norm().clamp(min=1e-12)
        loss = (light * (others + scale * own).detach()).sum() + MATTE * miss.mean()
    step(rivals.net, rivals.optimizer, loss)
    return losses


HELD_OUT = 48
"""Photos measured at each tick."""


@torch.inference_mode()
def measure(net: HairNet, photos: HairPhotos, count: int = HELD_OUT) -> dict[str, float]:
    """On held-out photos whose hair was made dark: the absolute error of the matte, beside the parser's share's; that of the light in the
    hair around its median, in L*, beside a shift's; and the spread of the light over the photo's, beside a shift's."""
    rows = []
    for i in np.flatnonzero(photos.held_out & photos.known)[1::5][:count]:
        x, shares, matte, wanted = (
            torch.from_numpy(np.atleast_3d(np.array(a[i], np.float32)) / 255).permute(2, 0, 1)[None]
            for a in (photos.given, photos.shares, photos.matte, photos.light)
        )
        found, gain = net(x, shares, grain(SIZE), torch.tensor([photos.median[i]]))
        dark, sure = 100 * lightness(x), matte > 0.98
        light, wanted = dark + found * gain, 100 * wanted
        light, shifted = (x + wanted[sure].median() - x[sure].median() for x in (light, dark))
        miss = [(a[sure] - wanted[sure]).abs().mean() for a in (light, shifted)]
        spread = [x[sure].std() / wanted[sure].std() for x in (light, shifted)]
        rows.append([(found - matte).abs().mean(), (shares[:, :1] - matte).abs().mean(), *miss, *spread])
    names = ("valid_matte", "valid_matte_parser", "valid_light", "valid_light_shift", "valid_spread", "valid_spread_shift")
    return dict(zip(names, np.array(rows).mean(axis=0).tolist(), strict=True))


def load_hair_net(folder: Path) -> HairNet:
    """The averaged net of a run, or the net of a checkpoint folder; `ValueError` where the folder holds none."""
    return load_unet(folder, HairNet, "hair_net")
