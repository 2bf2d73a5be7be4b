"""What a change is laid over: a photo where the crop lies, with its parts; remembered."""

import copy
import weakref
from collections import OrderedDict

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from facevae.photo import guided_filter
from facevae.photo.alignment import Alignment, crop
from facevae.photo.filters import blur, border_mask, rms
from facevae.photo.guided_filter import apply_guided_filter
from facevae.photo.ovals import HEAD
from facevae.photo.parts import FACE, OUTLINE_RADIUS, Parser, Shares, parse_photo, share_of, solid
from facevae.photo.shape_motion import ShapeMotion, carried, carry_shares

MOST_GROUNDS, MOST_PARSED = 8, 4
MAX_LAYER_PX = 512  # layers are made no larger: the photo's own pixels carry the detail beyond
TONE_SIGMA = 0.094  # where detail gives way, the photo's light and colour stay at this scale


class CropBackground:
    """What a change is laid over: a photo where the crop lies, at the layer's size (t) and at the decoder's (s), and its parts.

    It holds for any number of changes, and remembers what depends on the picture before, which is the same all through a drag.
    """

    def __init__(self, photo: UInt8[np.ndarray, "h w 3"], alignment: Alignment, size: int, parser: Parser) -> None:
        side = int(np.clip(np.ceil(alignment.side_px), size, max(size, MAX_LAYER_PX)))
        pixels = crop(photo, alignment, side)
        self.fine: Float32[np.ndarray, "t t 3"] = pixels.astype(np.float32) / 255
        self.small: Float32[np.ndarray, "s s 3"] = cv2.resize(self.fine, (size, size), interpolation=cv2.INTER_AREA)
        red, green, blue = cv2.split(pixels)
        self.grey = np.array_equal(red, green) and np.array_equal(green, blue)
        self.parts = parse_photo(photo, alignment, parser)
        self.shares: Shares = self.parts.in_crop(size)
        self.face_share: Float32[np.ndarray, "s s"] = share_of(self.shares, FACE) * HEAD.draw(size)
        outlined = apply_guided_filter(self.small, self.face_share[:, :, None], self.fine, OUTLINE_RADIUS)[:, :, 0]
        self.face: Float32[np.ndarray, "t t"] = solid(outlined) * border_mask(side)
        self.seam: Float32[np.ndarray, "s s"] | None = None
        """The line between lips that were closed, where the pixels have been moved."""
        self._parser = parser
        self._known: tuple[np.ndarray, np.ndarray, np.ndarray, Shares] | None = None
        self._parsed: list[tuple[np.ndarray, Shares]] = []

    def look(
        self, before: Float32[np.ndarray, "s s 3"]
    ) -> tuple[Float32[np.ndarray, "s s"], Float32[np.ndarray, "s s 3"], Float32[np.ndarray, "k s s"]]:
        """The contrast of the picture before, that picture in the photo's light, and its parts."""
        known = self._known
        if known is None or not np.array_equal(known[0], before):
            known = self._know(before, self.parse(before))
        return known[1:]

    def _know(self, before: Float32[np.ndarray, "s s 3"], shares: Shares) -> tuple[np.ndarray, np.ndarray, np.ndarray, Shares]:
        self._known = before, contrast(before), before + blur(self.small - before, TONE_SIGMA), shares
        return self._known

    def parse(self, picture: Float32[np.ndarray, "s s 3"]) -> Shares:
        """The parts of what the decoder drew; those of the last pictures are remembered, as most edits of several stay in a drag."""
        found = next((shares for known, shares in self._parsed if np.array_equal(known, picture)), None)
        if found is None:
            found = self._parser(np.rint(picture * 255).astype(np.uint8))
            self._parsed[:] = [(picture, found), *self._parsed[: MOST_PARSED - 1]]  # shared with the same photo moved
        return found

    def moved(self, shape: ShapeMotion, before: Float32[np.ndarray, "s s 3"], old: Shares) -> "CropBackground":
        """The same with its pixels moved; `before` is the picture before the edit and `old` its parts, moved as well.

        The photo's own parts, outside of the crop, too, stay where they were.
        """
        other, motion = copy.copy(self), shape.motion
        other.seam = shape.seam
        other.fine, other.small = (carried(x, motion).clip(0, 1) for x in (self.fine, self.small))
        other.face, other.face_share = carried(self.face, motion), carried(self.face_share, motion)
        other.shares = carry_shares(self.shares, motion)
        other._know(before, old)
        return other


_grounds: OrderedDict[tuple[int, bytes, int], tuple[weakref.ref, CropBackground]] = OrderedDict()


def ground_of(photo: UInt8[np.ndarray, "h w 3"], alignment: Alignment, size: int, parser: Parser) -> CropBackground:
    """The ground of a photo that is never written to, for decoders of `size` pixels; remembered while the photo is there.

    Of so many photos as people may be dragging sliders over at the same time.
    """
    key = id(photo), alignment.matrix.tobytes(), size
    of, found = _grounds.pop(key, (None, None))
    if of is None or found is None or of() is not photo:
        of, found = weakref.ref(photo, lambda _: _grounds.pop(key, None)), CropBackground(photo, alignment, size, parser)
    _grounds[key] = of, found
    while len(_grounds) > MOST_GROUNDS:
        _grounds.popitem(last=False)
    return found


def forget() -> None:
    """Let go of what is remembered of faces."""
    _grounds.clear()
    guided_filter.forget()


def contrast(picture: Float32[np.ndarray, "s s 3"]) -> Float32[np.ndarray, "s s"]:
    """How much of it is edges and marks, nearby."""
    return rms(picture - blur(picture, 0.031), 0.023)
