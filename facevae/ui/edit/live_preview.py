"""Live preview during a drag; bypasses Gradio's event queue, which is too slow.

Each Gradio event touches every widget of the page that any event has ever changed, at its beginning and at its end; in a browser that
takes several times as long as the model does. So a script of the page asks for pictures by itself during a drag (live_preview.js, one
request at a time, always for the last value), and Gradio gets its events when the drag rests.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from facevae.editor import Face
from facevae.settings import is_number
from facevae.ui.components import LIVE, Widgets, html
from facevae.ui.edit.preview import COMPARE, EDITED, Preview
from facevae.ui.edit.rendering import EditRendering
from facevae.ui.edit.sliders import SliderPanel
from facevae.ui.session import Session, find_session
from facevae.ui.widgets.face_tiles import data_url

GRADIO_QUALITY = 75
"""Of the JPEGs that Gradio makes: the picture may not change when the drag rests."""
SCRIPT = (Path(__file__).parent / "live_preview.js").read_text()
TELL = """(...values) => {{
  const look = Object.fromEntries({}.map((id, k) => [id, values[k]]));
  document.dispatchEvent(new CustomEvent("facevae-look", {{ detail: look }}));
}}"""


class LivePreview:
    """An invisible widget: its script watches the sliders, `draw` answers it, and its events tell Gradio about a drag."""

    def __init__(self, preview: Preview, panel: SliderPanel) -> None:
        self.preview, self.panel = preview, panel
        self.inputs = [preview.view, preview.show, panel.detail, *panel.inputs]

        def draw(look: Any) -> dict[str, str] | None:  # a function of its own: Gradio writes on those that a script may call
            return self.draw(look)

        self.widget = html("", "hand", html_template="", js_on_load=SCRIPT, server_functions=[draw])

    def wire(self, rendering: EditRendering) -> None:
        """Readings all along a drag, the preview when it rests, and a step of the history when it ends."""
        self.widget.move(rendering.read_slowly, rendering.widgets, rendering.readings, **LIVE)
        self.widget.rest(**rendering.redraw, **LIVE)
        self.widget.release(rendering.end_drag, rendering.widgets, None, **LIVE)
        # What the script cannot read off the page's sliders, it gets whenever it changes; no request comes of that.
        others = [self.preview.view, self.preview.show, self.panel.locks, self.panel.version]
        values = [self.widget, *self.inputs]
        gr.on(
            [widget.change for widget in others],
            None,
            values,
            None,
            js=TELL.format(json.dumps([widget.elem_id for widget in values])),
            api_visibility="private",
        )

    def draw(self, look: Any) -> dict[str, str] | None:
        """The picture of what the widgets request, and its description; None for a stranger, and where the page is about to change.

        `look` comes from the page as it is: the values of `inputs` by the widgets' ids, and the visitor's key.
        """
        if not isinstance(look, dict) or not isinstance(key := look.get(self.widget.elem_id), str):
            return None
        session = find_session(key)
        face = session and session.face_now
        widgets = {widget: look.get(widget.elem_id) for widget in self.inputs}
        if session is None or face is None or not self.valid(widgets) or not self.panel.current(session, widgets):
            return None
        self.panel.remember_drag(session, widgets)
        if widgets[self.preview.show] not in (EDITED, COMPARE):
            return None
        return self.answer(session, face, widgets)

    def answer(self, session: Session, face: Face, widgets: Widgets) -> dict[str, str]:
        """The edit, as the page shows it: what Gradio sends when the drag rests, but for the detail net's work, which takes too long."""
        requested = self.panel.requested_edit(session, widgets)
        face, requested = requested.on(face), replace(requested, editor=requested.editor.quick())
        picture = np.asarray(self.preview.draw(face, widgets[self.preview.view], EDITED, requested))
        return {"picture": data_url(picture, GRADIO_QUALITY), "words": self.preview.describe(face, EDITED, requested)}

    def valid(self, widgets: Widgets) -> bool:
        """Whether each value is one that its widget can hold, for anybody can send anything."""

        def fits(widget: Any, value: Any) -> bool:
            if isinstance(widget, gr.Slider | gr.Number):
                return is_number(value) or (value is None and widget is not self.panel.detail)  # a number field can be empty
            if isinstance(widget, gr.Dropdown):
                return isinstance(value, list) and all(isinstance(name, str) for name in value)
            return isinstance(value, str)

        return all(fits(widget, value) for widget, value in widgets.items())
