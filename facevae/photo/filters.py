"""Filters of square crops, with lengths in crop sides."""

import cv2
import numpy as np
from jaxtyping import Float32

from facevae.photo.guided_filter import enlarge
from facevae.photo.ovals import smooth_step

GRID_SIGMA = 0.0055  # enough to hide the grid of the decoder's pixels in large photos
BORDER = (0.008, 0.12)  # in crop sides: the mask is 0 up to the first, free from the second


def blur(x: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian; `sigma` in crop sides."""
    return cv2.GaussianBlur(x, (0, 0), sigma * len(x), borderType=cv2.BORDER_REPLICATE)


def rms(x: np.ndarray, sigma: float) -> np.ndarray:
    """Root mean square of (s, s, c) over the channels and nearby."""
    return np.sqrt(blur((x**2).mean(axis=2), sigma))


def largest_near(share: Float32[np.ndarray, "s s"], reach: float) -> Float32[np.ndarray, "s s"]:
    """The largest share up to `reach` crop sides away."""
    side = 2 * round(reach * len(share)) + 1
    return cv2.dilate(share, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))


def draw_large(x: np.ndarray, side_px: int) -> np.ndarray:
    """The decoder's picture or change, enlarged without its faint grid (nets/residual.py), which shows at full size."""
    return blur(enlarge(x, side_px), GRID_SIGMA)


def border_mask(side_px: int) -> Float32[np.ndarray, "t t"]:
    """0 at the crop's border, 1 inside."""
    at = (np.arange(side_px) + 0.5) / side_px
    border = smooth_step(np.minimum(at, 1 - at), *BORDER)
    border[[0, -1]] = 0  # the outermost centres of small crops lie further inside
    return border[:, None] * border[None, :]
