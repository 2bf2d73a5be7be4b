"""Lightness of the irises before and after an edit: the darkest pixels of the eyes."""

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from facevae.photo.regions import likely

DARKEST = 0.05
"""Share of the eyes' pixels that lies in iris, pupil and lashes."""
SMALLEST = 0.0012
"""Share of the crop (20 px of 128 × 128): where fewer pixels are eyes, closed or behind dark glasses, nothing is measured."""


def iris_change(before: UInt8[np.ndarray, "s s 3"], after: UInt8[np.ndarray, "s s 3"], maps: Float32[np.ndarray, "k s s"]) -> float:
    """How far L* of the darkest 5 % of the eyes' pixels moves; NaN where the photo shows no eyes.

    The eyes are those of the photo before, whose `maps` these are: an edit cannot hide what it did to them.
    """
    eyes = likely(("eyes",), maps)
    if eyes.sum() < SMALLEST * eyes.size:
        return np.nan
    count = int(np.ceil(DARKEST * eyes.sum()))
    old, new = (float(np.sort(lightness(picture)[eyes])[:count].mean()) for picture in (before, after))
    return new - old


def lightness(picture: UInt8[np.ndarray, "s s 3"]) -> Float32[np.ndarray, "s s"]:
    """L* of CIELAB, 0 ... 100."""
    return cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[..., 0]
