"""Reverse proxy in front of the page: X-Forwarded-Prefix, --root-path, host and scheme."""

import re
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

PREFIX = re.compile(r"(/[\w.~-]+)+")
"""A path without anything that would have to be escaped in a page."""
HOST = re.compile(r"[\w.-]+(:\d+)?|\[[0-9A-Fa-f:.]+\](:\d+)?")
Scope = MutableMapping[str, Any]
App = Callable[[Scope, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]]


def prefix_of(text: str) -> str:
    """A path as `--root-path` and X-Forwarded-Prefix name it, without a slash at its end; "" for the root. `ValueError` otherwise."""
    path = text.strip().rstrip("/")
    if path and not PREFIX.fullmatch(path):
        raise ValueError(f"{text!r} is no path: one such as /faces is")
    return path


class ReverseProxy:
    """Requests as the visitor's browser made them: host, scheme and path, which a proxy in front has changed and tells in headers.

    The outermost middleware: everything behind it, links in the page included, follows from the request's own address. A header that
    makes no sense is left out.
    """

    def __init__(self, app: App, prefix: str = "") -> None:
        """`prefix` holds where no header names another."""
        self.app, self.prefix = app, prefix

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] in ("http", "websocket"):
            scope = as_asked(scope, self.prefix)
        await self.app(scope, receive, send)


def as_asked(scope: Scope, prefix: str) -> Scope:
    """The scope of a request as it reached the first proxy. Whether the proxy has cut the prefix off or left it in makes no difference."""
    headers = {name.decode("latin-1"): value.decode("latin-1").split(",")[0].strip() for name, value in scope["headers"]}
    with suppress(ValueError):
        prefix = prefix_of(headers.get("x-forwarded-prefix") or prefix)
    changed = {name: scope[name] for name in ("path", "root_path", "headers", "scheme") if name in scope}
    if HOST.fullmatch(host := headers.get("x-forwarded-host", "")):
        others = [(name, value) for name, value in scope["headers"] if name not in (b"host", b"x-forwarded-host")]
        changed["headers"] = [*others, (b"host", host.encode())]
    if scope["type"] == "http" and (scheme := headers.get("x-forwarded-proto")) in ("http", "https"):
        changed["scheme"] = scheme
    if prefix:
        inside = scope["path"] == prefix or scope["path"].startswith(f"{prefix}/")
        changed["path"], changed["root_path"] = scope["path"] if inside else prefix + scope["path"], prefix
        # Seen in Gradio 6.31: events without a queue link to files at the root of the host, but for what this header names.
        host = next((value for name, value in changed["headers"] if name == b"host"), b"localhost")
        page = changed.get("scheme", "http").encode() + b"://" + host + prefix.encode()
        changed["headers"] = [*changed["headers"], (b"x-gradio-server", page)]
    return {**scope, **changed}
