"""ASGI middlewares before Gradio: closed routes, files, limits on bodies, plain errors."""

import json
import os
import re
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from facevae.ui.gradio_patches import upload_folder

PREFIX = "checkpoints"
"""The pages of other checkpoints lie below it, each under its name."""
MAX_JSON_BYTES = 2 * 2**20
"""The page's own messages have some kilobytes; a recipe comes as a file."""
MAX_UPLOAD_BYTES = 1536 * 2**20
"""One hundred photos of 15 MB at once, for a slider of the visitor's own; each file has a limit of its own (see page.py)."""
MOST_DEEP = 64
CLOSED = (
    "/gradio_api/proxy=",
    "/gradio_api/custom_component",
    "/gradio_api/process_recording",
    "/gradio_api/deep_link",
    "/gradio_api/stream/",
    "/gradio_api/vibe-",
    "/gradio_api/undo-vibe-edit",
    "/gradio_api/runs",
    "/gradio_api/run-history",
    "/gradio_api/dev/",
    "/gradio_api/profiling",
    "/monitoring",
)
"""What Gradio offers and this page never uses: each writes files, fetches from elsewhere, or tells about other visitors."""
API = "/gradio_api/"
FILES = ("/gradio_api/file=", "/gradio_api/file/")
LIVE_PICTURES = "/gradio_api/component_server"
NOT_UNDERSTOOD = "This request could not be carried out: it is none that the page sends."
NOT_HERE = "There is nothing here."
NOT_SENT = "Only a file that was sent to this page can be opened."
FULL = "The machine that runs the page has no room for files: try again later."
LEAST_FREE_BYTES = 4 * 2**20
"""An upload may not take the last room: what the page shows is written, too."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


class Refused(Exception):
    """A request that goes no further."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


class RouteGuard:
    """Closes routes, serves no file but those that were sent to the page, and lets no answer 5xx and no trace out."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        started = False

        async def answer(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                if message["status"] >= 500:  # Gradio's word for what a handler refuses, too
                    message["status"] = 429 if message["status"] == 503 and "/queue/" in scope["path"] else 400
            await send(message)

        try:
            check_address(scope)
            await self.app(scope, receive, answer)
        except Refused as refused:
            if not started:
                await sentence(refused.status, refused.sentence)(scope, receive, send)
        except Exception as error:
            # Neither message nor trace: both may hold what the visitor sent. What our own handlers raise, Gradio logs.
            print(f"facevae: {scope['method']} ended in {type(error).__name__}", file=sys.stderr)
            if started:  # a stream, such as that of an unknown session
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            else:
                await sentence(400, NOT_UNDERSTOOD)(scope, receive, send)
        return None


class BodyGuard:
    """Limits size and depth of bodies, and refuses JSON that names other files than uploads. `RouteGuard` answers what it refuses."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] in ("POST", "PUT", "PATCH"):
            receive = await checked(scope, receive)
        await self.app(scope, receive, send)


def sentence(status: int, words: str) -> JSONResponse:
    """An answer as FastAPI (`detail`) and as Gradio's page (`error`) read it."""
    return JSONResponse({"detail": words, "error": words}, status)


def check_address(scope: MutableMapping[str, Any]) -> None:
    """`Refused` for routes that the page does not use, and for files by an address elsewhere, which Gradio would fetch."""
    path = route_of(scope)
    if path.startswith(CLOSED) or "\0" in path:
        raise Refused(404, NOT_HERE)
    if path.startswith(FILES) and not inside(path[len(FILES[0]) :]):
        raise Refused(403, NOT_SENT)
    if "deep_link" in unquote(scope["query_string"].decode("latin-1")):
        raise Refused(404, NOT_HERE)


def route_of(scope: MutableMapping[str, Any]) -> str:
    """The path as it is on its own page: that of another checkpoint lies below the first one."""
    path = re.sub(f"^/{PREFIX}/[^/]*(?=/)", "", scope["path"].removeprefix(scope.get("root_path", "")))
    return path[max(path.find(API), 0) :]


async def checked(scope: MutableMapping[str, Any], receive: Receive) -> Receive:
    """The body's messages, whose size is watched; JSON is read here before anybody else does. `Refused` where it is too much."""
    route = route_of(scope)
    upload = route.rstrip("/") == f"{API}upload"
    most = MAX_UPLOAD_BYTES if upload else MAX_JSON_BYTES
    headers = dict(scope["headers"])
    if route.startswith(LIVE_PICTURES) and not headers.get(b"content-type", b"").startswith(b"application/json"):
        raise Refused(404, NOT_HERE)  # Gradio takes files there, too, and no widget of the page sends any
    length = headers.get(b"content-length", b"0")
    too_large = Refused(413, f"This is more than the {most / 2**20:.0f} MB that can be sent at once.")
    if not length.isdigit() or int(length) > most:
        raise too_large
    if upload:
        check_room(int(length))
        return limited(receive, most, too_large)
    messages, size = [], 0
    while True:
        message = await receive()
        messages.append(message)
        size += len(message.get("body", b""))
        if size > most:
            raise too_large
        if not message.get("more_body"):
            break
    check_json(b"".join(message.get("body", b"") for message in messages))
    messages.reverse()

    async def again() -> Message:
        return messages.pop() if messages else await receive()

    return again


def limited(receive: Receive, most: int, too_large: Refused) -> Receive:
    """The same messages; `Refused` where they are more than was announced and allowed."""
    left = most

    async def watch() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise too_large
        return message

    return watch


def check_room(coming_bytes: int) -> None:
    """`Refused` where the disk has no room for an upload."""
    try:
        disk = os.statvfs(upload_folder())
    except (OSError, AttributeError):  # not there before the first upload; Windows has no such call
        return
    if disk.f_bavail * disk.f_frsize < coming_bytes + LEAST_FREE_BYTES:
        raise Refused(413, FULL)


def check_json(body: bytes) -> None:
    """`Refused` for JSON that is none, too deep, or that names a file that was not sent to the page.

    Gradio looks at the path of a file only where its description says so ("meta"), and the one of a picture need not.
    """
    if not body:
        return
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise Refused(400, NOT_UNDERSTOOD) from None
    level = [value]
    for _ in range(MOST_DEEP):
        deeper: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                if isinstance(one.get("path"), str) and not inside(one["path"]):
                    raise Refused(403, NOT_SENT)
                deeper += one.values()
            elif isinstance(one, list):
                deeper += one
        level = deeper
        if not level:
            return
    raise Refused(400, NOT_UNDERSTOOD)


def inside(path: str) -> bool:
    """Whether a path lies in the folder of uploads and results. Nobody can put a link there."""
    if "\0" in path or "://" in path:
        return False
    return Path(os.path.normpath(path)).is_relative_to(os.path.normpath(upload_folder()))


async def answer_error(request: Request, error: Exception) -> Response:
    """For errors outside the middlewares, where Gradio compresses answers and checks origins."""
    return sentence(400, NOT_UNDERSTOOD)


def app_options() -> dict[str, Any]:
    """What `launch(app_kwargs=…)` needs to put both before the page, the outer one first."""
    return {"middleware": [Middleware(RouteGuard), Middleware(BodyGuard)], "exception_handlers": {Exception: answer_error}}
