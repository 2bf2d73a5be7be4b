"""Composite an edited crop into the photo: only the model's change is added, on the face.

A decoder of 128 px is blurry; the photo is not. So the photo is kept. Its hair is dyed (facevae.photo.recolour), make-up is a tint
(facevae.photo.makeup), its mouth, eyes and brows are moved (facevae.photo.shape_motion), and of the rest only the change `G(z') - G(z)`
is laid over the parts of the face, in one of three ways:

- A *recolouring* (skin, light) is what a local linear map of the photo's own colours can express. The guided filter
  (He, Sun and Tang 2010; on small pictures as in He and Sun 2015) carries it to the photo's edges.
- What no such map expresses is *structural*: glasses come or go, teeth appear. There the change is laid on as it is,
  and the photo's own detail gives way to the decoder's, or the old frames would shine through.
- Where the part itself is another one, hair on a forehead, a forehead where hair was, or dark glasses, the decoder's picture takes its
  place, in the photo's colours.

An edit that is about one part (`about`, see facevae.photo.regions) changes that part alone, and not the light or tone of the skin
that moves outside of it as well. All of this is decided on layers of the crop's size; the photo itself is touched once, strip by strip.
"""

from collections.abc import Collection, Sequence

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from facevae.photo.alignment import Alignment
from facevae.photo.crop_background import CropBackground, contrast
from facevae.photo.detail import AddDetail, sharpness_of
from facevae.photo.filters import blur, border_mask, draw_large, largest_near, rms
from facevae.photo.glasses import draw_glasses, glasses_put_on
from facevae.photo.guided_filter import apply_guided_filter, enlarge, repeated
from facevae.photo.makeup import Makeup, apply_makeup
from facevae.photo.new_hair import beard_strands, draw_new_hair
from facevae.photo.ovals import EYES, FEATURES, smooth_step
from facevae.photo.part_changes import EYES_APART, REACH, hair_grown, kept_eyes, new_cover, skin_grain
from facevae.photo.parts import FACE, SURE, Parser, Shares, median_colour, share_of
from facevae.photo.recolour import Dye, dye_hair, dye_of
from facevae.photo.regions import (
    edit_region,
    grows_beard,
    keeps_tone,
    moves_eyes,
    moves_hair,
    moves_mouth,
    moves_pixels,
    near_mouth,
    puts_glasses_on,
    redraws_mouth,
)
from facevae.photo.shape_motion import Motion, carried, carry_shares, move_pixels, other_parts, shape_motion
from facevae.photo.strips import strips
from facevae.settings import PHOTO_DETAIL

DETAIL = PHOTO_DETAIL.default
"""How much of the photo's own detail stays where the change is structural, 0 ... 1.

At 0.6 teeth and frames shine through in most faces, at 0.3 cheeks and eyes go soft: looked at on 25 photos, mouths closed,
glasses taken off and put on, at 0.6 of the sliders' range and at their ends.
"""
PartialEdit = tuple[tuple[str, ...] | None, Float32[np.ndarray, "s s 3"]]
"""What one edit among several is about, and the decoder's picture after it and those before it."""

# Where in the unit crop; eyes lie at y = 0.51, the mouth at 0.74, the chin at 0.86.
SUPERELLIPSE = (0.495, 0.74, 3.5)  # radius, share of it that is solid, exponent: the corners are outside

# All lengths are in crop sides (1 px of 128 is 0.008), all contrasts in [0, 1] pixels.
GUIDE_RADIUS = 0.0625  # windows of the guided filter
STRUCTURE = (0.1, 0.35)  # how structural a change must be at detail 0, and what detail 0.5 adds to that
CONTRAST_FLOOR = 0.03  # of the old contrast: below, it is noise
SMOOTH_SIGMA = 0.047  # what is smoother than this is light or make-up, not structure
REDRAWN = 5.0  # so much more structural counts what an edit changes at the mouth, or the old smile shines through the new one
EYES_KEEP = 0.35  # the decoder draws no eye as well as the photo has it, so less of a change counts as structural there
SHARPEN, SHARPEN_SIGMA = 0.5, 0.012  # the decoder's picture where nothing of the sharp photo is under it
SHARPEN_MOUTH = 1.3  # lips and teeth that were drawn anew are soft otherwise
LEAST_OUTSIDE = 0.02  # in squared crop sides
OUTSIDE_SIGMA, OUTSIDE_FLOOR = 0.1, 0.02  # the tone that moves outside an edit's region is that of the face so far around
SKIN_COUNTS = 0.7  # of an edit's own region: the skin there may have got a fold
LINE = 0.66  # of the light of lips is left between them
SOFT_GLASSES, MOST_SOFT = 0.003, 2.0  # glasses in a photo a standard deviation softer than most are softer by so much
RANGE_KNEE = 0.7  # share of the room up to black or white that is used freely


def paste(
    photo: UInt8[np.ndarray, "h w 3"],
    before: Float32[np.ndarray, "s s 3"],
    after: Float32[np.ndarray, "s s 3"],
    hair: Float32[np.ndarray, " 3"],
    alignment: Alignment,
    parser: Parser,
    detail: float = DETAIL,
    ground: CropBackground | None = None,
    makeup: Makeup = Makeup(),
    about: Collection[str] | None = None,
    earlier: Sequence[PartialEdit] = (),
    add_detail: AddDetail | None = None,
) -> UInt8[np.ndarray, "h w 3"]:
    """The photo with the change from `before` = G(z) to `after` = G(z') in it, a new array; both lie in [0, 1].

    `hair` is how far the colour of the hair changes, in CIELAB, `makeup` how much of it is added. `detail` 1 keeps all of the photo's
    own detail; at 0 it gives way wherever the change is structural. Where before equals after, and on background and clothes, but
    where a hat comes, the photo's own levels come back bit for bit. A grey photo stays grey. Rounded to the nearest level.
    `about` names the attributes that the edit is about, none where it may be about any; where several edits lead to `after`, those before
    the last are `earlier`, and each changes its own part alone. `ground`, that of this photo and alignment, saves looking at the
    photo again. `add_detail` sharpens what was drawn. `ValueError` for a detail outside 0 ... 1.
    """
    if not 0 <= detail <= 1:
        raise ValueError(f"the photo detail must lie between 0 and 1, not {detail:g}")
    result = photo.copy()
    ground = CropBackground(photo, alignment, len(before), parser) if ground is None else ground
    own = ground.parts.hair_colour
    dye = None if own is None else dye_of(own, hair)
    if dye is not None:
        dye_hair(result, ground.parts, dye, ground.grey)
    if makeup:
        apply_makeup(result, ground.parts, alignment, makeup, ground.grey)
    if not np.array_equal(before, after):
        ground, before, earlier, motion = with_motion(ground, before, [*earlier, (about, after)])
        if motion is not None:
            move_pixels(result, motion, alignment)
        layer = change_layer(ground, before, after, own if dye is None else dye.wanted, detail, about, earlier)
        if add_detail is not None:
            sharpen_layer(ground, layer, add_detail)
        lay_over(result, layer, alignment)
    return result


def with_motion(
    ground: CropBackground, before: Float32[np.ndarray, "s s 3"], edits: Sequence[PartialEdit]
) -> tuple[CropBackground, Float32[np.ndarray, "s s 3"], Sequence[PartialEdit], Motion | None]:
    """The photo, the picture before and the edits before the last with the motion of all edits of shape, and that motion.

    Each picture is moved by the edits after it. All are as they were, and the motion is None, where nothing moves.
    """
    total, old = None, ground.look(before)[-1]
    pictures, parts = [before, *(picture for _, picture in edits)], [old]
    for k, (about, after) in enumerate(edits):
        if not any(moves_pixels(names) for names, _ in edits[k:]):
            break
        parts.append(ground.parse(after))
        if moves_pixels(about):
            region = edit_region(about, (ground.shares, parts[k], parts[k + 1]))
            shape = shape_motion(pictures[k], after, parts[k], parts[k + 1], region, ground.face_share, ground.shares)
            if shape is not None:
                total = shape if total is None else total.followed_by(shape)
                pictures[1 : k + 1] = [carried(picture, shape.motion) for picture in pictures[1 : k + 1]]
    if total is None:
        return ground, before, edits[:-1], None
    before, old = carried(before, total.motion), carry_shares(old, total.motion)
    earlier = [(about, picture) for (about, _), picture in zip(edits[:-1], pictures[1:], strict=False)]
    return ground.moved(total, before, old), before, earlier, total.motion


def change_layer(
    ground: CropBackground,
    before: Float32[np.ndarray, "s s 3"],
    after: Float32[np.ndarray, "s s 3"],
    hair_colour: tuple[float, float, float] | None,
    detail: float,
    about: Collection[str] | None = None,
    earlier: Sequence[PartialEdit] = (),
) -> Float32[np.ndarray, "t t 4"]:
    """What `lay_over` lays over the photo, but for the colour of its own hair: `hair_colour` is what new hair gets, in CIELAB.

    An edit that moves pixels of the photo has done so already, see `with_motion`.
    """
    fine, small, side = ground.fine, ground.small, len(ground.fine)
    old_contrast, lit, old = ground.look(before)
    edits = [*earlier, (about, after)]
    if earlier:
        after, new, near = lay_together(ground, before, edits)
        region = np.ones_like(near)
    else:
        new = ground.parse(after)
        region, after = kept_to_part(ground, before, after, about, old, new)
        near = where_redrawn(region, about, (ground.shares, old, new))
    if ground.grey:  # a black and white photo gets no coloured mouth
        before, after = (np.repeat(x.mean(axis=2, keepdims=True), 3, axis=2) for x in (before, after))
    shown = (lit + after - before).clip(0, 1)  # what the decoder draws, in the photo's light
    puts_on = near.any() and any(puts_glasses_on(names) for names, _ in edits)
    glasses = glasses_put_on(ground.shares, old, new, shown) if puts_on else None
    apart = 0 if any(moves_eyes(names) and not moves_pixels(names) for names, _ in edits) else EYES_APART
    eyes = kept_eyes(ground.shares, old, new, apart)
    still = eyes if glasses is None else np.maximum(eyes, glasses.still)
    changing = ground.face_share * (1 - still) * region
    hair_moves, beard = (any(does(names) for names, _ in edits) for does in (moves_hair, grows_beard))
    if not hair_moves and not beard:
        changing = changing * (1 - hair_grown(old, new))
    change = (after - before) * changing[:, :, None]
    mouth = np.float32(any(redraws_mouth(names) for names, _ in edits)) * near_mouth((ground.shares, old, new))
    structure = structural(before, before + change, old_contrast) * (1 + REDRAWN * mouth)
    raw = enlarge(near * _giving_way(structure, min(detail, DETAIL)), side).clip(0, 1)
    face = ground.face * (1 - enlarge(still, side).clip(0, 1))
    gives = face * (raw if detail <= DETAIL else enlarge(near * _giving_way(structure, detail), side).clip(0, 1))
    mask3, raw3, gives3 = (repeated(x, 3) for x in (face, raw, gives))
    recoloured = apply_guided_filter(small, change, fine, GUIDE_RADIUS)
    layer = recoloured + raw3 * (draw_large(change, side) - recoloured)  # (side, side, 3)
    # What the photo's own pixels give way to: the decoder's face, a little sharper, in the photo's light and with the grain of its skin.
    sharpened = (SHARPEN + (SHARPEN_MOUTH - SHARPEN) * mouth)[:, :, None] * (after - blur(after, SHARPEN_SIGMA))
    tone = draw_large(lit + sharpened, side)
    tone += min(1.0, detail / DETAIL) * skin_grain(ground.fine, (ground.shares, old, new))
    layer = mask3 * _within_range(fine + gives3 * (tone - fine), layer) + gives3 * tone
    if beard:
        layer += repeated(face * beard_strands(before, before + change, share_of(ground.shares, ("skin",)), side), 3)
    hair, covered = (x * region for x in new_cover(ground.shares, old, new, ground.face_share, hair_moves))
    if covered.any():
        drawn = in_own_colours(after, share_of(new, ("hair",)), hair_colour, small - before, ground.face_share)
        share = enlarge(covered, side).clip(0, 1)
        layer, gives = over(layer, gives, repeated(share, 3) * draw_large(drawn, side), share)
    if hair.any():
        own = hair_colour or median_colour(np.rint(small * 255).astype(np.uint8), share_of(ground.shares, ("hair",)) > SURE)
        head = share_of(ground.shares, (*FACE, "hair", "hat"))
        layer, gives = over(layer, gives, *draw_new_hair(hair, head, shown, share_of(new, ("hair",)), own, side))
    if ground.seam is not None and ground.seam.any():
        line = enlarge(ground.seam, side).clip(0, 1)
        layer, gives = over(layer, gives, repeated(line, 3) * line_colour(ground), line)
    if glasses is not None:
        softness = SOFT_GLASSES * float(np.clip(-sharpness_of(fine), 0, MOST_SOFT))
        layer, gives = over(layer, gives, *draw_glasses(glasses, side, softness))
    if ground.grey:  # the light of the face, and hair that was drawn, come from coloured pictures
        layer = repeated(layer.mean(axis=2), 3)
    return cv2.merge((*cv2.split(layer * 255), gives))


def over(
    layer: Float32[np.ndarray, "t t 3"],
    gives: Float32[np.ndarray, "t t"],
    picture: Float32[np.ndarray, "t t 3"],
    hides: Float32[np.ndarray, "t t"],
) -> tuple[Float32[np.ndarray, "t t 3"], Float32[np.ndarray, "t t"]]:
    """A layer with a picture over it that hides so much of what is behind, and by so much was multiplied; it fades at the crop's border."""
    border = border_mask(len(hides))
    picture, hides = picture * repeated(border, 3), hides * border
    return layer * repeated(1 - hides, 3) + picture, gives + hides * (1 - gives)


def sharpen_layer(ground: CropBackground, layer: Float32[np.ndarray, "t t 4"], add_detail: AddDetail) -> None:
    """Give what was drawn in a layer the photo's detail, in place."""
    drawn = layer[:, :, 3].clip(0, 1)
    added = add_detail(ground.fine, ground.fine * (1 - drawn)[:, :, None] + layer[:, :, :3] / 255, drawn)
    layer[:, :, :3] += 255 * (repeated(added.mean(axis=2), 3) if ground.grey else added)


def kept_to_part(
    ground: CropBackground,
    before: Float32[np.ndarray, "s s 3"],
    after: Float32[np.ndarray, "s s 3"],
    about: Collection[str] | None,
    old: Shares,
    new: Shares,
) -> tuple[Float32[np.ndarray, "s s"], Float32[np.ndarray, "s s 3"]]:
    """The region of an edit, whose pictures show the parts `old` and `new`, and the picture after it in the tone from before it."""
    region = edit_region(about, (ground.shares, old, new))
    if keeps_tone(about):
        still = 1 - region
        if moves_mouth(about):  # the skin around a mouth keeps its tone, too
            still = np.maximum(
                still, SKIN_COUNTS * np.minimum.reduce([share_of(shares, ("skin",)) for shares in (ground.shares, old, new)])
            )
        after = after - tone_outside(after - before, ground.face_share * still, ground.face_share)
    return region, after


def lay_together(
    ground: CropBackground, before: Float32[np.ndarray, "s s 3"], edits: Sequence[PartialEdit]
) -> tuple[Float32[np.ndarray, "s s 3"], Shares, Float32[np.ndarray, "s s"]]:
    """The picture before with the change of each edit in its own region, its parts, and where the photo may give way."""
    *_, old = ground.look(before)
    result, parts, there, near = before, old, before, np.zeros_like(ground.face_share)
    for about, picture in edits:
        new = ground.parse(picture)
        region, after = kept_to_part(ground, there, picture, about, old, new)
        if not moves_hair(about) and not grows_beard(about):
            region = region * (1 - hair_grown(old, new))
        result, parts = result + region[:, :, None] * (after - there), parts + region * (new - old)
        near = np.maximum(near, where_redrawn(region, about, (ground.shares, old, new)))
        old, there = new, picture
    return result.clip(0, 1), parts.clip(0, 1), near


def where_redrawn(
    region: Float32[np.ndarray, "s s"], about: Collection[str] | None, pictures: Sequence[Shares]
) -> Float32[np.ndarray, "s s"]:
    """Where in its region an edit may take the photo's own pixels away: one that moves a mouth only at the mouth, and only where the
    part is another one than in the photo, the first of the pictures, whose pixels have been moved.

    Beside it the decoder's folds and the photo's would lie side by side, like scars.
    """
    return region * near_mouth(pictures) * other_parts(pictures[0], pictures[-1]) if moves_mouth(about) else region


def tone_outside(
    change: Float32[np.ndarray, "s s 3"], outside: Float32[np.ndarray, "s s"], face: Float32[np.ndarray, "s s"]
) -> Float32[np.ndarray, "s s 3"]:
    """How a change moves the light and colour of the face outside of its region, carried on into the region.

    Far from what lies outside, and where the region is the whole face, it is the change of the face as a whole.
    """
    counted = outside if outside.sum() > LEAST_OUTSIDE * outside.size else face
    mean = (change * counted[:, :, None]).sum((0, 1)) / max(float(counted.sum()), 1.0)
    near = blur(outside, OUTSIDE_SIGMA)[:, :, None]
    return (blur(change * outside[:, :, None], OUTSIDE_SIGMA) + OUTSIDE_FLOOR * mean) / (near + OUTSIDE_FLOOR)


def line_colour(ground: CropBackground) -> Float32[np.ndarray, " 3"]:
    """The colour of the line between the photo's closed lips: that of its lips, in their shadow."""
    lips = share_of(ground.shares, ("lips",)) > SURE
    found = ground.small[lips] if lips.any() else ground.small.reshape(-1, 3)
    return (LINE * np.median(found, axis=0)).astype(np.float32)


def in_own_colours(
    after: Float32[np.ndarray, "s s 3"],
    hair: Float32[np.ndarray, "s s"],
    own_hair: tuple[float, float, float] | None,
    difference: Float32[np.ndarray, "s s 3"],
    face: Float32[np.ndarray, "s s"],
) -> Float32[np.ndarray, "s s 3"]:
    """The decoder's picture with its hair in the colour of the photo's, and all else in the light of its face: `difference` there is the
    photo's."""
    light = (difference * face[:, :, None]).sum((0, 1)) / max(float(face.sum()), 1.0)
    lit, drawn_hair = (after + light).clip(0, 1), median_colour(np.rint(after * 255).astype(np.uint8), hair > 0.8)
    if drawn_hair is None or own_hair is None:
        return lit
    return lit + hair[:, :, None] * (Dye(drawn_hair, own_hair)(after) - lit)


def soft_mask(size_px: int) -> Float32[np.ndarray, "s s"]:
    """A superellipse: 1 on face, hair and chin, falling smoothly (C1) to 0 just inside the crop's border."""
    radius, solid, exponent = SUPERELLIPSE
    away = np.abs((np.arange(size_px) + 0.5) / size_px - 0.5) / radius
    reach = (away[None, :] ** exponent + away[:, None] ** exponent) ** (1 / exponent)  # (s, s)
    mask = 1 - smooth_step(reach, solid, 1)
    mask[[0, -1]] = 0  # crops of a few pixels have their outermost centres inside the radius
    mask[:, [0, -1]] = 0
    return mask


def structural(
    before: Float32[np.ndarray, "s s 3"], after: Float32[np.ndarray, "s s 3"], old_contrast: Float32[np.ndarray, "s s"] | None = None
) -> Float32[np.ndarray, "s s"]:
    """How structural the change is nearby: its edges that no local linear map of the old colours gives, over the old contrast.

    0 for any recolouring and for smooth light; about 1 where a mouth closes or glasses go. Linear in the change, so that a
    small edit does little. `old_contrast` is that of the picture before, where it is known.
    """
    change = after - before
    unexplained = change - apply_guided_filter(before, change, before, GUIDE_RADIUS)
    unexplained = unexplained - blur(unexplained, SMOOTH_SIGMA)
    return rms(unexplained, 0.016) / ((contrast(before) if old_contrast is None else old_contrast) + CONTRAST_FLOOR)


def _giving_way(structure: np.ndarray, detail: float) -> np.ndarray:
    """0 ... 1: how far the photo's detail gives way. The threshold rises without bound as `detail` goes to 1."""
    if detail == 1:
        return np.zeros_like(structure)
    size = len(structure)
    counted = structure * (1 - EYES_KEEP * np.maximum(EYES[0].draw(size), EYES[1].draw(size)))
    start = STRUCTURE[0] + STRUCTURE[1] * detail / (1 - detail)
    near = largest_near(smooth_step(counted, start, 2 * start), REACH)
    return blur(near * FEATURES.draw(size), REACH)


def _within_range(base: np.ndarray, change: np.ndarray) -> np.ndarray:
    """The change, weakened where it would leave [0, 1]: clipping would crush strands of hair and shine to flat patches."""
    room = np.where(change > 0, 1 - base, base).clip(0) + 1e-3
    used = np.abs(change) / room
    beyond = np.flatnonzero(used > RANGE_KNEE)  # a tenth of the pixels, or less: tanh of all would take longer than the rest
    used, room, weakened = used.ravel()[beyond], room.ravel()[beyond], change.astype(np.float32)
    soft = RANGE_KNEE + (1 - RANGE_KNEE) * np.tanh((used - RANGE_KNEE) / (1 - RANGE_KNEE))
    weakened.reshape(-1)[beyond] = np.copysign(soft * room, change.ravel()[beyond])
    return weakened


def lay_over(photo: UInt8[np.ndarray, "h w 3"], layer: Float32[np.ndarray, "s s 4"], alignment: Alignment) -> None:
    """photo · (1 - warp(layer[3])) + warp(layer[:3]), rounded, in place; the layer is in levels, its last channel in 0 ... 1."""
    if not layer.any():
        return
    for strip, warped, _ in strips(photo, layer, alignment):
        *added, gives = cv2.split(warped)
        stays = 1 - gives
        own = (cv2.multiply(plane, stays, dtype=cv2.CV_32F) for plane in cv2.split(np.ascontiguousarray(strip)))
        strip[...] = cv2.merge([cv2.add(kept, new, dtype=cv2.CV_8U) for kept, new in zip(own, added, strict=True)])  # rounds and saturates
