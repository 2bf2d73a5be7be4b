"""fit_against(): the training loop of detail and hair net, against a projected adversary."""

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from facevae.checkpoint.checkpoint import Checkpoint
from facevae.files import write_json
from facevae.nets.architectures import config_from
from facevae.nets.residual_unet import ResidualUNet, ResidualUNetConfig
from train.data.batches import prefetch
from train.networks.loop import average, seeded_net
from train.vae.efficient_features import EfficientFeatures, ProjectedAdversary
from train.vae.logging import add_line, drop_later_stats, progress
from train.vae.resume import config_as_json, load_state, read_state, readable, save_state
from train.vae.schedules import cosine

Net = TypeVar("Net", bound=ResidualUNet)


class AdversarialConfig(Protocol):
    """What the loop reads of a config; all clocks count windows seen (nimg)."""

    net: ResidualUNetConfig
    seed: int
    total_nimg: int
    batch_size: int
    window: int
    lr: float
    adversary_lr: float
    lr_final_share: float
    lr_ramp_nimg: int
    weight_decay: float
    ema_halflife_nimg: int
    tick_nimg: int

    def pull_at(self, nimg: int) -> float:
        """The adversary's pull after `nimg` windows."""
        ...


class Rivals:
    """A net, its average, its adversary with the features that this one sees, and the optimizers of both."""

    def __init__(self, config: AdversarialConfig, make: Callable[[ResidualUNetConfig], Net], start: Net | None) -> None:
        net, self.ema = (seeded_net(config.seed, lambda: make(config.net)) for _ in range(2))
        if start is not None:
            net.load_state_dict(start.state_dict(), strict=True)
        self.net, self.adversary, self.features = net, seeded_net(config.seed + 1, ProjectedAdversary), EfficientFeatures()
        self.ema.requires_grad_(False).eval().load_state_dict(net.state_dict())
        for module in (net, self.ema, self.adversary, self.features):
            module.to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.AdamW(net.parameters(), lr=config.lr, weight_decay=config.weight_decay, betas=(0.9, 0.99), fused=True)
        heads = [p for p in self.adversary.parameters() if p.requires_grad]
        self.rival = torch.optim.AdamW(heads, lr=config.adversary_lr, weight_decay=0.0, betas=(0.5, 0.99), fused=True)


def fit_against(
    config: AdversarialConfig,
    make: Callable[[ResidualUNetConfig], Net],
    start: Net | None,
    batches: Callable[[int], tuple[Tensor, ...]],
    train_step: Callable[[Any, Rivals, Any, Tensor, float], Mapping[str, float]],
    measure: Callable[[Net], Mapping[str, float]],
    run: Path,
    stop_nimg: int | None = None,
) -> Path:
    """Train, or go on training, the net in folder `run`; gives the path of its last state.

    A new run begins with the weights of `start`, where given. `train_step(config, rivals, batch, noise, pull)` says what each loss was, and
    `measure(ema)` gives figures at each tick. The same call resumes, bit-equal on the CPU. `stop_nimg` ends early.
    """
    rivals, described = Rivals(config, make, start), config_as_json(config)
    modules = {"net": rivals.net, "ema": rivals.ema, "heads": rivals.adversary}
    optimizers = {"net": rivals.optimizer, "heads": rivals.rival}
    path, nimg = run / "state.safetensors", 0
    if path.is_file():
        nimg = load_state(readable(path), modules, optimizers, described)
    else:
        write_json(run / "config.json", described)
    drop_later_stats(run / "stats.jsonl", nimg)
    total = min(config.total_nimg, stop_nimg or config.total_nimg)
    found, since = [], (time.monotonic(), nimg)
    with closing(prefetch(batches, nimg, config.batch_size)) as source, progress(config.total_nimg, nimg) as bar:
        while nimg < total:
            batch = next(source)
            share = cosine(nimg, config.total_nimg, 1.0, config.lr_final_share, config.lr_ramp_nimg)
            rivals.optimizer.param_groups[0]["lr"], rivals.rival.param_groups[0]["lr"] = share * config.lr, share * config.adversary_lr
            noise = torch.randn((config.batch_size, 1, config.window, config.window), generator=torch.Generator().manual_seed(nimg))
            found.append(train_step(config, rivals, batch, noise, config.pull_at(nimg)))
            nimg += config.batch_size
            average(rivals.ema, rivals.net, 1 - 0.5 ** (config.batch_size / min(config.ema_halflife_nimg, max(nimg / 10, 1))))
            bar.update(config.batch_size)
            if nimg % config.tick_nimg == 0 or nimg == total:
                speed = {"img_per_sec": (nimg - since[1]) / (time.monotonic() - since[0])}
                means = {name: float(np.mean([losses[name] for losses in found])) for name in found[0]}
                measured = measure(rivals.ema)
                add_line(run / "stats.jsonl", {"nimg": nimg, **means, **speed, **measured})
                save_state(path, modules, optimizers, described, nimg)
                bar.set_postfix_str(", ".join(f"{k} {v:.3f}" for k, v in measured.items()), refresh=False)
                found, since = [], (time.monotonic(), nimg)
    return path


def load_unet(folder: Path, make: Callable[[ResidualUNetConfig], Net], name: str) -> Net:
    """The averaged net of a run, or that of this name of a checkpoint folder; `ValueError` where the folder holds none."""
    if (folder / "state.safetensors").is_file():
        parts, described, _ = read_state(folder / "state.safetensors")
        net = make(config_from(ResidualUNetConfig, described["net"], str(folder)))
        net.load_state_dict(parts["ema"], strict=True)
    else:
        found = getattr(Checkpoint.from_pretrained(folder), name)
        if found is None:
            raise ValueError(f"{folder} is a checkpoint without a {name.replace('_', ' ').removesuffix(' net')} net")
        net = found
    return net.eval().requires_grad_(False)
