"""Prepared data: pictures on disk -> memory-mapped uint8 arrays; CelebA's layout, folders."""

import copy
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int, UInt8
from PIL import Image, UnidentifiedImageError
from tqdm import tqdm

from facevae.files import write_atomic, write_json
from facevae.photo.images import shrink
from train.data.batches import Batcher, Batches, PictureSource, Variation

SPLITS = ("train", "valid", "test")
CELEBA_CROP_PX = 178
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}
FORMAT = 1
CHUNK = 512  # pictures between two entries of the progress file


@dataclass(frozen=True)
class Listing:
    """Which pictures to prepare: files, labels (n, attributes) of 0/1, split and identity of each."""

    files: list[Path]
    attributes: list[str]
    labels: UInt8[np.ndarray, "n a"]
    split: UInt8[np.ndarray, " n"]
    identity: Int[np.ndarray, " n"]


def read_table(path: Path, columns: int | None, skip: int = 0) -> dict[str, list[int]]:
    """Rows `name value value …` of a CelebA text file; `ValueError` names the file and the line."""
    if not path.is_file():
        raise ValueError(f"{path} is missing")
    rows: dict[str, list[int]] = {}
    with path.open() as file:
        for number, line in enumerate(file, start=1):
            if number <= skip or not line.strip():
                continue
            name, *cells = line.split()
            try:
                values = [int(cell) for cell in cells]
            except ValueError:
                raise ValueError(f"{path}, line {number}: expected whole numbers after {name!r}, found {line.strip()[:60]!r}") from None
            if columns is not None and len(values) != columns:
                raise ValueError(f"{path}, line {number}: expected {columns} values after {name!r}, found {len(values)}")
            rows[name] = values
    return rows


def list_celeba(root: Path) -> Listing:
    """CelebA's own layout (Liu et al., 2015), or any subset of its images.

    Needs `img_align_celeba/`, `list_attr_celeba.txt` and `list_eval_partition.txt`;
    `identity_CelebA.txt` is read where it is there (identity -1 where not).
    """
    folder, attr_path = root / "img_align_celeba", root / "list_attr_celeba.txt"
    if not folder.is_dir():
        raise ValueError(f"{folder} is missing: --celeba wants the folder that holds img_align_celeba/")
    if not attr_path.is_file():
        raise ValueError(f"{attr_path} is missing")
    with attr_path.open() as file:
        file.readline()
        attributes = file.readline().split()
    if not attributes or any(name.lstrip("-").isdigit() for name in attributes):
        raise ValueError(f"{attr_path}, line 2: expected the names of the attributes")
    labels = read_table(attr_path, columns=len(attributes), skip=2)
    parts = read_table(root / "list_eval_partition.txt", columns=1)
    id_path = root / "identity_CelebA.txt"
    identities = read_table(id_path, columns=1) if id_path.is_file() else {}
    for name, values in labels.items():
        if any(v not in (-1, 1) for v in values):
            raise ValueError(f"{attr_path}: {name} has a label other than -1 and 1")
    names = [name for name in sorted(labels) if (folder / name).is_file()]
    if not names:
        raise ValueError(f"{folder} holds none of the {len(labels)} images that {attr_path.name} names")
    for name in names:
        if name not in parts or parts[name][0] not in (0, 1, 2):
            raise ValueError(f"{root / 'list_eval_partition.txt'}: no partition 0, 1 or 2 for {name}")
    return Listing(
        files=[folder / name for name in names],
        attributes=attributes,
        labels=np.array([labels[n] for n in names], dtype=np.int8).clip(0).astype(np.uint8),
        split=np.array([parts[n][0] for n in names], dtype=np.uint8),
        identity=np.array([identities.get(n, [-1])[0] for n in names], dtype=np.int64),
    )


def list_folder(root: Path) -> Listing:
    """A plain folder of pictures, searched in depth: no labels; 90 / 5 / 5 % by a fixed shuffle."""
    if not root.is_dir():
        raise ValueError(f"{root} is not a folder")
    files = sorted(p for p in root.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
    if not files:
        raise ValueError(f"{root} holds no pictures ({', '.join(sorted(IMAGE_SUFFIXES))})")
    n = len(files)
    place = np.random.default_rng(0).permutation(n) / n
    split = np.where(place < 0.9, 0, np.where(place < 0.95, 1, 2)).astype(np.uint8)
    return Listing(files, [], np.zeros((n, 0), np.uint8), split, np.full(n, -1, np.int64))


def load_square(path: Path, size: int, crop: int | None) -> UInt8[np.ndarray, "s s 3"]:
    """Decode, cut the centre square (at most `crop` px wide), resize with antialiasing."""
    try:
        with Image.open(path) as file:
            image = file.convert("RGB")
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(f"{path} cannot be read as a picture ({error})") from None
    side = min(crop or min(image.size), *image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return np.asarray(image.resize((size, size), Image.Resampling.LANCZOS, box=(left, top, left + side, top + side)))


def prepare(listing: Listing, out: Path, size: int, crop: int | None = None, workers: int = 2) -> None:
    """Write `images.npy` (n, size, size, 3), `labels.npy`, `split.npy`, `identity.npy`, `dataset.json` to `out`.

    Interruptible: the same call goes on after the last whole chunk. `ValueError` where `out`
    already holds something else.
    """
    out.mkdir(parents=True, exist_ok=True)
    n = len(listing.files)
    meta = {
        "format": FORMAT,
        "size": size,
        "crop": crop,
        "attributes": listing.attributes,
        "files": [p.name for p in listing.files],
    }
    progress_path, meta_path, images_path = out / "progress.json", out / "dataset.json", out / "images.npy"
    done = 0
    for path in (meta_path, progress_path):
        if path.is_file():
            before = json.loads(path.read_text())
            if before["dataset"] != meta:
                raise ValueError(f"{out} already holds another data set; choose an empty folder")
            done = before["done"]
    if done == n:
        print(f"{out} is ready: {n} pictures")
        return
    if done and images_path.is_file():
        images = np.lib.format.open_memmap(images_path, mode="r+")
    else:
        done = 0
        images = np.lib.format.open_memmap(images_path, mode="w+", dtype=np.uint8, shape=(n, size, size, 3))
    with ThreadPoolExecutor(workers) as pool, tqdm(total=n, initial=done, unit="img", desc="prepare") as bar:
        for start in range(done, n, CHUNK):
            stop = min(start + CHUNK, n)
            jobs = pool.map(lambda p: load_square(p, size, crop), listing.files[start:stop])
            for i, pixels in enumerate(jobs, start=start):
                images[i] = pixels
                bar.update()
            images.flush()
            write_json(progress_path, {"dataset": meta, "done": stop})
    np.save(out / "labels.npy", listing.labels)
    np.save(out / "split.npy", listing.split)
    np.save(out / "identity.npy", listing.identity)
    progress_path.replace(meta_path)


class PreparedData:
    """What `prepare` wrote: `images` (n, s, s, 3) memory-mapped, `labels` (n, a), `attributes`, `identity`."""

    def __init__(self, folder: Path | str) -> None:
        folder = Path(folder)
        if not (folder / "dataset.json").is_file():
            raise ValueError(f"{folder} is not a prepared data set; make one with: python -m train prepare")
        meta = json.loads((folder / "dataset.json").read_text())["dataset"]
        if meta["format"] != FORMAT:
            raise ValueError(f"{folder} has data format {meta['format']}, this version reads {FORMAT}: run prepare again")
        self.folder = folder
        self.size: int = meta["size"]
        self.attributes: list[str] = meta["attributes"]
        self.files: list[str] = meta["files"]
        self.images: UInt8[np.ndarray, "n h w c"] = np.load(folder / "images.npy", mmap_mode="r")
        self.labels: UInt8[np.ndarray, "n a"] = np.load(folder / "labels.npy")
        self.split: UInt8[np.ndarray, " n"] = np.load(folder / "split.npy")
        self.identity: Int[np.ndarray, " n"] = np.load(folder / "identity.npy")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the pictures."""
        _, height, width, channels = self.images.shape
        return (channels, height, width)

    @property
    def name(self) -> str:
        """What `open_data` finds them by, from any folder."""
        return str(self.folder.resolve())

    def pictures(self, split: str, count: int) -> UInt8[np.ndarray, "m h w c"]:
        """The first `count` pictures of a split, or as many as it has."""
        return np.array(self.images[self.indices(split)[:count]])

    def batches(self, seed: int, batch_size: int, variation: Variation) -> Batcher:
        """Batches of the train split."""
        batches = Batches(self, "train", seed, variation.flip, variation.shift_px, variation.turn_deg)
        return lambda nimg, rows: batches(nimg, batch_size, rows)[0]

    def resized(self, shape: tuple[int, int, int]) -> "PreparedData":
        """The same pictures in another shape: cut around the centre, shrunk with antialiasing, grey (ITU-R 601) for one channel.

        Made once and kept beside the data. `ValueError` where that would mean to enlarge them.
        """
        if shape == self.shape:
            return self
        channels, height, width = shape
        if self.shape[0] != 3 or channels not in (1, 3) or height > self.shape[1] or width > self.shape[2]:
            raise ValueError(f"{self.folder} holds pictures of {self.size} px, the net wants {height} × {width} px: prepare --size again")
        path = self.folder / "resized" / f"{height}x{width}x{channels}.npy"
        if not path.is_file():
            small = shrink_all(self.images, shape)
            write_atomic(path, lambda temporary: save_array(temporary, small))
        other = copy.copy(self)
        other.images = np.load(path, mmap_mode="r")
        return other

    def indices(self, split: str) -> Int[np.ndarray, " m"]:
        """Positions of the pictures of "train", "valid" or "test"."""
        found = np.flatnonzero(self.split == SPLITS.index(split))
        if not len(found):
            raise ValueError(f"{self.folder} has no pictures in the {split} split")
        return found

    def sample(self, split: str, count: int, rng: np.random.Generator) -> Int[np.ndarray, " m"]:
        """Sorted positions of `count` random pictures of a split, or of all where it has fewer."""
        return np.sort(rng.permutation(self.indices(split))[:count])

    def label(self, attribute: str) -> Bool[np.ndarray, " n"]:
        """True where a picture carries the attribute."""
        if attribute not in self.attributes:
            raise ValueError(f"{self.folder} has no attribute {attribute!r}; it has {', '.join(self.attributes) or 'none'}")
        return self.labels[:, self.attributes.index(attribute)].astype(bool)


def open_data(name: str, shape: tuple[int, int, int]) -> PictureSource:
    """Prepared data in a folder, made as small as `shape` asks for, or the shards that a name ending in .tar stands for."""
    if not name.endswith(".tar"):
        return PreparedData(name).resized(shape)
    from train.data.shards import ShardData  # and with it webdataset, which takes a second or two

    return ShardData(name)


def shrink_all(pictures: UInt8[np.ndarray, "n s s 3"], shape: tuple[int, int, int]) -> UInt8[np.ndarray, "n h w c"]:
    """See `PreparedData.resized`."""
    channels, height, width = shape
    out = np.empty((len(pictures), height, width, channels), np.uint8)
    for start in tqdm(range(0, len(pictures), CHUNK), unit="chunk", desc=f"resize to {height} × {width}", mininterval=5):
        out[start : start + CHUNK] = shrink(np.array(pictures[start : start + CHUNK]), shape)
    return out


def save_array(path: Path, array: np.ndarray) -> None:
    """np.save to exactly this path: it would add an ending of its own."""
    with path.open("wb") as file:
        np.save(file, array)
