"""Benchmark: slider move to picture in Chromium, against a page that computes nothing."""

import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from train.bench.timing import machine, print_goals, print_machine
from train.publish.figures import CHROMIUM_FLAGS
from train.publish.served_page import ALTERED, APP, checkpoint_flags, served

SLIDER = "#slider-smiling"
MOVES, MOVES_PER_SEC = 60, 60
ENDS = (0.85, 0.15)
"""Drags go to and fro between these shares of the track."""
QUIET_MS = 500
PATIENCE_MS = 120_000
WARM_UP = 1
"""Drags of each page that are not counted."""
MOST_RATIO, LEAST_FPS = 2.0, 15.0

# Runs in the page before anything else does. Each answer of the server is kept with the time of the input event before its
# request, and each picture that was decoded with the time of that. A picture is either in the answer itself, or a file whose name comes
# from its content, so each tells which is which.
WATCH = """
(() => {
  const bench = (window.facevaeBench = { input: 0, pending: 0, busy: 0, asked: {}, shown: [] });
  const now = () => (bench.busy = performance.now());
  document.addEventListener("input", (event) => {
    if (event.target.type !== "range") return;
    bench.input = event.timeStamp;
    now(); // the request begins a moment later: until then nothing else would tell that the page is at work
  }, true);
  const send = window.fetch;
  window.fetch = async (...request) => {
    const url = String(request[0]?.url ?? request[0]);
    if (!/\\/gradio_api\\/(run|component_server)\\//.test(url)) return send(...request);
    const input = bench.input;
    bench.pending += 1;
    try {
      const answer = await send(...request);
      const text = await answer.clone().text();
      for (const [, path] of text.matchAll(/"(?:path|picture)": ?"([^"]+)"/g)) bench.asked[path] = input;
      return answer;
    } finally { bench.pending -= 1; now(); }
  };
  let source = "";
  new MutationObserver(() => {
    const image = document.querySelector("#result img");
    if (!image || image.src === source) return;
    source = image.src;
    const path = source.startsWith("data:") ? source : decodeURI(source.split("file=")[1]);
    now();
    image.decode().then(() => bench.shown.push({ path, at: now() }), () => {});
  }).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ["src"] });
})();
"""
AT_REST = f"() => !facevaeBench.pending && performance.now() - facevaeBench.busy > {QUIET_MS}"


@dataclass
class Drags:
    """What the drags on one page came to."""

    latency_ms: list[float] = field(default_factory=list)
    """Of each picture that was shown, from the input event that asked for it to its being decoded."""
    fps: list[float] = field(default_factory=list)
    """Of each drag."""
    last_shown: list[bool] = field(default_factory=list)
    """Of each drag: the picture that stayed is that of the value at which the thumb stayed."""

    def summary(self) -> dict[str, Any]:
        """Medians and what lies at the edge."""
        if not self.latency_ms:
            raise ValueError("no picture came of any drag")
        return {
            "pictures": len(self.latency_ms),
            "median_ms": float(np.median(self.latency_ms)),
            "p95_ms": float(np.percentile(self.latency_ms, 95)),
            "fps": float(np.median(self.fps)),
            "least_fps": min(self.fps),
            "drags": len(self.last_shown),
            "last_shown": sum(self.last_shown),
        }


def bench_page(repeats: int, checkpoint: Path | None = None) -> dict[str, Any]:
    """Drag a slider `repeats` times on each page, in turn. See `print_page` for what is wanted.

    `ValueError` where Playwright or Chromium is missing.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise ValueError("Playwright is missing: pip install -e '.[test]'") from None
    chromium = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        raise ValueError("Chromium is missing: bash tests/install_browser.sh")
    flags, before, drags = checkpoint_flags(checkpoint), machine(), {"page": Drags(), "trivial": Drags()}
    with served(APP, *flags) as real, served((*ALTERED, "--trivial"), *flags) as trivial, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM_FLAGS))
        pages = {name: open_page(browser, server.url) for name, server in (("page", real), ("trivial", trivial))}
        for number in range(WARM_UP + repeats):
            for name, page in pages.items():
                drag(page, ENDS[number % 2], drags[name] if number >= WARM_UP else Drags())
        browser.close()
    found = {name: result.summary() for name, result in drags.items()}
    return {**before, **found, "ratio": found["page"]["median_ms"] / found["trivial"]["median_ms"]}


def open_page(browser: Any, url: str) -> Any:
    """A visitor of their own, once the first photo is open and refined and nothing moves any more."""
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.add_init_script(WATCH)
    page.goto(url)
    page.locator("#slide img").first.wait_for()
    page.get_by_text("Ready.").wait_for()
    page.locator("#show input[value=Edited]").check(force=True)
    page.locator("#result img").wait_for()
    page.locator(f"{SLIDER} input[type=range]").scroll_into_view_if_needed()
    page.wait_for_function(AT_REST)
    return page


def drag(page: Any, end: float, into: Drags) -> None:
    """One drag by the mouse, at the pace of a screen, to a share of the track; then ask for the last value anew."""
    page.evaluate("facevaeBench.shown = []")
    track = page.locator(f"{SLIDER} input[type=range]")
    box, at = track.bounding_box(), track.evaluate("e => (e.value - e.min) / (e.max - e.min)")
    xs = box["x"] + 8 + (box["width"] - 16) * np.linspace(at, end, MOVES + 1)
    y = box["y"] + box["height"] / 2
    page.mouse.move(xs[0], y)
    page.mouse.down()
    begin_ms, start = page.evaluate("performance.now()"), time.perf_counter()
    for k, x in enumerate(xs[1:]):
        page.mouse.move(x, y)
        time.sleep(max(0.0, start + (k + 1) / MOVES_PER_SEC - time.perf_counter()))
    end_ms = page.evaluate("performance.now()")
    page.mouse.up()
    page.wait_for_function(AT_REST)
    asked, shown = page.evaluate("[facevaeBench.asked, facevaeBench.shown]")
    into.latency_ms += latencies(asked, shown)
    into.fps.append(frames_per_sec([picture["at"] for picture in shown], begin_ms, end_ms))
    into.last_shown.append(last_is_shown(page, track))


def latencies(asked: dict[str, float], shown: Sequence[dict[str, Any]]) -> list[float]:
    """Milliseconds from the input event to the decoded picture, of all pictures whose request is known."""
    return [picture["at"] - asked[picture["path"]] for picture in shown if picture["path"] in asked]


def frames_per_sec(shown_ms: Sequence[float], begin_ms: float, end_ms: float) -> float:
    """Pictures that were decoded while the thumb moved, over the time it moved."""
    return 1e3 * sum(begin_ms < at <= end_ms for at in shown_ms) / (end_ms - begin_ms)


def last_is_shown(page: Any, track: Any) -> bool:
    """Go one step aside and back by keys: the same value must bring the picture that is there now."""
    picture = page.locator("#result img")
    stayed, value = picture.get_attribute("src"), track.input_value()
    sources = []
    for key in ("ArrowLeft", "ArrowRight"):
        track.press(key)
        page.wait_for_function(AT_REST)
        sources.append(picture.get_attribute("src"))
    assert track.input_value() == value
    return sources[0] != stayed == sources[1]


def print_page(found: dict[str, Any]) -> None:
    """A row for each page, and the goals."""
    print_machine(found)
    print(f"{'':28}{'pictures':>10}{'median, ms':>12}{'p95, ms':>10}{'frames/s':>10}{'least':>8}")
    for name, title in (("page", "the page"), ("trivial", "same page, trivial function")):
        row = found[name]
        print(f"{title:28}{row['pictures']:10}{row['median_ms']:12.1f}{row['p95_ms']:10.1f}{row['fps']:10.1f}{row['least_fps']:8.1f}")
    page = found["page"]
    goals = [
        (
            f"drag → picture takes {found['ratio']:.2f} times that of the trivial function (goal {MOST_RATIO:g})",
            found["ratio"] <= MOST_RATIO,
        ),
        (f"{page['fps']:.1f} frames a second (goal {LEAST_FPS:g})", page["fps"] >= LEAST_FPS),
        (f"last value shown {page['last_shown']} of {page['drags']}", page["last_shown"] == page["drags"]),
    ]
    print_goals(goals)
