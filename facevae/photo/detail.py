"""Apply the detail net: what the decoder drew into a photo gets detail like the photo's."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import cv2
import numpy as np
import torch
from jaxtyping import Float32

from facevae.nets.detail import DetailNet
from facevae.nets.residual_unet import grain
from facevae.photo.guided_filter import enlarge

MAX_PX = 256
"""The net has learned from crops of 128 to 256 px; larger ones are shown to it at that size."""
GRID = 8
"""Sides that the net can halve often enough."""
SURROUNDINGS = 0.1
"""In crop sides: so much around what was drawn is shown to the net, which looks at what lies beside it."""
LEAST = 1 / 255

FINE_PX, COARSE_PX = 0.8, 3.0  # Gaussians: what is finer than the first, over what is finer than the second
SHARP = (0.25, 0.1)  # mean and standard deviation of the ratio over photos
FACE = slice(0.2, 0.8)  # of the crop: backgrounds are out of focus
LEAST_CONTRAST = 0.002

AddDetail = Callable[[Float32[np.ndarray, "t t 3"], Float32[np.ndarray, "t t 3"], Float32[np.ndarray, "t t"]], Float32[np.ndarray, "t t 3"]]
"""A photo's crop in [0, 1], the same after an edit, how far each pixel was drawn by the decoder -> what is added; 0 where nothing was."""


def detail_of(net: DetailNet | None, lock: AbstractContextManager = nullcontext()) -> AddDetail | None:
    """The detail net as a function of arrays, which is asked with the lock held; None where there is none."""
    if net is None:
        return None

    def ask(seen: Float32[np.ndarray, "h w 5"], sharpness: float) -> Float32[np.ndarray, "h w 3"]:
        x, mask, noise = torch.from_numpy(seen).permute(2, 0, 1)[None].split((3, 1, 1), dim=1)
        with lock, torch.inference_mode():
            return (net(x, mask, noise, torch.tensor([sharpness])) - x)[0].permute(1, 2, 0).numpy()

    return lambda photo, edited, drawn: added_detail(photo, edited, drawn, ask)


def added_detail(
    photo: Float32[np.ndarray, "t t 3"],
    edited: Float32[np.ndarray, "t t 3"],
    drawn: Float32[np.ndarray, "t t"],
    ask: Callable[[Float32[np.ndarray, "h w 5"], float], Float32[np.ndarray, "h w 3"]],
) -> Float32[np.ndarray, "t t 3"]:
    """What is added to an edited crop. `ask` says it of the rectangle around all that was drawn: picture, mask and noise, (h, w, 5), and
    the sharpness of the photo.

    Crops are shown at no more than `MAX_PX` a side.
    """
    size = min(len(photo), MAX_PX) // GRID * GRID
    photo, small, mask = (
        x if len(x) == size else cv2.resize(x, (size, size), interpolation=cv2.INTER_AREA) for x in (photo, edited, drawn)
    )
    added = np.zeros_like(small)
    if mask.max() > LEAST:
        rows, columns = (_reach(np.flatnonzero(mask.max(axis=axis) > LEAST), size) for axis in (1, 0))
        seen = np.dstack([small, mask, grain(size)[0, 0].numpy()])
        added[rows, columns] = ask(np.ascontiguousarray(seen[rows, columns]), sharpness_of(photo))
    return enlarge(added, len(edited))


def sharpness_of(photo: Float32[np.ndarray, "s s 3"]) -> float:
    """How much of the contrast of the middle of a crop is fine, 0 for an ordinary photo and 1 a standard deviation above."""
    light = photo.mean(axis=2)
    part = slice(*(round(edge * len(photo)) for edge in (FACE.start, FACE.stop)))
    fine, coarse = (np.abs(light - cv2.GaussianBlur(light, (0, 0), sigma))[part, part].mean() for sigma in (FINE_PX, COARSE_PX))
    return float((fine / (coarse + LEAST_CONTRAST) - SHARP[0]) / SHARP[1])


def _reach(found: np.ndarray, size: int) -> slice:
    """From the first to the last place and a little beyond, on the net's grid."""
    beyond = round(SURROUNDINGS * size)
    return slice(max(0, found[0] - beyond) // GRID * GRID, min(size, -(-(found[-1] + 1 + beyond) // GRID) * GRID))
