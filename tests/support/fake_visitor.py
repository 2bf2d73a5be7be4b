"""A visitor of the Edit tab without a browser: calls its handlers with the values of its widgets."""

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from facevae.photo.alignment import Adjustment, adjust
from facevae.ui.edit.tab import EditTab
from facevae.ui.session import Session

LOOK = ("Face", "Edited")


class Visitor:
    """The widgets of one visitor, and what handlers change in them."""

    def __init__(self, tab: EditTab, look: tuple[str, str] = LOOK) -> None:
        self.tab, self.session, self.held = tab, Session(), dict.fromkeys(tab.rendering.widgets)
        self.held |= {tab.preview.view: look[0], tab.preview.show: look[1]}
        self.names = {control.name: slider for control, slider in zip(tab.panel.controls, tab.panel.sliders, strict=True)}

    def take(self, updates: dict) -> "Visitor":
        """What a handler gives back; the switches stay as the test has set them."""
        for widget, update in updates.items():
            if widget in (self.tab.preview.view, self.tab.preview.show):
                continue
            if not isinstance(update, dict):
                self.held[widget] = update
            elif "value" in update:
                self.held[widget] = update["value"]
        return self

    @property
    def widgets(self) -> dict[Any, Any]:
        """What Gradio would give to a handler now."""
        return {**self.held, self.tab.session: self.session}

    @property
    def picture(self) -> np.ndarray:
        return np.asarray(self.held[self.tab.preview.result])

    @property
    def requested(self) -> Any:
        return self.tab.rendering.requested_edit(self.widgets)

    @property
    def strengths(self) -> dict[str, float]:
        return self.requested.request.strengths

    @property
    def words(self) -> list[str]:
        return [step.words for step in self.session.history.steps]

    def move(self, name: str, by: float) -> "Visitor":
        """A drag that has ended."""
        self.held[self.names[name]] = round(self.held[self.names[name]] + by, 1)
        self.tab.rendering.end_drag(self.widgets)
        return self.read()

    def reframe(self, zoom: float) -> "Visitor":
        """The frame is made smaller, about the middle of the face that was found."""
        held = self.held[self.tab.face]
        square = adjust(held.faces[held.index], Adjustment(zoom=zoom)).square
        place = [square.x, square.y, square.side, math.degrees(square.angle)]
        return self.take(self.tab.actions.adjust(self.widgets | {self.tab.crop.frame.widget: json.dumps({"frame": place})}))

    def read(self) -> "Visitor":
        """What follows a change: the picture, and the readings, which remember the step."""
        rendering = self.tab.rendering
        self.held[self.tab.preview.result] = np.asarray(rendering.draw_preview(self.widgets)[0]["value"])
        return self.take(dict(zip(rendering.readings, rendering.read(self.widgets), strict=True)))

    def do(self, handler: Callable[..., dict]) -> "Visitor":
        return self.take(handler(self.widgets)).read()
