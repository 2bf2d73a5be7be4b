"""More checkpoints in one process: each has a page of its own below /checkpoints, which is built when somebody asks for it first.

Sliders, goals and the API are made from a checkpoint's attributes, so a page belongs to one checkpoint, with its own queue and its own
visitors' states; the picker beside the title is a list of links. Visitors choose among what was configured, by name, and by nothing else.
"""

import asyncio
import contextlib
import html
import re
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from facevae.checkpoints import folders_below
from facevae.editor import Editor
from facevae.hub import COMMIT
from facevae.ui.parts import LIVE

PREFIX = "checkpoints"
MOST = 50
"""Entries of the picker: beyond, a place is no shelf but an archive."""
BuildPage = Callable[[Editor, str], tuple[gr.Blocks, dict[str, Any]]]


@dataclass(frozen=True)
class Entry:
    """A checkpoint to choose: its place in the address, its name in the picker, and what opens it."""

    slug: str
    name: str
    source: str | None
    """None for the page at the root, which is open already."""


class Shelf:
    """What can be chosen, and the pages that have been opened. `places` are looked at anew whenever a page is loaded."""

    def __init__(self, first: str, sources: Sequence[str] = (), places: Sequence[Path] = ()) -> None:
        """`first` names the checkpoint of the page at the root. `ValueError` where a place is no folder."""
        self.first, self.sources, self.places = first, list(sources), list(places)
        self.entries()
        self._pages: dict[str, FastAPI] = {}
        self._tasks: set[asyncio.Task] = set()
        self._opening: dict[str, asyncio.Lock] = {}
        self._building = threading.Lock()  # Gradio lays out one page at a time in a process

    # ---- what there is

    def entries(self) -> list[Entry]:
        """The page at the root, then the others in their order; a name that is there already gets a number."""
        folders = [str(folder) for place in self.places for folder in folders_below(place)]
        found, slugs = [Entry("", short(self.first), None)], {"", stem(self.first)}
        for source in dict.fromkeys([*self.sources, *folders]):
            name = Path(source).name if Path(source).is_dir() else source
            number = next(n for n in range(1, len(slugs) + 2) if stem(name, n) not in slugs)
            slugs.add(slug := stem(name, number))
            found.append(Entry(slug, short(name) + (f" ({number})" if number > 1 else ""), source))
        return found[:MOST]

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
            rows.append(f'<li><a href="{html.escape(href)}"{here}>{html.escape(entry.name)}</a></li>')
        name = next((entry.name for entry in entries if entry.slug == current), "")
        return f"<details><summary>Checkpoint: {html.escape(name)}</summary><ul>{''.join(rows)}</ul></details>"

    def lay_out(self, page: gr.Blocks, current: str) -> None:
        """Put the picker on a page; what has come to the places since is there after a reload."""
        began = self.picker(current)
        shown = gr.HTML(began, elem_id="checkpoints", apply_default_css=False, elem_classes="plain")

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
                return await HTMLResponse(sorry(str(error)), 404)(scope, receive, send)
            if page is None:
                return await HTMLResponse(sorry(f"There is no checkpoint {slug[:80]} here."), 404)(scope, receive, send)
            # The page is a server of its own, to which the way here means nothing.
            await page({k: v for k, v in scope.items() if k not in ("path_params", "endpoint", "route")}, receive, send)

        async def with_slash(request: Request) -> RedirectResponse:
            return RedirectResponse(f"{request.path_params['slug']}/" + (f"?{request.url.query}" if request.url.query else ""))

        return [Route(f"/{PREFIX}/{{slug}}", with_slash), Route(f"/{PREFIX}/{{slug}}/{{rest:path}}", Answer(answer))]

    async def _page(self, slug: str, build: BuildPage) -> FastAPI | None:
        """The server of a page, opened where it was not yet; None where there is no such entry."""
        if (page := self._pages.get(slug)) is not None:
            return page
        entry = next((entry for entry in self.entries() if slug and entry.slug == slug), None)
        if entry is None:
            return None
        async with self._opening.setdefault(slug, asyncio.Lock()):
            if slug not in self._pages:
                server = await asyncio.to_thread(self._build, entry, build)
                await self._start(server)
                self._pages[slug] = server
        return self._pages[slug]

    def _build(self, entry: Entry, build: BuildPage) -> FastAPI:
        try:
            editor = Editor(entry.source)
        except ValueError as error:
            print(f"{entry.source}: {error}", file=sys.stderr)
            # Visitors need not know where things lie on this machine.
            raise ValueError(str(error).replace(f"{Path(entry.source or '').parent}/", "")) from None
        with self._building:
            page, options = build(editor, entry.slug)
            page.state_session_capacity = options.pop("state_session_capacity")  # `launch` takes it, mounting does not
            server = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
            return gr.mount_gradio_app(server, page, f"/{PREFIX}/{entry.slug}", **options)

    async def _start(self, server: FastAPI) -> None:
        """Begin what a page does by itself, its queue and its sweeping, for as long as this process lives."""
        begun = asyncio.get_running_loop().create_future()

        async def live() -> None:
            async with server.router.lifespan_context(server):
                begun.set_result(None)
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.Event().wait()

        task = asyncio.create_task(live())
        self._tasks.add(task)
        done, _ = await asyncio.wait({task, begun}, return_when=asyncio.FIRST_COMPLETED)
        if task in done:
            task.result()


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


def short(name: str) -> str:
    """A name for the picker: of a commit, the first digits are enough."""
    repo, at, revision = name.partition("@")
    return f"{repo}@{revision[:7]}" if at and COMMIT.fullmatch(revision) else name


def sorry(sentence: str) -> str:
    """A bare page for a checkpoint that cannot be opened."""
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>facevae</title>'
        '<body style="font: 16px/1.5 system-ui, sans-serif; max-width: 40em; margin: 3em auto; padding: 0 1em">'
        f'<h1>This checkpoint cannot be opened</h1><p>{html.escape(sentence)}</p><p><a href="../../">Back to the first one</a></p>'
    )
