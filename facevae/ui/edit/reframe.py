"""Reframe: move, resize and turn the crop of a face by a frame drawn on the photo."""

import json
import math
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from jaxtyping import UInt8

from facevae.photo.alignment import Square
from facevae.settings import is_number
from facevae.ui.components import html

SCRIPT = (Path(__file__).parent / "reframe.js").read_text()
MOST = 1e6
"""No photo has a place so far out."""
PANEL = """<div class="reframe" id="reframe-panel" role="group" aria-label="Reframe" hidden>
<p class="hint">Drag the frame to move it, a corner to resize it, the handle above it to turn it.</p>
<button type="button" data-turn="-90" aria-label="Turn left by 90 degrees">↺ 90°</button>
<button type="button" data-turn="90" aria-label="Turn right by 90 degrees">↻ 90°</button>
<label><span>Angle</span><input type="range" min="-180" max="180" step="0.5" aria-label="Angle, in degrees"><output>0°</output></label>
<button type="button" class="done">Done</button>
</div>"""


class Reframe:
    """The button, and the panel that takes the place of the switches while the frame is on the photo.

    The panel's value is the frame as JSON, and its event `move` comes with each change that the visitor makes.
    """

    def __init__(self, switches: gr.Row) -> None:
        with switches:
            self.button = gr.Button("Reframe", size="sm", min_width=70, interactive=False, elem_id="reframe")
        self.widget = html("", "frame", html_template=PANEL, js_on_load=SCRIPT)

    @property
    def outputs(self) -> list[Any]:
        """What `show` changes."""
        return [self.button, self.widget]

    def show(self, photo: UInt8[np.ndarray, "h w 3"] | None, frame: Square | None, lost: bool) -> dict[Any, Any]:
        """The frame of the open face; None where it cannot be moved. `lost`: no face was found, and there is nothing to edit yet."""
        if photo is None or frame is None:
            return {self.button: gr.update(interactive=False), self.widget: ""}
        place = [round(number, 2) for number in (frame.x, frame.y, frame.side, math.degrees(frame.angle))]
        value = {"size": [photo.shape[1], photo.shape[0]], "frame": place, "lost": lost}
        return {self.button: gr.update(interactive=True), self.widget: json.dumps(value)}


def read_frame(value: Any) -> Square | None:
    """The frame in a value of the panel; None where it holds none, for anybody can send anything."""
    try:
        place = json.loads(value)["frame"]
    except (TypeError, ValueError, KeyError, RecursionError):
        return None
    if not isinstance(place, list) or len(place) != 4 or not all(is_number(number, MOST) for number in place) or place[2] <= 0:
        return None
    return Square(*place[:3], math.radians(place[3]))
