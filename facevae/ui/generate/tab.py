"""The Create tab: faces from seeds, only those with wanted attributes, neighbours."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from facevae.editor import Editor
from facevae.settings import COUNT, PRIOR, TEMPERATURE
from facevae.ui.components import LIVE, QUEUED, segmented, slider, start_download, wishes
from facevae.ui.generate.favourites import Favourites
from facevae.ui.generate.neighbours import Neighbours
from facevae.ui.generate.search import FaceSearch
from facevae.ui.generate.sheet import SEED_END, Settings
from facevae.ui.generate.sheet_view import SheetView
from facevae.ui.session import Session

FIRST = Settings(46, int(COUNT.default), TEMPERATURE.default, PRIOR.default)
"""Picked by eye among the first 216 faces: eleven of these twelve came out well."""
DRAWING = {**QUEUED, "concurrency_id": "faces"}
"""A search may take half a minute: it waits for other searches, and the other tabs do not wait for it."""
TO_NEAR = "() => document.querySelector('#near-bar')?.scrollIntoView({ block: 'nearest' })"


class GenerateTab:
    """Lays out the parts and wires them. The handlers are those of `search`, `neighbours`, `view` and `favourites`."""

    def __init__(self, editor: Editor, store: gr.BrowserState) -> None:
        self.editor, self.store = editor, store
        self.session, self.view = gr.State(Session()), SheetView(editor)
        with gr.Row(elem_classes="generate-row"):
            with gr.Column(scale=1, min_width=250, elem_classes="controls"):
                self._lay_out_settings()
            with gr.Column(scale=3, min_width=300, elem_classes="stage"):
                self.view.lay_out_tiles()
            with gr.Column(scale=1, min_width=220, elem_classes="side"):
                self._lay_out_chosen()
        self.search = FaceSearch(editor, self.view, FIRST, self.seed)
        self.neighbours = Neighbours(editor, self.view)
        self._wire()

    # ---- layout

    def _lay_out_settings(self) -> None:
        self.dice = gr.Button("New faces", variant="primary", elem_id="dice", size="md")
        number = {"precision": 0, "minimum": 0, "maximum": SEED_END - 1}
        self.seed = gr.Number(FIRST.seed, label="Begin at face number", elem_id="seed", elem_classes="bare", **number)
        self.count = slider(COUNT, "count")
        self.temperature = slider(TEMPERATURE, "temperature")
        menu = {"multiselect": True, "value": [], "elem_classes": "bare", "min_width": 120}
        self.with_it = gr.Dropdown(wishes(self.editor), label="Only faces with", elem_id="only-with", **menu)
        self.without = gr.Dropdown(wishes(self.editor), label="Only faces without", elem_id="only-without", **menu)
        with gr.Accordion("More", open=False, elem_id="generate-more"):
            self.prior = segmented(list(PRIOR.pairs), PRIOR.label, "prior", show_label=True)

    def _lay_out_chosen(self) -> None:
        self.view.lay_out_chosen()
        self.to_edit = gr.Button("Edit this face", variant="primary", elem_id="generate-to-edit", size="md")
        self.to_morph = gr.Button("Morph with …", elem_id="generate-to-morph", size="md")
        self.near = gr.Button("Similar faces", elem_id="neighbours", size="md")
        self.save_one = gr.Button("Download", elem_id="save-face", size="md")
        self.favourites = Favourites(self.editor, self.store)

    # ---- events

    def _wire(self) -> None:
        view, search, neighbours = self.view, self.search, self.neighbours
        self.favourites.wire(view.chosen, view.status)
        settings = [self.session, self.seed, self.count, self.temperature, self.prior, self.with_it, self.without]
        to = {"outputs": self.outputs, "show_progress": "hidden", **DRAWING}
        sliders = [event for slider in (self.count, self.temperature) for event in (slider.input, slider.release)]
        moved = gr.on(
            [self.seed.input, *sliders, self.prior.input, self.with_it.input, self.without.input],
            search.settle,
            settings,
            None,
            preprocess=False,
            **LIVE,
        )
        chosen = [self.session, view.sheet, view.chosen, view.radius]
        explored = self.near.click(neighbours.explore, chosen, **to)
        # "multiple": the run for the last settings may still be ending.
        runs = [
            moved.then(search.draw, settings, preprocess=False, trigger_mode="multiple", **to),
            self.dice.click(search.roll, settings, preprocess=False, trigger_mode="multiple", **to),
            view.more.click(search.go_on, [self.session, view.sheet], **to),
            explored.success(None, js=TO_NEAR, api_visibility="private"),
            view.back.click(neighbours.go_back, [self.session, view.sheet], **to),
            gr.on([view.radius.input, view.radius.release], neighbours.change_radius, chosen, self.outputs, **LIVE),
        ]
        for run in runs:
            self.describe_after(run)
        view.stop.click(lambda session: session.stop(), self.session, None, **LIVE)
        shown = {"outputs": [view.chosen, view.picture, view.status], "show_progress": "hidden", **QUEUED}
        picked = view.gallery.select(view.choose, view.sheet, **shown)
        kept = self.favourites.row.select(self.choose_kept, self.store, **shown)
        for event in (*runs, picked, kept):
            self.favourites.label_after(event)
        for button, save, source in ((self.save_one, view.save, view.chosen), (view.save_all, view.save_faces, view.sheet)):
            start_download(button.click(save, source, [view.file, view.status], **QUEUED), view.file)

    def first_visit_at(self, event: Callable[..., Any]) -> None:
        """Draw the first faces at an `event`, the first time that the tab is opened."""
        inputs = [self.session, self.view.sheet]
        drawn = event(self.search.first_visit, inputs, self.outputs, show_progress="hidden", **QUEUED)
        self.describe_after(drawn)
        self.favourites.label_after(drawn)

    def describe_after(self, event: Any) -> None:
        """When `event` has drawn faces, each gets a description, for screen readers."""
        inputs = [self.session, self.view.sheet]
        event.then(self.view.describe, inputs, self.view.gallery, trigger_mode="multiple", show_progress="hidden", **QUEUED)

    @property
    def outputs(self) -> list[Any]:
        """What changes when faces are drawn."""
        return [*self.view.outputs, self.seed]

    def choose_kept(self, stored: Any, chosen: gr.EventData) -> tuple[Any, ...]:
        """One of the faces that were kept."""
        return self.view.show_chosen(self.favourites.face(stored, chosen.index))
