"""Dye hair in a photo: CIELAB arithmetic that keeps strands and reaches a shade exactly."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from facevae.nets.hair import LIGHT
from facevae.photo.parts import SOLID, PhotoParts, solid
from facevae.photo.strips import strips

HIGHLIGHT_L, WHITE_L = 85.0, 100.0
"""Above the first, what shines loses its colour; at the second it has none."""
MOST_GAIN, MOST_SHINE = 1.4, 24.0
"""How much contrast a light strand gains at most, and how much lighter than the dyed median it gets: skin that shines through dark hair
would turn white."""
CONTRAST = (0.5, 2.0)
"""How much the contrast of strands may shrink and grow with the lightness."""
LEVELS = 20.0
"""Steps of the tables in one L*."""
PURITY = 4
"""How fast a pixel that is less than all hair is taken for the median strand."""
OWN_COLOUR = 0.35
"""How much of its own deviation in colour a strand keeps when it is dyed."""
FULL_CHANGE = 15.0
"""From this change of the median on, in CIELAB, the above holds in full; smaller ones shift pixels as they are."""

LIGHTER = (4.0, 16.0)
"""By how much lighter hair begins to get strands that a net draws, and by how much it gets them alone, in L*."""
MOST_DRAWN = 1.3
OUTLINE, OVER = (0.8, 1.0), 12.0
"""Shares of hair between which a pixel belongs less and less to the outline, and how much lighter than hair nearby it gets at most."""
LEAST_MATTE = 0.02

LEAST_CHANGE = (1.0, 3.0)
"""Smaller changes are none: up to the first nothing happens, from the second on all of it."""

Lab = tuple[float, float, float]

# What colours hair has in photos, in CIELAB: about the 3rd and 97th percentile of a* and b* by lightness, as `python -m train hair` prints
# them over 6,000 train faces; what few faces have is left out.
LIGHTNESS = (4, 12, 20, 28, 36, 44, 52, 60, 68, 76)
LEAST_A, MOST_A = (-1, -1, -1, -1, 0, -1, 0, -2, -1, -2), (9, 14, 19, 24, 22, 22, 16, 17, 18, 14)
LEAST_B, MOST_B = (-2, -3, -3, -2, 1, 1, 1, 0, 0, 0), (6, 13, 19, 25, 32, 34, 34, 33, 36, 30)
DARKEST, LIGHTEST = 8.0, 78.0
REDDER = 0.12
"""a* that blond hair gains with each L* that it is darker."""

SHADES: dict[str, Lab] = {
    "black": (14.0, 1.0, 1.0),
    "dark brown": (21.0, 6.0, 9.0),
    "brown": (31.0, 8.0, 16.0),
    "blond": (62.0, 6.0, 26.0),
    "red": (34.0, 20.0, 25.0),
    "gray": (56.0, 0.0, 3.0),
}
"""The median of hair in CIELAB, in ordinary light."""


def has_shift(shift: Float32[np.ndarray, " 3"]) -> bool:
    """Whether a change of colour, in CIELAB, is more than none."""
    return float(np.linalg.norm(shift)) > LEAST_CHANGE[0]


def dye_of(own: Lab, shift: Float32[np.ndarray, " 3"]) -> "Dye | None":
    """The dye that moves the hair's median by this much in CIELAB, within what hair can look like; None where that is next to nothing."""
    change = float(np.linalg.norm(shift))
    amount = float(np.clip((change - LEAST_CHANGE[0]) / (LEAST_CHANGE[1] - LEAST_CHANGE[0]), 0, 1))
    if not amount:
        return None
    return Dye(own, like_hair((np.array(own) + amount * shift).tolist(), own))


def in_light(shade: Lab, light: float) -> Lab:
    """A shade as it looks in a photo of this brightness, 1 being ordinary."""
    return shade[0] * light, shade[1] * light, shade[2] * light


def no_lighter_than(shade: Lab, most: float) -> Lab:
    """The shade, or where it is lighter a darker one of its kind: less colourful, and redder, as dark blond is."""
    if shade[0] <= most:
        return shade
    ratio = float(np.sqrt(most / shade[0]))
    redder = REDDER * (shade[0] - most) * min(1.0, float(np.hypot(*shade[1:])) / 20)
    return most, shade[1] * ratio + redder, shade[2] * ratio


def like_hair(wanted: Sequence[float], own: Lab) -> Lab:
    """The nearest colour that hair has in photos; what the photo's own hair has is never out of reach."""
    lightness = float(np.clip(wanted[0], min(DARKEST, own[0]), max(LIGHTEST, own[0])))
    a, b = (
        float(np.clip(value, min(np.interp(lightness, LIGHTNESS, least), here), max(np.interp(lightness, LIGHTNESS, most), here)))
        for value, least, most, here in zip(wanted[1:], (LEAST_A, LEAST_B), (MOST_A, MOST_B), own[1:], strict=True)
    )
    return lightness, a, b


def dye_hair(photo: UInt8[np.ndarray, "h w 3"], parts: PhotoParts, dye: "Dye", grey: bool = False) -> None:
    """Dye the hair in a photo, which is written to; a grey one stays grey. What is no hair stays bit for bit."""
    outline, look = parts.hair_outline, parts.hair_look
    if look is not None:
        outline = np.dstack([outline * (look.matte > LEAST_MATTE)[..., None], look.gain, look.around])
    for strip, warped, _ in strips(photo, outline, parts.view, outline[:, :, :4].any(axis=2)):
        *slopes, offset = cv2.split(warped[:, :, :4])
        planes = cv2.split(np.ascontiguousarray(strip))
        share = sum((cv2.multiply(p, s, scale=1 / 255, dtype=cv2.CV_32F) for p, s in zip(planes, slopes, strict=True)), offset)
        hair = share > (SOLID[0] if look is None else LEAST_MATTE)
        if not hair.any():
            continue
        pixels = strip[hair][None].astype(np.float32) / 255  # (1, n, 3)
        if look is None:
            dyed = dye.mix(pixels, share[hair][None])
        else:
            dyed = dye.draw(pixels, share[hair][None].clip(0, 1), *(warped[:, :, k][hair][None] for k in (4, 5)))
        if grey:
            dyed = cv2.merge([cv2.cvtColor(dyed, cv2.COLOR_RGB2GRAY)] * 3)
        strip[hair] = np.rint(dyed[0] * 255).clip(0, 255).astype(np.uint8)


@dataclass(frozen=True)
class Dye:
    """From which median colour to which, in CIELAB (L* 0 ... 100)."""

    own: Lab
    wanted: Lab

    def __call__(self, pixels: Float32[np.ndarray, "h w 3"]) -> Float32[np.ndarray, "h w 3"]:
        """Pixels in [0, 1] -> dyed."""
        lightness, a, b = cv2.split(cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB))
        at = (lightness * LEVELS).astype(np.intp)
        dyed, kept, added_a, added_b = (table[at] for table in self.tables)
        return cv2.cvtColor(cv2.merge([dyed, kept * a + added_a, kept * b + added_b]), cv2.COLOR_LAB2RGB).clip(0, 1)

    def mix(self, pixels: Float32[np.ndarray, "h w 3"], share: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w 3"]:
        """Pixels in [0, 1] of which a share is hair -> with that hair dyed.

        Where dark hair and what is beside it mix in a pixel, it would be dyed like a light strand: a bright line along the hairline. So
        there the pixel gets no lighter than by what the dye does to its hair alone.
        """
        mixed = pixels + solid(share)[..., None] * (self(pixels) - pixels)
        edge = share < 1
        if self.wanted[0] > self.own[0] and edge.any():
            part, own = share[edge][None, :, None].clip(0, 1), cv2.cvtColor(np.float32(self.own).reshape(1, 1, 3), cv2.COLOR_LAB2RGB)
            strand = own + (pixels[edge][None] - own) * part**PURITY
            mixed[edge] = np.minimum(mixed[edge], (pixels[edge][None] + part * (self(strand) - strand))[0])
        return mixed

    def draw(
        self,
        pixels: Float32[np.ndarray, "h w 3"],
        matte: Float32[np.ndarray, "h w"],
        gain: Float32[np.ndarray, "h w"],
        around: Float32[np.ndarray, "h w"],
    ) -> Float32[np.ndarray, "h w 3"]:
        """Pixels in [0, 1] -> dyed, by what a net sees in them, see `facevae.photo.parts.HairLook`.

        What is much lighter than the own hair has the strands that the net draws, in the proportion of the lightness.
        """
        lightness, a, b = cv2.split(cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB))
        own, wanted = np.float32(self.own), np.float32(self.wanted)
        lighter = wanted[0] - own[0]
        amount = min(1.0, float(np.linalg.norm(wanted - own)) / FULL_CHANGE)
        drawn = float(np.clip((lighter - LIGHTER[0]) / (LIGHTER[1] - LIGHTER[0]), 0, 1))
        change = (1 - drawn) * (self.tables[0][(lightness * LEVELS).astype(np.intp)] - lightness)
        nearby = np.full_like(lightness, 100)
        if drawn:
            share = np.float32(min(lighter / max(LIGHT - own[0], 1.0), MOST_DRAWN))
            change += drawn * share * gain
            nearby = np.maximum(own[0] + share * (around - own[0]), lightness)
        dyed = (lightness + change).clip(0, 100)  # as if all of the pixel were hair
        ratio = 1 + amount * (np.sqrt(dyed / max(float(wanted[0]), 1.0)) - 1)
        fade = 1 - amount * ((dyed - HIGHLIGHT_L) / (WHITE_L - HIGHLIGHT_L)).clip(0, 1)
        moved = [
            plane + matte * (wanted[i] * ratio * fade - own[i] - amount * (1 - OWN_COLOUR) * matte * (plane - own[i]))
            for i, plane in ((1, a), (2, b))
        ]
        mixed = lightness + matte * (dyed - lightness)
        # Where the matte takes skin or wall for hair, these would shine: along the outline little gets much lighter than hair nearby.
        over = (mixed - nearby).clip(0)
        outline = 1 - ((matte - OUTLINE[0]) / (OUTLINE[1] - OUTLINE[0])).clip(0, 1)
        mixed = mixed - drawn * outline * (over - OVER * (1 - np.exp(-over / OVER)))
        return cv2.cvtColor(cv2.merge([mixed, *moved]), cv2.COLOR_LAB2RGB).clip(0, 1)

    @cached_property
    def tables(self) -> tuple[Float32[np.ndarray, " t"], ...]:
        """For each lightness of a pixel: its new one, the share of its own a* and b* that stays, and what is added to each."""
        lightness = np.arange(round(100 * LEVELS) + 2, dtype=np.float32) / LEVELS
        own, wanted = np.float32(self.own), np.float32(self.wanted)
        amount = min(1.0, float(np.linalg.norm(wanted - own)) / FULL_CHANGE)
        gain = float(np.clip((wanted[0] + 12) / (own[0] + 12), *CONTRAST))
        away = (lightness - own[0]) * np.where(lightness > own[0], min(gain, MOST_GAIN), gain)
        shine = MOST_SHINE / max(amount, 1e-3)
        dyed = (wanted[0] + np.where(away > 0, shine * (1 - np.exp(-away.clip(0) / shine)), away)).clip(0, 100)
        ratio = 1 + amount * (np.sqrt(dyed / max(float(wanted[0]), 1.0)) - 1)
        fade = 1 - amount * ((dyed - HIGHLIGHT_L) / (WHITE_L - HIGHLIGHT_L)).clip(0, 1)
        kept = 1 - amount * (1 - OWN_COLOUR)
        added = [(wanted[i] * ratio - kept * own[i]) * fade for i in (1, 2)]
        return tuple(table.astype(np.float32) for table in (dyed, kept * fade, *added))
