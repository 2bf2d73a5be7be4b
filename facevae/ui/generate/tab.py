"""The Generate tab: faces of nobody, from their seeds, by what is seen in them, and from one to those near it."""

import random
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import gradio as gr

from facevae.editor import Editor, Face
from facevae.editor.contact_sheet import save_sheet
from facevae.editor.generation import Search
from facevae.settings import COLUMNS, COUNT, PRIOR, RADIUS, TEMPERATURE
from facevae.ui.components import (
    LIVE,
    QUEUED,
    STATE_SEC,
    enlarge,
    face_state,
    file_stem,
    heading,
    one_sentence,
    portrait,
    refusal,
    say,
    segmented,
    slider,
    status_line,
    tiles,
    to_file,
    wishes,
)
from facevae.ui.generate import sheet as sheets
from facevae.ui.generate.favourites import FavouritesPart
from facevae.ui.generate.sheet import MIDDLE, NEAR_BLOCK, SEED_END, Settings, Sheet, read_settings, title
from facevae.ui.session import Session

FIRST = Settings(1, int(COUNT.default), TEMPERATURE.default, PRIOR.default)
SETTLE_SEC = 0.15
"""A slider that is dragged asks for new faces at most this often."""
SEARCH_SEC = 0.3
"""While faces are searched for, the page is told at most this often."""
DRAWING = {**QUEUED, "concurrency_id": "faces"}
"""A search may take half a minute: it waits for other searches, and the other tabs do not wait for it."""
WAITING = ["tiles", "waiting"]
TO_NEAR = "() => document.querySelector('#near-bar')?.scrollIntoView({ block: 'nearest' })"
NAMES = (Path(__file__).parent / "tile_names.js").read_text()


class GenerateTab:
    """Widgets of the tab, and the handlers that turn them into calls of the editor."""

    def __init__(self, editor: Editor, store: gr.BrowserState) -> None:
        self.editor, self.store = editor, store
        self.session, self.sheet = gr.State(Session()), gr.State(None, time_to_live=STATE_SEC)
        self.chosen = face_state()
        self._seen: WeakKeyDictionary[Face, str] = WeakKeyDictionary()  # words for faces, as long as somebody keeps them
        with gr.Row(elem_classes="generate-row"):
            with gr.Column(scale=1, min_width=250, elem_classes="controls"):
                self._lay_out_settings()
            with gr.Column(scale=3, min_width=300, elem_classes="stage"):
                self._lay_out_faces()
            with gr.Column(scale=1, min_width=220, elem_classes="side"):
                self._lay_out_chosen()
        self._wire()

    # ---- what is on the page

    def _lay_out_settings(self) -> None:
        self.dice = gr.Button("New faces", variant="primary", elem_id="dice", size="md")
        self.seed = gr.Number(FIRST.seed, label="Seed", precision=0, minimum=0, maximum=SEED_END - 1, elem_id="seed", elem_classes="bare")
        self.count = slider(COUNT, "count")
        self.temperature = slider(TEMPERATURE, "temperature")
        self.prior = segmented(list(PRIOR.pairs), PRIOR.label, "prior", show_label=True)
        heading("Only faces")
        menu = {"multiselect": True, "value": [], "elem_classes": "bare", "min_width": 120}
        self.with_it = gr.Dropdown(wishes(self.editor), label="With", elem_id="only-with", **menu)
        self.without = gr.Dropdown(wishes(self.editor), label="Without", elem_id="only-without", **menu)

    def _lay_out_faces(self) -> None:
        with gr.Row(visible=False, elem_classes="near-bar", elem_id="near-bar") as self.bar:
            self.back = gr.Button("Back", elem_id="generate-back", size="md", min_width=70)
            self.radius = slider(RADIUS, "radius", min_width=180)
        self.gallery = tiles("faces", columns=COLUMNS)
        gr.HTML("", js_on_load=NAMES, apply_default_css=False, elem_id="tile-names")
        with gr.Column(elem_classes="foot"):
            self.status = status_line("generate-status")
            with gr.Row(elem_classes="actions"):
                self.more = gr.Button("More", elem_id="more", size="md", min_width=80)
                self.stop = gr.Button("Stop", variant="stop", elem_id="generate-stop", size="md", min_width=80, interactive=False)
                self.save_all = gr.Button("Save sheet", elem_id="save-sheet", size="md", min_width=100)
        self.file = gr.DownloadButton("Download", visible="hidden", elem_id="generate-file")

    def _lay_out_chosen(self) -> None:
        self.picture = gr.Image(
            show_label=False,
            interactive=False,
            buttons=[],
            format="jpeg",
            container=False,
            elem_id="chosen",
            elem_classes="picture end-picture",
            alt_text="The chosen face",
        )
        self.to_edit = gr.Button("Edit this face", variant="primary", elem_id="generate-to-edit", size="md")
        self.to_morph = gr.Button("Use in morph", elem_id="generate-to-morph", size="md")
        self.near = gr.Button("Neighbours", elem_id="neighbours", size="md")
        self.save_one = gr.Button("Download", elem_id="save-face", size="md")
        self.favourites = FavouritesPart(self.editor, self.store)

    # ---- what happens

    def _wire(self) -> None:
        settings = [self.seed, self.count, self.temperature, self.prior, self.with_it, self.without]
        to = {"outputs": self.drawn, "show_progress": "hidden", **DRAWING}
        sliders = [event for slider in (self.count, self.temperature) for event in (slider.input, slider.release)]
        moved = gr.on(
            [self.seed.input, *sliders, self.prior.input, self.with_it.input, self.without.input],
            self.settle,
            [self.session, *settings],
            None,
            preprocess=False,
            **LIVE,
        )
        # "multiple": what the last settings asked for may still be on its way out.
        runs = [
            moved.then(self.draw, [self.session, *settings], preprocess=False, trigger_mode="multiple", **to),
            self.dice.click(self.roll, [self.session, *settings], preprocess=False, trigger_mode="multiple", **to),
            self.more.click(self.go_on, [self.session, self.sheet], **to),
            self.near.click(self.explore, [self.session, self.sheet, self.chosen, self.radius], **to).success(
                None, js=TO_NEAR, api_visibility="private"
            ),
            self.back.click(self.go_back, [self.session, self.sheet], **to),
        ]
        again = [self.session, self.sheet, self.chosen, self.radius]
        runs.append(gr.on([self.radius.input, self.radius.release], self.come_nearer, again, self.drawn, **LIVE))
        for run in runs:
            self.described(run)
        self.stop.click(lambda session: session.stop(), self.session, None, **LIVE)
        shown = {"outputs": [self.chosen, self.picture, self.status], "show_progress": "hidden", **QUEUED}
        self.gallery.select(self.choose, self.sheet, **shown)
        self.favourites.row.select(self.choose_kept, self.store, **shown)
        self.favourites.wire(self.chosen, self.status)
        files = [self.file, self.status]
        for button, save, given in ((self.save_one, self.save, self.chosen), (self.save_all, self.save_faces, self.sheet)):
            button.click(save, given, files, **QUEUED).success(
                None, js="() => document.querySelector('#generate-file').click()", api_visibility="private"
            )

    def described(self, event: Any) -> None:
        """What follows when faces have been drawn: each gets its words, for those who do not see it."""
        event.then(self.describe, [self.session, self.sheet], self.gallery, trigger_mode="multiple", show_progress="hidden", **QUEUED)

    @property
    def drawn(self) -> list[Any]:
        """What changes when faces are drawn."""
        parts = [self.sheet, self.chosen, self.gallery, self.picture, self.status]
        return [*parts, self.stop, self.more, self.bar, self.radius, self.seed]

    def first_visit(self, session: Session, sheet: Sheet | None) -> Iterator[dict[Any, Any]]:
        """The tab was opened: draw the first faces, or leave those that are there."""
        if sheet is None:
            yield from self.add(session, Sheet(FIRST, FIRST.seed))
        else:
            yield {self.status: gr.skip()}

    def settle(self, session: Session, *settings: Any) -> None:
        """Settings were changed: what runs for the old ones ends. Wrong ones end nothing; `draw` says what is wrong."""
        try:
            read_settings(*settings)
        except ValueError:
            return
        session.take_turn()
        time.sleep(SETTLE_SEC)

    def roll(self, session: Session, seed: Any, *others: Any) -> Iterator[dict[Any, Any]]:
        """The dice: the same settings with another seed."""
        seed = random.randrange(1_000_000)
        for update in self.draw(session, seed, *others):
            yield update if self.gallery not in update else {**update, self.seed: seed}

    def draw(self, session: Session, *settings: Any) -> Iterator[dict[Any, Any]]:
        """A new sheet; the same settings give the same faces."""
        if settings[0] is None:  # the field was emptied, to type another seed into it
            yield {self.status: gr.skip()}
            return
        with one_sentence():
            asked = read_settings(*settings)
        yield from self.add(session, Sheet(asked, asked.seed))

    def go_on(self, session: Session, sheet: Sheet | None) -> Iterator[dict[Any, Any]]:
        """More faces below those that are there: the next seeds, or more neighbours."""
        sheet = self.there(sheet)
        if sheet.centre is None:
            yield from self.add(session, sheet)
            return
        turn = session.take_turn()
        with one_sentence():
            sheet = sheets.with_neighbours(self.editor, sheet, len(sheet.faces) + min(NEAR_BLOCK, sheet.room))
        if session.turn == turn:
            yield {**self.show(sheet), self.status: say(sheets.around(sheet))}
        yield {self.status: gr.skip()}

    def add(self, session: Session, sheet: Sheet) -> Iterator[dict[Any, Any]]:
        """The next faces of a sheet of seeds, as they are found; ends silently once another action has begun."""
        turn, asked, said_sec, shown = session.take_turn(), min(sheet.settings.count, sheet.room), 0.0, 0
        step = Search((), 0, sheet.next_seed)
        if sheet.settings.wanted:
            waiting = {} if sheet.faces else {self.gallery: gr.update(elem_classes=WAITING)}  # what is there was asked for before
            yield {self.stop: gr.update(interactive=True), self.status: say(f"0 of {asked} found, 0 tried"), **waiting}
        try:
            with one_sentence():
                for step in sheets.extend(self.editor, sheet):
                    if session.turn != turn or session.stopped:
                        break
                    if sheet.settings.wanted and time.monotonic() - said_sec > SEARCH_SEC:
                        found = self.grown(sheet, step, first=not shown) if len(step.faces) > shown else {}
                        told = say(f"{len(step.faces)} of {asked} found, {step.tried} tried")
                        yield {**found, self.stop: gr.update(interactive=True), self.status: told}
                        said_sec, shown = time.monotonic(), len(step.faces)
        except gr.Error:
            yield {self.stop: gr.update(interactive=False), self.gallery: gr.update(elem_classes=WAITING[:1])}
            raise
        if session.turn == turn:
            yield {
                **self.grown(sheet, step, first=not shown),
                self.stop: gr.update(interactive=False),
                self.status: say(sheets.came_of(sheet, step, session.stopped)),
            }
        yield {self.status: gr.skip()}  # Gradio sends the last message twice: it must say nothing

    def grown(self, sheet: Sheet, step: Search, first: bool) -> dict[Any, Any]:
        """The sheet with what was found; the first face of a new one is chosen. Nothing found leaves an old sheet in its place."""
        if not sheet.faces and not step.faces:
            return {self.gallery: gr.update(elem_classes=WAITING[:1])}
        chosen = step.faces[0] if first and not sheet.faces else None
        return self.show(replace(sheet, faces=(*sheet.faces, *step.faces), next_seed=step.next_seed), chosen)

    # ---- neighbours

    def explore(self, session: Session, sheet: Sheet | None, chosen: Face | None, radius: float) -> dict[Any, Any]:
        """The chosen face and those near it."""
        sheet, face = self.there(sheet), self.there(chosen)
        turn = session.take_turn()
        with one_sentence():
            around = sheets.neighbours(self.editor, sheet, face, radius)
        if session.turn != turn:
            return {self.status: gr.skip()}
        return {**self.show(around, face), self.status: say(sheets.around(around))}

    def come_nearer(self, session: Session, sheet: Sheet | None, chosen: Face | None, radius: float) -> dict[Any, Any]:
        """The same neighbours nearer or farther. Called many times a second, and never allowed to raise."""
        if sheet is None or sheet.centre is None or radius in (None, sheet.radius):
            return {self.status: gr.skip()}
        turn = session.take_turn()
        at = sheet.index(chosen)
        sheet = sheets.with_neighbours(self.editor, replace(sheet, faces=(), radius=radius), len(sheet.faces))
        if session.turn != turn:
            return {self.status: gr.skip()}
        return self.show(sheet, sheet.faces[MIDDLE if at is None else at])

    def go_back(self, session: Session, sheet: Sheet | None) -> dict[Any, Any]:
        """The sheet before, with the face chosen from which it was left."""
        left = self.there(sheet)
        session.take_turn()
        sheet = sheets.back(left)
        said = sheets.around(sheet) if sheet.centre is not None else sheets.is_chosen(left.centre or sheet.faces[0])
        return {
            **self.show(sheet, left.centre or sheet.faces[0]),
            self.status: say(said),
            **({self.radius: sheet.radius} if sheet.centre is not None else {}),
        }

    # ---- one face

    def choose(self, sheet: Sheet | None, chosen: gr.SelectData) -> tuple[Any, ...]:
        """One picture of the sheet."""
        if sheet is None or chosen.index >= len(sheet.faces):
            return gr.skip(), gr.skip(), gr.skip()
        return self.speak_of(sheet.faces[chosen.index])

    def choose_kept(self, stored: Any, chosen: gr.EventData) -> tuple[Any, ...]:
        """One of the faces that were kept."""
        return self.speak_of(self.favourites.face(stored, chosen.index))

    def speak_of(self, face: Face) -> tuple[Any, ...]:
        """A face is chosen."""
        return face, self.draw_chosen(face), say(sheets.is_chosen(face))

    def draw_chosen(self, face: Face) -> Any:
        """The chosen face, and in words what is seen in it."""
        return gr.update(value=portrait(face), alt_text=f"The chosen face, {title(face)}: {self.words(face)}")

    def words(self, face: Face) -> str:
        """What the classifier sees in a face."""
        if face not in self._seen:
            self._seen[face] = sheets.in_few_words(self.editor.probabilities(face))
        return self._seen[face]

    def save(self, face: Face | None) -> tuple[str, str]:
        """The chosen face as a file, with its seed and the note that it was generated."""
        face = self.there(face)
        with one_sentence():
            data, suffix = self.editor.save(face)
        name = f"{file_stem(face)}-facevae{suffix}"
        return to_file(self.file, data, name), say(f"{name}, {len(data) / 1000:,.0f} kB.")

    # ---- the sheet

    def show(self, sheet: Sheet, chosen: Face | None = None) -> dict[Any, Any]:
        """A sheet on the page; without `chosen`, the choice stays as it is."""
        gallery = {"value": self.cells(sheet), "columns": sheet.columns, "fit_columns": False, "elem_classes": WAITING[:1]}
        picked = {} if chosen is None else {self.chosen: chosen, self.picture: self.draw_chosen(chosen)}
        if chosen is not None:
            gallery["selected_index"] = sheet.index(chosen)
        return {
            self.sheet: sheet,
            self.gallery: gr.update(**gallery),
            self.stop: gr.update(interactive=False),
            self.more: gr.update(interactive=sheet.room > 0),
            self.bar: gr.update(visible=sheet.centre is not None),
            **picked,
        }

    def cells(self, sheet: Sheet) -> list[Any]:
        """The tiles, with what is known of each in words."""
        return [(enlarge(face.crop, 256), ": ".join(filter(None, [title(face), self._seen.get(face, "")]))) for face in sheet.faces]

    def describe(self, session: Session, sheet: Sheet | None) -> Any:
        """The tiles with their words; nothing of it, where another action has begun meanwhile."""
        turn = session.turn
        for face in sheet.faces if sheet is not None else ():
            if session.turn != turn:
                return gr.skip()
            self.words(face)
        return gr.update(value=self.cells(sheet)) if sheet is not None and session.turn == turn else gr.skip()

    def save_faces(self, sheet: Sheet | None) -> tuple[str, str]:
        """The whole sheet as one picture."""
        sheet = self.there(sheet)
        with one_sentence():
            data = save_sheet(self.editor, sheet.faces, sheet.columns, sheet.settings.wanted if sheet.centre is None else {})
        if sheet.centre is None:
            name = f"faces-{sheet.faces[0].seed}-to-{sheet.faces[-1].seed}-facevae.png"
        else:
            name = f"{file_stem(sheet.centre)}-neighbours-facevae.png"
        return to_file(self.file, data, name), say(f"{name}: {len(sheet.faces)} faces, {len(data) / 1000:,.0f} kB.")

    @staticmethod
    def there(what: Any) -> Any:
        """A sheet or a face of this visitor, who may have been away for longer than they are kept."""
        if what is None:
            raise refusal("There are no faces here (any more): choose New faces.")
        return what
