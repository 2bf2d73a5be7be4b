"""Feathered ellipses in the unit crop: features, eyes, cheeks."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float32


@dataclass(frozen=True)
class Oval:
    """A feathered ellipse in the unit crop; `feather` is the share of the radius over which it falls from 1 to 0."""

    x: float
    y: float
    radius_x: float
    radius_y: float
    feather: float

    @lru_cache(maxsize=24)  # noqa: B019 (ovals are the few constants below)
    def draw(self, size_px: int) -> Float32[np.ndarray, "s s"]:
        """The same array for the same size, never written to."""
        at = (np.arange(size_px) + 0.5) / size_px
        radius = np.hypot((at[None, :] - self.x) / self.radius_x, (at[:, None] - self.y) / self.radius_y)
        drawn = 1 - smooth_step(radius, 1 - self.feather / 2, 1 + self.feather / 2)
        drawn.setflags(write=False)
        return drawn


FEATURES = Oval(0.5, 0.585, 0.24, 0.35, 0.35)  # detail gives way here; strands of hair and the background never do
EYES = (Oval(0.39, 0.515, 0.09, 0.06, 0.5), Oval(0.61, 0.515, 0.09, 0.06, 0.5))
HEAD = Oval(0.5, 0.58, 0.36, 0.48, 0.4)  # the face that the crop is of: another one may look over its shoulder
CHEEKS = (Oval(0.33, 0.63, 0.06, 0.06, 0.5), Oval(0.67, 0.63, 0.06, 0.06, 0.5))
"""Where skin is usually visible."""


def smooth_step(x: np.ndarray, start: float, stop: float) -> np.ndarray:
    """0 up to `start`, 1 from `stop`, smooth (C1) between, float32."""
    t = np.clip((x - start) / (stop - start), 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)
