"""Somebody at the page without a browser: its handlers are called with the values of its widgets."""

import numpy as np

from facevae.ui.edit.tab import EditTab
from facevae.ui.session import Session

LOOK = ("Face", "Edited")


class Visitor:
    """Somebody at the page: its widgets, and what its handlers give back."""

    def __init__(self, tab: EditTab) -> None:
        self.tab, self.session, self.held = tab, Session(), {}
        self.names = {control.name: slider for control, slider in zip(tab.panel.controls, tab.panel.sliders, strict=True)}

    def take(self, updates: dict) -> "Visitor":
        for widget, update in updates.items():
            if not isinstance(update, dict):
                self.held[widget] = update
            elif "value" in update:
                self.held[widget] = update["value"]
        return self

    @property
    def values(self) -> list:
        return [self.held.get(widget) for widget in self.tab.panel.inputs]

    @property
    def asks(self) -> list:
        return [self.session, self.held[self.tab.face], self.held[self.tab.detail], *self.values]

    @property
    def picture(self) -> np.ndarray:
        return np.asarray(self.held[self.tab.stage.result])

    @property
    def strengths(self) -> dict[str, float]:
        return self.tab.panel.asked(self.session, self.values).strengths

    @property
    def words(self) -> list[str]:
        return [step.words for step in self.session.history.steps]

    def move(self, name: str, by: float) -> "Visitor":
        """A drag that has ended."""
        self.held[self.names[name]] = round(self.held[self.names[name]] + by, 1)
        self.tab.let_go(*self.asks)
        return self.read()

    def read(self) -> "Visitor":
        """What follows a change: the picture, and the readings, which remember the step."""
        self.held[self.tab.stage.result] = np.asarray(
            self.tab.preview(self.session, self.held[self.tab.face], *LOOK, self.held[self.tab.detail], *self.values)[0]["value"]
        )
        return self.take(dict(zip(self.tab.readings, self.tab.read(*self.asks), strict=True)))

    @property
    def look(self) -> list:
        return [self.held[self.tab.face], *LOOK, *self.asks[2:]]

    def do(self, handler) -> "Visitor":
        return self.take(handler(self.session, *self.look)).read()
