"""Shards (tars of JPEGs, local or http) read in a seeded order, for data larger than a disk.

The webdataset library expands the names and reads the tars. Its pipelines have no place that one could go on from, and divide shards
by the number of processes, so the order is our own: the index that `pack` wrote tells how many pictures each shard holds, and from
that alone follows which picture is number nimg of a run.
"""

import io
import itertools
import json
import re
import tarfile
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, UnidentifiedImageError
from webdataset.shardlists import expand_urls
from webdataset.tariterators import group_by_keys, tar_file_expander

from train.data.batches import Batcher, Variation

INDEX = "index.json"
FORMAT = 1
TRIES = 8
WAIT_SEC = 0.25  # before the second try; twice as long before each further one
TIMEOUT_SEC = 60.0
LANES = 32
READERS, DECODERS = 8, 4  # threads of a process
PLAIN = re.compile(r"[\w-][\w.-]*\.tar")


@dataclass(frozen=True)
class Shard:
    """A tar file: where it is, and what the index says of it."""

    url: str
    count: int
    size: int
    """In bytes."""
    crc32: int


class ShardData:
    """Shards that `pack` wrote, as a source to train on. Held-out pictures are those of the shards beside them."""

    def __init__(self, pattern: str) -> None:
        """`pattern` names train shards, with {000..199} for many and "::" between several; an http(s) address, or a path."""
        names = [name if is_remote(name) else str(Path(name).resolve()) for name in expand_urls(pattern)]
        self.name = "::".join(p if is_remote(p) else str(Path(p).resolve()) for p in pattern.split("::"))
        folders = list(dict.fromkeys(name.rpartition("/")[0] for name in names))
        found = {folder: read_index(folder) for folder in folders}
        sizes = {index["size"] for index in found.values()}
        if len(sizes) > 1:
            raise ValueError(f"{pattern} holds pictures of different sizes: {', '.join(f'{s} px' for s in sorted(sizes))}")
        self.size: int = sizes.pop()
        self.shards: list[Shard] = []
        for name in names:
            folder, _, file = name.rpartition("/")
            if file not in found[folder]["shards"]:
                raise ValueError(f"{folder}/{INDEX} knows no shard {file}")
            self.shards.append(shard_of(folder, file, found[folder]))
        self.held_out = {
            split: [shard_of(folder, file, index) for folder, index in found.items() for file in index["shards"] if file.startswith(split)]
            for split in ("valid", "test")
        }

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the pictures."""
        return (3, self.size, self.size)

    def pictures(self, split: str, count: int) -> UInt8[np.ndarray, "m h w c"]:
        """The first `count` pictures of a split, or as many as it has."""
        files: list[bytes] = []
        for shard in self.shards if split == "train" else self.held_out[split]:
            files += read_shard(shard)[: count - len(files)]
            if len(files) == count:
                break
        if not files:
            raise ValueError(f"{self.name} has no {split} shards beside it")
        return np.stack([decode(file, self.size, f"a {split} shard of {self.name}") for file in files])

    def batches(self, seed: int, batch_size: int, variation: Variation) -> Batcher:
        """Batches of the train shards; `ValueError` where lanes and batch do not fit, see `ShardBatches`."""
        return ShardBatches(self, seed, batch_size, variation)


class ShardBatches:
    """Endless shuffled batches; the one that begins at image nimg depends on (seed, nimg) alone.

    Rows of a batch come from *lanes*, each of which reads shards of its own from their first to their last picture: in every epoch the
    shards are permuted and dealt to the lanes, and the pictures of a shard permuted. The number of lanes does not depend on that of
    processes, so the pictures do not, and a process reads the shards of its rows only. A lane that is through begins its next epoch.
    """

    def __init__(self, data: ShardData, seed: int, batch_size: int, variation: Variation) -> None:
        self.data, self.seed, self.batch_size, self.variation = data, seed, batch_size, variation
        self.lanes = max(n for n in range(1, min(LANES, len(data.shards), batch_size) + 1) if batch_size % n == 0)
        self.each = batch_size // self.lanes
        self.at = -1
        self.open: dict[int, Lane] = {}
        self.readers, self.decoders = ThreadPoolExecutor(READERS), ThreadPoolExecutor(DECODERS)

    def __call__(self, nimg: int, rows: slice) -> UInt8[np.ndarray, "b h w c"]:
        """These rows of the batch, varied at random."""
        first, last = rows.start // self.each, rows.stop // self.each
        if rows.start % self.each or rows.stop % self.each:
            raise ValueError(
                f"{self.data.name} is read in {self.lanes} lanes ({len(self.data.shards)} shards, batches of {self.batch_size}), "
                f"which {self.batch_size // (rows.stop - rows.start)} processes cannot share evenly"
            )
        if nimg != self.at:
            self.open = {n: Lane(self, n, nimg // self.lanes) for n in range(first, last)}
        files = [file for n in range(first, last) for file in self.open[n].take(self.each)]
        self.at = nimg + self.batch_size
        pictures = self.decoders.map(lambda file: decode(file, self.data.size, self.data.name), files)
        return self.variation.apply(pictures, self.data.shape, (self.seed, 2, nimg), self.batch_size, rows)

    def order(self, lane: int, before: int) -> Iterator[tuple[int, np.ndarray]]:
        """The shards of a lane, each with the numbers of its pictures in turn, after the first `before` pictures."""
        for epoch in itertools.count():
            for number in np.random.default_rng((self.seed, 1, epoch)).permutation(len(self.data.shards))[lane :: self.lanes]:
                count = self.data.shards[number].count
                if before >= count:
                    before -= count
                    continue
                yield int(number), np.random.default_rng((self.seed, 7, epoch, number)).permutation(count)[before:]
                before = 0


class Lane:
    """One stream of pictures, with the shard that comes next on its way while one is in use."""

    def __init__(self, batches: ShardBatches, number: int, before: int) -> None:
        self.batches, self.order = batches, batches.order(number, before)
        self.files: list[bytes] = []
        self.next = self.ask()

    def ask(self) -> "Future[list[bytes]]":
        """Have the shard that comes next fetched, its pictures in their turn."""
        number, turns = next(self.order)
        shard = self.batches.data.shards[number]
        return self.batches.readers.submit(lambda: [files[i] for files in [read_shard(shard)] for i in turns])

    def take(self, count: int) -> list[bytes]:
        """The next pictures of the lane."""
        while len(self.files) < count:
            arrived, self.next = self.next.result(), self.ask()
            self.files = self.files + arrived
        taken, self.files = self.files[:count], self.files[count:]
        return taken


def is_remote(name: str) -> bool:
    """Whether a name is an address."""
    return name.startswith(("http://", "https://"))


def read_index(folder: str) -> dict:
    """What `pack` wrote of the shards in a folder; `ValueError` where it is not one."""
    content = fetch(f"{folder}/{INDEX}")
    try:
        index = json.loads(content)
        if index["format"] != FORMAT:
            raise ValueError(f"format {index['format']}, this version reads {FORMAT}")
        for name, row in index["shards"].items():
            # An index from elsewhere must not lead anywhere else.
            if not PLAIN.fullmatch(name) or not row["count"] > 0:
                raise ValueError(f"shard {name!r}")
        if not 1 <= index["size"] <= 4096:
            raise ValueError(f"pictures of {index['size']} px")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{folder}/{INDEX} is not the index of packed shards ({error})") from None
    return index


def shard_of(folder: str, file: str, index: dict) -> Shard:
    """A shard as its index describes it."""
    row = index["shards"][file]
    return Shard(f"{folder}/{file}", row["count"], row["bytes"], row["crc32"])


def fetch(url: str, shard: Shard | None = None) -> bytes:
    """The content of a file or an address, whole and as the index has it.

    Failing requests, broken connections and damaged content are tried again, `TRIES` times with growing pauses. `ValueError` in the end.
    """
    for number in range(TRIES):
        if number:
            time.sleep(WAIT_SEC * 2 ** (number - 1))
        try:
            if is_remote(url):
                with urllib.request.urlopen(url, timeout=TIMEOUT_SEC) as answer:
                    content = answer.read()
            else:
                content = Path(url).read_bytes()
        except (OSError, HTTPException) as error:
            problem = str(error) or type(error).__name__
            gone = isinstance(error, urllib.error.HTTPError) and 400 <= error.code < 500 and error.code not in (408, 429)
            if gone or not is_remote(url):
                break
            continue
        if shard is None or (len(content) == shard.size and zlib.crc32(content) == shard.crc32):
            return content
        problem = f"it is not the file that {INDEX} describes, {len(content)} bytes of {shard.size}"
        if not is_remote(url):
            break
    raise ValueError(f"{url} cannot be read{f', tried {number + 1} times' if number else ''} ({problem})")


def read_shard(shard: Shard) -> list[bytes]:
    """The JPEGs of a shard. Nothing else in it is looked at: what webdataset would decode by itself may hold pickles."""
    source = [{"url": shard.url, "stream": io.BytesIO(fetch(shard.url, shard))}]
    try:
        samples = list(group_by_keys(tar_file_expander(source, select_files=lambda name: name.endswith(".jpg"))))
    except (tarfile.TarError, ValueError) as error:
        raise ValueError(f"{shard.url} is not a shard ({error})") from None
    if len(samples) != shard.count:
        raise ValueError(f"{shard.url} holds {len(samples)} pictures, its index says {shard.count}")
    return [sample["jpg"] for sample in samples]


def decode(file: bytes, size: int, where: str) -> UInt8[np.ndarray, "s s 3"]:
    """The pixels of a JPEG; `ValueError` for anything else, and for another size."""
    try:
        with Image.open(io.BytesIO(file), formats=("JPEG",)) as image:
            if image.size != (size, size):
                raise ValueError(f"{where} holds a picture of {image.width} × {image.height} px, not {size}")
            return np.asarray(image.convert("RGB"))
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(f"{where} holds a file that is not a picture ({error})") from None
