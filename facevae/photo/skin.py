"""Mask of the cheeks in a crop, where skin is usually visible."""

from functools import lru_cache

import numpy as np
from jaxtyping import Float32

from facevae.photo.ovals import CHEEKS


@lru_cache(maxsize=4)
def cheeks(size_px: int) -> Float32[np.ndarray, "s s"]:
    """Weights of a mean over the cheeks; their sum is 1. The same array for the same size, never written to."""
    drawn = np.maximum(*(oval.draw(size_px) for oval in CHEEKS))
    weights = (drawn / drawn.sum()).astype(np.float32)
    weights.setflags(write=False)
    return weights
