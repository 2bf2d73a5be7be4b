"""Training data of the hair net: photos with marked hair, light hair made dark among them."""

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, UInt8
from torch import Tensor
from tqdm import tqdm

from facevae.files import write_atomic, write_json
from facevae.nets.hair import LIGHT
from facevae.nets.parser import PARTS
from facevae.photo.alignment import Alignment, Square
from facevae.photo.images import open_photo
from facevae.photo.parts import FACE, Parser, PhotoParts, share_of
from train.data.parsing import HAIR, Item, hq_to_crop, labels_of, list_parts
from train.data.prepared import save_array

SOURCES = ("celebamask", "hair_celeba")
SIZE = 256
"""Side of the photos."""
ASKED_PX = 176
"""The side that the parser sees them at."""
LEAST_HAIR = 0.02
"""Share of the photo that is hair, of those to train on."""
LEAST_LIGHT = 36.0
"""The median L* of hair that is made dark."""
COPIES = 4
"""How many dark ones are made of each."""
REACH_PX = 4
"""How far from a mask made by hand its hair may lie."""
HARD = (0.1, 0.9)
"""Shares of hair that the outline's colours give which count as none and all."""
# How dark: L* becomes median * (L* / old median) ** power, and of its own colour little stays.
MEDIAN, POWER, BRIGHTEST, OWN_COLOUR = (3.0, 28.0), (1.0, 4.0), 70.0, 0.35
A_STAR, B_STAR = (0.0, 7.0), (-3.0, 10.0)
SOFT, SOFT_SIGMA, NOISE_LEVELS, QUALITY = 0.3, (0.3, 1.0), (0.0, 3.0), (35, 96)

Planes = Float[Tensor, "b 1 w w"]
Batch = tuple[Float[Tensor, "b 3 w w"], Float[Tensor, "b 2 w w"], Planes, Planes, Float[Tensor, " b"], Float[Tensor, " b"]]


@dataclass(frozen=True)
class HairPhotos:
    """Photos and what is known of their hair; memory-mapped arrays of `cached_hair`."""

    given: UInt8[np.ndarray, "n s s 3"]
    """Photos as they are, or with their hair made dark."""
    shares: UInt8[np.ndarray, "n s s 2"]
    """The parser's, of hair and of the face."""
    matte: UInt8[np.ndarray, "n s s"]
    light: UInt8[np.ndarray, "n s s"]
    """L* of the photo where its hair has the median `LIGHT`, 2.5 levels each."""
    median: Float32[np.ndarray, " n"]
    """L* of the hair as it is given."""
    known: Bool[np.ndarray, " n"]
    """Whether `light` is: nobody knows what dark hair would look like."""
    held_out: Bool[np.ndarray, " n"]


def cached_hair(run: Path, parsing: Path, celeba: Path, parser: Parser, seed: int) -> HairPhotos:
    """All of them, made once in the folder `run`, then memory-mapped."""
    folder = run / "hair"
    if not (folder / "hair.json").is_file():
        found = read_hair(list_parts(parsing, celeba), parser, seed)
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("given", "shares", "matte", "light"):
            write_atomic(folder / f"{name}.npy", lambda temporary, array=getattr(found, name): save_array(temporary, array))
        write_json(folder / "hair.json", {name: getattr(found, name).tolist() for name in ("median", "known", "held_out")})
    described = json.loads((folder / "hair.json").read_text())
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("given", "shares", "matte", "light")}
    lists = {name: np.array(described[name], np.float32 if name == "median" else bool) for name in ("median", "known", "held_out")}
    return HairPhotos(**arrays, **lists)


def read_hair(items: list[Item], parser: Parser, seed: int) -> HairPhotos:
    """The photos with hair among the items of `SOURCES`, and `COPIES` with darker hair of those where it is light."""
    rows: list[tuple] = []
    for number, item in enumerate(tqdm([i for i in items if i.source in SOURCES], unit="img", desc="hair", mininterval=20)):
        photo, labels = open_photo(item.photo).pixels, labels_of(item)[0]
        hair = labels == HAIR
        if photo.shape[0] != SIZE or hair.mean() < LEAST_HAIR:
            continue
        matte = matte_of(photo, labels)
        lab = cv2.cvtColor(photo.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
        sure = matte > 0.98
        if sure.sum() < 500:
            continue
        own = np.median(lab[sure], axis=0)
        light = np.rint((lab[:, :, 0] + matte * (LIGHT - own[0])).clip(0, 100) * 2.55)
        known = bool(own[0] >= LEAST_LIGHT)
        rng = np.random.default_rng((seed, number))
        copies = [photo, *(darkened(lab, matte, own, rng) for _ in range(COPIES if known else 0))]
        rows += [(c, asked(c, parser), np.rint(matte * 255), light, median_of(c, sure), known, item.held_out) for c in copies]
    given, shares, mattes, lights, median, known, held_out = zip(*rows, strict=True)
    arrays = (np.stack(x).astype(np.uint8) for x in (given, shares, mattes, lights))
    return HairPhotos(*arrays, np.array(median, np.float32), np.array(known, bool), np.array(held_out, bool))


def median_of(photo: UInt8[np.ndarray, "s s 3"], hair: Bool[np.ndarray, "s s"]) -> float:
    """The median L* of its hair."""
    return float(np.median(cv2.cvtColor(photo.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[:, :, 0][hair]))


def matte_of(photo: UInt8[np.ndarray, "s s 3"], labels: UInt8[np.ndarray, "s s"]) -> Float32[np.ndarray, "s s"]:
    """How much hair is in each pixel, by a mask made by hand and by the colours along its outline."""
    shares = np.stack([cv2.GaussianBlur((labels == k).astype(np.float32), (0, 0), 1.0) for k in range(len(PARTS))])
    outline = _parts(photo, shares).hair_outline
    share = (outline[:, :, :3] * (photo.astype(np.float32) / 255)).sum(axis=2) + outline[:, :, 3]
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * REACH_PX + 1,) * 2)
    near = cv2.GaussianBlur(cv2.dilate((labels == HAIR).astype(np.float32), disc), (0, 0), REACH_PX / 3)
    return (near * ((share - HARD[0]) / (HARD[1] - HARD[0])).clip(0, 1)).astype(np.float32)


def asked(photo: UInt8[np.ndarray, "s s 3"], parser: Parser) -> UInt8[np.ndarray, "s s 2"]:
    """The parser's shares of hair and of the face, in levels."""
    small = cv2.resize(photo, (ASKED_PX, ASKED_PX), interpolation=cv2.INTER_AREA)
    shares = np.stack([cv2.resize(x, photo.shape[:2], interpolation=cv2.INTER_LINEAR) for x in parser.ask(small)])
    return np.rint(255 * np.dstack([_parts(photo, shares).hair, share_of(shares, FACE)]).clip(0, 1)).astype(np.uint8)


def _parts(photo: UInt8[np.ndarray, "s s 3"], shares: Float32[np.ndarray, "k s s"]) -> PhotoParts:
    (left, top), (right, bottom) = (hq_to_crop(SIZE) @ np.array([[0, 0, 1], [SIZE, SIZE, 1]]).T).T
    window = Square((left + right) / 2, (top + bottom) / 2, right - left)
    return PhotoParts(window, Alignment(window.matrix(), found=True), photo, shares)


def darkened(
    lab: Float32[np.ndarray, "s s 3"], matte: Float32[np.ndarray, "s s"], own: Float32[np.ndarray, " 3"], rng: np.random.Generator
) -> UInt8[np.ndarray, "s s 3"]:
    """A photo, in CIELAB, with its hair of the median `own` made dark, a little softer and noisier, and saved as JPEG."""
    median, power = rng.uniform(*MEDIAN), rng.uniform(*POWER)
    dark = BRIGHTEST * np.tanh(median * (lab[:, :, 0] / own[0]) ** power / BRIGHTEST)
    ratio = np.sqrt(dark / median)[:, :, None]
    colour = np.array([rng.uniform(*A_STAR), rng.uniform(*B_STAR)], np.float32) * ratio
    kept = OWN_COLOUR * (dark / np.maximum(lab[:, :, 0], 1.0)).clip(0, 1)[:, :, None]
    dyed = np.dstack([dark, colour + kept * (lab[:, :, 1:] - own[1:])]).astype(np.float32)
    picture = 255 * cv2.cvtColor((lab + matte[:, :, None] * (dyed - lab)).astype(np.float32), cv2.COLOR_LAB2RGB)
    if rng.random() < SOFT:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(*SOFT_SIGMA))
    picture = picture + rng.uniform(*NOISE_LEVELS) * rng.standard_normal(picture.shape).astype(np.float32)
    levels = np.rint(picture).clip(0, 255).astype(np.uint8)
    _, coded = cv2.imencode(".jpg", levels[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(*QUALITY))])
    return np.ascontiguousarray(cv2.imdecode(coded, cv2.IMREAD_COLOR)[:, :, ::-1])


class HairWindows:
    """Batches of square windows of photos; each a pure function of (seed, nimg)."""

    def __init__(self, photos: HairPhotos, seed: int, batch_size: int, window: int, dark: float) -> None:
        """`dark` is the share of the windows of dark hair, of which nobody knows what it would look like."""
        self.photos, self.seed, self.batch_size, self.window, self.dark = photos, seed, batch_size, window, dark
        self.groups = [np.flatnonzero(~photos.held_out & (photos.known == known)) for known in (False, True)]

    def __call__(self, nimg: int) -> Batch:
        """Pictures, the parser's shares, mattes, L* of light hair in [0, 1]; the median L* of the hair, and 1 where light hair is known."""
        dark = round(self.dark * self.batch_size)
        rows = [self.row(np.random.default_rng((self.seed, nimg + k)), k < dark) for k in range(self.batch_size)]
        planes = torch.from_numpy(np.stack([row for row, _ in rows])).permute(0, 3, 1, 2)
        photos = [photo for _, photo in rows]
        numbers = (torch.from_numpy(values[photos].astype(np.float32)) for values in (self.photos.median, self.photos.known))
        return (*(part.contiguous() for part in planes.split([3, 2, 1, 1], dim=1)), *numbers)  # ty: ignore[invalid-return-type]

    def row(self, rng: np.random.Generator, dark: bool) -> tuple[Float32[np.ndarray, "w w 7"], int]:
        """One window around some hair, at most a quarter larger or smaller, perhaps mirrored; and the position of its photo."""
        p = self.photos
        i = int(rng.choice(self.groups[0 if dark else 1]))
        side = int(min(SIZE, round(self.window * rng.uniform(0.8, 1.25))))
        rows, columns = np.nonzero(p.matte[i, ::8, ::8] > 127)
        k = rng.integers(len(rows)) if len(rows) else 0
        middle = 8 * np.array([rows[k], columns[k]] if len(rows) else [16, 16]) + rng.integers(-side // 3, side // 3 + 1, 2)
        top, left = (middle - side // 2).clip(0, SIZE - side).tolist()
        box = slice(top, top + side), slice(left, left + side)
        found = np.dstack([x[i][box] for x in (p.given, p.shares, p.matte, p.light)]).astype(np.float32) / 255
        found = np.dstack([cv2.resize(found[:, :, c], (self.window, self.window), interpolation=cv2.INTER_AREA) for c in range(7)])
        return np.ascontiguousarray(found[:, ::-1] if rng.random() < 0.5 else found), i
