"""Back into the photo: the photo's own pixels plus the change that the model made, through a soft mask.

A decoder of 128 px is blurry; the photo is not. So the photo is kept and only `G(z') - G(z)` is laid over it.
"""

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from facevae.photo.alignment import Alignment

# A superellipse in the unit crop: the face with hair and chin inside, the corners outside.
MASK_CENTRE = (0.5, 0.5)
MASK_RADIUS = 0.495
MASK_EXPONENT = 3.5
MASK_SOLID = 0.74  # up to this part of the radius the change is laid on in full
STRIP_ROWS = 512  # the float copy of a 50 MP photo would take 600 MB; a strip takes a few


def soft_mask(size_px: int) -> Float32[np.ndarray, "s s"]:
    """1 on the face, falling smoothly (C1) to 0 just inside the crop's border."""
    at = (np.arange(size_px) + 0.5) / size_px
    dx = np.abs(at - MASK_CENTRE[0])[None, :] / MASK_RADIUS
    dy = np.abs(at - MASK_CENTRE[1])[:, None] / MASK_RADIUS
    radius = (dx**MASK_EXPONENT + dy**MASK_EXPONENT) ** (1 / MASK_EXPONENT)  # (s, s)
    t = np.clip((1 - radius) / (1 - MASK_SOLID), 0, 1)
    mask = (t * t * (3 - 2 * t)).astype(np.float32)
    mask[[0, -1]] = 0  # crops of a few pixels have their outermost centres inside the radius
    mask[:, [0, -1]] = 0
    return mask


def add_change(photo: UInt8[np.ndarray, "h w 3"], change: Float32[np.ndarray, "s s 3"], alignment: Alignment) -> UInt8[np.ndarray, "h w 3"]:
    """`photo + mask · warp(change)`, a new array; `change` is in units of [0, 1] pixels of the aligned crop.

    Only the bounding box of the crop is computed; everything else, and everything where the change is zero, keeps the
    photo's own levels bit for bit. Rounded to the nearest level.
    """
    result = photo.copy()
    layer = change * (255 * soft_mask(len(change)))[:, :, None]  # (s, s, 3) in levels
    if not layer.any():
        return result
    side_px = alignment.side_px
    if side_px < len(layer):  # the face is smaller than the crop: average, or single pixels would be picked
        small = max(1, round(side_px))
        layer = cv2.resize(layer, (small, small), interpolation=cv2.INTER_AREA)
    height, width = photo.shape[:2]
    corners = alignment.corners_px  # (4, 2)
    left, top = np.clip(np.floor(corners.min(axis=0)), 0, (width, height)).astype(int).tolist()
    right, bottom = np.clip(np.ceil(corners.max(axis=0)), 0, (width, height)).astype(int).tolist()
    for start in range(top, bottom, STRIP_ROWS):
        stop = min(start + STRIP_ROWS, bottom)
        strip = result[start:stop, left:right]
        if strip.size:
            to_layer = _index_map(alignment.matrix, len(layer), (left, start))
            warped = cv2.warpAffine(
                layer,
                to_layer,
                (strip.shape[1], strip.shape[0]),
                flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_CONSTANT,
            )
            strip[:] = cv2.add(strip, warped, dtype=cv2.CV_8U)  # adds as float, then rounds and saturates
    return result


def _index_map(matrix: np.ndarray, size_px: int, origin: tuple[int, int]) -> np.ndarray:
    """Pixel indices of a window of the photo at `origin` -> pixel indices in the layer, (2, 3).

    Continuous coordinates put pixel i's centre at i + 0.5, OpenCV puts it at i: half a pixel in, half a pixel out.
    """
    index_map = matrix * size_px
    index_map[:, 2] += index_map[:, :2] @ (np.array(origin) + 0.5) - 0.5
    return index_map
