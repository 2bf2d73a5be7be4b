"""Looks of the Edit tab: tiles that show the open face with each look; the Amount slider."""

import json
import time
import zlib
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from facevae.attributes import HAIR_COLOURS
from facevae.editor import Editor, Face, Goal
from facevae.settings import AMOUNT
from facevae.ui.components import heading, html
from facevae.ui.session import Session
from facevae.ui.widgets.face_tiles import data_url

FIRST_ROW = ("smiling", "makeup", "glasses", "blond", "brown_hair", "dark_brown_hair", "black_hair", "red_hair", "gray_hair")
"""Looks that look right on most photos."""
QUALITY = 80
"""Of the tiles' JPEGs."""
QUIET_SEC = 0.3
"""The tiles wait while the page was asked for another picture so lately."""
WAITING: dict[str, Any] = {"concurrency_id": "looks", "concurrency_limit": 2, "api_visibility": "private"}
"""A queue of its own: nobody's photo waits for somebody else's tiles."""
SCRIPT = (Path(__file__).parent / "looks.js").read_text()


class LooksPanel:
    """Tiles in two places, the slider below the first, and a style sheet that holds the tiles' pictures.

    A style sheet and not the tiles themselves: it comes whenever it is ready, and leaves focus, scrolling and what is pressed alone. Its
    rules name the crop that they show, so that those of another photo have no effect.
    """

    def __init__(self, editor: Editor) -> None:
        self.editor = editor
        first = sorted((goal for goal in editor.goals if goal.name in FIRST_ROW), key=lambda goal: FIRST_ROW.index(goal.name))
        self.first, self.more = first, [goal for goal in editor.goals if goal.name not in FIRST_ROW]
        heading("Looks")
        self.tiles = html(self.draw(self.first), "look-tiles", js_on_load=SCRIPT)
        self.amount = gr.Slider(0, 100, 100, step=1, label=AMOUNT.label, visible=False, elem_id="look-amount", elem_classes=["bare"])
        self.pictures = html("", "look-pictures")

    def lay_out_more(self) -> None:
        """Looks that seldom look right, in a place of their own."""
        heading("Experimental")
        self.more_tiles = html(self.draw(self.more), "more-look-tiles", js_on_load=SCRIPT)

    # ---- what is shown of a face

    @property
    def outputs(self) -> list[Any]:
        """What `show` changes."""
        return [self.tiles, self.more_tiles, self.amount]

    def show(self, face: Face) -> dict[Any, Any]:
        """The tiles as the face wears their looks, and the slider at the amount of the newest; it is not there without one."""
        amount = gr.update(value=100, visible=False)
        if face.looks:
            last = face.looks[-1]
            amount = gr.update(value=round(100 * last.amount), visible=True, label=f"{AMOUNT.label} of “{last.label}”, %")
        return {self.tiles: self.draw(self.first, face), self.more_tiles: self.draw(self.more, face), self.amount: amount}

    def show_coming(self, face: Face, goal: Goal) -> dict[Any, Any]:
        """The tiles while a look is on its way to the face; the slider stays where it is, lest everything below it jumps twice."""
        tiles = {self.tiles: self.draw(self.first, face, goal.name), self.more_tiles: self.draw(self.more, face, goal.name)}
        return tiles | ({self.amount: gr.update(value=round(100 * face.looks[-1].amount))} if face.looks else {})

    def draw(self, goals: list[Goal], face: Face | None = None, chosen: str = "") -> str:
        """Tiles as HTML: hair colours in a group of their own. Until its picture has come, a tile shows the face as it is."""
        worn = [look.name for look in face.looks] if face is not None else []
        chosen = chosen or (worn[-1] if worn else "")
        hair = [goal for goal in goals if set(goal.wanted) <= set(HAIR_COLOURS)]
        groups = [("Looks", [goal for goal in goals if goal not in hair]), ("Hair colour", hair)]
        tiles = "".join(
            f'<div class="look-group {"hair" if some is hair else ""}" role="group" aria-label="{name}">'
            f"{''.join(self.tile(goal, goal.name in worn, goal.name == chosen) for goal in some)}</div>"
            for name, some in groups
            if some
        )
        own = f' data-face="{token(face)}" style="--plain: url({data_url(face.crop, QUALITY)})"' if face is not None else ""
        return f'<div class="looks"{own}>{tiles}</div>'

    def tile(self, goal: Goal, worn: bool, chosen: bool) -> str:
        """One look as a button: pressed while it is worn, outlined where "Amount" is about it."""
        state = f'class="{"chosen" if chosen else ""}" aria-pressed="{str(worn or chosen).lower()}"'
        return (
            f'<button type="button" id="goal-{goal.name}" data-look="{goal.name}" aria-label="{escape(goal.label)}" {state}>'
            f'<span class="face"></span><span class="name">{escape(short_name(goal))}</span></button>'
        )

    # ---- pictures

    def wire(self, session: gr.State, face: gr.State) -> None:
        """The states of the page."""
        self.session, self.face = session, face

    @property
    def draw_event(self) -> dict[str, Any]:
        """An event that draws the pictures which a face still lacks; without its trigger."""
        how = {"show_progress": "hidden", "trigger_mode": "multiple", **WAITING}
        return {"fn": self.draw_pictures, "inputs": [self.session, self.face], "outputs": [self.pictures], **how}

    def draw_pictures(self, session: Session, face: Face | None) -> Iterator[Any]:
        """The first row, then the others; ends where another action begins, which draws them when it is over."""
        if face is not None and not session.guides and not session.overtaken(face) and session.pictured != token(face):
            yield from self._rows(session, face)
        yield gr.skip()  # Gradio sends the last one twice

    def _rows(self, session: Session, face: Face) -> Iterator[str]:
        action, rules = session.action, list[str]()
        for goals in (self.first, self.more):
            for name, picture in self.editor.looks.draw_small(face, [goal.name for goal in goals]):
                while session.touched_within(QUIET_SEC):
                    time.sleep(QUIET_SEC / 3)
                if session.action != action:
                    return
                rules.append(rule(face, name, picture))
            yield f"<style>{''.join(rules)}</style>"
        session.pictured = token(face)


def short_name(goal: Goal) -> str:
    """What stands below a tile: "Blond" of "Blond hair"."""
    return goal.label.removesuffix(" hair")


def token(face: Face) -> str:
    """A name for the picture that the looks are put on."""
    return f"{zlib.crc32(np.ascontiguousarray(face.crop).tobytes()):08x}"


def rule(face: Face, name: str, picture: Any) -> str:
    """The picture of one look on one face, as CSS."""
    return f"[data-face={json.dumps(token(face))}] #goal-{name} .face {{ background-image: url({data_url(picture, QUALITY)}); }}\n"
