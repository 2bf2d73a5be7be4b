"""Learner: net, EMA, likelihood, adversary and their optimizers; save, load, step."""

import copy
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from facevae.nets.architectures import build_net, describe_net
from facevae.nets.classifier import AttributeClassifier
from facevae.nets.vae import VAE
from train.vae.adversary import Adversary
from train.vae.config import TrainConfig
from train.vae.efficient_features import EfficientFeatures
from train.vae.gradient_guard import SpikeWatch
from train.vae.logging import Tally, tally_from
from train.vae.losses import GaussianLikelihood
from train.vae.perceptual import FeatureLoss
from train.vae.resume import load_state, read_meta, readable, save_state
from train.vae.schedules import cosine


class Learner:
    """The nets of a run at its first moment, and the ways to move them a step, to save them and to put them back."""

    def __init__(self, config: TrainConfig, guide: AttributeClassifier | None, device: torch.device) -> None:
        self.config, self.device = config, device
        seer = EfficientFeatures() if config.wants_features and config.looks_through == "efficient" else guide
        seer = seer.to(device) if seer is not None else None
        self.share = config.look_px / config.net.shape[1] or 1.0
        # The weights come from the seed, without touching anybody else's random numbers.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.net = build_net(config.net).to(device, memory_format=torch.channels_last)
            self.adversary = Adversary(config.adversary, config.net.shape[0], config.net.latent, seer, self.share)
            self.adversary.to(device, memory_format=torch.channels_last)
        freeze(self.net, config.frozen)
        self.ema = copy.deepcopy(self.net).requires_grad_(False).eval()
        learned = 0.0 if config.likelihood == "fixed" else 0.01
        shared = config.likelihood == "shared"
        self.likelihood = GaussianLikelihood(config.net.shape[1:], config.variance, learned, shared=shared).to(device)
        self.watch = SpikeWatch(config.spike)
        self.features = FeatureLoss(seer, config.feature_levels) if config.feature_weight and seer is not None else None
        self.parameters, self.averages = list(self.net.parameters()), list(self.ema.parameters())
        self.optimizer = torch.optim.AdamW(self.parameters, lr=config.lr, betas=config.betas, weight_decay=config.weight_decay, fused=True)
        rival = config.adversary
        self.rival = torch.optim.AdamW(self.adversary.parameters(), lr=rival.lr, betas=rival.betas, weight_decay=0, fused=True)
        self.modules: dict[str, nn.Module] = {"net": self.net, "ema": self.ema, "likelihood": self.likelihood, "watch": self.watch}
        self.optimizers = {"net": self.optimizer}
        if rival.weight:
            self.modules["adversary"], self.optimizers["adversary"] = self.adversary, self.rival
        # Tuples as lists, as a file gives them back.
        self.described: dict[str, Any] = json.loads(json.dumps(asdict(config) | {"net": describe_net(config.net)}))

    def load(self, path: Path) -> tuple[int, Tally]:
        """Put a state back; the images it has seen, and what it had counted since its last tick."""
        path = readable(path)
        return load_state(path, self.modules, self.optimizers, self.described), tally_from(read_meta(path)[2])

    def save(self, path: Path, nimg: int, tally: Tally) -> None:
        """Write the state after `nimg` images, atomically."""
        save_state(path, self.modules, self.optimizers, self.described, nimg, tally.described())

    def set_rate(self, nimg: int) -> float:
        """Put the learning rate where the schedule has it after `nimg` images."""
        c = self.config
        rate = cosine(nimg, c.total_nimg, c.lr, c.lr_final_share, c.lr_ramp_nimg)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        return rate

    def follow(self, norm: torch.Tensor) -> bool:
        """Step along the gradient, whose length is `norm`, or leave it out; says which."""
        if self.watch.accepts(norm):
            self.optimizer.step()
            return True
        if not torch.isfinite(norm):
            # BatchNorm's statistics have seen the NaN already and would keep it for good.
            for own, averaged in zip(self.net.buffers(), self.ema.buffers(), strict=True):
                own.copy_(averaged)
        return False

    def average(self, seen_nimg: int) -> None:
        """Average the weights; young runs forget faster, so that the average is never mostly noise."""
        halflife = min(self.config.ema_halflife_nimg, max(seen_nimg / 10, 1))
        torch._foreach_lerp_(self.averages, self.parameters, 1 - 0.5 ** (self.config.batch_size / halflife))
        for slow, fast in zip(self.ema.buffers(), self.net.buffers(), strict=True):
            slow.copy_(fast)  # statistics of BatchNorm are averages already


def freeze(net: VAE, beginnings: tuple[str, ...]) -> None:
    """Keep the weights whose names begin so from learning; `ValueError` for a beginning that no name has."""
    names = [name for name, _ in net.named_parameters()]
    if unknown := [b for b in beginnings if not any(name.startswith(b) for name in names)]:
        raise ValueError(f"no weight of the net begins with {', '.join(unknown)}, so it cannot be frozen; the first is {names[0]}")
    for name, parameter in net.named_parameters():
        parameter.requires_grad_(not name.startswith(beginnings))


def generator(*key: int) -> torch.Generator:
    """The random numbers of one step: the same ones in a resumed run."""
    return torch.Generator().manual_seed(int(np.random.SeedSequence(key).generate_state(1)[0]))
