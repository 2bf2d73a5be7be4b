"""The Generate tab: faces of nobody, each from its own seed."""

import random
from typing import Any

import gradio as gr

from facevae.editor import Editor, Face
from facevae.ui.parts import QUEUED, enlarge, face_state, one_sentence, portrait, refusal, say, segmented, status_line, tiles

COUNT, MOST = 12, 48
SEED_END = 2**32 - MOST
PRIORS = [("Fitted", "fitted"), ("N(0, I)", "normal")]


class GenerateTab:
    """Widgets of the tab, and the handlers that turn them into calls of the editor."""

    def __init__(self, editor: Editor) -> None:
        self.editor = editor
        self.faces = gr.State(None, time_to_live=3600)
        self.chosen = face_state()
        with gr.Row(elem_classes="generate-row"):
            with gr.Column(scale=1, min_width=250, elem_classes="controls"):
                self.dice = gr.Button("New faces", variant="primary", elem_id="dice", size="md")
                self.seed = gr.Number(1, label="Seed", precision=0, minimum=0, maximum=SEED_END, elem_id="seed", elem_classes="bare")
                self.count = gr.Slider(1, MOST, COUNT, step=1, label="Faces", elem_id="count", elem_classes="bare")
                self.temperature = gr.Slider(0.1, 1.2, 0.8, step=0.05, label="Temperature", elem_id="temperature", elem_classes="bare")
                self.prior = segmented(PRIORS, "Drawn from", "prior", show_label=True)
            with gr.Column(scale=3, min_width=300):
                self.gallery = tiles("faces", columns=4)
                self.status = status_line("generate-status")
            with gr.Column(scale=1, min_width=220, elem_classes="side"):
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
                self.to_a = gr.Button("Use as morph A", elem_id="generate-to-a", size="md")
                self.to_b = gr.Button("Use as morph B", elem_id="generate-to-b", size="md")
        self._wire()

    def _wire(self) -> None:
        settings = [self.seed, self.count, self.temperature, self.prior]
        self.dice.click(lambda: random.randrange(1_000_000), None, self.seed, **QUEUED).then(
            self.draw, settings, self.drawn, show_progress_on=self.gallery, **QUEUED
        )
        gr.on(
            [self.seed.input, self.count.release, self.temperature.release, self.prior.input],
            self.draw,
            settings,
            self.drawn,
            show_progress_on=self.gallery,
            trigger_mode="always_last",
            **QUEUED,
        )
        self.gallery.select(self.choose, self.faces, [self.chosen, self.picture, self.status], show_progress="hidden", **QUEUED)

    @property
    def drawn(self) -> list[gr.components.Component]:
        """What changes when faces are drawn."""
        return [self.faces, self.chosen, self.gallery, self.picture, self.status]

    def first_visit(self, faces: list[Face] | None) -> tuple[Any, ...]:
        """The tab was opened: draw the first faces, or leave those that are there."""
        return tuple(gr.skip() for _ in self.drawn) if faces else self.draw(1, COUNT, 0.8, "fitted")

    def draw(self, seed: float, count: float, temperature: float, prior: str) -> tuple[Any, ...]:
        """Faces of `count` seeds from `seed` on; the same settings give the same faces."""
        if seed is None or not 0 <= seed < SEED_END:
            raise refusal(f"A seed is a whole number from 0 to {SEED_END - 1}.")
        with one_sentence():
            faces = self.editor.generate(range(int(seed), int(seed) + int(count)), temperature=temperature, prior=prior)
        cells = [(enlarge(face.crop, 256), f"Seed {face.seed}") for face in faces]
        return faces, faces[0], gr.update(value=cells, selected_index=None), portrait(faces[0]), self.about(faces[0])

    def choose(self, faces: list[Face] | None, chosen: gr.SelectData) -> tuple[Any, ...]:
        """One picture of the grid."""
        if not faces or chosen.index >= len(faces):
            return gr.skip(), gr.skip(), gr.skip()
        face = faces[chosen.index]
        return face, portrait(face), self.about(face)

    def about(self, face: Face) -> str:
        """The status line for the chosen face."""
        return say(f"Seed {face.seed} is chosen. It is nobody's photo: the model drew it.")
