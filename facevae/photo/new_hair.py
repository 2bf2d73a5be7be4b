"""Hair that an edit brings over a face: strands in the colour of the photo's own hair."""

from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Float32

from facevae.photo.crop_background import MAX_LAYER_PX
from facevae.photo.filters import blur
from facevae.photo.guided_filter import enlarge
from facevae.photo.hair_flow import CROWN
from facevae.photo.ovals import smooth_step
from facevae.photo.parts import SURE, median_colour
from facevae.photo.recolour import Lab

# All lengths are in crop sides.
STRAND, TUFT, LENGTH = 0.0018, 0.005, 0.16  # how wide strands are, tufts of them, and how long
ENDS, OUTLINE, OUTLINE_SIGMA = 0.11, (0.22, 0.7), 0.02  # how far tufts part at the outline of new hair
SHADING_SIGMA, SHADING = 0.03, (0.75, 1.3)  # light and shadow on hair as the decoder drew it, over its median
CONTRAST = (2.0, 0.06)  # of strands, in L*, and what it grows by with each L*
STUBBLE, BEARD_CONTRAST = 0.006, 0.17  # how long hairs of a beard are, and their contrast over how much darker it is than skin
BEARD_BEGINS = (0.58, 0.66)  # from the top
DARK: Lab = (20.0, 4.0, 6.0)
SHADOW, SHADOW_SIGMA = 0.3, 0.015  # on the forehead


def draw_new_hair(
    cover: Float32[np.ndarray, "s s"],
    head: Float32[np.ndarray, "s s"],
    drawn: Float32[np.ndarray, "s s 3"],
    hair: Float32[np.ndarray, "s s"],
    own: Lab | None,
    side: int,
) -> tuple[Float32[np.ndarray, "t t 3"], Float32[np.ndarray, "t t"]]:
    """New hair in a crop of `side` px, times how far it hides the photo, and how far it does.

    `cover` says where it is, and it stays on the `head`. `drawn` is the decoder's picture with its `hair`, and `own` the colour of the
    photo's hair in CIELAB, that of the picture where it has none.
    """
    seen = median_colour(np.rint(drawn * 255).astype(np.uint8), hair > SURE)
    wanted = np.float32(own or seen or DARK)
    tufts = strands(side, TUFT)
    hides = smooth_step(enlarge(blur(cover, OUTLINE_SIGMA), side) + np.float32(ENDS) * tufts, *OUTLINE)
    hides *= smooth_step(enlarge(cover, side), 0.0, 0.1)  # no tuft by itself
    on_head = smooth_step(enlarge(head, side), 0.5, 0.9)
    hides *= on_head
    near = blur(hair, SHADING_SIGMA)
    light = cv2.cvtColor(drawn, cv2.COLOR_RGB2LAB)[:, :, 0]
    mean = float((light * hair).sum() / max(float(hair.sum()), 1.0))
    shading = ((blur(light * hair, SHADING_SIGMA) + 0.02 * mean) / (near + 0.02) / max(mean, 1.0)).clip(*SHADING)
    lightness = wanted[0] * enlarge(shading.astype(np.float32), side) + (CONTRAST[0] + CONTRAST[1] * wanted[0]) * (
        0.7 * strands(side, STRAND) + 0.2 * tufts
    )
    ratio = (lightness / max(float(wanted[0]), 1.0)).clip(0.3, 1.6)
    lab = cv2.merge([lightness.clip(1, 99), wanted[1] * ratio, wanted[2] * ratio])
    picture = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB).clip(0, 1)
    shadow = np.float32(SHADOW) * blur(hides, SHADOW_SIGMA) * (1 - hides) * on_head
    return picture * hides[:, :, None], hides + shadow


def beard_strands(
    before: Float32[np.ndarray, "s s 3"], after: Float32[np.ndarray, "s s 3"], skin: Float32[np.ndarray, "s s"], side: int
) -> Float32[np.ndarray, "t t"]:
    """What makes hair of the dark patch that a decoder draws for a beard: light to add, strongest where skin gets darkest."""
    darker = ((before - after).mean(axis=2) * skin).clip(0) * smooth_step(np.linspace(0, 1, len(skin))[:, None], *BEARD_BEGINS)
    return np.float32(BEARD_CONTRAST) * enlarge(darker, side).clip(0, 1) * strands(side, STRAND, STUBBLE)


def strands(side: int, wide: float, length: float = LENGTH) -> Float32[np.ndarray, "t t"]:
    """Strands that fall from the crown, of mean 0; the same ones in a crop of any size, so that a preview shows those of the result."""
    return cv2.resize(drawn_strands(wide, length), (side, side), interpolation=cv2.INTER_AREA)


@lru_cache(maxsize=3)
def drawn_strands(wide: float, length: float) -> Float32[np.ndarray, "t t"]:
    """Strands in the largest layer, of standard deviation 1."""
    side = MAX_LAYER_PX
    noise = np.random.default_rng(5).standard_normal((side, side)).astype(np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), sigmaX=max(wide * side, 0.6), sigmaY=length * side)
    y, x = (np.mgrid[:side, :side].astype(np.float32) + 0.5) / side
    across, down = x - CROWN[0], y - CROWN[1]
    angle, radius = np.arctan2(across, down), np.hypot(across, down)
    at_x, at_y = (0.5 + angle * (0.5 - CROWN[1])) * side, (radius + CROWN[1]) * side
    field = cv2.remap(noise, at_x.astype(np.float32), at_y.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return (field - field.mean()) / field.std()
