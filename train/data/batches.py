"""Training batches and augmentation, pure functions of (seed, nimg).

What a run saw does not depend on where it was stopped.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

import cv2
import numpy as np
from jaxtyping import Int, UInt8

T = TypeVar("T")
Batcher = Callable[[int, slice], UInt8[np.ndarray, "b h w c"]]
"""(nimg, rows) -> these rows of the batch that begins with image number nimg of the run; a pure function."""


class IndexedPictures(Protocol):
    """Pictures in memory or on disk that can be read one by one (train/data/prepared.py)."""

    images: UInt8[np.ndarray, "n h w c"]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the pictures."""

    def indices(self, split: str) -> Int[np.ndarray, " m"]:
        """Positions of the pictures of a split."""


class PictureSource(Protocol):
    """What a VAE can be trained on: prepared arrays, or shards (train/data/shards.py)."""

    @property
    def name(self) -> str:
        """What `open_data` finds it by, from any folder."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the pictures."""

    def pictures(self, split: str, count: int) -> UInt8[np.ndarray, "m h w c"]:
        """The first `count` pictures of a split, or as many as it has."""

    def batches(self, seed: int, batch_size: int, variation: "Variation") -> Batcher:
        """Endless shuffled batches of the train split, each a function of (seed, nimg)."""


@dataclass(frozen=True)
class Variation:
    """How training pictures are varied at random."""

    flip: bool = True
    shift_px: int = 0
    turn_deg: float = 0.0

    def apply(
        self,
        pictures: Iterable[UInt8[np.ndarray, "h w c"]],
        shape: tuple[int, int, int],
        key: tuple[int, ...],
        batch_size: int,
        rows: slice = slice(None),
    ) -> UInt8[np.ndarray, "b h w c"]:
        """Pictures flipped, turned and shifted, edges repeated. They are `rows` of a batch whose random numbers come from `key`."""
        rng, pad = np.random.default_rng(key), self.shift_px
        flips = (self.flip & (rng.random(batch_size) < 0.5))[rows]
        corners = rng.integers(0, 2 * pad + 1, size=(batch_size, 2))[rows]
        turns = (rng.uniform(-self.turn_deg, self.turn_deg, batch_size) if self.turn_deg else np.zeros(batch_size))[rows]
        channels, height, width = shape
        out = np.empty((len(corners), height, width, channels), np.uint8)
        for i, (picture, (top, left)) in enumerate(zip(pictures, corners, strict=True)):
            cut = shift(picture, int(top) - pad, int(left) - pad)
            cut = cv2.flip(cut, 1) if flips[i] else cut
            out[i] = (turn(cut, turns[i]) if self.turn_deg else cut).reshape(out[i].shape)  # cv2 drops the axis of a single channel
        return out


class Batches:
    """Endless shuffled batches; batch k depends on (seed, nimg) alone, so that a resumed run equals an unbroken one."""

    def __init__(self, data: IndexedPictures, split: str, seed: int, flip: bool = True, shift_px: int = 0, turn_deg: float = 0.0) -> None:
        self.data, self.seed, self.variation = data, seed, Variation(flip, shift_px, turn_deg)
        self.members = data.indices(split)
        self._epoch, self._order = -1, self.members

    def indices(self, nimg: int, batch_size: int) -> Int[np.ndarray, " b"]:
        """Data set positions of the images number nimg … nimg + batch_size - 1 of the run."""
        picked = []
        for i in range(nimg, nimg + batch_size):
            epoch, place = divmod(i, len(self.members))
            if epoch != self._epoch:
                self._order = np.random.default_rng((self.seed, 1, epoch)).permutation(self.members)
                self._epoch = epoch
            picked.append(self._order[place])
        return np.array(picked)

    def __call__(self, nimg: int, batch_size: int, rows: slice = slice(None)) -> tuple[UInt8[np.ndarray, "b h w c"], Int[np.ndarray, " b"]]:
        """Pictures, varied at random, and their positions in the data set; of a batch that is shared, some rows only."""
        index = self.indices(nimg, batch_size)[rows]
        pictures = (self.data.images[k] for k in index)
        return self.variation.apply(pictures, self.data.shape, (self.seed, 2, nimg), batch_size, rows), index


def shift(picture: UInt8[np.ndarray, "h w c"], down: int, right: int) -> UInt8[np.ndarray, "h w *c"]:
    """What a window of the picture's size sees that was moved so many pixels over it, edges repeated.

    By cv2, as the flip is: NumPy takes twenty times as long for both, on a core that the step wants.
    """
    height, width = picture.shape[:2]
    # All that lies further out is the outermost row or column again.
    down, right = max(-height + 1, min(down, height - 1)), max(-width + 1, min(right, width - 1))
    seen = picture[max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)]
    return cv2.copyMakeBorder(seen, max(-down, 0), max(down, 0), max(-right, 0), max(right, 0), cv2.BORDER_REPLICATE)


def turn(picture: UInt8[np.ndarray, "h w *c"], angle_deg: float) -> UInt8[np.ndarray, "h w *c"]:
    """Turned around its middle, edges repeated; Lanczos, since a net that is to be sharp must not be shown softer pictures."""
    height, width = picture.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle_deg, 1.0)
    return cv2.warpAffine(picture, matrix, (width, height), flags=cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REPLICATE)


def prefetch(make: Callable[[int], T], start: int, step: int) -> Iterator[T]:
    """make(start), make(start + step), …, each computed in a thread while the one before is in use."""
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(make, start)
        while True:
            start += step
            result, pending = pending.result(), pool.submit(make, start)
            yield result
