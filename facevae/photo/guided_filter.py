"""Guided filter: a local linear map of a photo's colours that keeps its edges.

Source: He, Sun and Tang, Guided Image Filtering (2010); on small pictures as in He and Sun, Fast Guided Filter (2015).
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Float32

GUIDE_EPS = 1e-3  # squared contrast below which the photo's edges are not followed
UPPER = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))  # entries of a symmetric matrix


def apply_guided_filter(
    guide: Float32[np.ndarray, "s s 3"], values: Float32[np.ndarray, "s s c"], fine: Float32[np.ndarray, "t t 3"], radius: float
) -> Float32[np.ndarray, "t t c"]:
    """`values` as a local linear map of the guide's colours, in windows of `radius` (a share of the side), applied to `fine`.

    `fine` is the same view as the guide at any size.
    """
    maps = [guided_map(guide, plane, radius) for plane in cv2.split(values)]  # NumPy is slow where the last axis is three long
    side, count = len(fine), len(maps)
    result = enlarge(merged(found[3] for found in maps), side)
    for i, colour in enumerate(cv2.split(fine)):
        result += enlarge(merged(found[i] for found in maps), side) * repeated(colour, count)
    return result


def guided_map(guide: Float32[np.ndarray, "s s 3"], plane: Float32[np.ndarray, "s s"], radius: float) -> list[Float32[np.ndarray, "s s"]]:
    """The linear map itself: slopes for red, green and blue, and the offset, at each place."""
    size, width = len(guide), 2 * max(1, round(radius * len(guide))) + 1
    colours, colour_means, inverse = _look(np.ascontiguousarray(guide, np.float32).tobytes(), size, width)
    plane_mean = _mean(plane, width)
    x, y, z = (_mean(colours[i] * plane, width) - colour_means[i] * plane_mean for i in range(3))
    slopes = [_combined((inverse[min(i, j), max(i, j)] for j in range(3)), (x, y, z)) for i in range(3)]
    return [_mean(found, width) for found in (*slopes, plane_mean - _combined(colour_means, slopes))]


@lru_cache(maxsize=8)
def _look(content: bytes, size: int, width: int) -> tuple[Sequence[np.ndarray], list[np.ndarray], dict[tuple[int, int], np.ndarray]]:
    """What the guided filter wants to know of its guide: colours, their means, the inverse of their covariance, each (s, s).

    A drag, a morph and a guidance ask for those of the same few guides at each of their pictures.
    """
    colours = cv2.split(np.frombuffer(content, np.float32).reshape(size, size, 3))
    means = [_mean(x, width) for x in colours]
    covariance = {(i, j): _mean(colours[i] * colours[j], width) - means[i] * means[j] + np.float32(GUIDE_EPS * (i == j)) for i, j in UPPER}
    return colours, means, _inverse(covariance)


def forget() -> None:
    """Let go of what is remembered of guides: they are small pictures of faces."""
    _look.cache_clear()


def _mean(plane: np.ndarray, width: int) -> np.ndarray:
    """Over windows of `width` pixels."""
    return cv2.blur(plane, (width, width), borderType=cv2.BORDER_REFLECT)


def _combined(weights: Iterable[np.ndarray], planes: Iterable[np.ndarray]) -> np.ndarray:
    """w0·p0 + w1·p1 + w2·p2."""
    a, b, c = (w * p for w, p in zip(weights, planes, strict=True))
    return a + b + c


def _inverse(a: dict[tuple[int, int], np.ndarray]) -> dict[tuple[int, int], np.ndarray]:
    """a⁻¹ of symmetric positive definite 3×3 matrices, one for each pixel, by their upper entries (s, s), from cofactors.

    LAPACK, called per pixel, is three times slower. In double precision, for a cofactor is a difference of products that are
    nearly equal where colours lie on a line.
    """
    xx, xy, xz, yy, yz, zz = (a[entry].astype(np.float64) for entry in UPPER)
    cofactors = (yy * zz - yz * yz, xz * yz - xy * zz, xy * yz - xz * yy, xx * zz - xz * xz, xy * xz - xx * yz, xx * yy - xy * xy)
    determinant = xx * cofactors[0] + xy * cofactors[1] + xz * cofactors[2]
    return {entry: (cofactor / determinant).astype(np.float32) for entry, cofactor in zip(UPPER, cofactors, strict=True)}


def repeated(x: np.ndarray, count: int) -> np.ndarray:
    """One plane (s, s) as `count` equal channels (s, s, count)."""
    return cv2.merge([x] * count).reshape(*x.shape, count)


def merged(planes: Iterable[np.ndarray]) -> np.ndarray:
    """Planes (s, s) as channels (s, s, c)."""
    found = list(planes)
    return cv2.merge(found).reshape(*found[0].shape, len(found))


def enlarge(x: np.ndarray, side_px: int) -> np.ndarray:
    """(s, s) or (s, s, c) -> (side_px, side_px) or with its c channels, bicubic; OpenCV alone loses the axis of a single channel."""
    if len(x) == side_px:
        return x
    return cv2.resize(x, (side_px, side_px), interpolation=cv2.INTER_CUBIC).reshape(side_px, side_px, *x.shape[2:])
