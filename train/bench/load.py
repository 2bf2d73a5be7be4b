"""Benchmark: many users of the page at once; latency, errors, growth, mixed-up faces."""

import asyncio
import io
import re
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFilter

from train.bench.gradio_client import GradioClient
from train.bench.slider_client import SliderClient
from train.bench.timing import machine, print_goals, print_machine
from train.publish.served_page import ALTERED, Server, checkpoint_flags, served

PHOTO_PX = (900, 1200)
FACE_PX = 520
BORDER = 0.04
DARKEST, LIGHTEST = 30, 226
MOVES, MOVES_PER_SEC = 20, 25
THINK_SEC = (0.5, 3.0)
GUIDE_SEC = 2.5
KEEP_SEC = 60
"""Files live so long while this runs, so that ten minutes show what an hour holds on a page where they live an hour."""
OVERDUE_SEC = KEEP_SEC * 4 / 3
"""By then the page has looked for old files twice."""
MARK_MIN, MARK_SHARE = 2, 0.2
WINDOW_SEC = 15
MORE_MEMORY, MORE_FILES = 1.05, 1.25
SHOWN_ERRORS = 8
KINDS = re.compile(r" (slider)-.*")
Colour = tuple[int, int, int]


def colours(count: int) -> list[Colour]:
    """So many colours, as far from each other as a grid in RGB has them."""
    levels = 2
    while levels**3 < count:
        levels += 1
    grid = np.rint(np.linspace(DARKEST, LIGHTEST, levels)).astype(int).tolist()
    return [(r, g, b) for r in grid for g in grid for b in grid][:count]


def border_colour(picture: UInt8[np.ndarray, "h w 3"]) -> Colour:
    """The median colour of a picture's border, where no face is."""
    band = max(round(min(picture.shape[:2]) * BORDER), 1)
    inner = np.zeros(picture.shape[:2], bool)
    inner[band:-band, band:-band] = True
    red, green, blue = np.median(picture[~inner], axis=0).round().astype(int).tolist()
    return red, green, blue


def match_user(colour: Colour, everybody: Sequence[Colour]) -> int | None:
    """Who has this colour; None where it is nobody's, being farther than a third of the way to the next one's."""
    table = np.array(everybody)
    nearest = int(np.abs(table - colour).max(1).argmin())
    to_the_next = np.delete(np.abs(table - table[nearest]).max(1), nearest).min(initial=LIGHTEST - DARKEST)
    return nearest if np.abs(table[nearest] - colour).max() <= to_the_next / 3 else None


def draw_photo(face: UInt8[np.ndarray, "s s 3"], colour: Colour) -> bytes:
    """A face that fades into one colour all around it, as JPEG."""
    width, height = PHOTO_PX
    photo = Image.new("RGB", PHOTO_PX, colour)
    mask = Image.new("L", (FACE_PX, FACE_PX))
    edge = FACE_PX // 16
    ImageDraw.Draw(mask).ellipse((edge, edge, FACE_PX - edge, FACE_PX - edge), fill=255)
    large = Image.fromarray(face).resize((FACE_PX, FACE_PX), Image.Resampling.BICUBIC)
    photo.paste(large, ((width - FACE_PX) // 2, (height - FACE_PX) // 2), mask.filter(ImageFilter.GaussianBlur(edge / 2)))
    file = io.BytesIO()
    photo.save(file, "JPEG", quality=92)
    return file.getvalue()


@dataclass
class LoadRecord:
    """What happened, over all users."""

    seconds: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """By kind of event."""
    errors: list[str] = field(default_factory=list)
    pictures: int = 0
    """How many were looked at."""
    strange: list[str] = field(default_factory=list)
    """Pictures that showed somebody else's colour, or nobody's."""

    def log(self, name: str, seconds: float, wrong: str) -> None:
        """An event of the page is over; all sliders are alike."""
        self.seconds[KINDS.sub(r" \1-…", name)].append(seconds)
        if wrong:
            self.errors.append(f"{name}: {wrong}")

    def actions(self) -> dict[str, dict[str, float]]:
        """Number, median and 95th percentile of each kind, the most frequent first."""
        rows = sorted(self.seconds.items(), key=lambda row: -len(row[1]))
        return {
            name: {"n": len(times), "p50_ms": 1e3 * float(np.percentile(times, 50)), "p95_ms": 1e3 * float(np.percentile(times, 95))}
            for name, times in rows
        }


class User:
    """Opens a photo of their own and edits, guides, morphs, draws and saves, in an order of their own."""

    def __init__(self, number: int, everybody: Sequence[Colour], visitor: GradioClient, record: LoadRecord) -> None:
        self.number, self.everybody, self.visitor, self.record = number, everybody, visitor, record
        self.random = np.random.default_rng(number)
        self.name = f"user{number:03}"
        self.photo = b""
        self.drawn: dict[int, list[str]] = {}
        self.slider_client = SliderClient(visitor)
        self.sliders = [name for name in self.slider_client.look if name.startswith("slider-") and not name.startswith("slider-own")]
        self.looks = re.findall(r'data-look="(\w+)"', visitor.value("look-tiles"))
        self.actions = [self.drag, self.open, self.guide, self.morph, self.generate, self.save, self.api]
        self.often = [*self.actions, self.drag, self.drag, self.drag, self.morph]

    async def live(self, until_sec: float) -> None:
        """Arrive, then do everything once, in an order of one's own, and go on with what people do most until the end."""
        beat = asyncio.create_task(self.visitor.stay())
        await self.attempt(self.arrive)
        order = self.random.permutation(len(self.actions)).tolist()
        while time.monotonic() < until_sec and self.photo:
            await self.attempt(self.actions[order.pop()] if order else self.often[self.random.integers(len(self.often))])
            await asyncio.sleep(self.random.uniform(*THINK_SEC))
        await self.visitor.rest()
        beat.cancel()
        await asyncio.gather(beat, return_exceptions=True)

    async def attempt(self, action: Callable[[], Awaitable[None]]) -> None:
        """An action that fails is counted, and the user goes on. Failures of the page's own events are counted by themselves."""
        try:
            await action()
        except (ValueError, LookupError, TypeError, OSError, httpx.HTTPError) as error:
            self.record.errors.append(f"{action.__name__}: {type(error).__name__}: {error}")

    async def finish(self, tasks: list[asyncio.Task[bool]]) -> bool:
        """Wait for the functions that a hand has started."""
        return all(await asyncio.gather(*tasks))

    async def look(self, picture: dict[str, Any], where: str) -> None:
        """Is this picture, which the server keeps as a file, mine?"""
        self.check(await self.visitor.fetch(picture), where)

    def check(self, picture: bytes, where: str) -> None:
        """Is this picture mine? Its border must have my colour."""
        with Image.open(io.BytesIO(picture)) as image:
            colour = border_colour(np.asarray(image.convert("RGB")))
        self.record.pictures += 1
        owner = match_user(colour, self.everybody)
        if owner != self.number:
            self.record.strange.append(f"{where} of {self.name} shows {'nobody' if owner is None else f'user{owner:03}'}: {colour}")

    async def slide(self, slider: str, low: float, high: float) -> None:
        """Drag a slider of the Morph tab at the pace of a hand, and wait for the last picture."""
        for value in np.linspace(low, high, MOVES):
            self.visitor.put(slider, round(float(value), 2))
            self.visitor.fire(slider, "input")
            await asyncio.sleep(1 / MOVES_PER_SEC)
        self.visitor.fire(slider, "release")
        await self.visitor.quiet(slider, "release")

    # ---- what a user does

    async def arrive(self) -> None:
        """The page, and a face that the model draws for this user alone, in a photo of a colour that nobody else has."""
        await self.finish(self.visitor.arrive())
        face = await self.visitor.call("generate", self.number, 1, 0.6, "fitted", None)
        with Image.open(io.BytesIO(await self.visitor.fetch(face[0][0]))) as picture:
            self.photo = draw_photo(np.asarray(picture.convert("RGB")), self.everybody[self.number])
        await self.open()

    async def open(self) -> None:
        """The photo, as a file; refinement follows and runs on while other things happen."""
        file = await self.visitor.upload(f"{self.name}.jpg", self.photo)
        if await self.finish(self.visitor.fire("edit-upload", "upload", {"path": file["path"], "others": 0})):
            await self.look(self.visitor.value("result"), "opened photo")
            if self.name not in self.visitor.value("edit-status"):
                self.record.strange.append(f"{self.name} opened a photo, and was told {self.visitor.value('edit-status')!r}")

    async def drag(self) -> None:
        """One slider of an attribute."""
        start, end = self.random.uniform(-3, 3, 2)
        slider = str(self.random.choice(self.sliders))
        for value in np.linspace(start, end, MOVES):
            self.slider_client.move(slider, round(float(value), 2))
            await asyncio.sleep(1 / MOVES_PER_SEC)
        for picture in await self.slider_client.rest():
            self.check(picture, "edit on its way")
        await self.look(self.visitor.value("result"), "edit")

    async def guide(self) -> None:
        """A look, put on or taken off, half of the time stopped on the way."""
        tasks = self.visitor.fire("look-tiles", "select", {"look": str(self.random.choice(self.looks))})
        if self.random.random() < 0.5:
            await asyncio.sleep(GUIDE_SEC)
            self.visitor.fire("stop", "click")
        await self.finish(tasks)
        await self.look(self.visitor.value("result"), "guided edit")

    async def morph(self) -> None:
        """The edited face on its way to others as a whole photo, and back."""
        await self.finish(self.visitor.fire("edit-to-morph", "click"))
        self.visitor.put("morph-view", "photo")
        await self.finish(self.visitor.fire("morph-view", "input"))
        await self.slide("position", self.random.uniform(0, 1), 0)
        await self.look(self.visitor.value("morph-result"), "morph")
        await self.visitor.rest()
        for _ in range(2):  # there is room for six faces only
            if "Face 4 of" in (self.visitor.value("keys") or ""):
                await self.finish(self.visitor.fire("key-remove", "click"))

    async def generate(self) -> None:
        """Faces of seeds that nobody else asks for; the same seed is the same faces."""
        seed = 100_000 + 1_000 * self.number + 100 * int(self.random.integers(3))
        self.visitor.put("seed", seed)
        await self.finish(self.visitor.fire("seed", "input"))
        await self.visitor.rest()
        tiles = self.visitor.value("faces") or []
        self.record.pictures += len(tiles)
        if not tiles or not all(tile["caption"].startswith(f"Face {seed // 100}") for tile in tiles):
            self.record.strange.append(f"{self.name} asked for seed {seed}, and got {[tile['caption'] for tile in tiles][:2]}")
        files = [Path(tile["image"]["path"]).parent.name for tile in tiles]  # Gradio's name for the content
        if self.drawn.setdefault(seed, files) != files:
            self.record.strange.append(f"{self.name} asked for seed {seed} again, and got other faces")

    async def save(self) -> None:
        """The full-size file."""
        await self.finish(self.visitor.fire("download", "click"))
        await self.look(self.visitor.value("download-file"), "saved file")

    async def api(self) -> None:
        """A program's way: the public endpoint, without a session."""
        start = time.perf_counter()
        file = await self.visitor.upload(f"{self.name}-api.jpg", self.photo)
        answer = await self.visitor.call(
            "edit", file, {"Smiling": float(self.random.uniform(-2, 2))}, None, 0, False, 0.5, "original", None
        )
        self.record.log("api edit", time.perf_counter() - start, "")
        await self.look(answer[0], "file of the API")


async def simulate(url: str, users: int, seconds: float) -> LoadRecord:
    """All of them, on the page at `url`."""
    record, everybody = LoadRecord(), colours(users)
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=8 * users)
    async with httpx.AsyncClient(base_url=url, limits=limits, trust_env=False) as http:
        config = (await http.get("/config")).raise_for_status().json()
        until_sec = time.monotonic() + seconds
        visitors = [GradioClient(http, config, record.log) for _ in everybody]
        await asyncio.gather(*(User(k, everybody, visitor, record).live(until_sec) for k, visitor in enumerate(visitors)))
    return record


async def watch(server: Server, every_sec: float = 1.0) -> list[dict[str, float]]:
    """Memory and files of the server until cancelled."""
    samples: list[dict[str, float]] = []
    start = time.monotonic()
    try:
        while True:
            files = await asyncio.to_thread(server.files)
            samples.append(
                {
                    "sec": time.monotonic() - start,
                    "rss_mb": server.resident_mb,
                    "files": len(files),
                    "files_mb": sum(size for size, _ in files) / 1e6,
                    "overdue": sum(age > OVERDUE_SEC for _, age in files),
                }
            )
            await asyncio.sleep(every_sec)
    except asyncio.CancelledError:
        return samples


def around(samples: list[dict[str, float]], at_sec: float, window_sec: float = WINDOW_SEC) -> dict[str, float]:
    """Medians of the samples in the window that ends at a time."""
    near = [sample for sample in samples if at_sec - window_sec <= sample["sec"] <= at_sec] or samples[:1]
    return {key: float(np.median([sample[key] for sample in near])) for key in near[0]}


def bench_load(users: int, minutes: float, checkpoint: Path | None = None) -> dict[str, Any]:
    """Let `users` use the page for so long, and tell how it went. See `print_load` for what is wanted."""
    if users < 1 or minutes <= 0:
        raise ValueError(f"{users} users for {minutes:g} minutes are no load")

    async def run(server: Server) -> tuple[LoadRecord, list[dict[str, float]]]:
        watching = asyncio.create_task(watch(server))
        record = await simulate(server.url, users, 60 * minutes)
        watching.cancel()
        return record, await watching

    before = machine()
    with served(ALTERED, "--keep-sec", str(KEEP_SEC), *checkpoint_flags(checkpoint)) as server:
        record, samples = asyncio.run(run(server))
    mark_min = min(MARK_MIN, MARK_SHARE * minutes)
    return {
        **before,
        "users": users,
        "minutes": minutes,
        "keep_sec": KEEP_SEC,
        "actions": record.actions(),
        "errors": dict(Counter(record.errors).most_common()),
        "pictures": record.pictures,
        "strange": record.strange,
        "mark_min": mark_min,
        "mark": around(samples, 60 * mark_min),
        "end": around(samples, 60 * minutes),
        "most_overdue": max(sample["overdue"] for sample in samples),
        "most_files_mb": max(sample["files_mb"] for sample in samples),
    }


def print_load(found: dict[str, Any]) -> None:
    """A row for each kind of event, what went wrong, what grew, and the goals."""
    print_machine(found)
    print(f"{found['users']} users for {found['minutes']:g} min\n\n{'event':24}{'n':>8}{'p50, ms':>10}{'p95, ms':>10}")
    for name, row in found["actions"].items():
        print(f"{name:24}{row['n']:8}{row['p50_ms']:10.0f}{row['p95_ms']:10.0f}")
    mark, end = found["mark"], found["end"]
    print(f"\n{'':24}{'minute ' + format(found['mark_min'], '.1f'):>12}{'end':>12}")
    for name, key in (("memory, MB", "rss_mb"), ("temporary files", "files"), ("their size, MB", "files_mb"), ("overdue files", "overdue")):
        print(f"{name:24}{mark[key]:12.0f}{end[key]:12.0f}")
    print(f"files live {found['keep_sec']} s here; at most they were {found['most_files_mb']:.0f} MB")
    errors = sum(found["errors"].values())
    goals = [
        (f"{errors} errors (goal 0)", not errors),
        (f"{len(found['strange'])} of {found['pictures']} pictures were not the user's own (goal 0)", not found["strange"]),
        (
            f"memory at the end is {end['rss_mb'] / mark['rss_mb']:.3f} of that at the mark (goal {MORE_MEMORY:g})",
            end["rss_mb"] <= MORE_MEMORY * mark["rss_mb"],
        ),
        (f"files are bounded: at the end at most {MORE_FILES:g} of those at the mark", end["files_mb"] <= MORE_FILES * mark["files_mb"]),
        (f"{found['most_overdue']:.0f} files at most had outlived their time (goal 0)", not found["most_overdue"]),
    ]
    print_goals(goals)
    for line in [*(f"{count} × {error}" for error, count in found["errors"].items()), *found["strange"]][:SHOWN_ERRORS]:
        print(f"        {line}")
