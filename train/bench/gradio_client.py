"""A browserless client of the page: Gradio's front-end protocol over HTTP, with a session.

What the front end does and this does too: it keeps the values of the widgets, sends those that an event asks for, applies what
comes back, and then fires the events that follow. Events outside the queue are one POST; those inside are joined, and one stream
per session brings their messages (gradio/routes.py: /run, /queue/join, /queue/data).
"""

import asyncio
import json
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import httpx

PATIENCE_SEC = 180.0
POLL_SEC = 0.01
Log = Callable[[str, float, str], None]
"""Called after each event with its function and what started it, its seconds, and what went wrong: "" where nothing did."""


class GradioClient:
    """One session on the page. `fire` what a hand does, then `rest`; `value` tells what a widget shows."""

    def __init__(self, http: httpx.AsyncClient, config: dict[str, Any], log: Log) -> None:
        self.http, self.log = http, log
        self.session = uuid.uuid4().hex
        self.events = {event["id"]: event for event in config["dependencies"]}
        self.values = {part["id"]: part["props"].get("value") for part in config["components"]}
        self.ids = {part["props"]["elem_id"]: part["id"] for part in config["components"] if part["props"].get("elem_id")}
        self.names = {number: name for name, number in self.ids.items()}
        self.stateful = {part["id"] for part in config["components"] if part["type"] == "state"}
        self._inbox: defaultdict[str, asyncio.Queue[dict[str, Any]]] = defaultdict(asyncio.Queue)
        self._open: set[str] = set()
        self._listener: asyncio.Task[None] | None = None
        self._running: dict[int, int] = defaultdict(int)
        self._again: dict[int, tuple[int | None, Any]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    # ---- what a visitor does

    def value(self, elem_id: str) -> Any:
        """What a widget holds."""
        return self.values[self.ids[elem_id]]

    def put(self, elem_id: str, value: Any) -> None:
        """Move a widget; nobody is told before `fire`."""
        self.values[self.ids[elem_id]] = value

    def arrive(self) -> list[asyncio.Task[bool]]:
        """The page has loaded."""
        return self._start([event for event in self.events.values() if "load" in [target[1] for target in event["targets"]]], None, None)

    def fire(self, elem_id: str, event: str, detail: Any = None) -> list[asyncio.Task[bool]]:
        """Something happens to a widget. The tasks end with the event's own functions; what follows them runs on, see `rest`.

        `ValueError` where the page does not listen to it.
        """
        widget = self.ids[elem_id]
        listening = self.listening(elem_id, event)
        if not listening:
            raise ValueError(f"the page does not listen to {event} of #{elem_id}")
        return self._start(listening, widget, detail)

    def listening(self, elem_id: str, event: str) -> list[dict[str, Any]]:
        """The page's functions for this; none where there is no such widget."""
        target = [self.ids.get(elem_id), event]
        return [function for function in self.events.values() if target in function["targets"]]

    async def quiet(self, elem_id: str, event: str) -> None:
        """Wait until the functions that listen to this have done with the last one, which always_last keeps for the end."""
        while any(self._running[function["id"]] for function in self.listening(elem_id, event)):
            await asyncio.sleep(POLL_SEC)

    async def stay(self) -> None:
        """Keep the session open, as a page does; when this is cancelled, the visitor has left."""
        async with self.http.stream("GET", f"/gradio_api/heartbeat/{self.session}", timeout=None) as beats:
            async for _ in beats.aiter_raw():
                pass

    async def rest(self) -> None:
        """Wait until nothing runs for this visitor any more."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def call(self, api_name: str, *values: Any) -> list[Any]:
        """A public endpoint, which knows no session. `ValueError` with what it refuses by."""
        event = next(event for event in self.events.values() if event["api_name"] == api_name)
        answer = await self._queued(event, list(values), None, None, lambda _: None)
        return answer["data"]

    async def upload(self, name: str, content: bytes) -> dict[str, Any]:
        """Send a file; what comes back is what a widget for files holds."""
        reply = await self.http.post("/gradio_api/upload", files={"files": (name, content)}, timeout=PATIENCE_SEC)
        reply.raise_for_status()
        return {"path": reply.json()[0], "orig_name": name, "size": len(content), "meta": {"_type": "gradio.FileData"}}

    async def fetch(self, file: dict[str, Any]) -> bytes:
        """A picture or a file that the page shows."""
        reply = await self.http.get(f"/gradio_api/file={file['path']}", timeout=PATIENCE_SEC)
        reply.raise_for_status()
        return reply.content

    # ---- how the front end goes about it

    def _start(self, events: list[dict[str, Any]], widget: int | None, detail: Any) -> list[asyncio.Task[bool]]:
        return [task for event in events if (task := self._trigger(event, widget, detail)) is not None]

    def _trigger(self, event: dict[str, Any], widget: int | None, detail: Any) -> asyncio.Task[bool] | None:
        """Start an event as its trigger mode says: once, multiple, or always_last."""
        if self._running[event["id"]] and event["trigger_mode"] != "multiple":
            if event["trigger_mode"] == "always_last":
                self._again[event["id"]] = (widget, detail)
            return None
        self._running[event["id"]] += 1
        task = asyncio.create_task(self._run(event, widget, detail))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _run(self, event: dict[str, Any], widget: int | None, detail: Any) -> bool:
        """Send one event, apply what comes back, and start what follows. True where it went well."""
        start, wrong = time.perf_counter(), ""
        if event["backend_fn"]:
            try:
                data = [None if part in self.stateful else self.values.get(part) for part in event["inputs"]]
                send = self._queued if event["queue"] else self._direct
                await asyncio.wait_for(send(event, data, widget, detail, lambda data: self._apply(event, data)), PATIENCE_SEC)
            except asyncio.TimeoutError:
                wrong = f"no answer within {PATIENCE_SEC:g} s"
            except Exception as error:  # whatever it is, the event is over: one that seems to run for ever would stop the visitor
                wrong = str(error) if isinstance(error, ValueError) and str(error) else f"{type(error).__name__}: {error}".strip(": ")
            function = event["api_name"].rstrip("_0123456789")  # preview, preview_1, preview_2 … are one
            self.log(f"{function} {self.names.get(widget, '')}".strip(), time.perf_counter() - start, wrong)
        self._running[event["id"]] -= 1
        if event["id"] in self._again:
            self._trigger(event, *self._again.pop(event["id"]))
        for following in self._following(event, not wrong):
            self._trigger(following, None, None)
        return not wrong

    def _following(self, event: dict[str, Any], well: bool) -> Iterator[dict[str, Any]]:
        """Events chained to this one by .then and .success."""
        for other in self.events.values():
            if other["trigger_after"] == event["id"] and not (
                other["trigger_only_on_failure"] if well else other["trigger_only_on_success"]
            ):
                yield other

    def _body(self, event: dict[str, Any], data: list[Any], widget: int | None, detail: Any) -> dict[str, Any]:
        return {
            "data": data,
            "fn_index": event["id"],
            "session_hash": self.session,
            "trigger_id": widget,
            "event_data": detail,
            "simple_format": True,  # whole values while a generator runs, not differences to the last ones
        }

    async def _direct(
        self, event: dict[str, Any], data: list[Any], widget: int | None, detail: Any, apply: Callable[[list[Any]], None]
    ) -> dict[str, Any]:
        """An event outside the queue."""
        reply = await self.http.post(
            f"/gradio_api/run/{event['api_name']}", json=self._body(event, data, widget, detail), timeout=PATIENCE_SEC
        )
        if reply.status_code != httpx.codes.OK:
            raise ValueError(f"HTTP {reply.status_code}: {reply.text[:200]}")
        answer = reply.json()
        apply(answer["data"])
        return answer

    async def _queued(
        self, event: dict[str, Any], data: list[Any], widget: int | None, detail: Any, apply: Callable[[list[Any]], None]
    ) -> dict[str, Any]:
        """An event inside the queue: each message is applied as it comes."""
        reply = await self.http.post("/gradio_api/queue/join", json=self._body(event, data, widget, detail), timeout=PATIENCE_SEC)
        if reply.status_code != httpx.codes.OK:
            raise ValueError(f"HTTP {reply.status_code}: {reply.text[:200]}")
        ticket = reply.json()["event_id"]
        self._open.add(ticket)
        if self._listener is None or self._listener.done():
            self._listener = asyncio.create_task(self._listen())
        try:
            while True:
                message = await self._inbox[ticket].get()
                if message["msg"] == "unexpected_error":
                    raise ValueError(message["message"])
                if message["msg"] in ("process_generating", "process_completed"):
                    if not message["success"]:
                        raise ValueError(str(message["output"].get("error") or "an error without a sentence"))
                    apply(message["output"]["data"])
                    if message["msg"] == "process_completed":
                        return message["output"]
        finally:
            self._open.discard(ticket)
            self._inbox.pop(ticket, None)

    async def _listen(self) -> None:
        """The stream of the session. The server ends it when nothing is open; what was joined meanwhile needs another one."""
        while self._open:
            with suppress(httpx.TransportError):  # where the stream breaks off, the events themselves run out of patience
                async with self.http.stream("GET", "/gradio_api/queue/data", params={"session_hash": self.session}, timeout=None) as stream:
                    async for line in stream.aiter_lines():
                        if line.startswith("data:"):
                            self._hand_out(json.loads(line[5:]))
            await asyncio.sleep(POLL_SEC)

    def _hand_out(self, message: dict[str, Any]) -> None:
        """To the event that a message is about, or to all of them where the server says that it is lost."""
        if message["msg"] == "unexpected_error":
            for ticket in self._open:
                self._inbox[ticket].put_nowait(message)
        elif message.get("event_id"):
            self._inbox[message["event_id"]].put_nowait(message)

    def _apply(self, event: dict[str, Any], data: list[Any]) -> None:
        """Put what came back into the widgets."""
        for part, value in zip(event["outputs"], data, strict=True):
            if isinstance(value, dict) and value.get("__type__") == "update":
                if "value" in value:
                    self.values[part] = value["value"]
            elif part not in self.stateful:
                self.values[part] = value
