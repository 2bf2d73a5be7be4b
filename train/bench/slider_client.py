"""Drags of the Edit tab's sliders over HTTP, as live_preview.js does them."""

import asyncio
import base64
import time
from typing import Any

import httpx

from train.bench.gradio_client import PATIENCE_SEC, GradioClient

WIDGET = "hand"
JPEG = "data:image/jpeg;base64,"


class SliderClient:
    """Moves sliders for a visitor: one picture at a time is asked for, the last value always, and Gradio is told where the hand rests."""

    def __init__(self, visitor: GradioClient) -> None:
        self.visitor = visitor
        told = next(event for event in visitor.events.values() if "facevae-look" in str(event.get("js")))
        self.look = [visitor.names[part] for part in told["inputs"]]
        self.pictures: list[bytes] = []
        """What came of the moves since the hand has last rested."""
        self._drawing: asyncio.Task[None] | None = None
        self._again = False

    def move(self, slider: str, value: float) -> None:
        """To a value; who calls it decides at what pace."""
        self.visitor.put(slider, value)
        self.visitor.fire(WIDGET, "move")
        if self._drawing is not None and not self._drawing.done():
            self._again = True
        else:
            self._drawing = asyncio.create_task(self._draw())

    async def rest(self) -> list[bytes]:
        """The hand leaves the slider. Gives the pictures of its way, once the page shows the last value."""
        self.visitor.fire(WIDGET, "rest")
        self.visitor.fire(WIDGET, "release")
        if self._drawing is not None:
            await self._drawing
        await self.visitor.quiet(WIDGET, "rest")
        pictures, self.pictures = self.pictures, []
        return pictures

    async def _draw(self) -> None:
        """Pictures for as long as there are values that nobody has asked for."""
        while True:
            self._again = False
            if (picture := await self.draw()) is not None:
                self.pictures.append(picture)
            if not self._again:
                return

    async def draw(self) -> bytes | None:
        """The picture of what the widgets say now, as JPEG; None where the page has none to give or refuses, which the log is told."""
        start, wrong, answer = time.perf_counter(), "", None
        try:
            answer = await self._ask({name: self.visitor.value(name) for name in self.look})
        except (ValueError, httpx.HTTPError) as error:
            wrong = str(error) or type(error).__name__
        self.visitor.log("live picture", time.perf_counter() - start, wrong)
        return base64.b64decode(answer["picture"].removeprefix(JPEG)) if answer else None

    async def _ask(self, look: dict[str, Any]) -> dict[str, str] | None:
        """What a widget's script may ask the server for (gradio/routes.py: /component_server)."""
        visitor = self.visitor
        asked = {"data": look, "component_id": visitor.ids[WIDGET], "fn_name": "draw", "session_hash": visitor.session}
        reply = await visitor.http.post("/gradio_api/component_server/", json=asked, timeout=PATIENCE_SEC)
        if reply.status_code != httpx.codes.OK:
            raise ValueError(f"HTTP {reply.status_code}: {reply.text[:200]}")
        return reply.json()
