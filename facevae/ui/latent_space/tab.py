"""The tab Inside the model: dimensions, map of encodings, directions, three models compared."""

import random
from collections.abc import Callable, Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from facevae.editor import Editor, Face
from facevae.exhibits.exhibit import Exhibit
from facevae.exhibits.views import SPAN
from facevae.ui.components import LIVE, QUEUED, heading, html, one_sentence, status_line
from facevae.ui.examples import Examples
from facevae.ui.latent_space import drawing
from facevae.ui.latent_space.drawing import ROWS, words

FIRST_SEED, MAX_SEED = 7, 999
TWINS = ("twins-vae", "twins-ae", "twins-ppca")
FIRST_ATTRIBUTE = "Smiling"
MAP_SCRIPT = (Path(__file__).parent / "map.js").read_text()


class LatentSpaceTab:
    """Widgets of the tab, and the handlers that turn them into views of an exhibit. Nothing is computed before the tab is opened."""

    def __init__(self, editor: Editor, examples: Examples, exhibits: Sequence[Exhibit]) -> None:
        self.editor, self.examples, self.exhibits = editor, examples, list(exhibits)
        self.twins = [e for name in TWINS for e in self.exhibits if e.name == name]
        self.opened, self.page, self.point = gr.State(False), gr.State(0), gr.State(0)
        with gr.Row(elem_classes="latent-bar"):
            titles = [(self.title(exhibit), index) for index, exhibit in enumerate(self.exhibits)]
            look = {"show_label": False, "elem_classes": ["bare", "segmented"], "min_width": 60}
            self.model = gr.Radio(titles, value=0, label="Model", elem_id="latent-model", **look)
            self.seed = gr.Slider(
                0,
                MAX_SEED,
                FIRST_SEED,
                step=1,
                label="Face number (0 = average)",
                elem_id="latent-seed",
                elem_classes="bare",
                min_width=180,
            )
            self.dice = gr.Button("Another face", elem_id="latent-dice", size="md", min_width=110)
        self.sentence = picture_place("latent-sentence")
        with gr.Row(elem_classes="latent-row"):
            with gr.Column(scale=5, min_width=300):
                self._lay_out_dimensions()
            with gr.Column(scale=4, min_width=300):
                self._lay_out_map()
        with gr.Row(elem_classes="latent-row"):
            with gr.Column(scale=5, min_width=300):
                panel("What goes with what", "The stronger the colour, the closer a number of the model goes with a trait.")
                self.heat = picture_place("latent-heat")
            with gr.Column(scale=4, min_width=300):
                panel("One trait alone", "The face moves along one trait. The bars show what else changes with it.")
                self.direction = attribute_menu("Direction", "latent-direction", list(self.exhibits[0].about.directions))
                self.strip, self.facts = picture_place("latent-strip"), picture_place("latent-facts")
        with gr.Row(elem_classes="latent-row"):
            with gr.Column(scale=5, min_width=300):
                self._lay_out_twins()
            with gr.Column(scale=4, min_width=300):
                panel("Training", "How the model changed while it saw more and more pictures.")
                self.curves = picture_place("latent-curves")
        self._wire()

    def title(self, exhibit: Exhibit) -> str:
        """What a model is called on the page."""
        return "This model" if exhibit.model is self.editor.checkpoint.net else exhibit.about.title

    # ---- what is on the page

    def _lay_out_dimensions(self) -> None:
        panel("The model's numbers", "A face is a list of numbers. Each row turns one of them from low to high.")
        self.sheet = picture_place("latent-sheet")
        with gr.Row(elem_classes="latent-pages"):
            self.back = gr.Button("Back", elem_id="latent-back", size="md", min_width=60, interactive=False)
            self.on = gr.Button("Show more", elem_id="latent-on", size="md", min_width=150)
            self.where = status_line("latent-where")

    def _lay_out_map(self) -> None:
        panel("Map of faces", "Each dot is a face the model never learned from; close dots look alike to it. Pick one.")
        self.attribute = attribute_menu("Coloured by", "latent-attribute", self.exhibits[0].about.attributes)
        self.map = html("", "latent-map", js_on_load=MAP_SCRIPT)
        with gr.Row(elem_classes="latent-point"):
            self.picture = picture_place("latent-face")
            with gr.Column(min_width=140):
                self.status = status_line("latent-status")
                with gr.Row():
                    self.to_edit = gr.Button("Edit this face", elem_id="latent-to-edit", size="md", min_width=110)
                    self.to_morph = gr.Button("Morph with …", elem_id="latent-to-morph", size="md", min_width=110)

    def _lay_out_twins(self) -> None:
        there = len(self.twins) == len(TWINS)
        if there:
            panel("Three simpler models", "The same two faces through each of them, and faces that each makes up.")
        self.together = picture_place("latent-together")
        self.others = gr.Button("Other faces", elem_id="latent-others", size="md", visible=there)

    # ---- what happens

    def _wire(self) -> None:
        self.model.input(self.show, [self.model, self.seed], self.shown, show_progress="hidden", **QUEUED)
        again = {
            "fn": self.redraw,
            "inputs": [self.model, self.seed, self.page, self.direction],
            "outputs": [self.sheet, self.strip],
            **LIVE,
        }
        gr.on([self.seed.input, self.seed.release], **again)
        self.dice.click(lambda: random.randint(1, MAX_SEED), None, self.seed, **LIVE).then(**again)
        turned = [self.page, self.sheet, self.where, self.back, self.on]
        for button, step in ((self.back, -1), (self.on, 1)):
            button.click(self.turner(step), [self.model, self.seed, self.page], turned, show_progress="hidden", **QUEUED)
        chosen = [self.picture, self.status]
        self.map.select(self.choose, [self.model, self.attribute], [self.point, *chosen], **LIVE)
        self.attribute.input(self.colour, [self.model, self.attribute, self.point], [self.map, *chosen], **LIVE)
        self.direction.input(self.explain, [self.model, self.seed, self.direction], [self.strip, self.facts], **LIVE)
        self.others.click(lambda: self.compare(random.randrange(1, 100_000)), None, self.together, show_progress="hidden", **QUEUED)

    @property
    def shown(self) -> list[Any]:
        """What changes when another model is chosen; see `show`."""
        dimensions = [self.page, self.sheet, self.where, self.back, self.on]
        charts = [self.sentence, self.attribute, self.map, self.heat, self.direction, self.facts, self.curves]
        return [*dimensions, *charts, self.point, self.picture, self.status, self.strip]

    def first_visit_at(self, event: Callable[..., Any]) -> None:
        """Draw everything at an `event`, the first time that the tab is opened."""
        shown = [self.opened, self.together, *self.shown]
        event(self.first_visit, [self.opened, self.model, self.seed], shown, show_progress="hidden", **QUEUED)

    def first_visit(self, opened: bool, model: int, seed: float) -> Iterator[dict[Any, Any]]:
        """The tab was opened: draw everything, or leave what is there. Outputs are `opened`, `together` and those of `shown`."""
        if opened:
            yield {self.opened: True}
            return
        with one_sentence():
            yield from self.show(model, seed)
            yield {self.opened: True, self.together: self.compare(0)}

    def show(self, model: int, seed: float) -> Iterator[dict[Any, Any]]:
        """Another model: first what needs no net, then the faces."""
        exhibit = self.exhibits[model]
        about = exhibit.about
        attribute, direction = first_of(about.attributes), first_of(about.directions)
        yield {
            self.sentence: f"<p>{escape(about.sentence)}</p>",
            self.attribute: gr.update(choices=choices_of(about.attributes), value=attribute),
            self.map: drawing.draw_map(exhibit, attribute, 0),
            self.heat: drawing.draw_heat(exhibit),
            self.direction: gr.update(choices=choices_of(about.directions), value=direction),
            self.facts: drawing.draw_facts(exhibit, direction),
            self.curves: drawing.draw_curves(exhibit),
        }
        picture, said = drawing.draw_point(exhibit, 0, attribute)
        strip = self.draw_strip(exhibit, seed, direction)
        yield {self.point: 0, self.picture: picture, self.status: said, self.strip: strip}
        turned = self.turn(model, seed, 0)
        yield dict(zip([self.page, self.sheet, self.where, self.back, self.on], turned, strict=True))

    def turner(self, step: int) -> Callable[..., tuple[Any, ...]]:
        """The handler of a button that turns the page by `step`."""
        return lambda model, seed, page: self.turn(model, seed, page + step)

    def turn(self, model: int, seed: float, page: int) -> tuple[Any, ...]:
        """Another page of dimensions."""
        exhibit = self.exhibits[model]
        count = exhibit.about.latent
        last = (count - 1) // ROWS
        page = min(max(page, 0), last)
        where = f"{page * ROWS + 1} to {min((page + 1) * ROWS, count)} of {count}, most important first"
        return page, drawing.draw_sheet(exhibit, seed, page), where, gr.update(interactive=page > 0), gr.update(interactive=page < last)

    def redraw(self, model: int, seed: float, page: int, direction: str | None) -> tuple[str, str]:
        """Another face to start from."""
        exhibit = self.exhibits[model]
        return drawing.draw_sheet(exhibit, seed, page), self.draw_strip(exhibit, seed, direction)

    def choose(self, model: int, attribute: str | None, chosen: gr.EventData) -> tuple[int, str, str]:
        """A point of the map."""
        exhibit = self.exhibits[model]
        index = min(max(int(chosen.index), 0), len(exhibit.space.points) - 1)
        return index, *drawing.draw_point(exhibit, index, attribute)

    def face(self, model: int, attribute: str | None, point: int) -> Face:
        """The face of the point that is chosen, as the editor's model draws it."""
        exhibit = self.exhibits[model]
        picture = drawing.large(drawing.point_pixels(exhibit, point, attribute), self.editor.size)
        return self.editor.face_in(picture, f"point-{point + 1}-of-{exhibit.name}")

    @property
    def chosen(self) -> list[Any]:
        """What `face` takes."""
        return [self.model, self.attribute, self.point]

    def colour(self, model: int, attribute: str | None, point: int) -> tuple[str, str, str]:
        """Another attribute on the map."""
        exhibit = self.exhibits[model]
        return drawing.draw_map(exhibit, attribute, point), *drawing.draw_point(exhibit, point, attribute)

    def explain(self, model: int, seed: float, direction: str | None) -> tuple[str, str]:
        """Another direction."""
        exhibit = self.exhibits[model]
        return self.draw_strip(exhibit, seed, direction), drawing.draw_facts(exhibit, direction)

    def draw_strip(self, exhibit: Exhibit, seed: float, direction: str | None) -> str:
        """The face along a direction; of the editor's own model, with what the slider makes of it, too."""
        if direction is None or exhibit.model is not self.editor.checkpoint.net or not self.editor.renderer.is_curved(direction):
            return drawing.draw_strip(exhibit, seed, direction)
        ends = self.editor.directions[direction]

        def slide(face: np.ndarray, strength: float) -> np.ndarray | None:
            share = strength / SPAN[-1] * (ends.high if strength > 0 else -ends.low)
            return self.editor.slide(face, direction, float(share))

        return drawing.draw_strip(exhibit, seed, direction, slide)

    def compare(self, seed: int) -> str:
        """The three twins on a public-domain photo, on a face that the editor's model drew, and on N(0, I)."""
        if len(self.twins) < len(TWINS):
            return ""
        return drawing.draw_together(self.twins, self.examples.faces[0].crop, self.editor.generate([seed])[0].crop, seed)


def picture_place(elem_id: str) -> gr.HTML:
    """A place for what `facevae.ui.latent_space.drawing` draws."""
    return html("", elem_id)


def panel(title: str, sentence: str) -> None:
    """The head of a panel: its title, and what one sees in it."""
    heading(title)
    html(f'<p class="note">{sentence}</p>')


def attribute_menu(label: str, elem_id: str, attributes: Sequence[str]) -> gr.Dropdown:
    """One attribute of several."""
    return gr.Dropdown(
        choices_of(attributes), value=first_of(attributes), label=label, show_label=False, elem_id=elem_id, container=False, min_width=120
    )


def choices_of(attributes: Sequence[str]) -> list[tuple[str, str]]:
    """Attributes as a menu shows them, in the order of the alphabet."""
    return sorted((words(attribute), attribute) for attribute in attributes)


def first_of(attributes: Sequence[str]) -> str | None:
    """The attribute that is shown first; None where there are none."""
    return FIRST_ATTRIBUTE if FIRST_ATTRIBUTE in attributes else next(iter(attributes), None)
