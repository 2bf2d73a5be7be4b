"""Pack pictures into shards: tar files of JPEGs with labels, and an index."""

import io
import json
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from tqdm import tqdm
from webdataset import TarWriter

from facevae.files import write_atomic, write_json
from train.data.prepared import SPLITS, Listing, PreparedData
from train.data.shards import FORMAT, INDEX

PLAN = "plan.json"
QUALITY = 95


def pack(
    listing: Listing, load: Callable[[int], UInt8[np.ndarray, "s s 3"]], out: Path, size: int, per_shard: int = 2000, workers: int = 2
) -> None:
    """Write `train-000.tar` …, `valid-…` and `test-…` with about `per_shard` pictures each, and `index.json`, to `out`.

    A sample is `KEY.jpg` and `KEY.json`: its file's name, its labels by the order of the index's attributes, its identity. Pictures are
    shuffled once, so that a shard is a fair sample of its split. `load` gives picture number i of the listing, `size` px wide.
    Interruptible: shards that are there stay. `ValueError` where `out` holds another plan.
    """
    if per_shard < 1:
        raise ValueError(f"a shard holds one picture at least, not {per_shard}")
    out.mkdir(parents=True, exist_ok=True)
    names = "\n".join(str(f) for f in listing.files).encode()
    about = {"format": FORMAT, "size": size, "attributes": listing.attributes}
    plan = about | {"per_shard": per_shard, "pictures": len(listing.files), "crc32_of_names": zlib.crc32(names)}
    if (out / PLAN).is_file() and json.loads((out / PLAN).read_text()) != plan:
        raise ValueError(f"{out} already holds other shards; choose an empty folder")
    write_json(out / PLAN, plan)
    shards = {}
    with ThreadPoolExecutor(workers) as pool, tqdm(total=len(listing.files), unit="img", desc="pack") as bar:
        for name, members in plan_shards(listing, per_shard).items():
            if not (out / name).is_file():
                jpegs = list(pool.map(lambda i: encode(load(i), size), members))
                write_atomic(out / name, lambda path, jpegs=jpegs, members=members: write_tar(path, listing, members, jpegs))
            content = (out / name).read_bytes()
            shards[name] = {"count": len(members), "bytes": len(content), "crc32": zlib.crc32(content)}
            bar.update(len(members))
    write_json(out / INDEX, about | {"shards": shards})


def plan_shards(listing: Listing, per_shard: int) -> dict[str, np.ndarray]:
    """Which pictures go into which file; no two shards of a split differ by more than one picture."""
    plan = {}
    for number, split in enumerate(SPLITS):
        members = np.random.default_rng((0, number)).permutation(np.flatnonzero(listing.split == number))
        parts = np.array_split(members, -(-len(members) // per_shard)) if len(members) else []
        digits = max(3, len(str(len(parts) - 1)))
        plan |= {f"{split}-{k:0{digits}}.tar": part for k, part in enumerate(parts)}
    return plan


def encode(pixels: UInt8[np.ndarray, "s s 3"], size: int) -> bytes:
    """A JPEG whose colours keep their resolution."""
    if pixels.shape != (size, size, 3):
        raise ValueError(f"pictures must be {size} px in three channels to be packed, not {pixels.shape}")
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=QUALITY, subsampling=0)
    return file.getvalue()


def write_tar(path: Path, listing: Listing, members: np.ndarray, jpegs: list[bytes]) -> None:
    """One shard; the same one whenever it is written."""
    with path.open("wb") as file, TarWriter(file, encoder=False, mtime=0, user="", group="") as tar:
        for i, jpeg in zip(members, jpegs, strict=True):
            known = {"file": listing.files[i].name, "labels": listing.labels[i].tolist(), "identity": int(listing.identity[i])}
            tar.write({"__key__": f"{i:09}", "jpg": jpeg, "json": json.dumps(known).encode()})


def listing_of(data: PreparedData) -> Listing:
    """Prepared arrays as what `pack` takes."""
    return Listing([Path(name) for name in data.files], data.attributes, data.labels, data.split, data.identity)
