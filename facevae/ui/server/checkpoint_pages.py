"""Several checkpoints in one process: a page each below /checkpoints, mounted on request.

Sliders, goals and the API are made from a checkpoint's attributes, so a page belongs to one checkpoint, with its own queue and its own
visitors' states; the picker beside the title is a list of links. Visitors choose among what was configured, by name, and by nothing else.
A few pages stay open; of more, unused ones are closed again, and their nets leave the memory.
"""

import asyncio
import contextlib
import gc
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from facevae.checkpoint.hub import COMMIT
from facevae.checkpoint.metadata import folders_below
from facevae.editor import Editor
from facevae.memory import trim_malloc
from facevae.ui.components import LIVE, html
from facevae.ui.gradio_patches import close_mounted_page, limit_sessions
from facevae.ui.server.request_guard import PREFIX

MAX_ENTRIES = 50
"""Limit of the picker."""
MOST_OPEN = 4
"""Pages below the first one that stay open without use: each holds the nets of its checkpoint."""
IDLE_SEC = 300
"""A page is used as long as a browser shows it (which keeps a request open all the time), and so long after the last request."""
BuildPage = Callable[[Editor, str], tuple[gr.Blocks, dict[str, Any]]]


@dataclass(frozen=True)
class Entry:
    """A checkpoint to choose: its place in the address, its name in the picker, and what opens it."""

    slug: str
    name: str
    source: str | None
    """None for the page at the root, which is open already."""


@dataclass(eq=False)
class OpenedPage:
    """A page that answers. Everything here is touched by the server's own thread alone."""

    server: FastAPI
    blocks: gr.Blocks
    requests: int = 0
    """Which are being answered right now."""
    used_sec: float = field(default_factory=time.monotonic)
    """When the last one was over."""
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        self.requests += 1
        try:
            yield
        finally:
            self.requests -= 1
            self.used_sec = time.monotonic()

    @property
    def idle(self) -> bool:
        return not self.requests and time.monotonic() - self.used_sec >= IDLE_SEC


class CheckpointPages:
    """The checkpoints of the picker, and the pages that are open. `places` are listed again whenever a page is loaded."""

    def __init__(self, first: str, sources: Sequence[str] = (), places: Sequence[Path] = ()) -> None:
        """`first` names the checkpoint of the page at the root. `ValueError` where a place is no folder."""
        self.first, self.sources, self.places = first, list(sources), list(places)
        self._slugs: dict[str, str] = {}
        self._naming = threading.Lock()
        for place in self.places:
            folders_below(place)
        self._pages: dict[str, OpenedPage] = {}
        self._tasks: set[asyncio.Task] = set()
        self._opening: dict[str, asyncio.Lock] = {}
        self._building = threading.Lock()  # Gradio lays out one page at a time in a process

    # ---- what there is

    def entries(self) -> list[Entry]:
        """The page at the root, then the others in their order; a name that is there already gets a number.

        What has an address keeps it: a folder of the same name that comes later is another checkpoint.
        """
        found = [Entry("", short_name(self.first), None)]
        with self._naming:
            for source in dict.fromkeys([*self.sources, *self._folders()]):
                name = Path(source).name if Path(source).is_dir() else source
                taken = {"", stem(self.first), *(slug for other, slug in self._slugs.items() if other != source)}
                number = next(n for n in range(1, len(taken) + 2) if stem(name, n) not in taken)
                slug = self._slugs.setdefault(source, stem(name, number))
                found.append(Entry(slug, short_name(name) + (f" ({number})" if number > 1 else ""), source))
        return found[:MAX_ENTRIES]

    def _folders(self) -> Iterator[str]:
        """The folders in the places now; a place that went away, or cannot be read, holds none."""
        for place in self.places:
            with contextlib.suppress(ValueError, OSError):
                yield from map(str, folders_below(place))

    def picker(self, current: str) -> str:
        """The list of links as it is now, on the page of `current`; nothing where there is no choice."""
        entries = self.entries()
        if len(entries) < 2:
            return ""
        up = "../../" if current else "./"  # relative: proxies and share links put the page elsewhere
        rows = []
        for entry in entries:
            href = f"{up}{PREFIX}/{entry.slug}/" if entry.slug else up
            here = ' aria-current="page"' if entry.slug == current else ""
            rows.append(f'<li><a href="{escape(href)}"{here}>{escape(entry.name)}</a></li>')
        name = next((entry.name for entry in entries if entry.slug == current), "")
        return f"<details><summary>Checkpoint: {escape(name)}</summary><ul>{''.join(rows)}</ul></details>"

    def lay_out(self, page: gr.Blocks, current: str) -> None:
        """Put the picker on a page; what has come to the places since is there after a reload."""
        began = self.picker(current)
        shown = html(began, "checkpoints")

        def look_again() -> Any:
            now = self.picker(current)
            return gr.skip() if now == began else now  # an open list would be folded again

        page.load(look_again, None, shown, **LIVE)

    # ---- pages

    def routes(self, build: BuildPage) -> list[BaseRoute]:
        """What the server at the root answers below /checkpoints."""

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            slug = scope["path_params"]["slug"]
            try:
                page = await self._page(slug, build)
            except ValueError as error:
                return await HTMLResponse(error_page(str(error)), 404)(scope, receive, send)
            if page is None:
                return await HTMLResponse(error_page(f"There is no checkpoint {slug[:80]} here."), 404)(scope, receive, send)
            with page.in_use():
                # The page is a server of its own, to which the way here means nothing.
                await page.server({k: v for k, v in scope.items() if k not in ("path_params", "endpoint", "route")}, receive, send)

        async def with_slash(request: Request) -> RedirectResponse:
            return RedirectResponse(f"{request.path_params['slug']}/" + (f"?{request.url.query}" if request.url.query else ""))

        return [Route(f"/{PREFIX}/{{slug}}", with_slash), Route(f"/{PREFIX}/{{slug}}/{{rest:path}}", Answer(answer))]

    async def _page(self, slug: str, build: BuildPage) -> OpenedPage | None:
        """A page, opened where it was not yet; None where there is no such entry."""
        if (page := self._pages.get(slug)) is not None:
            return page
        entry = next((entry for entry in self.entries() if slug and entry.slug == slug), None)
        if entry is None:
            return None
        async with self._opening.setdefault(slug, asyncio.Lock()):
            if slug not in self._pages:
                self._close_idle(room_for=1)
                page = await asyncio.to_thread(self._build, entry, build)
                await self._start(page)
                self._pages[slug] = page
            return self._pages[slug]

    def _close_idle(self, room_for: int = 0) -> None:
        """Close unused pages, the one that was used longest ago first, until no more than MOST_OPEN are open."""
        idle = sorted((slug for slug, page in self._pages.items() if page.idle), key=lambda slug: self._pages[slug].used_sec)
        for slug in idle[: max(0, len(self._pages) + room_for - MOST_OPEN)]:
            self._pages.pop(slug).over.set()

    def _build(self, entry: Entry, build: BuildPage) -> OpenedPage:
        try:
            editor = Editor(entry.source)
        except ValueError as error:
            print(f"{entry.source}: {error}", file=sys.stderr)
            # Visitors need not know where things lie on this machine.
            raise ValueError(str(error).replace(f"{Path(entry.source or '').parent}/", "")) from None
        with self._building:
            page, options = build(editor, entry.slug)
            limit_sessions(page, options.pop("state_session_capacity"))
            server = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
            return OpenedPage(gr.mount_gradio_app(server, page, f"/{PREFIX}/{entry.slug}", **options), page)

    async def _start(self, page: OpenedPage) -> None:
        """Begin what a page does by itself, its queue and its sweeping, until it is closed or this process ends."""
        begun = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._live(page, begun))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        done, _ = await asyncio.wait({task, begun}, return_when=asyncio.FIRST_COMPLETED)
        if task in done:
            task.result()

    async def _live(self, page: OpenedPage, begun: asyncio.Future) -> None:
        """The life of a page; from time to time it closes unused pages, since no request may come that would."""
        with contextlib.suppress(asyncio.CancelledError):  # the process ends
            async with page.server.router.lifespan_context(page.server):
                begun.set_result(None)
                while not page.over.is_set():
                    with contextlib.suppress(TimeoutError, asyncio.TimeoutError):  # two classes before Python 3.11
                        await asyncio.wait_for(page.over.wait(), max(IDLE_SEC, 1))
                    self._close_idle()
                close_mounted_page(page.blocks)
            del page
            await asyncio.to_thread(tidy_up)


def tidy_up() -> None:
    """A page's parts know each other, so that only the collector finds them, and it would take its time."""
    gc.collect()
    trim_malloc()


@dataclass(frozen=True)
class Answer:
    """An object, so that Starlette hands on the bare request and takes any method."""

    call: Callable[[Scope, Receive, Send], Any]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.call(scope, receive, send)


def stem(name: str, number: int = 1) -> str:
    """A name as part of an address; the second of that name has a number behind it."""
    plain = re.sub("[^A-Za-z0-9._@-]+", "--", name).strip("-.") or "checkpoint"
    return plain if number == 1 else f"{plain}-{number}"


def short_name(name: str) -> str:
    """A name for the picker: of a commit, the first digits are enough."""
    repo, at, revision = name.partition("@")
    return f"{repo}@{revision[:7]}" if at and COMMIT.fullmatch(revision) else name


def error_page(sentence: str) -> str:
    """A bare page for a checkpoint that cannot be opened."""
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>facevae</title>'
        '<body style="font: 16px/1.5 system-ui, sans-serif; max-width: 40em; margin: 3em auto; padding: 0 1em">'
        f'<h1>This checkpoint cannot be opened</h1><p>{escape(sentence)}</p><p><a href="../../">Back to the first one</a></p>'
    )
