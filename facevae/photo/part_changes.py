"""Where an edit brings or takes hair and hats, takes glasses, leaves eyes and grain of skin."""

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float32

from facevae.photo.filters import blur, largest_near
from facevae.photo.guided_filter import enlarge
from facevae.photo.ovals import HEAD, smooth_step
from facevae.photo.parts import FACE, Shares, share_of

COVER = ("hair", "hat")
HAT_SIZE = (0.08, 0.14)  # in squared crop sides: a patch of hair that the parser takes for a hat is smaller
HAIRLINE = 0.06  # how wide it is at most, in crop sides; frames of glasses lie no further from where they were drawn
SURE_HAIR = (0.95, 1.0)  # share of hair that needs none drawn over it
OVERLAP = 0.03  # new hair lies so far over the photo's own
COVER_SIGMA = 0.012  # single pixels of hair that come or go are none ...
COVER_SHARE = (0.3, 0.7)  # ... nor are traces
EYES_APART = 0.03  # in crop sides: at most so far from the photo's an eye is drawn that is still the same
EYE_SHARE = (0.1, 0.5)  # of the photo, up to which an eye gives way, and from which it stays
GRAIN_SIGMA, GRAIN = 0.012, 0.06  # what is finer than this, and fainter, are pores and stubble: nothing that a decoder of 128 px draws
REACH = 0.016  # the photo's teeth and frames lie up to this far from where the decoder drew them


def new_cover(
    photo: Shares, old: Shares, new: Shares, face: Float32[np.ndarray, "s s"], hair_moves: bool = True
) -> tuple[Float32[np.ndarray, "s s"], Float32[np.ndarray, "s s"]]:
    """Where a change brings hair over the `face` of the photo, and where it brings a hat, or takes hair, hats or glasses from it: 0 ... 1.

    Hair beside the head stays out: the decoder draws a smear there. Without `hair_moves` only glasses go.
    """
    hair, hat = ((share_of(new, (name,)) - np.maximum(share_of(photo, (name,)), share_of(old, (name,)))).clip(0) for name in COVER)
    fringe = np.minimum(hair, face)
    # Between a fringe and the photo's own hair lies its hairline, half hair and half skin.
    hairline = np.minimum(largest_near(fringe, HAIRLINE) * share_of(photo, (*FACE, *COVER)), share_of(new, ("hair",)))
    fringe = np.maximum(fringe, np.minimum(hairline, 1 - smooth_step(share_of(photo, COVER), *SURE_HAIR)))
    fringe = np.maximum(fringe, between(fringe, share_of(photo, ("hair",))) * share_of(photo, (*FACE, *COVER)))
    bring = hat * smooth_step(hat.mean(keepdims=True), *HAT_SIZE)
    bare = np.minimum((share_of(new, FACE) - share_of(old, FACE)).clip(0), share_of(photo, COVER) * HEAD.draw(len(face)))
    glasses = [share_of(shares, ("glasses",)) for shares in (photo, old, new)]
    gone = (
        largest_near((glasses[1] - glasses[2]).clip(0), HAIRLINE)
        * largest_near(glasses[0], REACH)
        * (1 - glasses[2])
        * HEAD.draw(len(face))
    )
    over = share_of(photo, ("other",))  # a hand or lettering in front of the face stays
    covered = np.maximum.reduce([bring, bare, gone]) if hair_moves else gone
    hair, other = (smooth_step(blur(x * (1 - over), COVER_SIGMA), *COVER_SHARE) for x in (fringe * float(hair_moves), covered))
    return hair, other


def between(new: Float32[np.ndarray, "s s"], own: Float32[np.ndarray, "s s"]) -> Float32[np.ndarray, "s s"]:
    """Gaps between new hair and the photo's own, and a little of the own, over which the new is laid."""
    radius = max(1, round(HAIRLINE * len(new)))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    there = ((new > 0.5) | (own > 0.5)).astype(np.float32)
    closed = cv2.morphologyEx(there, cv2.MORPH_CLOSE, disc)
    near = largest_near((new > 0.5).astype(np.float32), HAIRLINE)
    return closed * near * (1 - there) + largest_near((new > 0.5).astype(np.float32), OVERLAP) * (own > 0.5)


def kept_eyes(photo: Shares, old: Shares, new: Shares, apart: float) -> Float32[np.ndarray, "s s"]:
    """Where the photo's eyes stay: the decoder draws eyes up to `apart` crop sides away."""
    own, before, after = (share_of(shares, ("eyes",)) for shares in (photo, old, new))
    if not apart:
        return own * before * after
    return smooth_step(own * largest_near(before, apart) * largest_near(after, apart), *EYE_SHARE)


def hair_grown(old: Shares, new: Shares) -> Float32[np.ndarray, "s s"]:
    """Where there is more hair than before: the decoder lets it grow beside what an edit is about."""
    return (share_of(new, ("hair",)) - share_of(old, ("hair",))).clip(0)


def skin_grain(photo: Float32[np.ndarray, "t t 3"], pictures: Sequence[Shares]) -> Float32[np.ndarray, "t t 3"]:
    """The fine texture of the photo where there is skin in all pictures, the photo among them; 0 elsewhere."""
    other = 1 - np.minimum.reduce([share_of(shares, ("skin",)) for shares in pictures])
    skin = enlarge(1 - largest_near(other, GRAIN_SIGMA), len(photo)).clip(0, 1)
    return skin[:, :, None] * (photo - blur(photo, GRAIN_SIGMA)).clip(-GRAIN, GRAIN)
