"""Benchmark: images a second of our training loop against its bare step, and other loops."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.utils.flop_counter import FlopCounterMode

from facevae.nets.architectures import build_net
from facevae.nets.vae import VAE
from facevae.photo import images
from train.bench.peers import PEERS, Peer
from train.bench.timing import machine, print_goals, print_machine
from train.data.prepared import PreparedData, list_celeba
from train.vae.config import TrainConfig
from train.vae.loop import fit
from train.vae.losses import GaussianLikelihood, elbo

WARM_UP = 3
"""Steps of each run that are not counted: the first ones allocate, and start what loads the data."""
LEAST_SHARE = {"cpu": 0.95, "cuda": 0.9}  # of the bare step
LEAST_TIMES = 2.0  # a peer's images a second


@dataclass
class Clock:
    """When each training step begins: at the VAE's forward pass, whoever calls it."""

    at: list[float] = field(default_factory=list)

    def __call__(self, module: nn.Module, inputs: Any) -> None:
        if isinstance(module, VAE) and module.training:
            if torch.cuda.is_available():
                torch.cuda.synchronize()  # or the time would be when the work was handed over
            self.at.append(time.perf_counter())

    def step_sec(self, steps: int) -> float:
        """Mean over `steps` steps after those that warm up."""
        begin, end = self.at[WARM_UP], self.at[WARM_UP + steps]
        return (end - begin) / steps


@contextmanager
def clocked() -> Iterator[Clock]:
    """A clock that listens."""
    clock = Clock()
    handle = register_module_forward_pre_hook(clock)
    try:
        yield clock
    finally:
        handle.remove()


def bench_step(config: TrainConfig, data: PreparedData, repeats: int, steps: int) -> dict[str, Any]:
    """Medians over `repeats` rounds of our loop, without and with its ticks, and of the bare step, in turn."""
    return measure(
        {"loop": lambda: ours(config, data, steps), "bare step": lambda: {"bare step": bare(config, data, steps)}}, config, repeats
    )


def bench_peers(config: TrainConfig, data: PreparedData, celeba: Path, repeats: int, steps: int) -> dict[str, Any]:
    """The same with each peer, as its users run it and with our precision, optimiser and memory layout. See `train.bench.peers`."""
    listing = list_celeba(celeba)
    files = [listing.files[i] for i in np.flatnonzero(listing.split == 0)]
    runs = {"loop": lambda: ours(config, data, steps), "bare step": lambda: {"bare step": bare(config, data, steps)}}
    missing = []
    for name, peer in PEERS.items():
        if (lacks := peer.lacks()) is not None:
            missing.append(f"{name}: {lacks} is missing: pip install -e '.[bench]'")
            continue
        for title, tuned in ((name, False), (f"{name}, tuned", True)):
            runs[title] = lambda peer=peer, title=title, tuned=tuned: {title: peer_sec(peer, config, files, steps, tuned)}
    return measure(runs, config, repeats) | {"missing": missing}


def measure(runs: dict[str, Callable[[], dict[str, float]]], config: TrainConfig, repeats: int) -> dict[str, Any]:
    """Each run in its turn, `repeats` times: medians of the images a second, and of the ratios to the bare step of the same round."""
    before, rounds = machine(), []
    for _ in range(repeats):
        rounds.append({name: config.batch_size / sec for run in runs.values() for name, sec in run().items()})
    names = list(rounds[0])
    return before | {
        "device": "cuda" if torch.cuda.is_available() else "cpu",
        "threads": torch.get_num_threads(),
        "repeats": repeats,
        "weights": sum(p.numel() for p in build_net(config.net).parameters()),
        "operations": operations(config),
        "img_per_sec": {name: float(np.median([r[name] for r in rounds])) for name in names},
        "share": {name: float(np.median([r[name] / r["bare step"] for r in rounds])) for name in names},
        "times": {name: float(np.median([r["loop, ticks included"] / r[name] for r in rounds])) for name in names},
    }


def ours(config: TrainConfig, data: PreparedData, steps: int) -> dict[str, float]:
    """Seconds a step of `fit`, and with a tick's time spread over the steps between two of them."""
    counted = (WARM_UP + steps) * config.batch_size
    short = replace(config, tick_nimg=counted, total_nimg=config.total_nimg // counted * counted)
    with tempfile.TemporaryDirectory(prefix="facevae-bench-") as folder, clocked() as clock:
        fit(short, data, Path(folder) / "run", stop_nimg=counted + 2 * config.batch_size)
    # The last step before the tick is counted whole by none: its end is not seen. It is taken for one of the others.
    last = WARM_UP + steps - 1
    step_sec = (clock.at[last] - clock.at[WARM_UP]) / (last - WARM_UP)
    tick_sec = clock.at[last + 1] - clock.at[last] - step_sec
    return {"loop": step_sec, "loop, ticks included": step_sec + tick_sec * config.batch_size / config.tick_nimg}


def bare(config: TrainConfig, data: PreparedData, steps: int) -> float:
    """Seconds of forward pass, bound, backward pass and AdamW on one resident batch: nothing that trains does less."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    net, loss = build_net(config.net).to(device, memory_format=torch.channels_last), Bound(config)
    optimizer = torch.optim.AdamW(net.parameters(), lr=config.lr, betas=config.betas, weight_decay=config.weight_decay, fused=True)
    loss.to(device)
    x = images.to_float(data.images[data.indices("train")[: config.batch_size]]).to(device)
    with clocked() as clock:
        for _ in range(WARM_UP + steps + 1):
            with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16"):
                mean, posterior = net(x)
            optimizer.zero_grad()
            loss(x, mean, posterior).backward()
            optimizer.step()
    return clock.step_sec(steps)


def operations(config: TrainConfig) -> float:
    """Multiplications and additions of a picture's forward and backward pass, with neither guide nor adversary."""
    net, x = build_net(config.net), torch.rand(2, *config.net.shape)  # two, for nets with BatchNorm
    with FlopCounterMode(display=False) as counter:
        Bound(config)(x, *net(x)).backward()
    return counter.get_total_flops() / len(x)


def peer_sec(peer: Peer, config: TrainConfig, files: list[Path], steps: int, tuned: bool) -> float:
    """Seconds a step of a peer's loop. `tuned`: bf16, channels_last and fused AdamW as ours; otherwise float32 and Adam."""
    net = build_net(config.net)
    if tuned:
        net.to(memory_format=torch.channels_last)
    with tempfile.TemporaryDirectory(prefix="facevae-bench-") as folder, clocked() as clock:
        peer.train(net, Bound(config), files, config, WARM_UP + steps + 1, tuned, Path(folder))
    del clock.at[: peer.tried]
    return clock.step_sec(steps)


class Bound(nn.Module):
    """The loss that all of them lower: the negative bound with one fixed variance, in nats per pixel and channel."""

    def __init__(self, config: TrainConfig) -> None:
        super().__init__()
        self.likelihood, self.beta = GaussianLikelihood(config.net.shape[1:], config.variance, 0.0), config.beta

    def forward(self, x: Tensor, mean: Tensor, posterior: Any) -> Tensor:
        return elbo(self.likelihood, x, mean, posterior).loss(self.beta) / x[0].numel()


def print_step(found: dict[str, Any]) -> None:
    """A row for each loop, what is missing, and the goals."""
    print_machine(found)
    print(f"{found['device']}, {found['threads']} threads, medians of {found['repeats']} rounds")
    print(f"{found['weights']} weights, {found['operations']:.3g} operations a picture, forward and backward\n")
    print(f"{'':44}{'images/s':>10}{'of the bare step':>18}{'ours is':>10}")
    for name, rate in found["img_per_sec"].items():
        print(f"{name:44}{rate:10.1f}{found['share'][name]:18.2f}{found['times'][name]:8.2f} ×")
    for line in found.get("missing", ()):
        print(f"not measured: {line}")
    share, least = found["share"]["loop, ticks included"], LEAST_SHARE[found["device"]]
    goals = [(f"the loop reaches {share:.2f} of the bare step (goal {least:g})", share >= least)]
    for name, times in found["times"].items():
        if name.removesuffix(", tuned") in PEERS:
            goals.append((f"{times:.2f} times {name} (goal {LEAST_TIMES:g})", times >= LEAST_TIMES))
    print_goals(goals)
