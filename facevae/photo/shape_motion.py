"""Move the photo's own pixels with an edit of shape, as the same parts of two decodes move.

A mouth that begins to smile is drawn blurry by a decoder of 128 px; most of it only moves. So the photo's own lips move as the decoded
ones do, and what is drawn anew is what no motion gives: teeth that appear, or skin where there were teeth.

The motion follows the gradients of the parts' shares and of the light from coarse to fine, as in `facevae.photo.motion`, but inside
one part of the face, and from one picture to the other: a pixel x of the picture after was at x + d(x) in the picture before.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from facevae.nets.parser import PARTS
from facevae.photo.alignment import Alignment
from facevae.photo.filters import blur, largest_near
from facevae.photo.motion import fine_light, here, least_squares, sample, shrunk, unfold
from facevae.photo.ovals import smooth_step
from facevae.photo.parts import Shares, share_of
from facevae.photo.strips import strips

PLANES = {"lips": 2.5, "mouth": 2.5, "eyes": 2.5}, {"brows": 1.2}
"""Parts and their weights; those of one plane lie far apart, but for a mouth, of which the outline counts: lips open and close."""
LIGHT_WEIGHT, LIGHT_SIGMA, LIGHT_FLOOR = 0.7, 0.03, 0.03  # of the contrast; in crop sides and in [0, 1]
LEVELS = ((4, 15, 1.2), (2, 20, 1.5), (1, 10, 2.0))
"""How much smaller the picture is, steps there, and sigma of the smoothing after each, in its pixels."""
ON_FACE = (0.5, 0.95)
"""Share of the face that moves nothing, and that moves freely: the outline of the face stays."""
AROUND, BEYOND, FADE = 0.11, 0.03, 0.025
"""In crop sides: the box that is looked at is so much larger than the region; so far beyond it the motion is full, and fades then."""
LEAST_AREA = 0.2
"""The area of the picture before that a pixel after must show: less is enlarged too much, and below 0 it folds."""
STILL = 2e-4
"""In crop sides: a smaller motion is none."""
OTHER = {"lips": (0.5, 0.9), "mouth": (0.25, 0.6)}
"""By how much the share of a part differs where the photo shows the same, and where it shows another one."""
OTHER_SIGMA = 0.006

CLOSES = (0.35, 0.7)
"""The share of a mouth that is gone where it begins to close, and where it is closed: a slider that is dragged makes no jump."""
GONE = (0.25, 0.6)
"""By how much the share of an inner mouth is less where it is gone."""
ACROSS, SEAM, LEAST_GAP, OVERLAP, LIPS_MOVE = 1.5, 0.72, 1.0, 1.25, 10.0
"""In pixels of a decoder of 128: how far the columns go along with each other, half the width of the line between closed lips, a mouth that
is closed already, how much further than onto each other lips go (a factor), and how far around them skin goes along."""

Motion = Float32[np.ndarray, "s s 2"]
"""In crop sides, x first."""


@dataclass(frozen=True, eq=False)
class ShapeMotion:
    """How the photo's pixels move, and the line between lips that were closed, 0 ... 1."""

    motion: Motion
    seam: Float32[np.ndarray, "s s"]

    def followed_by(self, other: "ShapeMotion") -> "ShapeMotion":
        """Both, one after the other, as one motion."""
        motion = other.motion + carried(self.motion, other.motion)
        return ShapeMotion(motion, np.maximum(other.seam, carried(self.seam, other.motion)))


def shape_motion(
    before: Float32[np.ndarray, "s s 3"],
    after: Float32[np.ndarray, "s s 3"],
    old: Shares,
    new: Shares,
    region: Float32[np.ndarray, "s s"],
    face: Float32[np.ndarray, "s s"],
    photo: Shares,
) -> ShapeMotion | None:
    """Where the pixels of the region were before, from each pixel of the picture after; None where nothing moves.

    `old` and `new` are the parts of both pictures, `photo` those of the photo, `face` is its face. The motion fades to 0 around the region
    and folds nowhere.
    """
    size = len(before)
    rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
    if not len(rows):
        return None
    margin = round(AROUND * size)
    box = tuple(slice(max(0, x[0] - margin), x[-1] + 1 + margin) for x in (rows, columns))
    there = (blur(largest_near(region, BEYOND), FADE) * smooth_step(face, *ON_FACE))[box]
    found = np.zeros((*there.shape, 2), np.float32)
    inner = 1 - np.maximum(share_of(old, ("mouth",)), share_of(new, ("mouth",)))
    a, b = (features(picture, shares, inner)[box] for picture, shares in ((before, old), (after, new)))
    for shrink, steps, sigma in LEVELS:
        shape = tuple(max(8, round(n / shrink)) for n in there.shape)
        fa, fb, inside = (shrunk(cv2.GaussianBlur(x, (0, 0), 0.6 * shrink) if shrink > 1 else x, *shape) for x in (a, b, there))
        found = shrunk(found, *shape) / shrink
        grid = here(*shape)
        for _ in range(steps):
            step = least_squares(sample(fa, grid + found), fb, inside)
            found = cv2.GaussianBlur(found - 2 * step, (0, 0), sigma) * inside[:, :, None]
        found = cv2.resize(found, there.shape[::-1], interpolation=cv2.INTER_CUBIC) * shrink
    found = unfold(found * there[:, :, None], area_shown, LEAST_AREA)
    shown, drawn = (x[PARTS.index("mouth")][box] for x in (photo, new))
    closing = float(np.interp(1 - drawn.sum() / max(float(shown.sum()), 1.0), CLOSES, (0, 1)))
    found, line = close_lips(found, sample(shown, here(*there.shape) + found) - drawn, closing)
    if np.abs(found).max() < STILL * size:
        return None
    motion, seam = np.zeros((size, size, 2), np.float32), np.zeros((size, size), np.float32)
    motion[box], seam[box] = found / size, line
    return ShapeMotion(motion, seam)


def close_lips(
    found: Float32[np.ndarray, "h w 2"], gone: Float32[np.ndarray, "h w"], closing: float
) -> tuple[Float32[np.ndarray, "h w 2"], Float32[np.ndarray, "h w"]]:
    """The motion, with upper and lower lip moved onto each other where inner mouth is `gone`, column by column; the line between them.

    `closing`, from 0 to 1, is how much of both.
    """
    gone = closing * smooth_step(gone, *GONE)
    y, x = np.mgrid[: gone.shape[0], : gone.shape[1]].astype(np.float32)
    heights, moments = (cv2.GaussianBlur(row[None], (0, 0), ACROSS)[0] for row in (gone.sum(axis=0), (y * gone).sum(axis=0)))
    if heights.max() < LEAST_GAP:
        return found, np.zeros_like(gone)
    away, heights = y - moments / np.maximum(heights, 1e-3), OVERLAP * heights
    near = 1 - smooth_step(np.abs(away) / np.maximum(LIPS_MOVE, 1.8 * heights), 0, 1)
    step = ((away / SEAM).clip(-1, 1) * heights / 2 * near).astype(np.float32)
    moved = sample(found, np.dstack([x, y + step]))
    moved[..., 1] += step
    return moved, (np.exp(-((away / SEAM) ** 2)) * smooth_step(heights, 0.3, LEAST_GAP)).astype(np.float32)


def features(picture: Float32[np.ndarray, "s s 3"], shares: Shares, counted: Float32[np.ndarray, "s s"]) -> Float32[np.ndarray, "s s c"]:
    """What is laid onto each other: shares of parts, each with its weight, and the fine light where it is counted."""
    light = fine_light(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), LIGHT_SIGMA * len(picture), LIGHT_FLOOR)
    return np.dstack(
        [*(sum(shares[PARTS.index(k)] * weight for k, weight in plane.items()) for plane in PLANES), light * counted * LIGHT_WEIGHT]
    )


def area_shown(found: Float32[np.ndarray, "h w 2"]) -> Float32[np.ndarray, "h w"]:
    """How much of the picture before each pixel after shows, as an area; below 0 where the motion folds."""
    dx, dy = np.gradient(found, axis=1), np.gradient(found, axis=0)
    return (1 + dx[..., 0]) * (1 + dy[..., 1]) - dx[..., 1] * dy[..., 0]


def carried(picture: Float32[np.ndarray, "t t ..."], motion: Motion) -> Float32[np.ndarray, "t t ..."]:
    """A square picture of the crop, of any size, moved: a new array."""
    size, scale = len(picture), len(picture) / len(motion)
    rows, columns = (np.flatnonzero(motion.any(axis=(2, k))) for k in (1, 0))
    top, left = (max(0, int(scale * (x[0] - 2))) for x in (rows, columns))
    bottom, right = (min(size, int(scale * (x[-1] + 3))) for x in (rows, columns))
    y, x = np.mgrid[top:bottom, left:right].astype(np.float32)
    at = np.dstack([x, y])
    centres = (at + 0.5) / scale - 0.5
    at += size * (sample(motion, centres) if scale != 1 else motion[top:bottom, left:right])
    moved = picture.copy()
    how = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_LINEAR
    moved[top:bottom, left:right] = cv2.remap(picture, at, None, how, borderMode=cv2.BORDER_REPLICATE)
    return moved


def carry_shares(shares: Shares, motion: Motion) -> Shares:
    """The parts of a picture, moved."""
    planes = shares.transpose(1, 2, 0)
    moved = [carried(np.ascontiguousarray(planes[:, :, k : k + 4]), motion) for k in range(0, len(shares), 4)]  # OpenCV takes four at most
    return np.ascontiguousarray(np.dstack(moved).transpose(2, 0, 1))


def move_pixels(photo: UInt8[np.ndarray, "h w 3"], motion: Motion, alignment: Alignment) -> None:
    """Move the photo's own pixels, in place; where nothing moves they stay bit for bit."""
    source, to_photo = photo.copy(), np.linalg.inv(alignment.matrix[:, :2]).T.astype(np.float32)
    for strip, moved, (left, top) in strips(photo, motion, alignment, motion.any(axis=2)):
        moving = np.abs(moved).max(axis=2) > STILL / 4
        if moving.any():
            y, x = np.mgrid[: strip.shape[0], : strip.shape[1]].astype(np.float32)
            at = np.dstack([x + left, y + top]) + moved @ to_photo
            found = cv2.remap(source, at, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
            strip[moving] = found[moving]


def other_parts(photo: Shares, new: Shares) -> Float32[np.ndarray, "s s"]:
    """1 where either the decoder drew lips or an inner mouth or the photo, moved already, shows them, and not both; 0 elsewhere."""
    apart = np.maximum.reduce([smooth_step(np.abs(share_of(photo, (name,)) - share_of(new, (name,))), *by) for name, by in OTHER.items()])
    found = cv2.dilate(apart, np.ones((3, 3)))
    return blur(found, OTHER_SIGMA)
