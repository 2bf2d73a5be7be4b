"""New faces on the Create tab: from seeds, or only those with wanted attributes."""

import random
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import gradio as gr

from facevae.editor import Editor
from facevae.editor.generation import Search
from facevae.ui.components import ends_silently, one_sentence, say
from facevae.ui.generate import sheet as sheets
from facevae.ui.generate.sheet import NEAR_BLOCK, Settings, Sheet, read_settings
from facevae.ui.generate.sheet_view import WAITING, SheetView, present
from facevae.ui.session import Session

SETTLE_SEC = 0.15
"""A slider that is dragged asks for new faces at most this often."""
SEARCH_SEC = 0.3
"""Progress of a search is reported at most this often."""


class FaceSearch:
    """Handlers that fill the sheet; `first` are the settings of the first one, `seed` is the widget of the seed."""

    def __init__(self, editor: Editor, view: SheetView, first: Settings, seed: gr.Number) -> None:
        self.editor, self.view, self.first, self.seed = editor, view, first, seed
        self.status = view.status

    @ends_silently
    def first_visit(self, session: Session, sheet: Sheet | None) -> Iterator[dict[Any, Any]]:
        """The tab was opened: draw the first faces, or leave those that are there."""
        if sheet is None:
            yield from self.add(session, Sheet(self.first, self.first.seed))

    def settle(self, session: Session, *settings: Any) -> None:
        """Settings were changed: what runs for the old ones ends. Wrong ones end nothing; `draw` says what is wrong."""
        try:
            read_settings(*settings)
        except ValueError:
            return
        session.begin_action()
        time.sleep(SETTLE_SEC)

    def roll(self, session: Session, seed: Any, *others: Any) -> Iterator[dict[Any, Any]]:
        """The dice: the same settings with another seed."""
        seed = random.randrange(1_000_000)
        for update in self.draw(session, seed, *others):
            yield update if self.view.gallery not in update else {**update, self.seed: seed}

    @ends_silently
    def draw(self, session: Session, *settings: Any) -> Iterator[dict[Any, Any]]:
        """A new sheet; the same settings give the same faces."""
        if settings[0] is None:  # the field was emptied, to type another seed into it
            return
        with one_sentence():
            requested = read_settings(*settings)
        yield from self.add(session, Sheet(requested, requested.seed))

    @ends_silently
    def go_on(self, session: Session, sheet: Sheet | None) -> Iterator[dict[Any, Any]]:
        """More faces below those that are there: the next seeds, or more neighbours."""
        sheet = present(sheet)
        if sheet.centre is None:
            yield from self.add(session, sheet)
            return
        action = session.begin_action()
        with one_sentence():
            sheet = sheets.with_neighbours(self.editor, sheet, len(sheet.faces) + min(NEAR_BLOCK, sheet.room))
        if session.action == action:
            yield {**self.view.show(sheet), self.status: say(sheets.describe_neighbours(sheet))}

    def add(self, session: Session, sheet: Sheet) -> Iterator[dict[Any, Any]]:
        """The next faces of a sheet of seeds, as they are found; ends once another action has begun."""
        view, stop, gallery = self.view, self.view.stop, self.view.gallery
        action, count, reported_sec, shown = session.begin_action(), min(sheet.settings.count, sheet.room), 0.0, 0
        step = Search((), 0, sheet.next_seed)
        if sheet.settings.wanted:
            waiting = {} if sheet.faces else {gallery: gr.update(elem_classes=WAITING)}  # the tiles are those of older settings
            yield {stop: gr.update(interactive=True), view.status: say(f"0 of {count} found, 0 tried"), **waiting}
        try:
            with one_sentence():
                for step in sheets.extend(self.editor, sheet):
                    if session.action != action or session.stopped:
                        break
                    if sheet.settings.wanted and time.monotonic() - reported_sec > SEARCH_SEC:
                        found = self.grown(sheet, step, first=not shown) if len(step.faces) > shown else {}
                        message = say(f"{len(step.faces)} of {count} found, {step.tried} tried")
                        yield {**found, stop: gr.update(interactive=True), view.status: message}
                        reported_sec, shown = time.monotonic(), len(step.faces)
        except gr.Error:
            yield {stop: gr.update(interactive=False), gallery: gr.update(elem_classes=WAITING[:1])}
            raise
        if session.action == action:
            yield {
                **self.grown(sheet, step, first=not shown),
                stop: gr.update(interactive=False),
                view.status: say(sheets.describe_search(sheet, step, session.stopped)),
            }

    def grown(self, sheet: Sheet, step: Search, first: bool) -> dict[Any, Any]:
        """The sheet with the found faces; the first face of a new one is chosen. Without any, an old sheet stays in its place."""
        if not sheet.faces and not step.faces:
            return {self.view.gallery: gr.update(elem_classes=WAITING[:1])}
        chosen = step.faces[0] if first and not sheet.faces else None
        return self.view.show(replace(sheet, faces=(*sheet.faces, *step.faces), next_seed=step.next_seed), chosen)
