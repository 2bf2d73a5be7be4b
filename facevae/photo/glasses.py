"""Glasses that an edit puts on: outline, lenses and colour as the decoder drew them."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32

from facevae.photo.filters import blur, largest_near
from facevae.photo.guided_filter import enlarge, repeated
from facevae.photo.ovals import smooth_step
from facevae.photo.parts import Shares, share_of

# All lengths are in crop sides.
OUTLINE_SIGMA, OUTLINE = 0.012, (0.38, 0.62)  # the outline of what is likely glasses, smoothed
RIM, RIM_EDGE = 0.012, 0.003  # how wide, and how soft its inner edge
RIM_OPAQUE, RIM_DARKEN = 0.95, 0.8  # the decoder's rim is a line of mixed pixels, lighter than the rim itself
SHADOW, SHADOW_SIGMA, SHADOW_BELOW = 0.25, 0.008, 0.012
WHOLE_PAIR = (0.012, 0.022)  # in squared crop sides: less is a trace of glasses, and nothing is drawn
DARK_LENS = (0.45, 0.6)  # share of the skin's light that lenses lack which hide what is behind them
SURE, LIKELY = 0.8, (0.35, 0.75)  # inside a lens; at its rim
FILL_SIGMA = 0.012
ALIKE = 0.7  # overlap with its own mirror image from which a pair is drawn symmetric: the head is not turned
BRIDGE = (0.12, 0.3)  # where lenses are joined that the parser sees apart, from their upper edge to their lower
EYE_LINE, MOST_MOVED = 0.42, 0.04  # of the height of a pair, where eyes lie; a pair is moved there
ARM, ARM_LINE, ARM_LONGEST = 0.006, 0.25, 0.12  # half as wide as a temple; where it begins, in the height of the pair; how long it is
ROUND = 0.03  # nothing else changes so near to glasses that are put on


@dataclass(frozen=True)
class Glasses:
    """A pair that is put on, at the decoder's size."""

    outline: Float32[np.ndarray, "s s"]
    """Above 0.5 within its outline."""
    opacity: float
    """0 where there is no more than a trace."""
    lens: float
    """How far the lenses hide what is behind them: 0 for clear ones."""
    rim: Float32[np.ndarray, " 3"]
    """Colour of the rim, in [0, 1]."""
    fill: Float32[np.ndarray, "s s 3"]
    """The picture of dark lenses."""
    skin: Float32[np.ndarray, "s s"]
    """Of the photo: temples lie before it, and a shadow on it."""

    @property
    def still(self) -> Float32[np.ndarray, "s s"]:
        """Where nothing else changes."""
        return np.float32(self.opacity) * largest_near((self.outline > 0.5).astype(np.float32), ROUND)


def glasses_put_on(photo: Shares, old: Shares, new: Shares, drawn: Float32[np.ndarray, "s s 3"]) -> Glasses | None:
    """The glasses of the picture with the parts `new` that neither the picture before nor the photo has; None where there are none.

    `drawn` is that picture in the photo's light. Hair and hands in front of the face stay in front of them.
    """
    there, *others = (share_of(shares, ("glasses",)) for shares in (new, old, photo))
    put_on = (there - np.maximum(*others)).clip(0)
    pair = with_bridge(symmetric(put_on))
    moved = to_the_eyes(pair, share_of(photo, ("eyes",)))
    pair, drawn = (cv2.warpAffine(x, moved, x.shape[1::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) for x in (pair, drawn))
    outline = blur(pair * (1 - share_of(photo, ("other", "hair"))), OUTLINE_SIGMA)
    opacity = float(smooth_step((outline > 0.5).mean(keepdims=True), *WHOLE_PAIR)[0, 0])
    lens, edge, skin = outline > SURE, (outline > LIKELY[0]) & (outline < LIKELY[1]), share_of(new, ("skin",)) > SURE
    if not opacity or not lens.any() or not edge.any() or not skin.any():
        return None
    light = drawn.mean(axis=2)
    lack = 1 - np.median(light[lens], keepdims=True) / np.median(light[skin], keepdims=True).clip(0.01)
    rim = np.median(drawn[edge & (light <= np.quantile(light[edge], 0.25))], axis=0) * RIM_DARKEN
    hides, middle = float(smooth_step(lack, *DARK_LENS)[0]), np.median(drawn[lens], axis=0)
    rim = rim + hides * (np.minimum(rim, middle * RIM_DARKEN) - rim)  # nor is it lighter than dark lenses
    near = blur(lens.astype(np.float32), FILL_SIGMA)[:, :, None]
    fill = np.where(near > 0.02, blur(drawn * lens[:, :, None], FILL_SIGMA) / (near + 1e-4), middle)
    return Glasses(outline, opacity, hides, rim.clip(0, 1), fill.clip(0, 1).astype(np.float32), share_of(photo, ("skin",)))


def symmetric(share: Float32[np.ndarray, "s s"]) -> Float32[np.ndarray, "s s"]:
    """The mean of a pair of glasses and its mirror image, where both are much alike."""
    inside = share > 0.5
    if not inside.any():
        return share
    middle = np.nonzero(inside)[1].mean()
    to_mirror = np.float32([[-1, 0, 2 * middle], [0, 1, 0]])
    mirrored = cv2.warpAffine(share, to_mirror, share.shape[::-1], flags=cv2.INTER_LINEAR)
    alike = (inside & (mirrored > 0.5)).sum() / (inside | (mirrored > 0.5)).sum()
    return (share + mirrored) / 2 if alike > ALIKE else share


def to_the_eyes(share: Float32[np.ndarray, "s s"], eyes: Float32[np.ndarray, "s s"]) -> Float32[np.ndarray, "2 3"]:
    """What moves a pair of glasses so that the photo's eyes lie a little above the middle of the lenses; no further than `MOST_MOVED`."""
    inside, seen = share > 0.5, eyes > 0.5
    if not inside.any() or not seen.any():
        return np.eye(2, 3, dtype=np.float32)
    (rows, columns), (eye_rows, eye_columns) = np.nonzero(inside), np.nonzero(seen)
    wanted, most = float(np.interp(EYE_LINE, (0, 1), (rows.min(), rows.max()))), MOST_MOVED * len(share)
    down, across = (float(np.clip(x, -most, most)) for x in (eye_rows.mean() - wanted, eye_columns.mean() - columns.mean()))
    return np.float32([[1, 0, across], [0, 1, down]])


def arms(outline: Float32[np.ndarray, "s s"], skin: Float32[np.ndarray, "s s"], side: int) -> Float32[np.ndarray, "t t"]:
    """Temples: from the outer edges of a pair, over the skin beside it, to the hair."""
    rows, columns = np.nonzero(outline > 0.5)
    at = (np.arange(side) + 0.5) / side
    left, right = (float(edge + 0.5) / len(outline) for edge in (columns.min(), columns.max()))
    middle = float(np.interp(ARM_LINE, (0, 1), (rows.min(), rows.max()))) / len(outline)
    away = np.maximum(left - at, at - right)
    beside = smooth_step(away, -RIM, RIM_EDGE - RIM) * smooth_step(ARM_LONGEST - away, 0, RIM)
    bar = 1 - smooth_step(np.abs(at - middle), ARM - RIM_EDGE, ARM)
    return bar[:, None] * beside[None] * smooth_step(enlarge(skin, side), 0.3, 0.6)


def with_bridge(share: Float32[np.ndarray, "s s"]) -> Float32[np.ndarray, "s s"]:
    """A pair of glasses whose lenses are joined."""
    inside = (share > 0.5).astype(np.uint8)
    rows, columns = np.nonzero(inside)
    if cv2.connectedComponents(inside)[0] <= 2:  # the background is one
        return share
    joined, (top, bottom) = share.copy(), (round(float(np.interp(at, (0, 1), (rows.min(), rows.max())))) for at in BRIDGE)
    joined[top : bottom + 1, columns.min() : columns.max() + 1] = 1
    return joined


def draw_glasses(glasses: Glasses, side: int, softness: float) -> tuple[Float32[np.ndarray, "t t 3"], Float32[np.ndarray, "t t"]]:
    """The picture of a pair in a crop of `side` px, times how far it hides the photo, and how far it does.

    The outline of 128 px is followed between its pixels, so that it is sharp in a sharp photo; in others it is softer by `softness`.
    """
    outline = enlarge(glasses.outline, side)
    within = smooth_step(outline, *OUTLINE)
    away = cv2.distanceTransform((outline > 0.5).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) / side
    rim = within * (1 - smooth_step(away, RIM - RIM_EDGE, RIM + RIM_EDGE))
    rim = RIM_OPAQUE * np.maximum(rim, arms(glasses.outline, glasses.skin, side))
    lens = glasses.lens * within * (1 - rim)
    down = np.float32([[1, 0, 0], [0, 1, SHADOW_BELOW * side]])
    below = blur(cv2.warpAffine(rim, down, (side, side), flags=cv2.INTER_LINEAR), SHADOW_SIGMA)
    shadow = SHADOW * below * (1 - rim) * (1 - within) * enlarge(glasses.skin, side).clip(0, 1)
    hides = glasses.opacity * (rim + lens + shadow)
    picture = repeated(rim, 3) * glasses.rim + repeated(lens, 3) * enlarge(glasses.fill, side).clip(0, 1)
    picture = glasses.opacity * picture
    return (blur(picture, softness), blur(hides, softness)) if softness else (picture, hides)
