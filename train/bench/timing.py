"""Benchmark: opening and saving a 12 MP photo, against detector + encoder + decoder alone.

Call by call in turn, so that a busy machine is busy for all; `interleave`, `machine` and `print_goals` serve the other benchmarks.
"""

import io
import os
import time
from collections.abc import Callable, Iterable
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image

from facevae.editor import Editor
from facevae.files import ASSETS
from facevae.photo import images
from facevae.photo.finding import find_faces

ASTRONAUT = ASSETS / "examples" / "astronaut.jpg"
MEGAPIXELS = 12
SCREEN_PX = 1024


def bench_photo(editor: Editor, rounds: int = 7) -> dict[str, float]:
    """Seconds (medians) of opening a 12 MP photo up to its first preview, of saving an edit of it, and of the parts alone.

    The photo is the public-domain astronaut, enlarged, with a little grain, as JPEG. `ratio` is open → first preview over
    detector + encoder + decoder alone, all on pixels that are there already.
    """
    content = large_photo()
    pixels = images.open_photo(content).pixels
    face = editor.open_photo(content)
    strengths = {control.name: control.high / 2 for control in editor.controls[:1]}
    small = images.to_float(face.crop)

    def models() -> None:
        find_faces(pixels, editor.aligner, editor.finder)
        with torch.inference_mode():
            editor.checkpoint.net.decode(editor.checkpoint.net.encode(small).mode)

    def first_preview() -> np.ndarray:
        opened = editor.open_photo(content)
        return editor.edit(opened, {}, max_side_px=SCREEN_PX).photo  # composed when it is asked for

    def refine() -> None:
        for _ in editor.refine(face):
            pass

    calls: dict[str, Callable[[], object]] = {
        "detector + encoder + decoder": models,
        "open → first preview": first_preview,
        "decode the file": lambda: images.open_photo(content),
        "preview of an edit": lambda: editor.edit(face, strengths, max_side_px=SCREEN_PX).photo,
        "decode + composite, full size": lambda: (images.open_photo(content), editor.edit(face, strengths).photo),
        "save, full size": lambda: editor.save(face, strengths),
        "refine": refine,
    }
    seconds = interleave(calls, rounds)
    return seconds | {"ratio": seconds["open → first preview"] / seconds["detector + encoder + decoder"]}


def large_photo() -> bytes:
    """About 12 megapixels as JPEG."""
    with Image.open(ASTRONAUT) as file:
        small = np.asarray(file.convert("RGB"))
    side = round((MEGAPIXELS * 1e6) ** 0.5)
    large = cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC)
    grain = np.random.default_rng(0).normal(0, 3, (side, side, 1))
    file = io.BytesIO()
    Image.fromarray(np.rint((large + grain).clip(0, 255)).astype(np.uint8)).save(file, "JPEG", quality=92)
    return file.getvalue()


def interleave(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of each call; all take their turns in each round, so that a busy machine is busy for all. One round warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if number:
                seconds[name].append(time.perf_counter() - start)
    return {name: float(np.median(times)) for name, times in seconds.items()}


def print_goals(goals: Iterable[tuple[str, bool]]) -> None:
    """A line for each: what was found and wanted, and whether it is so."""
    print()
    for line, met in goals:
        print(f"{'met    ' if met else 'MISSED '} {line}")


def machine() -> dict[str, float]:
    """What a figure was measured on: processor cores, and how many others wanted them during the last minute."""
    return {"cores": os.cpu_count() or 1, "load_before": round(os.getloadavg()[0], 2)}


def print_machine(found: dict[str, Any]) -> None:
    """The line above each table."""
    print(f"{found['cores']} cores, load {found['load_before']:g} in the minute before\n")


def print_bench(seconds: dict[str, float]) -> None:
    """A row for each call: seconds, and the share of the first row."""
    reference = next(iter(seconds.values()))
    for name, value in seconds.items():
        if name != "ratio":
            print(f"{name:34}{value:8.3f} s{value / reference:8.2f} ×")
    print(f"open → first preview takes {seconds['ratio']:.2f} times detector + encoder + decoder alone (goal 1.3)")
