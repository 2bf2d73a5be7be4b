"""Benchmark: preparing, packing and reading pictures, and training over 1,000 to 200,000."""

import json
import multiprocessing
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from facevae.files import write_json
from facevae.nets.residual import ResidualConfig
from train.bench.timing import machine, print_goals, print_machine
from train.bench.training_step import WARM_UP, clocked
from train.data.batches import PictureSource, Variation
from train.data.pack import listing_of, pack
from train.data.prepared import CELEBA_CROP_PX, FORMAT, PreparedData, list_celeba, open_data, prepare
from train.data.shards import INDEX
from train.data.synthetic import ATTRIBUTES, draw_faces, split_of
from train.vae.config import TrainConfig
from train.vae.loop import fit

SPAWN = multiprocessing.get_context("spawn")
COUNTS = (1_000, 20_000, 200_000)
TOY_FACES = 500
"""Toy faces that are drawn; then they come again: what they show costs nothing."""
PREPARED, WORKERS = 3_000, 2
READ, BATCH, PER_SHARD = 40, 64, 80
"""Batches that are read, their pictures, and those of a shard: small ones, so that 32 lanes have one each."""
LEAST_PREPARED, MOST_GROWTH = 1_000.0, 1.05
# A net so small that the data would be seen, were they slow.
SMALL = TrainConfig(
    net=ResidualConfig(size=64, widths=(8, 8, 16), encoder_blocks=(0, 1, 1), decoder_blocks=(1, 1, 1), groups=4, latent=32),
    total_nimg=640_000,
    tick_nimg=640_000,
    valid_nimg=32,
)


def bench_data(celeba: Path, repeats: int, steps: int, counts: Sequence[int] = COUNTS) -> dict[str, Any]:
    """Medians: images that are prepared, packed and read a second, milliseconds an image and megabytes of runs over ever more pictures."""
    before = machine()
    with tempfile.TemporaryDirectory(prefix="facevae-bench-") as folder:
        for count in counts:
            write_many(Path(folder) / str(count), count, SMALL.net.shape[1])
        passed, rows = [], {count: [] for count in counts}
        for _ in range(repeats):
            passed.append(pass_through(celeba, Path(folder)))
            for count in counts:
                with ProcessPoolExecutor(1, SPAWN) as fresh:  # memory is that of a process of its own
                    rows[count].append(fresh.submit(run_over, Path(folder) / str(count), steps).result())
    medians = {str(count): dict(zip(("ms", "mb"), np.median(found, axis=0).tolist(), strict=True)) for count, found in rows.items()}
    images = {name: {k: float(np.median([p[name][k] for p in passed])) for k in row} for name, row in passed[0].items()}
    return {**before, "repeats": repeats, "images": images, "growth": medians}


def pass_through(celeba: Path, folder: Path) -> dict[str, dict[str, float]]:
    """CelebA's JPEGs become 128 px arrays, and these shards; both are read in batches. By name, images a second of the clock, and of all
    cores' time in this process; with the shards, bytes an image."""
    listing = list_celeba(celeba)
    count = min(PREPARED, len(listing.files))
    listing = replace(listing, files=listing.files[:count], **{n: getattr(listing, n)[:count] for n in ("labels", "split", "identity")})
    with tempfile.TemporaryDirectory(dir=folder) as place:
        arrays, shards = Path(place, "arrays"), Path(place, "shards")
        with timed() as prepared:
            prepare(listing, arrays, 128, CELEBA_CROP_PX, WORKERS)
        data = PreparedData(arrays)
        with timed() as packed:
            pack(listing_of(data), lambda i: data.images[i], shards, data.size, PER_SHARD, workers=1)
        index = json.loads((shards / INDEX).read_text())["shards"]
        last = sum(name.startswith("train") for name in index) - 1
        train = f"train-{{000..{last:03}}}.tar"
        found = {f"prepare, {WORKERS} workers": per_sec(count, prepared), "pack, one worker": per_sec(count, packed)}
        found["pack, one worker"]["bytes"] = sum(row["bytes"] for row in index.values()) / count
        found["batches from arrays"] = read(data)
        found["batches from shards on a disk"] = read(open_data(f"{shards}/{train}", data.shape))
        with serve_folder(shards) as address:
            found["batches from shards over HTTP"] = read(open_data(f"{address}/{train}", data.shape))
    return found


def read(source: PictureSource) -> dict[str, float]:
    """Images a second of batches, varied as training has them."""
    batches, rows = source.batches(0, BATCH, Variation(shift_px=TrainConfig.shift_px)), slice(0, BATCH)
    for number in range(WARM_UP):
        batches(number * BATCH, rows)
    with timed() as spent:
        for number in range(WARM_UP, WARM_UP + READ):
            batches(number * BATCH, rows)
    return per_sec(READ * BATCH, spent)


@contextmanager
def timed() -> Iterator[list[float]]:
    """Seconds of the clock and of processors that the block takes, once it is through."""
    spent: list[float] = []
    clock, cores = time.perf_counter(), time.process_time()
    yield spent
    spent += [time.perf_counter() - clock, time.process_time() - cores]


def per_sec(count: int, spent: list[float]) -> dict[str, float]:
    """Images a second of the clock, and of a core."""
    return {"per_sec": count / spent[0], "per_core_sec": count / spent[1]}


class Silent(SimpleHTTPRequestHandler):
    """Files of a folder, without a line for each."""

    def log_message(self, format: str, *args: object) -> None: ...


def serve(folder: Path, told: Connection) -> None:
    """Serve a folder on this machine alone; the port is told."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=str(folder)))
    told.send(server.server_port)
    server.serve_forever()


@contextmanager
def serve_folder(folder: Path) -> Iterator[str]:
    """The address of a folder, served by a process of its own, whose time is not counted."""
    here, there = SPAWN.Pipe()
    process = SPAWN.Process(target=serve, args=(folder, there), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{here.recv()}"
    finally:
        process.kill()
        process.join()


def write_many(folder: Path, count: int, size: int) -> None:
    """Prepared data of so many toy faces, a few of them over and over."""
    folder.mkdir()
    faces, labels, _ = draw_faces(min(TOY_FACES, count), size, seed=0)
    images = np.lib.format.open_memmap(folder / "images.npy", mode="w+", dtype=np.uint8, shape=(count, size, size, 3))
    for start in range(0, count, len(faces)):
        images[start : start + len(faces)] = faces[: count - start]
    images.flush()
    np.save(folder / "labels.npy", np.resize(labels, (count, labels.shape[1])))
    np.save(folder / "split.npy", split_of(count))
    np.save(folder / "identity.npy", np.arange(count))
    meta = {"format": FORMAT, "size": size, "crop": None, "attributes": ATTRIBUTES, "files": [f"{i:06d}.png" for i in range(count)]}
    write_json(folder / "dataset.json", {"dataset": meta, "done": count})


def run_over(folder: Path, steps: int) -> tuple[float, float]:
    """Milliseconds an image of a short run of `fit`, and the process's own memory at its end (without the mapped file), in MB."""
    with tempfile.TemporaryDirectory(prefix="facevae-bench-") as run, clocked() as clock:
        fit(SMALL, PreparedData(folder), Path(run) / "run", stop_nimg=(WARM_UP + steps + 1) * SMALL.batch_size)
    lines = Path("/proc/self/status").read_text().splitlines()
    own_kb = next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))
    return 1e3 * clock.step_sec(steps) / SMALL.batch_size, own_kb / 1024


def print_data(found: dict[str, Any]) -> None:
    """A row for each way of the pictures and for each number of them, and the goals."""
    print_machine(found)
    print(f"{'':34}{'images/s':>10}{'of a core':>12}")
    for name, row in found["images"].items():
        size = f"{row['bytes']:10.0f} bytes each" if "bytes" in row else ""
        print(f"{name:34}{row['per_sec']:10.0f}{row['per_core_sec']:12.0f}{size}")
    print(f"\n{'pictures':>10}{'ms an image':>14}{'memory, MB':>13}")
    for count, row in found["growth"].items():
        print(f"{count:>10}{row['ms']:14.3f}{row['mb']:13.0f}")
    first, *_, last = found["growth"].values()
    rate, times = next(iter(found["images"].values()))["per_sec"], {key: last[key] / first[key] for key in ("ms", "mb")}
    goals = [(f"prepare reads {rate:.0f} images a second (goal {LEAST_PREPARED:g})", rate >= LEAST_PREPARED)]
    for key, words in (("ms", "time an image"), ("mb", "memory")):
        line = f"{words} over most pictures is {times[key]:.2f} times that over fewest (goal {MOST_GROWTH:g})"
        goals.append((line, times[key] <= MOST_GROWTH))
    print_goals(goals)
