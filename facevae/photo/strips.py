"""Lay a square window over its place in a photo, strip by strip to save memory."""

from collections.abc import Iterator

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Float64, UInt8

from facevae.photo.alignment import Alignment

STRIP_PX = 2**18  # a float copy of a 50 MP photo would take 600 MB; a strip takes a few, and previews are one

Strip = tuple[UInt8[np.ndarray, "h w 3"], Float32[np.ndarray, "h w c"], tuple[int, int]]


def strips(
    photo: UInt8[np.ndarray, "h w 3"],
    layer: Float32[np.ndarray, "s s c"],
    alignment: Alignment,
    where: Bool[np.ndarray, "s s"] | None = None,
) -> Iterator[Strip]:
    """Pieces of the photo, to be written to, with the layer over them, bicubic, 0 outside of it, and where their top left lies (x, y).

    Only the bounding box of the window is passed, or of what of it is `where`.
    """
    corners = alignment.corners_px if where is None else _corners(where, alignment)  # (4, 2)
    pieces = [
        np.ascontiguousarray(layer[:, :, k : k + 4], np.float32) for k in range(0, layer.shape[2], 4)
    ]  # OpenCV takes four planes at most
    if alignment.side_px < len(layer):  # the window is smaller than the layer: average, or single pixels would be picked
        small = max(1, round(alignment.side_px))
        pieces = [cv2.resize(x, (small, small), interpolation=cv2.INTER_AREA) for x in pieces]
    height, width = photo.shape[:2]
    left, top = np.clip(np.floor(corners.min(axis=0)), 0, (width, height)).astype(int).tolist()
    right, bottom = np.clip(np.ceil(corners.max(axis=0)), 0, (width, height)).astype(int).tolist()
    rows = max(1, STRIP_PX // max(right - left, 1))
    for start in range(top, bottom, rows):
        strip = photo[start : min(start + rows, bottom), left:right]
        if strip.size:
            index_map = window_indices(alignment.matrix, len(pieces[0]), (left, start))
            flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
            size = strip.shape[1], strip.shape[0]
            warped = [cv2.warpAffine(x, index_map, size, flags=flags, borderMode=cv2.BORDER_CONSTANT) for x in pieces]
            yield strip, warped[0] if len(warped) == 1 else np.dstack(warped), (left, start)


def _corners(where: Bool[np.ndarray, "s s"], alignment: Alignment) -> Float64[np.ndarray, "4 2"]:
    """The bounding box, in the photo, of what of a window is meant; of nothing where nothing is."""
    rows, columns = np.flatnonzero(where.any(axis=1)), np.flatnonzero(where.any(axis=0))
    if not len(rows):
        return np.zeros((4, 2))
    left, right, top, bottom = columns[0] - 2, columns[-1] + 3, rows[0] - 2, rows[-1] + 3
    return alignment.in_photo(np.array([[left, top], [right, top], [right, bottom], [left, bottom]]) / len(where))


def window_indices(matrix: np.ndarray, size_px: int, origin: tuple[int, int]) -> np.ndarray:
    """Pixel indices of a piece of the photo at `origin` -> pixel indices in the layer, (2, 3).

    Continuous coordinates put pixel i's centre at i + 0.5, OpenCV puts it at i: half a pixel in, half a pixel out.
    """
    index_map = matrix * size_px
    index_map[:, 2] += index_map[:, :2] @ (np.array(origin) + 0.5) - 0.5
    return index_map
