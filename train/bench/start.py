"""Benchmark: cold start of app.py against an empty page with torch and Gradio."""

import asyncio
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from train.bench.gradio_client import PATIENCE_SEC, POLL_SEC, GradioClient
from train.bench.slider_client import SliderClient
from train.bench.timing import machine, print_goals, print_machine
from train.publish.served_page import APP, EMPTY, checkpoint_flags, served

SLIDER = "slider-smiling"
MOST_RATIO = 1.3


def bench_start(repeats: int, checkpoint: Path | None = None) -> dict[str, Any]:
    """Seconds (medians) until each page answers, and until ours has shown its first edit; in pairs, so that both meet the same machine."""
    before = machine()
    empty_sec, answer_sec, edit_sec = [], [], []
    for _ in range(repeats):
        with served(EMPTY) as server:
            empty_sec.append(server.start_sec)
        with served(APP, *checkpoint_flags(checkpoint)) as server:
            answer_sec.append(server.start_sec)
            start = time.perf_counter()
            asyncio.run(first_edit(server.url))
            edit_sec.append(server.start_sec + time.perf_counter() - start)
    empty, answer, edit = (float(np.median(seconds)) for seconds in (empty_sec, answer_sec, edit_sec))
    ratios = [a / b for a, b in zip(answer_sec, empty_sec, strict=True)]
    return {
        **before,
        "runs": repeats,
        "empty_sec": empty,
        "answer_sec": answer,
        "first_edit_sec": edit,
        "ratio": float(np.median(ratios)),
        "first_edit_ratio": float(np.median([a / b for a, b in zip(edit_sec, empty_sec, strict=True)])),
    }


async def first_edit(url: str) -> None:
    """The page's first visit, and one slider moved in what it opened, until the picture of that move is there.

    Refinement, which follows the opening, changes the page meanwhile; only what the move itself asked for counts. `ValueError` where
    no picture comes of it.
    """
    wrong: list[str] = []
    async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
        config = (await http.get("/config")).raise_for_status().json()
        visitor = GradioClient(http, config, lambda _name, _seconds, error: wrong.append(error) if error else None)
        slider, until_sec = SliderClient(visitor), time.monotonic() + PATIENCE_SEC
        await asyncio.gather(*visitor.arrive())
        visitor.put(SLIDER, visitor.value(SLIDER) + 1)
        # The page has no picture to give in the moment in which refinement begins.
        while await slider.draw() is None:
            if wrong or time.monotonic() > until_sec:
                raise ValueError(f"the first edit brought no picture: {'; '.join(wrong) or 'the page gave none'}")
            await asyncio.sleep(POLL_SEC)


def print_start(found: dict[str, Any]) -> None:
    """A row for each, and the goal."""
    print_machine(found)
    print(f"{'medians of ' + str(found['runs']) + ' starts':30}")
    rows = (("torch + Gradio, empty page", "empty_sec", 1.0), ("app.py answers", "answer_sec", found["ratio"]))
    for name, key, ratio in (*rows, ("app.py, first edit is there", "first_edit_sec", found["first_edit_ratio"])):
        print(f"{name:30}{found[key]:8.2f} s{ratio:8.2f} ×")
    print_goals([(f"the page answers after {found['ratio']:.2f} times the empty one (goal {MOST_RATIO:g})", found["ratio"] <= MOST_RATIO)])
