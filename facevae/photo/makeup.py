"""Make-up in a photo: tints of lips, lids and cheeks in CIELAB that keep their texture."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from facevae.photo.alignment import Alignment
from facevae.photo.ovals import CHEEKS, HEAD, smooth_step
from facevae.photo.parts import PhotoParts, share_of
from facevae.photo.strips import strips

# What make-up in full adds to L*, a* and b*.
LIPS, LIDS, LINES, BLUSH = (-3.0, 17.0, 3.0), (-13.0, 3.0, -2.0), (-22.0, 0.0, 0.0), (-1.0, 4.0, 0.5)
# In crop sides: how far eye shadow reaches beyond the eye, how far up it is moved, how thick a line is, how soft all of it is.
SHADOW, LIFTED, LINE, SOFT = (0.03, 0.03), 0.022, 0.007, 0.006
LEAST = 0.05
"""Less than this in L*, a* and b* is no tint."""
LIP_SHARE, FADE = (0.1, 0.5), (0.04, 0.13)
"""From which share of lips on they are tinted in full; where, in crop sides from the middle, eye shadow begins and is full."""
ADDED_PX = 256
"""The tints are made no finer: they are soft."""


@dataclass(frozen=True)
class Makeup:
    """How much of the tints: 0 is the photo's own, 1 make-up in full, below 0 what takes it off again."""

    lips: float = 0.0
    face: float = 0.0
    """Lids, their lines and the cheeks."""

    def __bool__(self) -> bool:
        return bool(self.lips or self.face)


def apply_makeup(photo: UInt8[np.ndarray, "h w 3"], parts: PhotoParts, alignment: Alignment, makeup: Makeup, grey: bool = False) -> None:
    """Tint the face in the crop of `alignment`, in place; a grey photo stays grey. Where nothing is tinted the photo stays bit for bit."""
    tint = tints(parts, makeup) * np.float32(parts.light)
    if grey:
        tint[..., 1:] = 0
    for strip, added, _ in strips(photo, tint, alignment, np.abs(tint).max(axis=2) > LEAST):
        lightness, a, b = cv2.split(cv2.cvtColor(strip.astype(np.float32) / 255, cv2.COLOR_RGB2LAB))
        more = cv2.split(added)
        lab = cv2.merge([(lightness + more[0]).clip(0, 100), a + more[1], b + more[2]])
        tinted = np.rint(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB).clip(0, 1) * 255).astype(np.uint8)
        if grey:
            tinted = np.repeat(tinted[..., :1], 3, axis=2)
        np.copyto(strip, tinted, where=(np.abs(added) > LEAST).any(axis=2, keepdims=True))


def tints(parts: PhotoParts, makeup: Makeup) -> Float32[np.ndarray, "t t 3"]:
    """What is added to L*, a* and b* in the crop."""
    side = ADDED_PX
    shares = parts.in_crop(side) * HEAD.draw(side)
    lips, eyes, brows = (share_of(shares, (name,)) for name in ("lips", "eyes", "brows"))
    skin = share_of(shares, ("skin", "glasses"))
    found = _soft(smooth_step(lips, *LIP_SHARE))[..., None] * np.float32(LIPS) * makeup.lips
    if makeup.face:
        shadow = cv2.dilate(eyes, _ellipse(SHADOW, side))
        lifted = np.float32([[1, 0, 0], [0, 1, -LIFTED * side]])
        shadow = cv2.warpAffine(shadow, lifted, (side, side)) * (1 - eyes) * (1 - brows)
        away = np.abs((np.arange(side) + 0.5) / side - 0.5)[None, :]  # from the nose, towards which it fades
        shadow = cv2.GaussianBlur(shadow, (0, 0), 2 * SOFT * side) * skin.clip(0, 1) * smooth_step(away, *FADE)
        raised = np.float32([[1, 0, 0], [0, 1, -LINE * side]])
        line = (cv2.warpAffine(cv2.dilate(eyes, _ellipse((LINE, LINE), side)), raised, (side, side)) - eyes).clip(0)
        cheeks = np.maximum(*(oval.draw(side) for oval in CHEEKS)) * skin
        for mask, colour in ((shadow, LIDS), (_soft(line), LINES), (cheeks, BLUSH)):
            found += mask[..., None] * np.float32(colour) * makeup.face
    return found.astype(np.float32)


def _soft(mask: Float32[np.ndarray, "t t"]) -> Float32[np.ndarray, "t t"]:
    return cv2.GaussianBlur(mask, (0, 0), SOFT * len(mask))


def _ellipse(radii: tuple[float, float], side: int) -> UInt8[np.ndarray, "a b"]:
    wide, high = (2 * round(radius * side) + 1 for radius in radii)
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (wide, high))
