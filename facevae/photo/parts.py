"""Parts of a face in a photo: where hair, skin, lips, glasses, background, ... are."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float32, UInt8

from facevae.nets.hair import LIGHT as LIGHT_HAIR
from facevae.nets.hair import HairNet
from facevae.nets.parser import PARTS, FaceParser
from facevae.nets.residual_unet import grain
from facevae.photo import images
from facevae.photo.alignment import Alignment, Square, compose, crop
from facevae.photo.guided_filter import guided_map
from facevae.photo.hair_flow import add_strands

Shares = Float32[np.ndarray, "k s s"]
"""Probabilities of `PARTS`, in their order."""
WIDE = Square(0.5, 2 / 3, 2.0)
"""What of a photo is parsed, in crop sides: hair leaves the crop, mostly downwards."""
FACE = ("skin", "neck", "brows", "eyes", "glasses", "lips", "mouth")
"""The parts that an edit of the face may change."""
OUTLINE_RADIUS = 0.04
"""How far colours beside an outline are looked at, in crop sides."""
BAND = 0.045
"""How far from where the parser sees it the outline of hair may lie, in crop sides."""
SHADOW = 0.06
"""How much less a pixel counts as hair where skin is near."""
CERTAIN = 0.1
LARGEST_GAP, LEAST_HAIR = 0.03, 0.04
"""In squared crop sides."""
CONTRAST_FLOOR = 0.03
"""Squared distance of colours in [0, 1] below which they do not tell hair from what is beside it."""
SURE = 0.5
BRIGHT_SKIN, LIGHT = 68.0, (0.4, 1.1)
"""L* of the brightest skin in ordinary light, dark or light skin alike, and between what `PhotoParts.light` lies."""
SOLID = (0.2, 0.7)
"""Shares that count as none and all after the filter, which leaves a little everywhere."""


HAIR_NET_PX, HAIR_NET_GRID = (128, 256), 16
"""The least and the most pixels of a crop side that the hair net is shown, and what the sides of its pictures are multiples of."""
HAIR_FILTER = 0.006
"""Windows of the filter that carries the net's matte to the photo's own colours, in sides of what the net is shown."""
SURE_HAIR = 0.9
GRID_SIGMA = 0.8
"""In pixels of what the net is shown: its adversary leaves a faint grid of 2 px."""
AROUND = 0.03  # in crop sides

AskHair = Callable[
    [UInt8[np.ndarray, "v v 3"], Float32[np.ndarray, "v v 2"], float], tuple[Float32[np.ndarray, "v v"], Float32[np.ndarray, "v v"]]
]
"""A picture, the parser's shares of hair and of the face, and the median L* of the hair -> see `facevae.nets.hair.HairNet`."""


@dataclass(frozen=True, eq=False)
class HairLook:
    """What the hair net sees in a photo."""

    matte: Float32[np.ndarray, "u u"]
    gain: Float32[np.ndarray, "u u"]
    """L* that the hair would gain if its median were `facevae.nets.hair.LIGHT`."""
    around: Float32[np.ndarray, "u u"]
    """Mean L* of such hair nearby."""


@dataclass(frozen=True, eq=False)
class Parser:
    """A face parser as this module asks it: `ask` gives the shares of a picture's parts at its own size.

    It expects faces at the scale of crops of `size` pixels. `ask_hair` asks the hair net, where there is one.
    """

    size: int
    ask: Callable[[UInt8[np.ndarray, "s s 3"]], Shares]
    ask_hair: AskHair | None = None

    def __call__(self, picture: UInt8[np.ndarray, "s s 3"]) -> Shares:
        """The parts of a crop of any size."""
        side = picture.shape[:2]
        shares = self.ask(cv2.resize(picture, (self.size, self.size), interpolation=cv2.INTER_CUBIC))
        return np.stack([cv2.resize(plane, side, interpolation=cv2.INTER_AREA) for plane in shares])


@dataclass(frozen=True, eq=False)
class PhotoParts:
    """The parts around one crop of a photo: `pixels` and `shares` of a `window` that is given in crop sides, and lies at `view`."""

    window: Square
    view: Alignment
    pixels: UInt8[np.ndarray, "v v 3"]
    shares: Shares
    fine: UInt8[np.ndarray, "u u 3"] | None = None
    """The same as `pixels` for the hair net."""
    ask_hair: AskHair | None = None

    def in_crop(self, size_px: int) -> Shares:
        """The shares in the crop alone, at `size_px`."""
        per_px = len(self.pixels) / self.window.side / size_px  # view pixels per crop pixel
        start = self.window.matrix() @ (0, 0, 1) * len(self.pixels)
        index_map = np.array([[per_px, 0, start[0] + per_px / 2 - 0.5], [0, per_px, start[1] + per_px / 2 - 0.5]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return np.stack([cv2.warpAffine(x, index_map, (size_px,) * 2, flags=flags, borderMode=cv2.BORDER_REPLICATE) for x in self.shares])

    @cached_property
    def hair(self) -> Float32[np.ndarray, "v v"]:
        """The share of hair, of the pieces alone that reach into the crop's head: what looks like hair elsewhere is fur, or a chair."""
        share = share_of(self.shares, ("hair",))
        share = np.maximum(share, gaps_in(share > SURE, len(share) / self.window.side))
        _, pieces = cv2.connectedComponents((share > SURE).astype(np.uint8), connectivity=8)
        side = np.full(2, len(share))
        left, top = (np.array(self.window.matrix() @ (0.15, 0.0, 1)) * side).astype(int)
        right, bottom = (np.array(self.window.matrix() @ (0.85, 0.75, 1)) * side).astype(int)
        inside = np.bincount(pieces[max(top, 0) : bottom, max(left, 0) : right].ravel(), minlength=pieces.max() + 1)
        near = np.isin(pieces, [k for k in range(1, len(inside)) if inside[k] >= 20])
        reach = cv2.dilate(near.astype(np.uint8), np.ones((9, 9), np.uint8)).astype(np.float32)
        return share * cv2.GaussianBlur(reach, (0, 0), 2)

    @cached_property
    def hair_outline(self) -> Float32[np.ndarray, "v v 4"]:
        """Slopes for red, green and blue, and an offset, that make the share of hair of the photo's own colours in [0, 1].

        Enlarged and applied to the photo itself, it is sharp at any size. Along the outline a pixel is a mixture of the hair and of what is
        beside it nearby, and its colour tells how much of each, the better the further these colours lie apart; the parser's
        share is the guess before that.
        """
        if self.hair_look is not None and self.fine is not None:
            return np.dstack(guided_map(self.fine.astype(np.float32) / 255, self.hair_look.matte, HAIR_FILTER)).astype(np.float32)
        pixels, share = self.pixels.astype(np.float32) / 255, self.hair
        unit = len(share) / self.window.side  # pixels in a crop side
        hair, beside = (_mean_nearby(pixels, (sure > 1 - CERTAIN).astype(np.float32), OUTLINE_RADIUS * unit) for sure in (share, 1 - share))
        apart = hair - beside
        slopes = apart / ((apart**2).sum(axis=2, keepdims=True) + CONTRAST_FLOOR)
        offset = share - (slopes * (share[..., None] * hair + (1 - share[..., None]) * beside)).sum(axis=2)
        # Inside, dark and bright strands are hair alike, and far outside nothing is.
        side = 2 * round(BAND * unit) + 1
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
        near, inner = cv2.dilate(share, disc), cv2.erode(share, disc)
        near, inner = ((plane > SURE).astype(np.float32) for plane in (near, inner))
        band, inner = (cv2.GaussianBlur(plane, (0, 0), BAND * unit / 2) for plane in (near, inner))
        band = (band - inner).clip(0, 1)
        # The shadow that hair casts on skin is no hair.
        near_face = cv2.GaussianBlur(share_of(self.shares, FACE), (0, 0), BAND * unit / 2)
        offset = offset - SHADOW * near_face
        return np.dstack([slopes * band[..., None], offset * band + inner]).astype(np.float32)

    @cached_property
    def hair_look(self) -> HairLook | None:
        """What the hair net sees in the photo; None where there is no net or too little hair."""
        if self.ask_hair is None or self.fine is None or self.hair_colour is None:
            return None
        side = self.fine.shape[:2]
        shares = np.dstack([cv2.resize(x, side, interpolation=cv2.INTER_LINEAR) for x in (self.hair, share_of(self.shares, FACE))])
        matte, gain = self.ask_hair(self.fine, shares, self.hair_colour[0])
        gain = cv2.GaussianBlur(gain, (0, 0), GRID_SIGMA)
        sure = (matte > SURE_HAIR).astype(np.float32)
        seen = cv2.cvtColor(self.fine.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[:, :, 0]
        unit, (left, top) = len(self.fine) / self.window.side, self.window.inverse()[:, 2]
        light = add_strands(seen + gain, seen, matte, (left, top), unit)
        if sure.any():
            light = light + np.float32(LIGHT_HAIR - np.median(light[sure > 0]))
        around = _mean_nearby(np.dstack([light] * 3), sure, AROUND * unit)[:, :, 0]
        return HairLook(matte, light - seen, around)

    @cached_property
    def hair_colour(self) -> tuple[float, float, float] | None:
        """The median of the hair, in CIELAB (L* 0 ... 100); None where there is too little of it to say, or to dye."""
        sure = self.hair > 0.8
        enough = sure.sum() >= LEAST_HAIR * (len(sure) / self.window.side) ** 2
        return median_colour(self.pixels, sure) if enough else None

    @cached_property
    def light(self) -> float:
        """How bright the photo is, by the brightest of its skin: 1 in ordinary light, less in the dark."""
        skin = self.pixels[share_of(self.shares, ("skin",)) > 0.8]
        if len(skin) < 30:
            return 1.0
        bright = float(np.percentile(cv2.cvtColor(skin[None].astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[0, :, 0], 90))
        return float(np.clip(bright / BRIGHT_SKIN, *LIGHT))


def parser_of(net: FaceParser, lock: AbstractContextManager = nullcontext(), hair_net: HairNet | None = None) -> Parser:
    """The parser of a net, and of a hair net, which are asked with the lock held."""

    def ask(picture: UInt8[np.ndarray, "s s 3"]) -> Shares:
        with lock, torch.inference_mode():
            return net(images.to_float(picture)).softmax(1)[0].numpy()

    def ask_hair(picture: np.ndarray, shares: np.ndarray, median: float) -> tuple[np.ndarray, np.ndarray]:
        with lock, torch.inference_mode():
            known = torch.from_numpy(np.ascontiguousarray(shares)).permute(2, 0, 1)[None]
            matte, gain = hair_net(images.to_float(picture), known, grain(len(picture)), torch.tensor([median]))
            return matte[0, 0].numpy(), gain[0, 0].numpy()

    return Parser(net.config.size, ask, None if hair_net is None else ask_hair)


def parse_photo(photo: UInt8[np.ndarray, "h w 3"], alignment: Alignment, parser: Parser) -> PhotoParts:
    """Parse what lies around the crop of `alignment`, or the crop alone where the photo has no more."""
    corners, (height, width) = alignment.corners_px, photo.shape[:2]
    whole = corners.min() <= 0.5 and corners[:, 0].max() >= width - 0.5 and corners[:, 1].max() >= height - 0.5
    window = Square(0.5, 0.5, 1.0) if whole else WIDE
    view = Alignment(compose(window.matrix(), alignment.matrix), found=alignment.found)
    pixels = crop(photo, view, round(window.side * parser.size))
    if parser.ask_hair is None:
        return PhotoParts(window, view, pixels, parser.ask(pixels))
    per_side = float(np.clip(alignment.side_px, *HAIR_NET_PX))
    fine = crop(photo, view, round(window.side * per_side / HAIR_NET_GRID) * HAIR_NET_GRID)
    return PhotoParts(window, view, pixels, parser.ask(pixels), fine, parser.ask_hair)


def share_of(shares: Shares, names: Sequence[str]) -> Float32[np.ndarray, "s s"]:
    """How likely each pixel belongs to one of these parts."""
    return shares[[PARTS.index(name) for name in names]].sum(axis=0)


def median_colour(pixels: UInt8[np.ndarray, "h w 3"], mask: Bool[np.ndarray, "h w"]) -> tuple[float, float, float] | None:
    """The median in CIELAB of the pixels under a mask; None where these are fewer than 30."""
    chosen = pixels[mask]
    if len(chosen) < 30:
        return None
    lightness, a, b = np.median(cv2.cvtColor(chosen[None].astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[0], axis=0).tolist()
    return lightness, a, b


def gaps_in(hair: Bool[np.ndarray, "s s"], unit: float) -> Bool[np.ndarray, "s s"]:
    """Small gaps that hair encloses: shine and shadow in it, which the parser took for something else. `unit` is a crop side in pixels."""
    count, pieces, boxes, _ = cv2.connectedComponentsWithStats((~hair).astype(np.uint8), connectivity=4)
    filled = np.zeros_like(hair)
    for k in range(1, count):
        left, top, width, height, area = boxes[k].tolist()
        if area < LARGEST_GAP * unit**2 and left > 0 and top > 0 and left + width < len(hair) and top + height < len(hair):
            box = slice(top, top + height), slice(left, left + width)
            filled[box] |= pieces[box] == k
    return filled


def _mean_nearby(pixels: Float32[np.ndarray, "s s 3"], weight: Float32[np.ndarray, "s s"], sigma: float) -> Float32[np.ndarray, "s s 3"]:
    """The mean of the pixels under a weight nearby; of all of them where none is near."""
    total = (pixels * weight[..., None]).sum((0, 1)) / max(float(weight.sum()), 1e-6)
    over = cv2.GaussianBlur(weight, (0, 0), sigma)[..., None] + np.float32(1e-4)
    return (cv2.GaussianBlur(pixels * weight[..., None], (0, 0), sigma) + np.float32(1e-4) * total) / over


def solid(share: Float32[np.ndarray, "..."]) -> Float32[np.ndarray, "..."]:
    """A filtered share without the little that the filter leaves everywhere."""
    return ((share - SOLID[0]) / (SOLID[1] - SOLID[0])).clip(0, 1)
