"""What the data cost: pictures prepared a second, and time and memory of training as there are more and more of them."""

import multiprocessing
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from facevae.files import write_json
from facevae.nets.residual import ResidualConfig
from train.bench import machine, print_goals, print_machine
from train.config import TrainConfig
from train.data import CELEBA_CROP_PX, FORMAT, PreparedData, list_celeba, prepare
from train.loop import fit
from train.step_bench import WARM_UP, clocked
from train.synthetic import ATTRIBUTES, draw_faces, split_of

COUNTS = (1_000, 20_000, 200_000)
DRAWN = 500
"""Toy faces that are drawn; then they come again: what they show costs nothing."""
PREPARED, WORKERS = 3_000, 2
LEAST_PREPARED, MOST_GROWTH = 1_000.0, 1.05
# A net so small that the data would be seen, were they slow.
SMALL = TrainConfig(
    net=ResidualConfig(size=64, widths=(8, 8, 16), encoder_blocks=(0, 1, 1), decoder_blocks=(1, 1, 1), groups=4, latent=32),
    total_nimg=640_000,
    tick_nimg=640_000,
    valid_nimg=32,
)


def bench_data(celeba: Path, repeats: int, steps: int, counts: Sequence[int] = COUNTS) -> dict[str, Any]:
    """Medians: images that `prepare` writes a second, milliseconds an image and megabytes of runs over ever more pictures."""
    before = machine()
    with tempfile.TemporaryDirectory(prefix="facevae-bench-") as folder:
        for count in counts:
            write_many(Path(folder) / str(count), count, SMALL.net.shape[1])
        rates, rows = [], {count: [] for count in counts}
        for _ in range(repeats):
            rates.append(prepared_per_sec(celeba, Path(folder)))
            for count in counts:
                with multiprocessing.get_context("spawn").Pool(1) as fresh:  # memory is that of a process of its own
                    rows[count].append(fresh.apply(run_over, (Path(folder) / str(count), steps)))
    medians = {str(count): dict(zip(("ms", "mb"), np.median(found, axis=0).tolist(), strict=True)) for count, found in rows.items()}
    return {**before, "repeats": repeats, "prepared_per_sec": float(np.median(rates)), "workers": WORKERS, "growth": medians}


def prepared_per_sec(celeba: Path, folder: Path) -> float:
    """CelebA's JPEGs that become 128 px pictures, a second, on two workers."""
    listing = list_celeba(celeba)
    count = min(PREPARED, len(listing.files))
    listing = replace(listing, files=listing.files[:count], **{n: getattr(listing, n)[:count] for n in ("labels", "split", "identity")})
    with tempfile.TemporaryDirectory(dir=folder) as out:
        start = time.perf_counter()
        prepare(listing, Path(out), 128, CELEBA_CROP_PX, WORKERS)
        return count / (time.perf_counter() - start)


def write_many(folder: Path, count: int, size: int) -> None:
    """Prepared data of so many toy faces, a few of them over and over."""
    folder.mkdir()
    faces, labels, _ = draw_faces(min(DRAWN, count), size, seed=0)
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
    """The rate, a row for each number of pictures, and the goals."""
    print_machine(found)
    print(f"prepare, {found['workers']} workers: {found['prepared_per_sec']:.0f} images/s\n")
    print(f"{'pictures':>10}{'ms an image':>14}{'memory, MB':>13}")
    for count, row in found["growth"].items():
        print(f"{count:>10}{row['ms']:14.3f}{row['mb']:13.0f}")
    first, *_, last = found["growth"].values()
    rate, times = found["prepared_per_sec"], {key: last[key] / first[key] for key in ("ms", "mb")}
    goals = [(f"prepare reads {rate:.0f} images a second (goal {LEAST_PREPARED:g})", rate >= LEAST_PREPARED)]
    for key, words in (("ms", "time an image"), ("mb", "memory")):
        line = f"{words} over most pictures is {times[key]:.2f} times that over fewest (goal {MOST_GROWTH:g})"
        goals.append((line, times[key] <= MOST_GROWTH))
    print_goals(goals)
