"""β and learning-rate schedules: pure functions of the images seen."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class RateSchedule:
    """How the weight of the rate comes to its final value β; a function of the images seen and nothing else."""

    shape: Literal["constant", "linear", "sigmoid", "step", "cyclical", "capacity"] = "linear"
    ramp_nimg: int = 20_000
    """linear, sigmoid, capacity: until the final value. step: between two steps. cyclical: one cycle."""
    start: float = 0.1
    """step: the weight before the first step."""
    increment: float = 40.0
    """step: what each step adds."""
    rise: float = 0.5
    """cyclical: share of a cycle in which the weight rises."""
    capacity_nats: float = 0.0
    """capacity: the rate that is asked for in the end."""

    def __post_init__(self) -> None:
        if self.ramp_nimg <= 0 and self.shape in ("sigmoid", "step", "cyclical"):
            raise ValueError(f"a schedule of shape {self.shape!r} needs a ramp_nimg above 0, not {self.ramp_nimg}")
        if not 0 < self.rise <= 1:
            raise ValueError(f"rise is a share of a cycle above 0 and up to 1, not {self.rise}")

    def weight(self, nimg: int, beta: float) -> float:
        """The weight of the rate after `nimg` images, where `beta` is the final one."""
        return WEIGHTS[self.shape](self, nimg, beta)

    def target(self, nimg: int) -> float | None:
        """The rate in nats that |rate − target| is measured from; None for all shapes but "capacity".

        Source: Burgess et al., Understanding disentangling in beta-VAE (2018), eq. 8.
        """
        return linear(nimg, self.capacity_nats, self.ramp_nimg) if self.shape == "capacity" else None


def linear(nimg: int, final: float, ramp_nimg: int) -> float:
    """From 0 to `final` over `ramp_nimg` images, then constant; constant at once where the ramp is 0."""
    return final * min(1.0, nimg / ramp_nimg) if ramp_nimg else final


def sigmoid(nimg: int, final: float, ramp_nimg: int) -> float:
    """A logistic curve from 0.25 % of `final` to 99.75 % at `ramp_nimg`, with the middle halfway (Bowman et al., 2016, section 3.1)."""
    return final / (1 + math.exp(-(12 * nimg / ramp_nimg - 6))) if nimg < 50 * ramp_nimg else final


def step(nimg: int, final: float, every_nimg: int, start: float, increment: float) -> float:
    """`start`, and `increment` more after each `every_nimg` images, never past `final`."""
    return min(final, start + increment * (nimg // every_nimg))


def cyclical(nimg: int, final: float, cycle_nimg: int, rise: float) -> float:
    """In each cycle a linear ramp over the share `rise`, then constant (Fu et al., Cyclical Annealing Schedule, 2019, eq. 6)."""
    return final * min(1.0, (nimg % cycle_nimg) / cycle_nimg / rise)


WEIGHTS: dict[str, Callable[[RateSchedule, int, float], float]] = {
    "constant": lambda s, nimg, beta: beta,
    "linear": lambda s, nimg, beta: linear(nimg, beta, s.ramp_nimg),
    "sigmoid": lambda s, nimg, beta: sigmoid(nimg, beta, s.ramp_nimg),
    "step": lambda s, nimg, beta: step(nimg, beta, s.ramp_nimg, s.start, s.increment),
    "cyclical": lambda s, nimg, beta: cyclical(nimg, beta, s.ramp_nimg, s.rise),
    "capacity": lambda s, nimg, beta: beta,
}


def cosine(nimg: int, total_nimg: int, peak: float, final_share: float, ramp_nimg: int) -> float:
    """Linear ramp to `peak`, then half a cosine down to `final_share` · peak at `total_nimg`.

    Source: Loshchilov and Hutter, SGDR (2017), eq. 5, without restarts.
    """
    if nimg < ramp_nimg:
        return peak * (nimg + 1) / ramp_nimg
    progress = min(1.0, (nimg - ramp_nimg) / max(1, total_nimg - ramp_nimg))
    return peak * (final_share + (1 - final_share) * 0.5 * (1 + math.cos(math.pi * progress)))


def check_clocks(tick_nimg: int, total_nimg: int, batch_size: int) -> None:
    """`ValueError` where ticks or the end of a run would fall between two batches."""
    if tick_nimg % batch_size or total_nimg % batch_size:
        raise ValueError(f"tick_nimg {tick_nimg} and total_nimg {total_nimg} must be multiples of batch_size {batch_size}")
