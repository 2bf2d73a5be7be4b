"""History of the edit: undo, redo, and the strip of its steps."""

from html import escape
from typing import Any

import gradio as gr

from facevae.attributes import in_words
from facevae.editor import Editor
from facevae.editor.history import Edit, History
from facevae.photo.alignment import shrunk
from facevae.ui.components import html
from facevae.ui.session import Session
from facevae.ui.widgets.face_tiles import SCRIPT, data_url

SHOWN = 24
"""Steps in the strip; older ones are reached by Undo."""
THUMBNAIL_PX = 64


class HistoryStrip:
    """Undo, redo and the strip of steps; the history itself is in the session. Handlers add to it with `note` or `remember`."""

    def __init__(self, editor: Editor) -> None:
        self.editor = editor
        self.undo = gr.Button("Undo", size="sm", interactive=False, elem_id="undo", min_width=60)
        self.redo = gr.Button("Redo", size="sm", interactive=False, elem_id="redo", min_width=60)

    def lay_out_strip(self) -> None:
        """The steps, in a place of their own."""
        self.strip = html("", "history", js_on_load=SCRIPT)

    @property
    def outputs(self) -> list[Any]:
        """What `show` changes."""
        return [self.undo, self.redo, self.strip]

    def begin(self, session: Session, edit: Edit, words: str) -> None:
        """Another face was opened: its history begins."""
        session.history, session.step_words = History.of(edit, words), ""

    def note(self, session: Session, edit: Edit, words: str = "", key: str = "") -> dict[Any, Any]:
        """Remember the edit as it is now. Gives the update of the page."""
        self.remember(session, edit, words, key)
        return self.show(session)

    def remember(self, session: Session, edit: Edit, words: str = "", key: str = "") -> None:
        """One more step; nothing happens where nothing changed.

        Without `words` they are found by what changed, and changes of one slider during a drag are one step.
        """
        session.used()
        if session.history is None:
            self.begin(session, edit, "Opened")
        history = session.history
        assert history is not None
        changed = edit.changed(history.now)
        if not changed:
            session.history, session.step_words = history.refined(edit.face), ""
        elif words or session.step_words or "face" in changed:
            session.history = (history if key else history.close()).do(edit, words or session.step_words or "Changed", key)
            session.step_words = ""
        else:
            session.history = history.do(edit, self.describe(edit, changed), key=" ".join(sorted(changed)) if len(changed) == 1 else "")
        # Readings come late, and some of them from the middle of a drag.
        if session.drag_end == edit.values:
            session.history, session.drag_end = session.history.close(), None

    def replace(self, session: Session, edit: Edit) -> dict[Any, Any]:
        """The step on the page as the page shows it: what has no slider is left out. No new step. Gives the update of the page."""
        if session.history is not None:
            session.history = session.history.shown_as(edit)
        return self.show(session)

    def end_drag(self, session: Session, edit: Edit) -> None:
        """The user has let go of a slider: the step with the values of this edit is complete. See `Session.drag_end`."""
        now = session.history and session.history.now
        if now and now.values == edit.values:
            session.history, session.drag_end = session.history.close(), None
        else:
            session.drag_end = edit.values

    def describe(self, edit: Edit, changed: tuple[str, ...]) -> str:
        """ "Smile +2", "Kept: Hat"."""
        parts = []
        for name in changed:
            if name == "locks":
                held = [in_words(lock)[0] for lock in edit.locks]
                parts.append(f"Kept: {', '.join(held)}" if held else "Nothing kept")
            elif name == "amount":
                parts.append(f"{edit.face.looks[-1].label} {edit.face.looks[-1].amount:.0%}")
            elif name == "detail":
                parts.append(f"Sharpness {edit.detail:g}")
            else:
                word, same = in_words(name)
                strength = edit.strengths.get(name, 0.0)
                parts.append(f"{word} {strength if same else -strength:+g}" if strength else f"{word} as it was")
        return ", ".join(parts[:3]) + (" …" if len(parts) > 3 else "")

    def show(self, session: Session) -> dict[Any, Any]:
        """The buttons and the strip, as the history is now."""
        history = session.history
        if history is None:
            return {self.undo: gr.update(interactive=False), self.redo: gr.update(interactive=False), self.strip: ""}
        return {
            self.undo: gr.update(interactive=history.can_undo),
            self.redo: gr.update(interactive=history.can_redo),
            self.strip: self.draw(session, history, session.editor(self.editor)),
        }

    def draw(self, session: Session, history: History, editor: Editor) -> str:
        """The last steps as buttons with a picture each; empty before the first one."""
        if len(history.steps) < 2:
            return ""
        first = max(0, min(len(history.steps) - SHOWN, history.at))
        buttons = []
        for index, step in list(enumerate(history.steps))[first : first + SHOWN]:
            words = escape(step.words)
            buttons.append(
                f'<button type="button" data-index="{index}" aria-pressed="{str(index == history.at).lower()}" title="{words}" '
                f'aria-label="Step {index}: {words}"><img src="{self.thumbnail(session, step.edit, editor)}" alt=""></button>'
            )
        return f'<div class="step-tiles" role="group" aria-label="What was done">{"".join(buttons)}</div>'

    def thumbnail(self, session: Session, edit: Edit, editor: Editor) -> str:
        """A small picture of a step, drawn once."""
        if edit not in session.thumbnails:
            known = {name: strength for name, strength in edit.strengths.items() if name in editor.directions}
            locks = [name for name in edit.locks if name in editor.directions]
            crop = editor.edit(edit.face, known, THUMBNAIL_PX, edit.detail, locks).crop
            session.thumbnails[edit] = data_url(shrunk(crop, THUMBNAIL_PX))
        return session.thumbnails[edit]
