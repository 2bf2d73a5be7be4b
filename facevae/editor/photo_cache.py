"""PhotoCache: one copy in memory of each open photo, and its preview size."""

import hashlib
import weakref
from dataclasses import replace

import numpy as np
from jaxtyping import UInt8

from facevae.photo.alignment import shrunk
from facevae.photo.images import Photo


class PhotoCache:
    """Holds references that end with the photos themselves."""

    def __init__(self) -> None:
        self._pixels: weakref.WeakValueDictionary[bytes, np.ndarray] = weakref.WeakValueDictionary()  # by SHA-256 of the file
        self._small: dict[int, tuple[int, np.ndarray]] = {}  # by id of the photo: longer side in pixels, copy

    def share_pixels(self, photo: Photo) -> Photo:
        """The photo with the pixel array of the same file, where that is open already: each takes three bytes a pixel."""
        if photo.content is None:
            return photo
        pixels = self._pixels.setdefault(hashlib.sha256(photo.content).digest(), photo.pixels)
        pixels.setflags(write=False)
        return replace(photo, pixels=pixels)

    def shrink(self, photo: UInt8[np.ndarray, "h w 3"], side_px: int) -> UInt8[np.ndarray, "h2 w2 3"]:
        """A copy with a longer side of at most `side_px`; the last size is cached: a drag needs it many times a second."""
        if max(photo.shape) <= side_px:
            return photo
        known = self._small.get(id(photo))
        if known is None:
            weakref.finalize(photo, self._small.pop, id(photo), None).atexit = False
        if known is None or known[0] != side_px:
            known = self._small[id(photo)] = (side_px, shrunk(photo, side_px))
            known[1].setflags(write=False)
        return known[1]
