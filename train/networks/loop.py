"""fit_net(): the training loop of classifier, judge, identity, alignment net, parser."""

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn

from facevae.files import write_json
from train.data.batches import prefetch
from train.vae.gradient_guard import MAX_SKIPPED
from train.vae.logging import add_line, drop_later_stats, progress
from train.vae.resume import load_state, readable, save_state
from train.vae.schedules import cosine

MAX_NORM = 1e9  # gradients of small nets are shorter by far, but for garbage
Net = TypeVar("Net", bound=nn.Module)


class SmallConfig(Protocol):
    """What the loop reads of a config; all clocks count pictures seen (nimg)."""

    total_nimg: int
    batch_size: int
    lr: float
    lr_final_share: float
    lr_ramp_nimg: int
    weight_decay: float
    ema_halflife_nimg: int
    tick_nimg: int
    precision: str


def seeded_net(seed: int, make: Callable[[], Net]) -> Net:
    """A net whose first weights come from the seed, without touching anybody else's random numbers."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


@dataclass
class Training:
    """A net on its way, its average and its optimizer, after `nimg` pictures; the folder `run` keeps them."""

    run: Path
    described: dict[str, Any]
    net: nn.Module
    ema: nn.Module
    optimizer: torch.optim.AdamW
    nimg: int = 0

    @property
    def state_path(self) -> Path:
        """Everything needed to resume."""
        return self.run / "state.safetensors"

    def load(self) -> None:
        """Go on from the state on disk; `ValueError` where it is one of another config."""
        self.nimg = load_state(readable(self.state_path), {"net": self.net, "ema": self.ema}, {"net": self.optimizer}, self.described)

    def save(self) -> None:
        """Write the state, atomically."""
        save_state(self.state_path, {"net": self.net, "ema": self.ema}, {"net": self.optimizer}, self.described, self.nimg)


def begin(config: SmallConfig, net: nn.Module, run: Path, described: dict[str, Any], origin: dict[str, Any]) -> Training:
    """Training of `net`, on the GPU where there is one: what the folder `run` holds of it, or its first moment.

    `described` is the config as JSON and whatever else decides the weights: a folder with a state of another one is refused
    (`ValueError`). `config.json` of a new run holds it together with `origin`, where the run came from.
    """
    net.to(torch.device("cuda" if torch.cuda.is_available() else "cpu"), memory_format=torch.channels_last)
    ema = copy.deepcopy(net).requires_grad_(False).eval()
    optimizer = torch.optim.AdamW(net.parameters(), lr=config.lr, weight_decay=config.weight_decay, fused=True)
    training = Training(run, described, net, ema, optimizer)
    if training.state_path.is_file():
        training.load()
    else:
        write_json(run / "config.json", described | origin)
    drop_later_stats(run / "stats.jsonl", training.nimg)
    return training


def fit_net(
    config: SmallConfig,
    training: Training,
    batches: Callable[[int], tuple[Tensor, ...]],
    loss_of: Callable[..., Tensor],
    measure: Callable[[nn.Module], Mapping[str, float | None]],
    shown: Sequence[str],
    stop_nimg: int | None = None,
) -> None:
    """Train to the end, or to `stop_nimg`, as a kill after that tick would; on the CPU a resumed run is bit-equal to an unbroken one.

    `batches(nimg)`, a pure function, gives pictures in [0, 1] and what is known of them. `loss_of(nimg, output, *known)` judges what
    the net makes of the pictures. At each tick `measure(ema)` gives the figures that go into `stats.jsonl` with the mean loss, the
    progress bar shows those named in `shown`, and the state is written. `FloatingPointError` where gradients stay unusable.
    """
    net, ema, optimizer = training.net, training.ema, training.optimizer
    device, total = next(net.parameters()).device, min(config.total_nimg, stop_nimg or config.total_nimg)
    loss_sum, steps, skipped, tick_start, tick_nimg = 0.0, 0, 0, time.monotonic(), training.nimg
    net.train()
    with closing(prefetch(batches, training.nimg, config.batch_size)) as source, progress(config.total_nimg, training.nimg) as bar:
        while training.nimg < total:
            # One step.
            x, *known = (t.to(device) for t in next(source))
            for group in optimizer.param_groups:
                group["lr"] = cosine(training.nimg, config.total_nimg, config.lr, config.lr_final_share, config.lr_ramp_nimg)
            with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16"):
                output = net(x)
            loss = loss_of(training.nimg, output, *known)
            if step(net, optimizer, loss):
                loss_sum, steps, skipped = loss_sum + loss.item(), steps + 1, 0
            else:
                forget_statistics(net, ema)
                skipped += 1
            if skipped == MAX_SKIPPED:
                raise FloatingPointError(
                    f"{MAX_SKIPPED} steps in a row had no usable gradient; {training.state_path} holds the last good state"
                )
            training.nimg += config.batch_size

            # Average the weights and the BatchNorm statistics; young runs forget faster.
            halflife = min(config.ema_halflife_nimg, max(training.nimg / 10, 1))
            average(ema, net, 1 - 0.5 ** (config.batch_size / halflife))
            bar.update(config.batch_size)

            # Tick: measure, write.
            if training.nimg % config.tick_nimg == 0 or training.nimg == total:
                stats = {
                    "nimg": training.nimg,
                    "loss": loss_sum / max(steps, 1),
                    "lr": optimizer.param_groups[0]["lr"],
                    "img_per_sec": (training.nimg - tick_nimg) / (time.monotonic() - tick_start),
                } | measure(ema)
                bar.set_postfix_str(", ".join(f"{k} {stats[k]:.4f}" for k in shown), refresh=False)
                add_line(training.run / "stats.jsonl", stats)
                training.save()
                loss_sum, steps, tick_start, tick_nimg = 0.0, 0, time.monotonic(), training.nimg


def step(net: nn.Module, optimizer: torch.optim.AdamW, loss: Tensor) -> bool:
    """Follow the gradient of the loss, or leave it out where it is of no use; says which.

    On some CPUs a bf16 convolution of a few pixels gives a NaN now and then: that costs a step, not a whole run.
    """
    optimizer.zero_grad()
    loss.backward()
    usable = bool(torch.nn.utils.get_total_norm([p.grad for p in net.parameters() if p.grad is not None]) < MAX_NORM)
    if usable:
        optimizer.step()
    return usable


@torch.no_grad()
def forget_statistics(net: nn.Module, ema: nn.Module) -> None:
    """Take BatchNorm's statistics from the average: a NaN on its way through the net would stay in the net's own for ever."""
    for own, averaged in zip(net.buffers(), ema.buffers(), strict=True):
        own.copy_(averaged)


@torch.no_grad()
def average(ema: nn.Module, net: nn.Module, weight: float) -> None:
    """Move the averages towards the net by `weight`: parameters and BatchNorm statistics alike; counters are copied."""
    for slow, fast in zip(ema.state_dict().values(), net.state_dict().values(), strict=True):
        if slow.is_floating_point():
            slow.lerp_(fast, weight)
        else:
            slow.copy_(fast)
