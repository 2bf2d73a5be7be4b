"""Composite an edited crop into the photo: only the change of the model is added.

A decoder of 128 px is blurry; the photo is not. So the photo is kept and only the change `G(z') - G(z)` is laid over it,
in one of two ways:

- A *recolouring* (hair, skin, light) is what a local linear map of the photo's own colours can express. The guided filter
  (He, Sun and Tang 2010; on small pictures as in He and Sun 2015) carries it to the photo's edges: it does not bleed over
  the outline of the hair and leaves every strand.
- What no such map expresses is *structural*: a mouth closes, glasses come or go. There the change is laid on as it is,
  and the photo's own detail gives way to the decoder's, or the old teeth would shine through.

All of this is decided on layers of the crop's size; the photo itself is touched once, strip by strip.
"""

import weakref
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from facevae.photo import guided_filter
from facevae.photo.alignment import Alignment, crop
from facevae.photo.guided_filter import apply_guided_filter, enlarge, repeated
from facevae.settings import PHOTO_DETAIL


@dataclass(frozen=True)
class Oval:
    """A feathered ellipse in the unit crop; `feather` is the share of the radius over which it falls from 1 to 0."""

    x: float
    y: float
    radius_x: float
    radius_y: float
    feather: float

    @lru_cache(maxsize=24)  # noqa: B019 (ovals are the few constants below)
    def draw(self, size_px: int) -> Float32[np.ndarray, "s s"]:
        """The same array for the same size, never written to."""
        at = (np.arange(size_px) + 0.5) / size_px
        radius = np.hypot((at[None, :] - self.x) / self.radius_x, (at[:, None] - self.y) / self.radius_y)
        drawn = 1 - _step(radius, 1 - self.feather / 2, 1 + self.feather / 2)
        drawn.setflags(write=False)
        return drawn


DETAIL = PHOTO_DETAIL.default
"""How much of the photo's own detail stays where the change is structural, 0 ... 1.

At 0.6 teeth and frames shine through in most faces, at 0.3 cheeks and eyes go soft: looked at on 25 photos, mouths closed,
glasses taken off and put on, at 0.6 of the sliders' range and at their ends.
"""
STRIP_PX = 2**18  # a float copy of a 50 MP photo would take 600 MB; a strip takes a few, and previews are one
MOST_GROUNDS = 8
MAX_LAYER_PX = 512  # layers are made no larger: the photo's own pixels carry the detail beyond

# Where in the unit crop; eyes lie at y = 0.51, the mouth at 0.74, the chin at 0.86.
FACE = Oval(0.5, 0.6, 0.26, 0.33, 0.5)  # every change is laid on here
HEAD = Oval(0.5, 0.54, 0.38, 0.46, 0.5)  # where head and hair usually are; the photo's outlines decide
FEATURES = Oval(0.5, 0.585, 0.24, 0.35, 0.35)  # detail gives way here; strands of hair and the background never do
EYES = (Oval(0.39, 0.515, 0.09, 0.06, 0.5), Oval(0.61, 0.515, 0.09, 0.06, 0.5))
BORDER = (0.008, 0.12)  # in crop sides: the mask is 0 up to the first, free from the second
SUPERELLIPSE = (0.495, 0.74, 3.5)  # radius, share of it that is solid, exponent: the corners are outside

# All lengths are in crop sides (1 px of 128 is 0.008), all contrasts in [0, 1] pixels.
GUIDE_RADIUS, OUTLINE_RADIUS = 0.0625, 0.22  # windows of the guided filter, for the change and for the head's outline
WIDEN = (0.3, 0.75)  # outside the head: of the largest change, what is left out and what is laid on in full ...
WIDEN_FLOOR = 0.05  # ... a change of less than this is never the large one
OUTLINE = (0.45, 0.75)  # share of head among similar colours nearby: left out, and laid on in full
STRUCTURE = (0.1, 0.35)  # how structural a change must be at detail 0, and what detail 0.5 adds to that
CONTRAST_FLOOR = 0.03  # of the old contrast: below, it is noise
SMOOTH_SIGMA = 0.047  # what is smoother than this is light or make-up, not structure
EYES_KEEP = 0.35  # the decoder draws no eye as well as the photo has it, so less of a change counts as structural there
REACH = 0.016  # the photo's teeth and frames lie up to this far from where the decoder drew them
TONE_SIGMA = 0.094  # where detail gives way, the photo's light and colour stay at this scale
SHARPEN, SHARPEN_SIGMA = 0.5, 0.012  # the decoder's picture where nothing of the sharp photo is under it
GRID_SIGMA = 0.0055  # enough to hide the grid of the decoder's pixels in large photos
RANGE_KNEE = 0.7  # share of the room up to black or white that is used freely


class CropBackground:
    """What a change is laid over: a photo where the crop lies, at the layer's size (t) and at the decoder's (s).

    It holds for any number of changes, and remembers what depends on the picture before, which is the same all through a drag.
    """

    def __init__(self, photo: UInt8[np.ndarray, "h w 3"], alignment: Alignment, size: int) -> None:
        side = int(np.clip(np.ceil(alignment.side_px), size, max(size, MAX_LAYER_PX)))
        pixels = crop(photo, alignment, side)
        self.fine: Float32[np.ndarray, "t t 3"] = pixels.astype(np.float32) / 255
        self.small: Float32[np.ndarray, "s s 3"] = cv2.resize(self.fine, (size, size), interpolation=cv2.INTER_AREA)
        red, green, blue = cv2.split(pixels)
        self.grey = np.array_equal(red, green) and np.array_equal(green, blue)
        self._known: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None

    def look(self, before: Float32[np.ndarray, "s s 3"]) -> tuple[Float32[np.ndarray, "s s"], Float32[np.ndarray, "s s 3"]]:
        """The contrast of the picture before, and that picture in the photo's light."""
        known = self._known
        if known is None or not np.array_equal(known[0], before):
            known = self._known = before, contrast(before), before + _blur(self.small - before, TONE_SIGMA)
        return known[1:]


def paste(
    photo: UInt8[np.ndarray, "h w 3"],
    before: Float32[np.ndarray, "s s 3"],
    after: Float32[np.ndarray, "s s 3"],
    alignment: Alignment,
    detail: float = DETAIL,
    ground: CropBackground | None = None,
) -> UInt8[np.ndarray, "h w 3"]:
    """The photo with the change from `before` = G(z) to `after` = G(z') in it, a new array; both lie in [0, 1].

    `detail` 1 keeps all of the photo's own detail; at 0 it gives way wherever the change is structural. Where before
    equals after, and outside the crop, the photo's own levels come back bit for bit; only the crop's bounding box is
    computed. A grey photo stays grey. Rounded to the nearest level. `ground`, that of this photo and alignment, saves
    looking at the photo again. `ValueError` for a detail outside 0 ... 1.
    """
    if not 0 <= detail <= 1:
        raise ValueError(f"the photo detail must lie between 0 and 1, not {detail:g}")
    change = after - before
    if not change.any():
        return photo.copy()
    size = len(change)
    ground = CropBackground(photo, alignment, size) if ground is None else ground
    fine, small, side = ground.fine, ground.small, len(ground.fine)
    if ground.grey:  # a black and white photo gets no coloured mouth
        before, after = (np.repeat(x.mean(axis=2, keepdims=True), 3, axis=2) for x in (before, after))
        change = after - before
    old_contrast, lit = ground.look(before)
    structure = structural(before, after, old_contrast)
    mask = change_mask(change, small, fine)
    raw = enlarge(_giving_way(structure, min(detail, DETAIL)), side).clip(0, 1)
    gives = mask * (raw if detail <= DETAIL else enlarge(_giving_way(structure, detail), side).clip(0, 1))
    mask3, raw3, gives3 = (repeated(x, 3) for x in (mask, raw, gives))
    recoloured = apply_guided_filter(small, change, fine, GUIDE_RADIUS)
    layer = recoloured + raw3 * (_draw(change, side) - recoloured)  # (side, side, 3)
    # What the photo's own pixels give way to: the decoder's face, a little sharper, in the photo's light.
    tone = _draw(lit + SHARPEN * (after - _blur(after, SHARPEN_SIGMA)), side)
    layer = mask3 * _within_range(fine + gives3 * (tone - fine), layer) + gives3 * tone
    return _lay_over(photo, cv2.merge((*cv2.split(layer * 255), gives)), alignment)


_grounds: OrderedDict[tuple[int, bytes, int], tuple[weakref.ref, CropBackground]] = OrderedDict()


def ground_of(photo: UInt8[np.ndarray, "h w 3"], alignment: Alignment, size: int) -> CropBackground:
    """The ground of a photo that is never written to, for decoders of `size` pixels; remembered while the photo is there.

    Of so many photos as people may be dragging sliders over at the same time.
    """
    key = id(photo), alignment.matrix.tobytes(), size
    of, found = _grounds.pop(key, (None, None))
    if of is None or found is None or of() is not photo:
        of, found = weakref.ref(photo, lambda _: _grounds.pop(key, None)), CropBackground(photo, alignment, size)
    _grounds[key] = of, found
    while len(_grounds) > MOST_GROUNDS:
        _grounds.popitem(last=False)
    return found


def forget() -> None:
    """Let go of what is remembered of faces."""
    _grounds.clear()
    guided_filter.forget()


def soft_mask(size_px: int) -> Float32[np.ndarray, "s s"]:
    """A superellipse: 1 on face, hair and chin, falling smoothly (C1) to 0 just inside the crop's border."""
    radius, solid, exponent = SUPERELLIPSE
    away = np.abs((np.arange(size_px) + 0.5) / size_px - 0.5) / radius
    reach = (away[None, :] ** exponent + away[:, None] ** exponent) ** (1 / exponent)  # (s, s)
    mask = 1 - _step(reach, solid, 1)
    mask[[0, -1]] = 0  # crops of a few pixels have their outermost centres inside the radius
    mask[:, [0, -1]] = 0
    return mask


_soft_mask = lru_cache(maxsize=4)(soft_mask)  # what others get they may write to


def change_mask(
    change: Float32[np.ndarray, "s s 3"], small: Float32[np.ndarray, "s s 3"], fine: Float32[np.ndarray, "t t 3"]
) -> Float32[np.ndarray, "t t"]:
    """Where a change is laid on: on the head, and around it where the change is large (hair), 0 at the crop's border.

    An ellipse and the large changes say roughly what is head; the photo's outlines say exactly. `small` and `fine` are
    the photo's crop at the change's size and at the mask's.
    """
    size, side = len(change), len(fine)
    amount = _rms(change, 0.023)
    largest = max(float(np.percentile(amount, 97)), WIDEN_FLOOR)
    roughly = np.maximum(HEAD.draw(size), _step(amount / largest, *WIDEN) * _soft_mask(size))
    outlined = apply_guided_filter(small, roughly[:, :, None], fine, OUTLINE_RADIUS)[:, :, 0]
    mask = np.maximum(_step(outlined, *OUTLINE), FACE.draw(side))
    at = (np.arange(side) + 0.5) / side
    border = _step(np.minimum(at, 1 - at), *BORDER)
    border[[0, -1]] = 0  # the outermost centres of small crops lie further inside
    return mask * border[:, None] * border[None, :]


def contrast(picture: Float32[np.ndarray, "s s 3"]) -> Float32[np.ndarray, "s s"]:
    """How much of it is edges and marks, nearby."""
    return _rms(picture - _blur(picture, 0.031), 0.023)


def structural(
    before: Float32[np.ndarray, "s s 3"], after: Float32[np.ndarray, "s s 3"], old_contrast: Float32[np.ndarray, "s s"] | None = None
) -> Float32[np.ndarray, "s s"]:
    """How structural the change is nearby: its edges that no local linear map of the old colours gives, over the old contrast.

    0 for any recolouring and for smooth light; about 1 where a mouth closes or glasses go. Linear in the change, so that a
    small edit does little. `old_contrast` is that of the picture before, where it is known.
    """
    change = after - before
    unexplained = change - apply_guided_filter(before, change, before, GUIDE_RADIUS)
    unexplained = unexplained - _blur(unexplained, SMOOTH_SIGMA)
    return _rms(unexplained, 0.016) / ((contrast(before) if old_contrast is None else old_contrast) + CONTRAST_FLOOR)


def _giving_way(structure: np.ndarray, detail: float) -> np.ndarray:
    """0 ... 1: how far the photo's detail gives way. The threshold rises without bound as `detail` goes to 1."""
    if detail == 1:
        return np.zeros_like(structure)
    size = len(structure)
    counted = structure * (1 - EYES_KEEP * np.maximum(EYES[0].draw(size), EYES[1].draw(size)))
    start = STRUCTURE[0] + STRUCTURE[1] * detail / (1 - detail)
    reach = 2 * round(REACH * size) + 1
    near = cv2.dilate(_step(counted, start, 2 * start), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
    return _blur(near * FEATURES.draw(size), REACH)


def _within_range(base: np.ndarray, change: np.ndarray) -> np.ndarray:
    """The change, weakened where it would leave [0, 1]: clipping would crush strands of hair and shine to flat patches."""
    room = np.where(change > 0, 1 - base, base).clip(0) + 1e-3
    used = np.abs(change) / room
    beyond = np.flatnonzero(used > RANGE_KNEE)  # a tenth of the pixels, or less: tanh of all would take longer than the rest
    used, room, weakened = used.ravel()[beyond], room.ravel()[beyond], change.astype(np.float32)
    soft = RANGE_KNEE + (1 - RANGE_KNEE) * np.tanh((used - RANGE_KNEE) / (1 - RANGE_KNEE))
    weakened.reshape(-1)[beyond] = np.copysign(soft * room, change.ravel()[beyond])
    return weakened


def _lay_over(photo: np.ndarray, layer: np.ndarray, alignment: Alignment) -> np.ndarray:
    """photo · (1 - warp(layer[3])) + warp(layer[:3]), rounded; the layer (s, s, 4) is in levels, its last channel in 0 ... 1."""
    result = photo.copy()
    if not layer.any():
        return result
    layer = np.ascontiguousarray(layer, np.float32)
    if alignment.side_px < len(layer):  # the face is smaller than the layer: average, or single pixels would be picked
        small = max(1, round(alignment.side_px))
        layer = cv2.resize(layer, (small, small), interpolation=cv2.INTER_AREA)
    height, width = photo.shape[:2]
    corners = alignment.corners_px  # (4, 2)
    left, top = np.clip(np.floor(corners.min(axis=0)), 0, (width, height)).astype(int).tolist()
    right, bottom = np.clip(np.ceil(corners.max(axis=0)), 0, (width, height)).astype(int).tolist()
    rows = max(1, STRIP_PX // max(right - left, 1))
    for start in range(top, bottom, rows):
        strip = result[start : min(start + rows, bottom), left:right]
        if not strip.size:
            continue
        *added, gives = cv2.split(
            cv2.warpAffine(
                layer,
                _index_map(alignment.matrix, len(layer), (left, start)),
                (strip.shape[1], strip.shape[0]),
                flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_CONSTANT,
            )
        )
        stays = 1 - gives
        own = (cv2.multiply(plane, stays, dtype=cv2.CV_32F) for plane in cv2.split(np.ascontiguousarray(strip)))
        strip[...] = cv2.merge([cv2.add(kept, new, dtype=cv2.CV_8U) for kept, new in zip(own, added, strict=True)])  # rounds and saturates
    return result


def _index_map(matrix: np.ndarray, size_px: int, origin: tuple[int, int]) -> np.ndarray:
    """Pixel indices of a window of the photo at `origin` -> pixel indices in the layer, (2, 3).

    Continuous coordinates put pixel i's centre at i + 0.5, OpenCV puts it at i: half a pixel in, half a pixel out.
    """
    index_map = matrix * size_px
    index_map[:, 2] += index_map[:, :2] @ (np.array(origin) + 0.5) - 0.5
    return index_map


def _step(x: np.ndarray, start: float, stop: float) -> np.ndarray:
    """0 up to `start`, 1 from `stop`, smooth (C1) between, float32."""
    t = np.clip((x - start) / (stop - start), 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)


def _blur(x: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian; `sigma` in crop sides."""
    return cv2.GaussianBlur(x, (0, 0), sigma * len(x), borderType=cv2.BORDER_REPLICATE)


def _rms(x: np.ndarray, sigma: float) -> np.ndarray:
    """Root mean square of (s, s, c) over the channels and nearby."""
    return np.sqrt(_blur((x**2).mean(axis=2), sigma))


def _draw(x: np.ndarray, side_px: int) -> np.ndarray:
    """The decoder's picture or change, enlarged without its faint grid (nets/residual.py), which shows at full size."""
    return _blur(enlarge(x, side_px), GRID_SIGMA)
