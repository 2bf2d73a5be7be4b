"""The picture while a hand moves a slider, which goes past Gradio's events.

Each event of Gradio's touches every widget of the page that any event has ever changed, at its beginning and at its end; in a browser
that takes several times as long as the model does. So a script of the page asks for pictures by itself while the hand moves
(live.js, one request at a time, the last value always), and Gradio hears of it where the hand rests.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from facevae.editor import Face
from facevae.settings import is_number
from facevae.ui.components import LIVE
from facevae.ui.edit.preview import COMPARE, EDITED, StagePart
from facevae.ui.edit.sliders import SlidersPart
from facevae.ui.face_tiles import data_url
from facevae.ui.session import Session, find_session

GRADIO_QUALITY = 75
"""Of the JPEGs that Gradio makes: the picture may not change when the hand rests."""
SCRIPT = (Path(__file__).parent / "live_preview.js").read_text()
TELL = """(...values) => {{
  const look = Object.fromEntries({}.map((id, k) => [id, values[k]]));
  document.dispatchEvent(new CustomEvent("facevae-look", {{ detail: look }}));
}}"""


class LivePart:
    """An invisible widget: its script watches the sliders, `draw` answers it, and its events tell Gradio what the hand does."""

    def __init__(self, stage: StagePart, panel: SlidersPart, detail: gr.Slider) -> None:
        self.stage, self.panel = stage, panel
        self.look = [stage.view, stage.show, detail, *panel.inputs]

        def draw(look: Any) -> dict[str, str] | None:  # a function of its own: Gradio writes on those that a script may call
            return self.draw(look)

        self.hand = gr.HTML(
            "", html_template="", elem_id="hand", apply_default_css=False, elem_classes="plain", js_on_load=SCRIPT, server_functions=[draw]
        )

    def wire(
        self,
        inputs: list[Any],
        moved: tuple[Callable[..., Any], list[Any]],
        rested: tuple[Callable[..., Any], list[Any]],
        released: Callable[..., Any],
    ) -> None:
        """Who listens to the hand, and the outputs: `moved` all along, `rested` where it stops, `released` when it leaves a slider.

        `inputs` begin with session and face; `rested` gets view and show besides.
        """
        session, face, *_ = inputs
        self.hand.move(moved[0], inputs, moved[1], **LIVE)
        self.hand.rest(rested[0], [session, face, *self.look], rested[1], **LIVE)
        self.hand.release(released, inputs, None, **LIVE)
        # What the script cannot read off the page's sliders, it is told whenever it changes; no request comes of that.
        others = [self.stage.view, self.stage.show, self.panel.held, self.panel.token]
        others += [self.panel.colour] if self.panel.colours else []
        told = [self.hand, *self.look]
        gr.on(
            [widget.change for widget in others],
            None,
            told,
            None,
            js=TELL.format(json.dumps([widget.elem_id for widget in told])),
            api_visibility="private",
        )

    def draw(self, look: Any) -> dict[str, str] | None:
        """The picture of what the widgets say and its description; None for whom nobody knows, and where the page is about to change.

        `look` comes from the page as it is: the values of `look` by the widgets' ids, and the visitor's key.
        """
        if not isinstance(look, dict) or not isinstance(key := look.get(self.hand.elem_id), str):
            return None
        session = find_session(key)
        face = session and session.face_now
        values = self.checked([look.get(widget.elem_id) for widget in self.look])
        if session is None or face is None or values is None:
            return None
        view, show, detail, *asked_for = values
        if not self.panel.current(session, asked_for):
            return None
        session.hand = asked_for
        if show not in (EDITED, COMPARE):
            return None
        return self.answer(session, face, view, detail, asked_for)

    def answer(self, session: Session, face: Face, view: str, detail: float, values: Sequence[Any]) -> dict[str, str]:
        """The edit, as the page shows it: the same bytes that Gradio sends when the hand rests."""
        asked = self.panel.asked(session, values)
        picture = np.asarray(self.stage.draw(face, view, EDITED, detail, asked))
        return {"picture": data_url(picture, GRADIO_QUALITY), "words": self.stage.describe(face, EDITED, asked)}

    def checked(self, values: list[Any]) -> list[Any] | None:
        """The values of `look`; None where one is not what its widget holds, for anybody can send anything."""
        for widget, value in zip(self.look, values, strict=True):
            if isinstance(widget, gr.Slider | gr.Number):
                fits = is_number(value) or (value is None and widget is not self.look[2])  # a number field can be empty
            elif isinstance(widget, gr.Dropdown):
                fits = isinstance(value, list) and all(isinstance(name, str) for name in value)
            else:
                fits = isinstance(value, str)
            if not fits:
                return None
        return values
