"""Draw strands of hair where a photo shows none, along the way that its hair lies."""

from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Bool, Float32

# All lengths are in crop sides, all contrasts in L*.
CROWN = (0.5, -0.35)  # of the unit crop: hair falls from there
FLOW_SIGMA, FAR_SIGMA = 0.03, 0.12  # how far around the way of hair is looked for, first near, then far
FAR, CROWN_COUNTS = 0.05, 0.3  # how much the far one counts, and the way from the crown where nothing is seen
WIDTHS = ((0.002, 1.0), (0.006, 0.5))  # how wide strands and tufts are, and how much each counts
STEPS = 6  # each twice as long as the one before: strands are so many pixels long, 2 to the power of this, on either side
CONTRAST, CONTRAST_SIGMA = 7.0, 0.02  # what strands are brought to, and over what it is measured
BLACK = (18.0, 6.0)  # hair is less and less one black area above, and wholly below
SHARP = (128.0, 220.0)  # pixels of a crop side up to which a photo shows no strands, and from which on it shows all of them
MOST = 2.5  # standard deviations

Vectors = tuple[Float32[np.ndarray, "u u"], Float32[np.ndarray, "u u"]]
"""Their x, to the right, and their y, down."""


def add_strands(
    light: Float32[np.ndarray, "u u"],
    seen: Float32[np.ndarray, "u u"],
    matte: Float32[np.ndarray, "u u"],
    corner: tuple[float, float],
    unit: float,
) -> Float32[np.ndarray, "u u"]:
    """The lightness of lightened hair, in L*, with strands where it has none.

    `seen` is the photo's own lightness; all are pictures of a window that begins at the `corner`, in crop sides, with a crop side of `unit`
    pixels. The way of the hair is that of its edges nearby, and from the crown where there are none.
    """
    sure = matte > 0.9
    weight = sure.astype(np.float32) + np.float32(1e-3)

    def nearby(x: Float32[np.ndarray, "u u"], sigma: float) -> Float32[np.ndarray, "u u"]:
        return cv2.GaussianBlur(x * weight, (0, 0), sigma * unit) / cv2.GaussianBlur(weight, (0, 0), sigma * unit)

    missing = np.sqrt((CONTRAST**2 - (nearby(light**2, CONTRAST_SIGMA) - nearby(light, CONTRAST_SIGMA) ** 2)).clip(0))
    if not sure.any() or missing[sure].max() < 1:
        return light
    y, x = np.mgrid[: len(seen), : len(seen)].astype(np.float32) / np.float32(unit)
    from_crown = x + float(corner[0] - CROWN[0]), y + float(corner[1] - CROWN[1])
    black = ((BLACK[0] - nearby(seen, CONTRAST_SIGMA)) / (BLACK[0] - BLACK[1])).clip(0, 1)
    sharp = float(np.clip((unit - SHARP[0]) / (SHARP[1] - SHARP[0]), 0, 1))
    strands = along(noise_of(len(light), unit), way_of(seen, sure, nearby, from_crown))
    return light + sharp * black * matte * missing * (strands / max(float(strands[sure].std()), 1e-3)).clip(-MOST, MOST)


def way_of(
    seen: Float32[np.ndarray, "u u"],
    sure: Bool[np.ndarray, "u u"],
    nearby: Callable[[Float32[np.ndarray, "u u"], float], Float32[np.ndarray, "u u"]],
    from_crown: Vectors,
) -> Vectors:
    """Unit vectors along the hair: across the mean direction of its edges, by their structure tensor. `nearby` gives means."""
    across, down = (cv2.Sobel(seen, cv2.CV_32F, *axes) * sure for axes in ((1, 0), (0, 1)))
    parts = [a * b for a, b in ((across, across), (across, down), (down, down))]
    near, far = ([nearby(x, sigma) for x in parts] for sigma in (FLOW_SIGMA, FAR_SIGMA))
    x, y = from_crown
    radius = np.hypot(x, y) + 1e-6
    # From the crown hair lies along (x, y), and its edges across: (-y, x).
    crown = [CROWN_COUNTS * a * b / radius**2 for a, b in ((y, y), (-y, x), (x, x))]
    xx, xy, yy = (a + FAR * b + c for a, b, c in zip(near, far, crown, strict=True))
    angle = 0.5 * np.arctan2(2 * xy, xx - yy)  # of the gradient
    return -np.sin(angle), np.cos(angle)


def along(picture: Float32[np.ndarray, "u u"], way: Vectors) -> Float32[np.ndarray, "u u"]:
    """Means along the way, ever further (Cabral and Leedom, Line Integral Convolution, 1993, by doubling)."""
    y, x = np.mgrid[: len(picture), : len(picture)].astype(np.float32)
    for step in range(STEPS):
        moved = [
            cv2.remap(picture, x + s * 2**step * way[0], y + s * 2**step * way[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
            for s in (-0.5, 0.5)
        ]
        picture = (moved[0] + moved[1]) / 2
    return picture


@lru_cache(maxsize=4)
def noise_of(side: int, unit: float) -> Float32[np.ndarray, "u u"]:
    """Noise of two widths, always the same."""
    rng = np.random.default_rng(7)
    total = np.zeros((side, side), np.float32)
    for wide, counts in WIDTHS:
        noise = cv2.GaussianBlur(rng.standard_normal((side, side)).astype(np.float32), (0, 0), max(0.5, wide * unit))
        total += counts * noise / noise.std()
    return total
