"""Comparison of ways to paste an edit: ours, the bare residual, Poisson blending."""

from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from facevae.editor import Editor
from facevae.photo.alignment import Alignment, pixel_map
from facevae.photo.compositing import DETAIL, soft_mask
from train.publish.figures import ASTRONAUT, caption, save

DETAILS = (0.0, DETAIL, 1.0)
BLENDED_EDITS = (
    ("Smiling", "low", "smile off"),
    ("Eyeglasses", "high", "glasses on"),
    ("Blond_Hair", "high", "blond"),
    ("Black_Hair", "high", "black"),
)
SHARES = (0.6, 1.0)  # of the slider's range
ZOOM = 1.4
MARGIN = 0.08  # of the crop, shown around it
FREE = 0.99  # of the mask: Poisson blending takes a region, not weights


def compare_blending(out: Path, checkpoint: Path | None = None, photo: Path = ASTRONAUT) -> None:
    """Write `blending.jpg`: for each edit and strength a row of the ways in the photo, at 140 %."""
    editor = Editor(checkpoint)
    face = editor.open_photo(photo)
    whole, alignment = face.photo, face.alignment
    if whole is None or alignment is None:
        raise ValueError(f"{photo}: opened without its pixels")
    before = editor.edit(face).decoded.astype(np.float32) / 255
    rows = []
    for name, end, title in BLENDED_EDITS:
        if name not in editor.checkpoint.directions:
            continue
        for share in SHARES:
            strengths = {name: share * getattr(editor.checkpoint.directions[name], end)}
            after = editor.edit(face, strengths).decoded.astype(np.float32) / 255
            ours = {f"ours, detail {d:g}": editor.edit(face, strengths, detail=d).photo for d in DETAILS}
            cells = [whole, *blend_variants(whole, before, after, alignment, ours).values()]
            strip = np.concatenate([np.pad(window(c, alignment), ((0, 2), (0, 2), (0, 0)), constant_values=255) for c in cells], axis=1)
            rows += [caption(f"{title}, {share:.0%} of the slider", strip.shape[1]), strip]
    width = rows[1].shape[1] // len(cells)
    titles = [caption(t, width) for t in ("photo", *blend_variants(whole, before, after, alignment, ours))]
    out.mkdir(parents=True, exist_ok=True)
    save(out / "blending.jpg", np.concatenate([np.concatenate(titles, axis=1), *(r[:, : width * len(cells)] for r in rows)]))


def blend_variants(
    photo: UInt8[np.ndarray, "h w 3"],
    before: Float32[np.ndarray, "s s 3"],
    after: Float32[np.ndarray, "s s 3"],
    alignment: Alignment,
    ours: dict[str, UInt8[np.ndarray, "h w 3"]],
) -> dict[str, UInt8[np.ndarray, "h w 3"]]:
    """Title -> the photo with the change in it, for every way compared."""
    bare = bare_residual(photo, after - before, alignment)
    drawn = onto(photo, after, alignment)
    return {
        "photo + change": bare,
        **ours,
        "Poisson: photo + change": poisson(photo, onto(photo, after - before, alignment, add=True), alignment),
        "Poisson: decoder's face": poisson(photo, drawn, alignment),
    }


def bare_residual(
    photo: UInt8[np.ndarray, "h w 3"], change: Float32[np.ndarray, "s s 3"], alignment: Alignment
) -> UInt8[np.ndarray, "h w 3"]:
    """`photo + mask · warp(change)`: what facevae did before its blending knew structure from colour."""
    return onto(photo, change * soft_mask(len(change))[:, :, None], alignment, add=True)


def onto(
    photo: UInt8[np.ndarray, "h w 3"], layer: Float32[np.ndarray, "s s 3"], alignment: Alignment, add: bool = False
) -> UInt8[np.ndarray, "h w 3"]:
    """The layer, in units of [0, 1], in place of the photo's pixels in the crop, or added to them."""
    height, width = photo.shape[:2]
    to_layer = pixel_map(alignment.matrix * len(layer))
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    warped = 255 * cv2.warpAffine(np.ascontiguousarray(layer), to_layer, (width, height), flags=flags, borderMode=cv2.BORDER_CONSTANT)
    if not add:
        inside = cv2.fillConvexPoly(np.zeros((height, width), np.uint8), np.rint(alignment.corners_px).astype(np.int32), 1)[:, :, None] > 0
        return np.where(inside, np.rint(warped.clip(0, 255)).astype(np.uint8), photo)
    return np.rint((photo + warped).clip(0, 255)).astype(np.uint8)


def poisson(photo: UInt8[np.ndarray, "h w 3"], drawn: UInt8[np.ndarray, "h w 3"], alignment: Alignment) -> UInt8[np.ndarray, "h w 3"]:
    """OpenCV's `seamlessClone` (Pérez, Gangnet and Blake 2003) of the drawn face where the soft mask is (nearly) solid."""
    solid = (soft_mask(256) > FREE).astype(np.float32)[:, :, None].repeat(3, axis=2)
    region = onto(np.zeros_like(photo), solid, alignment, add=True)[:, :, 0] > 127
    region[[0, -1]] = region[:, [0, -1]] = False
    rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
    centre = (int(columns[0] + columns[-1] + 1) // 2, int(rows[0] + rows[-1] + 1) // 2)
    return cv2.seamlessClone(drawn, photo, region.astype(np.uint8) * 255, centre, cv2.NORMAL_CLONE)


def window(photo: UInt8[np.ndarray, "h w 3"], alignment: Alignment) -> UInt8[np.ndarray, "h2 w2 3"]:
    """The crop's bounding box with a margin, enlarged."""
    corners, margin = alignment.corners_px, MARGIN * alignment.side_px
    left, top = np.maximum(corners.min(axis=0) - margin, 0).astype(int)
    right, bottom = np.minimum(corners.max(axis=0) + margin, photo.shape[1::-1]).astype(int)
    cut = photo[top:bottom, left:right]
    return cv2.resize(cut, None, fx=ZOOM, fy=ZOOM, interpolation=cv2.INTER_CUBIC)
