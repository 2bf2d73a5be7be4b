"""Training statistics: running means, stats.jsonl, progress bar, trackers."""

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from accelerate import Accelerator
from accelerate.tracking import get_available_trackers
from tqdm import tqdm

from facevae.files import write_atomic
from train.vae.distributed import Ranks

MEANS = ("distortion", "rate", "grad_norm")


@dataclass
class Tally:
    """What the steps since the last tick found: sums of `MEANS` over those that count, and those that were left out."""

    sums: torch.Tensor = field(default_factory=lambda: torch.zeros(len(MEANS)))
    steps: int = 0
    left_out: int = 0
    in_a_row: int = 0
    """Steps left out since the last one that was followed, whatever ticks lie between."""
    psnr_db: float | None = None
    """Of held-out pictures at the last tick."""

    def count(self, found: torch.Tensor, followed: bool) -> None:
        """Add a step; one whose gradient is not finite has no say in the means."""
        if torch.isfinite(found[MEANS.index("grad_norm")]):
            self.sums, self.steps = self.sums + found, self.steps + 1
        self.left_out += not followed
        self.in_a_row = 0 if followed else self.in_a_row + 1

    def share(self, ranks: Ranks, device: torch.device) -> None:
        """Count for the rows of all processes."""
        self.sums = ranks.mean(self.sums.to(device)).cpu()

    def means(self) -> dict[str, float | None]:
        """The means by name; None before the first step that counts."""
        values = (self.sums / self.steps).tolist() if self.steps else [None] * len(MEANS)
        return dict(zip(MEANS, values, strict=True))

    def stats(self, nimg: int, beta: float, lr: float, since: tuple[float, int]) -> dict[str, float | None]:
        """The figures of a tick after `nimg` images; `since` is when the last one was, in seconds and in images."""
        return {
            "nimg": nimg,
            **self.means(),
            "beta": beta,
            "lr": lr,
            "skipped": self.left_out,
            "img_per_sec": (nimg - since[1]) / (time.monotonic() - since[0]),
        }

    def next(self, stats: Mapping[str, Any]) -> "Tally":
        """An empty tally for the time after a tick."""
        return Tally(in_a_row=self.in_a_row, psnr_db=stats["valid_psnr_db"])

    def line(self) -> str:
        """What the live line says, beside images, speed and the time that is left."""
        distortion, rate, _ = self.means().values()
        said = [f"distortion {distortion:.0f}, rate {rate:.0f} nats"] if self.steps else []
        return ", ".join(said + ([f"PSNR {self.psnr_db:.2f} dB"] if self.psnr_db is not None else []))

    def described(self) -> dict[str, Any]:
        """As JSON can hold it, to the bit."""
        return {**asdict(self), "sums": self.sums.tolist()}


def tally_from(described: Mapping[str, Any] | None) -> Tally:
    """The other way; an empty tally where there is nothing."""
    return Tally(**{**described, "sums": torch.tensor(described["sums"])}) if described else Tally()


def add_line(path: Path, stats: Mapping[str, Any]) -> None:
    """Append a line of JSON, and have it on the disk before the state that comes after it."""
    with path.open("a") as file:
        file.write(json.dumps(stats) + "\n")
        file.flush()
        os.fsync(file.fileno())


def drop_later_stats(path: Path, nimg: int) -> None:
    """Forget the lines that a killed run wrote after its last state, and half a line of one that was killed while it wrote."""
    if path.is_file():
        lines = path.read_text().splitlines()
        if lines and not whole(lines[-1]):
            lines.pop()
        lines = [line for line in lines if line and json.loads(line)["nimg"] <= nimg]
        write_atomic(path, lambda p: p.write_text("".join(line + "\n" for line in lines)))


def whole(line: str) -> bool:
    """Whether a line was written to its end."""
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def progress(total_nimg: int, nimg: int, silent: bool = False) -> tqdm:
    """A bar of the whole run; where nobody watches, a line now and then."""
    mininterval = 0.5 if sys.stderr.isatty() else 20
    return tqdm(total=total_nimg, initial=nimg, unit="img", unit_scale=True, mininterval=mininterval, disable=silent)


Tracker = Literal["tensorboard", "trackio"]


def available(tracker: Tracker | None) -> Tracker | None:
    """The tracker; `ValueError` where it is not installed."""
    if tracker is not None and tracker not in {str(name) for name in get_available_trackers()}:
        raise ValueError(f"{tracker} is not installed: pip install {tracker}")
    return tracker


@contextmanager
def tracking(accelerator: Accelerator, described: Mapping[str, Any]) -> Iterator[None]:
    """Let `accelerator.log` reach the tracker that it was made with, if any."""
    if accelerator.log_with:
        # Trackers know no nesting.
        flat = {k: v if isinstance(v, (int, float, str)) else json.dumps(v) for k, v in described.items()}
        accelerator.init_trackers("facevae", config=flat)
    try:
        yield
    finally:
        for tracker in accelerator.trackers:
            tracker.finish()
