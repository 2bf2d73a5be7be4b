"""Face part masks of four sources -> photos and labels in one frame, memory-mapped."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Bool, UInt8
from PIL import Image
from tqdm import tqdm

from facevae.files import write_atomic, write_json
from facevae.nets.parser import PARTS
from facevae.photo import images
from facevae.photo.alignment import Aligner
from facevae.photo.finding import find_faces
from facevae.photo.images import open_photo
from train.data.augment import Reconstruct
from train.data.prepared import CELEBA_CROP_PX, read_table, save_array

# Of the canvas that photos and labels are kept on: the crop's side, and how far it reaches past the crop on each side.
CROP_PX, MARGIN_PX = 192, 20
CANVAS_PX = CROP_PX + 2 * MARGIN_PX
UNKNOWN, NOT_HAIR = 255, 254
"""Labels beside the numbers of `PARTS`: nothing is known; not hair, whatever else it is."""
HAIR, GLASSES, HAT = (PARTS.index(name) for name in ("hair", "glasses", "hat"))
SOURCES = ("celebamask", "machine", "hair_celeba", "hair_lfw")
# The 19 classes of CelebAMask-HQ, in their order.
MERGED = (
    "background", "skin", "skin", "glasses", "eyes", "eyes", "brows", "brows", "skin", "skin",
    "mouth", "lips", "lips", "hair", "hat", "skin", "clothes", "neck", "clothes",
)  # fmt: skip
MERGE = np.full(256, UNKNOWN, np.uint8)
MERGE[: len(MERGED)] = [PARTS.index(name) for name in MERGED]
FIRST_VALID = 162_771  # CelebA's partitions are ranges of its numbers: valid and test begin here
HELD_OUT_LFW = 200
# CelebA-HQ in CelebA's frame: 512 px of HQ are this scale and have their middle there; see the data's README.
HQ_SCALE, HQ_MIDDLE = 0.309, (88.9, 115.8)


@dataclass(frozen=True)
class FaceParts:
    """Photos and the parts in them, on the canvas; see `cached_parts`."""

    images: UInt8[np.ndarray, "n c c 3"]
    labels: UInt8[np.ndarray, "n c c"]
    names: list[str]
    source: UInt8[np.ndarray, " n"]
    """Position in `SOURCES`."""
    held_out: Bool[np.ndarray, " n"]

    def of(self, source: str, held_out: bool) -> np.ndarray:
        """Positions of the photos of a source that are to train on, or that are not."""
        return np.flatnonzero((self.source == SOURCES.index(source)) & (self.held_out == held_out))


@dataclass(frozen=True)
class Item:
    """One photo with its mask: where they are, and what is to be done with them."""

    source: str
    photo: Path
    mask: Path
    held_out: bool
    hat: bool | None = None
    """Whether CelebA's label says that there is one; None where it says nothing. The same for `glasses`."""
    glasses: bool | None = None


def list_parts(parsing: Path, celeba: Path) -> list[Item]:
    """All photos with masks; `ValueError` where a folder is missing or empty.

    Held out: of celebamask the numbers that end in 0; of hair_lfw 200, evenly spread; of machine and hair_celeba CelebA's valid
    and test partitions, which the other nets are measured on.
    """
    labels, attributes = _celeba_labels(celeba)
    items = []
    for source in SOURCES:
        folder = parsing / source if source == "machine" else parsing / source / "masks"
        masks = sorted(folder.glob("*.png"))
        if not masks:
            raise ValueError(f"{folder} holds no masks: --parsing wants the folder that holds {', '.join(SOURCES)}")
        step = max(1, len(masks) // HELD_OUT_LFW)
        for i, mask in enumerate(masks):
            name = f"{mask.stem}.jpg"
            photo = celeba / "img_align_celeba" / name if source == "machine" else parsing / source / "images" / name
            if source == "celebamask":
                held_out = mask.stem.endswith("0")
            elif source == "hair_lfw":
                held_out = i % step == 0 and i // step < HELD_OUT_LFW
            else:
                held_out = int(mask.stem) >= FIRST_VALID
            known = labels.get(name) if source == "machine" else None
            hat, glasses = (None if known is None else known[attributes.index(a)] > 0 for a in ("Wearing_Hat", "Eyeglasses"))
            items.append(Item(source, photo, mask, held_out, hat, glasses))
    return items


def _celeba_labels(celeba: Path) -> tuple[dict[str, list[int]], list[str]]:
    path = celeba / "list_attr_celeba.txt"
    labels = read_table(path, columns=None, skip=2)
    with path.open() as file:
        file.readline()
        return labels, file.readline().split()


def cached_parts(run: Path, parsing: Path, celeba: Path, aligner: Aligner) -> FaceParts:
    """All photos and labels on the canvas, made once in the folder `run`, then memory-mapped.

    LFW's photos are aligned by finding the face with `aligner`; where none is found a photo is left out. Photos end where
    their files do: the border is repeated there and the labels are `UNKNOWN`, as they are where a mask ends.
    """
    index = run / "parts.json"
    if not index.is_file():
        items = list_parts(parsing, celeba)
        kept: list[Item] = []
        photos = np.empty((len(items), CANVAS_PX, CANVAS_PX, 3), np.uint8)
        labels = np.empty(photos.shape[:3], np.uint8)
        for item, pair in tqdm(_all_pairs(items, aligner), total=len(items), unit="img", desc="parts", mininterval=20):
            if pair is not None:
                photos[len(kept)], labels[len(kept)] = pair
                kept.append(item)
        run.mkdir(parents=True, exist_ok=True)
        for name, array in (("photos", photos), ("labels", labels)):
            write_atomic(run / f"{name}.npy", lambda temporary, array=array: save_array(temporary, array[: len(kept)]))
        write_json(
            index, {"names": [i.mask.stem for i in kept], "source": [i.source for i in kept], "held_out": [i.held_out for i in kept]}
        )
    return open_parts(run)


def open_parts(run: Path) -> FaceParts:
    """What `cached_parts` left in a folder; `ValueError` where it is not there."""
    if not (run / "parts.json").is_file():
        raise ValueError(f"{run} is not the folder of a parser run: parts.json is missing")
    known = json.loads((run / "parts.json").read_text())
    photos, labels = (np.load(run / f"{name}.npy", mmap_mode="r") for name in ("photos", "labels"))
    source = np.array([SOURCES.index(name) for name in known["source"]], np.uint8)
    return FaceParts(photos, labels, known["names"], source, np.array(known["held_out"], bool))


def _all_pairs(items: list[Item], aligner: Aligner) -> Iterator[tuple[Item, tuple[np.ndarray, np.ndarray] | None]]:
    with ThreadPoolExecutor(2) as pool:
        yield from zip(items, pool.map(lambda item: load_pair(item, aligner), items), strict=True)


def load_pair(item: Item, aligner: Aligner) -> tuple[UInt8[np.ndarray, "c c 3"], UInt8[np.ndarray, "c c"]] | None:
    """The photo and its labels on the canvas; None where no face is found."""
    photo = open_photo(item.photo).pixels
    if item.source == "hair_lfw":
        faces = find_faces(photo, aligner)
        # LFW's person is in the middle of the photo; others may be larger.
        middle = np.array(photo.shape[1::-1]) / 2
        near = [f for f in faces if np.linalg.norm(f.corners_px.mean(axis=0) - middle) < 0.25 * photo.shape[0]]
        if not near:
            return None
        to_crop = mask_to_crop = near[0].matrix
        labels = hair_only(read_mask(item))
    else:
        to_crop = photo_to_crop(item, photo.shape[0])
        labels, mask_to_crop = labels_of(item)
    return on_canvas(photo, to_crop), labels_on_canvas(labels, mask_to_crop)


def read_mask(item: Item) -> UInt8[np.ndarray, "h w"]:
    """The mask as it is on disk."""
    with Image.open(item.mask) as file:
        return np.asarray(file).astype(np.uint8)


def photo_to_crop(item: Item, height_px: int) -> np.ndarray:
    """From pixels of a photo whose face lies where its source says to the unit crop, (2, 3)."""
    if item.source != "machine":
        return hq_to_crop(height_px)
    return np.array([[1 / CELEBA_CROP_PX, 0, 0], [0, 1 / CELEBA_CROP_PX, -(height_px - CELEBA_CROP_PX) / 2 / CELEBA_CROP_PX]])


def labels_of(item: Item) -> tuple[UInt8[np.ndarray, "h w"], np.ndarray]:
    """The labels of such a photo, and from their pixels to the unit crop, (2, 3)."""
    mask = read_mask(item)
    if item.source == "machine":
        return doubted(MERGE[mask], item), np.array([[1 / mask.shape[1], 0, 0], [0, 1 / mask.shape[0], 0]])
    return (MERGE[mask] if item.source == "celebamask" else hair_only(mask)), hq_to_crop(mask.shape[0])


def doubted(labels: UInt8[np.ndarray, "h w"], item: Item) -> UInt8[np.ndarray, "h w"]:
    """Labels of the machine, without what CelebA's own labels contradict: hats and glasses that nobody wears, hair that is a hat."""
    labels = labels.copy()
    if item.hat is False:
        labels[labels == HAT] = UNKNOWN
    if item.glasses is False:
        labels[labels == GLASSES] = UNKNOWN
    if item.hat and not (labels == HAT).any():
        labels[labels == HAIR] = UNKNOWN
    return labels


def hair_only(mask: UInt8[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w"]:
    """Labels of a mask that knows only hair."""
    return np.where(mask > 0, HAIR, NOT_HAIR).astype(np.uint8)


def hq_to_crop(size_px: int) -> np.ndarray:
    """From pixels of a CelebA-HQ photo of this size to the unit crop, (2, 3)."""
    scale = HQ_SCALE * 512 / size_px  # CelebA pixels per pixel
    shift = np.array(HQ_MIDDLE) - scale * size_px / 2 - (0, 20)
    return np.column_stack([np.eye(2) * scale, shift]) / CELEBA_CROP_PX


def canvas_map(to_crop: np.ndarray) -> np.ndarray:
    """From OpenCV's pixel indices of a photo to those of the canvas, (2, 3)."""
    matrix = to_crop * CROP_PX
    matrix[:, 2] += MARGIN_PX + matrix[:, :2].sum(axis=1) * 0.5 - 0.5  # pixel centres: i + 0.5 there, i in OpenCV
    return matrix


def on_canvas(photo: UInt8[np.ndarray, "h w 3"], to_crop: np.ndarray) -> UInt8[np.ndarray, "c c 3"]:
    """The photo on the canvas, antialiased, its border repeated."""
    over = 2 if np.hypot(*to_crop[:, 0]) * CROP_PX < 1 else 1
    matrix = canvas_map(to_crop) * over
    matrix[:, 2] += (over - 1) / 2
    side = CANVAS_PX * over
    large = cv2.warpAffine(photo, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return large if over == 1 else cv2.resize(large, (CANVAS_PX, CANVAS_PX), interpolation=cv2.INTER_AREA)


def labels_on_canvas(labels: UInt8[np.ndarray, "h w"], to_crop: np.ndarray) -> UInt8[np.ndarray, "c c"]:
    """Labels on the canvas: of those that are mixed in a pixel the one with the largest share; `UNKNOWN` outside the mask."""
    matrix, side = canvas_map(to_crop), (CANVAS_PX, CANVAS_PX)
    kinds = np.unique(labels).tolist()
    shares = [cv2.warpAffine((labels == k).astype(np.float32), matrix, side, flags=cv2.INTER_LINEAR, borderValue=0) for k in kinds]
    outside = 1 - np.sum(shares, axis=0)
    winner = np.argmax(np.stack([*shares, outside]), axis=0)
    return np.array([*kinds, UNKNOWN], np.uint8)[winner]


def crops(photos: UInt8[np.ndarray, "n c c ..."]) -> UInt8[np.ndarray, "n p p ..."]:
    """The crop alone, without the margin around it."""
    return photos[:, MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX]


def cached_decodes(path: Path, photos: UInt8[np.ndarray, "n c c 3"], size: int, reconstruct: Reconstruct) -> UInt8[np.ndarray, "n s s 3"]:
    """A VAE's pictures of all crops, `size` px wide, made once, then memory-mapped from `path`."""
    if not path.is_file():
        decodes = np.empty((len(photos), size, size, 3), np.uint8)
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        with torch.inference_mode(), tqdm(total=len(photos), unit="img", desc="decodes", mininterval=20) as bar:
            for start in range(0, len(photos), 64):
                small = [cv2.resize(c, (size, size), interpolation=cv2.INTER_AREA) for c in crops(photos[start : start + 64])]
                decodes[start : start + 64] = images.to_uint8(reconstruct(images.to_float(np.stack(small)).to(device)))
                bar.update(len(small))
        write_atomic(path, lambda temporary: save_array(temporary, decodes))
    decodes = np.load(path, mmap_mode="r")
    if decodes.shape != (len(photos), size, size, 3):
        raise ValueError(f"{path} holds {decodes.shape} pictures for {len(photos)} photos: choose another --run folder")
    return decodes
