"""Schedules: pure functions of the images seen."""

import math


def linear(nimg: int, final: float, ramp_nimg: int) -> float:
    """From 0 to `final` over `ramp_nimg` images, then constant; constant at once where the ramp is 0."""
    return final * min(1.0, nimg / ramp_nimg) if ramp_nimg else final


def cosine(nimg: int, total_nimg: int, peak: float, final_share: float, ramp_nimg: int) -> float:
    """Linear ramp to `peak`, then half a cosine down to `final_share` · peak at `total_nimg`.

    Source: Loshchilov and Hutter, SGDR (2017), eq. 5, without restarts.
    """
    if nimg < ramp_nimg:
        return peak * (nimg + 1) / ramp_nimg
    progress = min(1.0, (nimg - ramp_nimg) / max(1, total_nimg - ramp_nimg))
    return peak * (final_share + (1 - final_share) * 0.5 * (1 + math.cos(math.pi * progress)))
