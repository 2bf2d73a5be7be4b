"""Training data of the detail net: photos with a part replaced by a VAE's picture of it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor
from tqdm import tqdm

from facevae.files import write_atomic, write_json
from facevae.photo import images
from facevae.photo.alignment import Alignment, crop, pixel_map
from facevae.photo.compositing import SHARPEN, SHARPEN_SIGMA
from facevae.photo.crop_background import TONE_SIGMA
from facevae.photo.detail import sharpness_of
from facevae.photo.filters import blur, draw_large
from facevae.photo.images import open_photo
from facevae.photo.ovals import smooth_step
from facevae.photo.regions import HEAD, WIDEN, edit_region, likely, widened
from train.data.augment import Reconstruct
from train.data.parsing import Item, hq_to_crop, labels_of, list_parts, photo_to_crop
from train.data.part_maps import as_maps
from train.data.prepared import save_array

SIZES = (128, 256)
"""Sides of the crops: CelebA's own photos, and those of CelebA-HQ."""
SOURCES = {"machine": 128, "celebamask": 256, "hair_celeba": 256}
LABELLED = ("machine", "celebamask")
"""Sources that know all parts, and not hair alone."""
PARTS = ("Smiling", "Smiling", "Mustache", "Eyeglasses", "Eyeglasses", "Bangs", "Bushy_Eyebrows", "Narrow_Eyes", "Young")
"""Attributes whose parts are replaced, those that matter most more often."""
OVAL = 0.25
"""Share of the replaced parts that are ovals anywhere on the face."""
OVAL_RADII = (0.08, 0.3)  # in crop sides
PARTLY = 0.3
"""Share of them that are replaced in part only, as where a change of the photo is small."""
CAST = 0.03  # the light and colour of what is replaced differ by so much from the photo's, in [0, 1]
SOFT = 0.35
"""Share of the photos that are blurred first: what is drawn shall be as sharp as the photo around it, and no sharper."""
SOFT_SIGMA = (0.0008, 0.01)  # in crop sides
BORDER_PX = 2  # the last pixels of a photo that ends within the crop

Batch = tuple[Float[Tensor, "b 3 w w"], Float[Tensor, "b 1 w w"], Float[Tensor, "b 3 w w"], Float[Tensor, " b"], Float[Tensor, " b"]]
Edited = Callable[[UInt8[np.ndarray, "s s 3"], int], "tuple[UInt8[np.ndarray, 's s 3'], Float32[np.ndarray, 's s']] | None"]
"""A crop and its number to an edited crop and how far each pixel of it was drawn by the decoder; None where nothing was."""


@dataclass(frozen=True)
class Crops:
    """Crops of one size with all that is known of them; memory-mapped arrays of `cached_crops`."""

    photos: UInt8[np.ndarray, "n s s 3"]
    decodes: UInt8[np.ndarray, "n d d 3"]
    """A VAE's pictures of them."""
    labels: UInt8[np.ndarray, "n d d"]
    """Parts; see `train.data.parsing`."""
    edited: UInt8[np.ndarray, "m s s 3"]
    """The first crops to train on, edited."""
    drawn: UInt8[np.ndarray, "m s s"]
    """How far each pixel of `edited` was drawn by the decoder, 255 for wholly."""
    held_out: np.ndarray
    inside: tuple[float, float, float, float]
    """Left, top, right and bottom of the photos in the unit crop."""

    @cached_property
    def members(self) -> np.ndarray:
        """Positions of what is to train on."""
        return np.flatnonzero(~self.held_out)

    @cached_property
    def kept(self) -> np.ndarray:
        """Positions of what is held out."""
        return np.flatnonzero(self.held_out)


def cached_crops(
    run: Path, size: int, parsing: Path, celeba: Path, reconstruct: Reconstruct, decode_px: int, edit: Edited, edits: int
) -> Crops:
    """The crops of one of `SIZES`, made once in the folder `run`, then memory-mapped; the first `edits` to train on are edited, too."""
    folder = run / f"crops-{size}"
    if not (folder / "crops.json").is_file():
        crops = read_crops(size, list_parts(parsing, celeba), reconstruct, decode_px)
        edited, drawn = edited_crops(crops.photos, crops.members[:edits], edit)
        folder.mkdir(parents=True, exist_ok=True)
        arrays = {"photos": crops.photos, "labels": crops.labels, "decodes": crops.decodes, "edited": edited, "drawn": drawn}
        for name, array in arrays.items():
            write_atomic(folder / f"{name}.npy", lambda temporary, array=array: save_array(temporary, array))
        write_json(folder / "crops.json", {"held_out": crops.held_out.tolist()})
    known = json.loads((folder / "crops.json").read_text())
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("photos", "decodes", "labels", "edited", "drawn")}
    return Crops(**arrays, held_out=np.array(known["held_out"], bool), inside=_inside(size))


def held_out_crops(size: int, parsing: Path, celeba: Path, reconstruct: Reconstruct, decode_px: int, most: int) -> Crops:
    """The first `most` crops of one of `SIZES` that are not to train on and whose parts are known; none is edited."""
    items = [item for item in list_parts(parsing, celeba) if item.held_out and item.source in LABELLED and SOURCES[item.source] == size]
    return read_crops(size, items[:most], reconstruct, decode_px)


def read_crops(size: int, items: list[Item], reconstruct: Reconstruct, decode_px: int) -> Crops:
    """Those of the items that are of one size, none of them edited."""
    items = [item for item in items if SOURCES.get(item.source) == size]
    photos = np.empty((len(items), size, size, 3), np.uint8)
    labels = np.empty((len(items), decode_px, decode_px), np.uint8)
    for i, item in enumerate(tqdm(items, unit="img", desc=f"crops-{size}", mininterval=20)):
        photos[i], labels[i] = load_crop(item, size, decode_px)
    edited, drawn = edited_crops(photos, np.array([], int), lambda picture, number: None)
    held_out = np.array([item.held_out for item in items], bool)
    return Crops(photos, decoded(photos, decode_px, reconstruct), labels, edited, drawn, held_out, _inside(size))


def _inside(size: int) -> tuple[float, float, float, float]:
    if size == SIZES[0]:
        return 0.0, 0.0, 1.0, 1.0
    left, top, right, bottom = (hq_to_crop(256) @ np.array([[0, 0, 1], [256, 256, 1]]).T).T.ravel()
    return max(0.0, left), max(0.0, top), min(1.0, right), min(1.0, bottom)


def load_crop(item: Item, size: int, label_px: int) -> tuple[UInt8[np.ndarray, "s s 3"], UInt8[np.ndarray, "d d"]]:
    """The photo in the editor's crop, its border repeated, and the labels of its parts."""
    photo = open_photo(item.photo).pixels
    labels, mask_to_crop = labels_of(item)
    kinds, to_indices = np.unique(labels), pixel_map(mask_to_crop * label_px)
    flags = {"flags": cv2.INTER_LINEAR, "borderMode": cv2.BORDER_REPLICATE}
    shares = np.stack([cv2.warpAffine((labels == k).astype(np.float32), to_indices, (label_px, label_px), **flags) for k in kinds])
    return crop(photo, Alignment(photo_to_crop(item, photo.shape[0]), found=True), size), kinds[shares.argmax(0)].astype(np.uint8)


@torch.inference_mode()
def decoded(photos: UInt8[np.ndarray, "n s s 3"], size: int, reconstruct: Reconstruct) -> UInt8[np.ndarray, "n d d 3"]:
    """A VAE's pictures of the crops, made smaller for it."""
    found = np.empty((len(photos), size, size, 3), np.uint8)
    for start in tqdm(range(0, len(photos), 32), desc="decodes", mininterval=20):
        small = np.stack([cv2.resize(c, (size, size), interpolation=cv2.INTER_AREA) for c in photos[start : start + 32]])
        found[start : start + 32] = images.to_uint8(reconstruct(images.to_float(small)))
    return found


def edited_crops(photos: np.ndarray, chosen: np.ndarray, edit: Edited) -> tuple[UInt8[np.ndarray, "m s s 3"], UInt8[np.ndarray, "m s s"]]:
    """Crops after an edit each, and how far each pixel was drawn."""
    edited, drawn = [], []
    for i in tqdm(chosen, unit="img", desc="edits", mininterval=20):
        found = edit(photos[i], int(i))
        if found is not None:
            edited.append(found[0])
            drawn.append(np.rint(255 * found[1]).astype(np.uint8))
    size = photos.shape[1]
    return np.array(edited, np.uint8).reshape(-1, size, size, 3), np.array(drawn, np.uint8).reshape(-1, size, size)


def as_floats(picture: UInt8[np.ndarray, "s s c"]) -> Float32[np.ndarray, "s s c"]:
    """Levels to [0, 1]."""
    return picture.astype(np.float32) / 255


def replaced(
    photo: Float32[np.ndarray, "s s 3"],
    decode: Float32[np.ndarray, "d d 3"],
    mask: Float32[np.ndarray, "s s"],
    sharpened: float = SHARPEN,
    cast: np.ndarray | float = 0.0,
) -> Float32[np.ndarray, "s s 3"]:
    """A photo with the decode laid in where the mask is, in the photo's light, as `facevae.photo.compositing` lays it in."""
    small = cv2.resize(photo, decode.shape[1::-1], interpolation=cv2.INTER_AREA)
    drawn = decode + blur(small - decode, TONE_SIGMA) + np.float32(sharpened) * (decode - blur(decode, SHARPEN_SIGMA)) + np.float32(cast)
    return photo + mask[:, :, None] * (draw_large(drawn, len(photo)) - photo)


def part_of(crops: Crops, i: int, attribute: str) -> Float32[np.ndarray, "s s"]:
    """The part of an attribute, soft towards its border; the whole head where the labels do not show it."""
    maps = as_maps(crops.labels[i])
    head = blur(widened(likely(HEAD, maps), WIDEN).astype(np.float32), WIDEN)
    return _border(crops) * cv2.resize(
        edit_region((attribute,), (maps,)) * head, crops.photos.shape[2:0:-1], interpolation=cv2.INTER_LINEAR
    )


def _border(crops: Crops) -> Float32[np.ndarray, "s s"]:
    size = crops.photos.shape[1]
    left, top, right, bottom = (edge * size for edge in crops.inside)
    at = np.arange(size) + 0.5
    across, down = np.minimum(at - left, right - at), np.minimum(at - top, bottom - at)
    return smooth_step(np.minimum(across[None], down[:, None]) - BORDER_PX, 0.0, 0.05 * size)


class ReplacedParts:
    """Batches of square windows of photos with a replaced part; each a pure function of (seed, nimg)."""

    def __init__(self, sets: tuple[Crops, ...], seed: int, batch_size: int, window: int, edited: float, large: float) -> None:
        self.sets, self.seed, self.batch_size, self.window, self.edited, self.large = sets, seed, batch_size, window, edited, large

    def __call__(self, nimg: int) -> Batch:
        """Pictures with a replaced part, the masks of the parts, the photos, how sharp these are, and 1 for each picture that is to become
        its photo again.

        The others are edited: what they shall look like nobody knows, and they stand in the photos' place.
        """
        rng = np.random.default_rng((self.seed, 11, nimg))
        pictures, numbers = zip(*(self.draw(rng) for _ in range(self.batch_size)), strict=True)
        given, mask, photos = (torch.from_numpy(np.stack(planes).transpose(0, 3, 1, 2)) for planes in zip(*pictures, strict=True))
        sharpness, known = torch.tensor(numbers).T
        return given, mask, photos, sharpness, known

    def draw(self, rng: np.random.Generator) -> tuple[list[Float32[np.ndarray, "w w c"]], tuple[float, float]]:
        """One window: picture, mask and photo; and how sharp the photo is and whether the picture is to become it."""
        crops = self.sets[int(rng.random() < self.large)]
        if rng.random() < self.edited and len(crops.edited):
            i = int(rng.integers(len(crops.edited)))
            photo = given = as_floats(crops.edited[i])
            mask, known = as_floats(crops.drawn[i]), 0.0
        else:
            i = int(rng.choice(crops.members))
            mask, photo, known = self.mask(crops, i, rng), as_floats(crops.photos[i]), 1.0
            if rng.random() < SOFT:
                photo = blur(photo, rng.uniform(*SOFT_SIGMA))
            cast = rng.normal(0, CAST, 3) * (rng.random() < 0.5)
            given = replaced(photo, as_floats(crops.decodes[i]), mask, rng.uniform(0, SHARPEN), cast)
        rows, columns = window_at(mask, self.window, rng)
        flip = slice(None, None, -1 if rng.random() < 0.5 else 1)
        cut = [whole[rows, columns][:, flip].astype(np.float32) for whole in (given, mask[:, :, None], photo)]
        return cut, (sharpness_of(photo), known)

    def mask(self, crops: Crops, i: int, rng: np.random.Generator) -> Float32[np.ndarray, "s s"]:
        """A part or an oval, soft towards its border, replaced wholly or in part."""
        labelled = (crops.labels[i] < 200).all()
        if rng.random() < OVAL or not labelled:
            size = crops.photos.shape[1]
            at = (np.arange(size) + 0.5) / size
            x, y, (a, b) = rng.uniform(0.2, 0.8), rng.uniform(0.25, 0.85), rng.uniform(*OVAL_RADII, 2)
            away = np.sqrt(((at[None] - x) / a) ** 2 + ((at[:, None] - y) / b) ** 2)
            mask = (1 - smooth_step(away, 1 - rng.uniform(0.2, 0.6), 1)).astype(np.float32) * _border(crops)
        else:
            mask = part_of(crops, i, PARTS[rng.integers(len(PARTS))])
        return mask * np.float32(rng.uniform(0.3, 1) if rng.random() < PARTLY else 1)


def window_at(mask: Float32[np.ndarray, "s s"], side: int, rng: np.random.Generator) -> tuple[slice, slice]:
    """A square with a place of the mask in it, drawn at random."""
    size = len(mask)
    places = np.flatnonzero(mask > 0.3)
    middle = divmod(int(rng.choice(places)), size) if len(places) else (size // 2, size // 2)
    starts = [int(np.clip(m - side / 2 + rng.uniform(-0.25, 0.25) * side, 0, size - side)) for m in middle]
    return slice(starts[0], starts[0] + side), slice(starts[1], starts[1] + side)
