"""Which parts of a face an attribute is about: attribute + face parser's maps -> mask."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float32

from facevae.attributes import HAIR_COLOURS, SKIN_TONE
from facevae.nets.parser import PARTS
from facevae.photo.filters import blur
from facevae.photo.ovals import smooth_step

FACE = ("skin", "brows", "eyes", "glasses", "lips", "mouth")
HEAD = (*FACE, "hair", "neck")
WIDEN = 0.016
"""In crop sides: outlines are seldom right to the pixel, and an edit may fade over them."""
FEATHER = 0.05
"""In crop sides: over so much an edit fades towards the border of its region."""
TINTS = (*HAIR_COLOURS, "Heavy_Makeup", "Wearing_Lipstick")
"""What tints the photo's own pixels."""
AGES = "Young"
"""Hair turns gray with it."""
SHAPES = ("Smiling", "Mouth_Slightly_Open", "Narrow_Eyes", "Bushy_Eyebrows")
"""What moves the photo's own pixels."""
MOUTH_REACH, MOUTH_FEATHER = 0.03, 0.012
"""In crop sides: so far around a mouth it is drawn anew; the folds and the grain of the cheeks are the photo's."""
LEAST_REGION = 0.001
"""In squared crop sides: less of a part is a mistake of the parser."""


@dataclass(frozen=True)
class Region:
    """Some parts, where they lie in a box of the unit crop, and what is near them."""

    parts: tuple[str, ...]
    box: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    """Left, top, right, bottom. Eyes lie at y = 0.51, the mouth at 0.74, the chin at 0.86."""
    reach: float = 0.0
    """In crop sides: so far around the parts the region goes on over face and neck."""


HAIR = (Region(("hair",)),)
MOUTH = (Region(("lips", "mouth"), reach=0.1),)
# The parser may call a beard hair; in the middle of the lower face hair is nothing else.
BEARD = (Region((*FACE, "neck"), (0.0, 0.6, 1.0, 1.0)), Region(("hair",), (0.3, 0.62, 0.7, 1.0)))
WHOLE = (Region(HEAD),)

REGIONS: dict[str, tuple[Region, ...]] = {
    "Black_Hair": HAIR,
    "Blond_Hair": HAIR,
    "Brown_Hair": HAIR,
    "Gray_Hair": HAIR,
    "Wavy_Hair": HAIR,
    "Bangs": (Region(("hair",), (0.0, 0.0, 1.0, 0.56)), Region(("skin", "brows"), (0.0, 0.0, 1.0, 0.5))),
    "Smiling": MOUTH,
    "Mouth_Slightly_Open": MOUTH,
    "No_Beard": BEARD,
    "Mustache": BEARD,
    "Goatee": BEARD,
    "Eyeglasses": (Region(("glasses",)), Region(FACE, (0.0, 0.4, 1.0, 0.62))),
    "Narrow_Eyes": (Region(FACE, (0.2, 0.43, 0.8, 0.58)),),
    "Bags_Under_Eyes": (Region(FACE, (0.2, 0.46, 0.8, 0.64)),),
    "Bushy_Eyebrows": (Region(("brows",), reach=0.03), Region(("skin", "brows"), (0.2, 0.38, 0.8, 0.49))),
    "Wearing_Hat": (Region(("hat", "hair")), Region(("skin",), (0.0, 0.0, 1.0, 0.42))),
    "Young": WHOLE,
    "Male": WHOLE,
    "Chubby": WHOLE,
    "Pale_Skin": (Region((*FACE, "neck")),),
    "Heavy_Makeup": (Region(FACE),),
    "Wearing_Lipstick": (Region(("lips",)),),
}
"""Of every attribute that has a slider."""
NEAR_LIPS = (Region(("lips", "mouth"), (0.0, 0.66, 1.0, 1.0), reach=0.1),)
SEEN = {"Eyeglasses": (Region(("glasses",), reach=0.03),), "Smiling": NEAR_LIPS, "Mouth_Slightly_Open": NEAR_LIPS}
"""Where an edit shows this part, before or after, it changes no more than what is near it; a mouth leaves the nose alone."""


def dyes_hair(attributes: Collection[str] | None) -> bool:
    """Whether an edit of the attributes may change the colour of hair; one that may be about anything does."""
    return not attributes or any(name in (*HAIR_COLOURS, AGES) or name not in REGIONS for name in attributes)


def makes_up(attributes: Collection[str] | None) -> bool:
    """Whether an edit of the attributes may put make-up on or take it off."""
    return not attributes or any(name in ("Heavy_Makeup", "Wearing_Lipstick", "Male") or name not in REGIONS for name in attributes)


def moves_hair(attributes: Collection[str] | None) -> bool:
    """Whether an edit of the attributes may bring hair or a hat over a face, or take them from it."""
    return not attributes or any(name in ("Bangs", "Wearing_Hat", "Wavy_Hair", "Male") or name not in REGIONS for name in attributes)


def moves_eyes(attributes: Collection[str] | None) -> bool:
    """Whether an edit of the attributes may change the eyes themselves, and not only what is around or in front of them."""
    return not attributes or any(name == "Narrow_Eyes" or name not in REGIONS for name in attributes)


def moves_mouth(attributes: Collection[str] | None) -> bool:
    """Whether an edit is about a mouth: what it does is to move it."""
    drawn = [name for name in attributes or () if name not in TINTS]
    return bool(drawn) and all(REGIONS.get(name) is MOUTH for name in drawn)


def moves_pixels(attributes: Collection[str] | None) -> bool:
    """Whether an edit of the attributes moves the photo's own pixels: it is about the shape of parts that stay."""
    drawn = [name for name in attributes or () if name not in TINTS]
    return bool(drawn) and all(name in SHAPES for name in drawn)


def puts_glasses_on(attributes: Collection[str] | None) -> bool:
    """Whether an edit of the attributes may hide a part of the photo's face behind glasses."""
    return not attributes or any(name == "Eyeglasses" or name not in REGIONS for name in attributes)


def grows_beard(attributes: Collection[str] | None) -> bool:
    """Whether an edit of the attributes may bring a beard, which the face parser may call hair."""
    return not attributes or any(REGIONS.get(name, BEARD) is BEARD for name in attributes)


def redraws_mouth(attributes: Collection[str] | None) -> bool:
    """Whether an edit of the attributes is about the mouth or what is around it."""
    return any(REGIONS.get(name) in (MOUTH, BEARD) for name in attributes or ())


def keeps_tone(attributes: Collection[str] | None) -> bool:
    """Whether an edit of the attributes leaves the light and tone of skin as they are."""
    return bool(attributes) and all(name in REGIONS and name not in SKIN_TONE for name in attributes or ())


def place_of(attributes: Collection[str] | None) -> tuple[frozenset[tuple[Region, ...]], bool]:
    """Where an edit of the attributes is laid on, and whether it keeps the tone there: edits of which this is the same are one edit."""
    found = frozenset(REGIONS.get(name, WHOLE) for name in attributes or () if name not in TINTS)
    return frozenset({WHOLE}) if WHOLE in found or not attributes else found, keeps_tone(attributes)


def edit_region(attributes: Collection[str] | None, pictures: Sequence[Float32[np.ndarray, "k s s"]]) -> Float32[np.ndarray, "s s"]:
    """Where an edit of the attributes may change a face: 1 well inside their parts in any of the pictures, 0 outside, smooth between.

    The first picture is the photo. Dyes and make-up are no changes of the face that was drawn. 1 everywhere for none, for attributes that
    are about the whole face or of which nothing is known, and where no picture shows the part; 0 for a mouth that the photo does not show
    where it would be drawn: the face is turned away, or something is in front of it.
    """
    everywhere = np.ones_like(pictures[0][0])
    if not attributes or any(REGIONS.get(name, WHOLE) is WHOLE for name in attributes):
        return everywhere
    if face_is_elsewhere(*pictures):
        return np.zeros_like(everywhere)
    hidden = mouth_is_hidden(*pictures)
    drawn = [name for name in attributes if name not in TINTS and not (hidden and REGIONS[name] is MOUTH)]
    if not drawn:
        return np.zeros_like(everywhere)
    found = np.zeros_like(everywhere, bool)
    for name in drawn:
        seen = _drawn(SEEN[name], pictures) if name in SEEN else np.zeros(1, bool)
        found = found | (seen if seen.mean() >= LEAST_REGION else _drawn(REGIONS[name], pictures))
    if found.mean() < LEAST_REGION:
        return everywhere
    away = cv2.distanceTransform(widened(found, WIDEN).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return smooth_step(away / len(found), 0.0, FEATHER)


def near_mouth(pictures: Sequence[Float32[np.ndarray, "k s s"]]) -> Float32[np.ndarray, "s s"]:
    """1 at the mouth of any of the pictures and close to it, 0 far from them, smooth between."""
    found = widened(np.logical_or.reduce([likely(("lips", "mouth"), maps) for maps in pictures]), MOUTH_REACH)
    return blur(found.astype(np.float32), MOUTH_FEATHER)


def mouth_is_hidden(photo: Float32[np.ndarray, "k s s"], *others: Float32[np.ndarray, "k s s"]) -> bool:
    """Whether other pictures of a face show a mouth, and none of them where the photo does."""
    shown, *drawn = (likely(("lips", "mouth"), maps) for maps in (photo, *others))
    return any(mouth.any() for mouth in drawn) and not any((shown & mouth).any() for mouth in drawn)


def face_is_elsewhere(photo: Float32[np.ndarray, "k s s"], *others: Float32[np.ndarray, "k s s"]) -> bool:
    """Whether the photo shows a mouth, and the next picture, the one before an edit, another one elsewhere: the photo is a profile."""
    if not others:
        return False
    own, drawn = (likely(("lips", "mouth"), maps) for maps in (photo, others[0]))
    return bool(own.any() and drawn.any() and not (own & drawn).any())


def part_mask(attribute: str, before: Float32[np.ndarray, "k s s"], after: Float32[np.ndarray, "k s s"]) -> Bool[np.ndarray, "s s"]:
    """Where an edit of the attribute may change a picture: its parts as they were and as they are, a little widened.

    `before` and `after` hold the probability of each of `PARTS`; for the parts of one picture both are the same.
    """
    found = parts_of(attribute, before)
    if after is not before:
        found = found | parts_of(attribute, after)
    return widened(found, WIDEN)


def parts_of(attribute: str, maps: Float32[np.ndarray, "k s s"]) -> Bool[np.ndarray, "s s"]:
    """The regions of an attribute in one picture."""
    return _drawn(REGIONS[attribute], [maps])


def _drawn(regions: Sequence[Region], pictures: Sequence[Float32[np.ndarray, "k s s"]]) -> Bool[np.ndarray, "s s"]:
    return np.logical_or.reduce([_draw(region, maps) for region in regions for maps in pictures])


def _draw(region: Region, maps: Float32[np.ndarray, "k s s"]) -> Bool[np.ndarray, "s s"]:
    found, size = likely(region.parts, maps), maps.shape[-1]
    if region.reach:
        found = widened(found, region.reach) & (found | likely((*FACE, "neck"), maps))
    left, top, right, bottom = (round(edge * size) for edge in region.box)
    inside = np.zeros_like(found)
    inside[top:bottom, left:right] = True
    return found & inside


def likely(parts: tuple[str, ...], maps: Float32[np.ndarray, "k s s"]) -> Bool[np.ndarray, "s s"]:
    """Where it is more likely than not that one of the parts is."""
    return maps[[PARTS.index(name) for name in parts]].sum(0) >= 0.5


def widened(mask: Bool[np.ndarray, "s s"], reach: float) -> Bool[np.ndarray, "s s"]:
    """The mask with what lies up to `reach` crop sides from it, at least a pixel."""
    radius = max(1, round(reach * len(mask)))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return cv2.dilate(mask.astype(np.uint8), disc).astype(bool)
