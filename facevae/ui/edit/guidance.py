"""Looks: goal buttons, a free form, and the pictures of guidance by the classifier."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

import gradio as gr
import numpy as np

from facevae.attributes import PUT_ON, wanted_of
from facevae.editor import Editor, Goal
from facevae.ui.components import (
    FRAME_SEC,
    LIVE,
    QUEUED,
    Widgets,
    ends_silently,
    heading,
    html,
    one_sentence,
    refusal,
    require_face,
    say,
    wishes,
)
from facevae.ui.edit.guidance_report import Progress, draw_report, wish_words
from facevae.ui.edit.rendering import EditRendering

FIRST_ROW = ("smiling", "blond", "brown_hair", "black_hair", "red_hair", "gray_hair", "makeup", "glasses")
"""Looks that look right on most photos."""
SAID = {
    "smiling": ("Smile added.", "You are already smiling in this photo."),
    "serious": ("Smile removed.", "You are already serious in this photo."),
    "bangs": ("Bangs added.", "You already have bangs in this photo."),
    "younger": ("Made younger.", "You already look young in this photo."),
    "older": ("Made older.", "You already look older in this photo."),
    "mustache": ("Mustache added.", "You already have a mustache in this photo."),
    "glasses": ("Glasses added.", "You already wear glasses in this photo."),
    "no_glasses": ("Glasses removed.", "You wear no glasses in this photo."),
    "makeup": ("Makeup added.", "You already wear makeup in this photo."),
}
"""What is said of a look that is there now, and of one that was there already; of others, their labels are."""
NO_FURTHER = "This is as far as it goes on this photo. Try the slider."


class GuidancePanel:
    """Buttons, free form and report. `stop`, which is shown while something runs, stops refinement, too."""

    def __init__(self, editor: Editor, stop: gr.Button) -> None:
        self.editor, self.stop = editor, stop
        heading("Looks")
        self.buttons: list[tuple[Goal, gr.Button]] = []
        self._lay_out_goals([goal for goal in editor.goals if goal.name in FIRST_ROW])

    def _lay_out_goals(self, goals: list[Goal]) -> None:
        with gr.Row(elem_classes="goals"):
            self.buttons += [(goal, gr.Button(goal.label, size="sm", min_width=60, elem_id=f"goal-{goal.name}")) for goal in goals]

    def lay_out_more(self) -> None:
        """Looks that seldom look right, the free form, and the report, in a place of their own."""
        heading("Experimental")
        self._lay_out_goals([goal for goal in self.editor.goals if goal.name not in FIRST_ROW])
        with gr.Accordion("Combine several", open=False, elem_id="wishes"):
            menu = {"multiselect": True, "value": [], "elem_classes": "bare", "min_width": 120}
            self.with_it = gr.Dropdown(wishes(self.editor), label="Add", elem_id="wish-with", **menu)
            self.without = gr.Dropdown(wishes(self.editor), label="Remove", elem_id="wish-without", **menu)
            self.guide = gr.Button("Apply", size="md", elem_id="guide", min_width=90)
        self.report = html("", "guide-report")

    def wire(self, rendering: EditRendering, after: list[dict[str, Any]]) -> None:
        """`rendering` shows a step; the events `after` draw the page again."""
        self.rendering, self.status, widgets = rendering, rendering.status, rendering.widgets
        shown = [rendering.face, rendering.panel.marks, *rendering.pictures, *rendering.panel.placed, self.status, self.stop, self.report]
        to = {"outputs": shown, "show_progress": "hidden", **QUEUED}
        runs = [button.click(self.follow(goal), widgets, **to) for goal, button in self.buttons]
        runs.append(self.guide.click(self.follow_wishes, widgets | {self.with_it, self.without}, **to))
        for run in runs:
            for step in after:
                run = run.then(**step)
        self.stop.click(lambda session: session.stop(), rendering.session, None, **LIVE)

    def follow(self, goal: Goal) -> Any:
        """The handler of one button."""

        def run(widgets: Widgets) -> Iterator[dict[Any, Any]]:
            yield from self.run(goal.label, goal.wanted, widgets, SAID.get(goal.name))

        return run

    def follow_wishes(self, widgets: Widgets) -> Iterator[dict[Any, Any]]:
        """The handler of the free form."""
        with one_sentence():
            wanted = wanted_of(widgets[self.with_it], widgets[self.without])
        if not wanted:
            raise refusal("Choose something to add or remove first.")
        label = wish_words(wanted)
        yield from self.run(label[0].upper() + label[1:], wanted, widgets)

    @ends_silently
    def run(
        self, label: str, wanted: Mapping[str, bool], widgets: Widgets, said: tuple[str, str] | None = None
    ) -> Iterator[dict[Any, Any]]:
        """Guide, and show it; the face takes over what the sliders request, so that they start from it again. `said` as in `SAID`."""
        page, session, shown = self.rendering, widgets[self.rendering.session], require_face(widgets[self.rendering.face])
        editor, edit = page.begin(widgets)
        detail = edit.detail
        with one_sentence():
            before = editor.bake(edit.face, edit.strengths, edit.locks)
        action, drawn_sec, step, placed = session.begin_action(), 0.0, None, False
        yield {self.stop: gr.update(interactive=True), self.status: say(f"{label} …"), self.report: ""}
        progress, seen = Progress(wanted), self.editor.probabilities(before, detail=detail)
        with one_sentence(), session.keeping(action, shown):
            try:
                for step in editor.guide(before, wanted, detail=detail, locks=edit.locks):
                    progress.add(step)
                    seen |= step.probabilities  # the other labels are read when the search is over
                    if session.action != action or session.stopped:
                        break
                    if step.reason != PUT_ON and time.monotonic() - drawn_sec > FRAME_SEC:
                        sliders = {} if placed else page.panel.set_to_face(session, step.face)
                        drawn = page.guide_step(session, session.show(action, step.face), widgets, detail, seen)
                        yield {**drawn, self.report: progress.draw(), **sliders}
                        placed, drawn_sec = True, time.monotonic()
            except ValueError:  # nothing goes on that could be stopped
                if session.action == action:
                    yield {self.stop: gr.update(interactive=False), self.status: ""}
                raise
        if step is not None and session.action == action:
            done, already = said or (f"{label}: done.", f"{label}: nothing to change in this photo.")
            if session.stopped:
                words = "Stopped."
            elif step.reason not in ("target", PUT_ON):
                words = NO_FURTHER
            else:
                words = already if np.allclose(step.face.offset, before.offset) else done
            sliders = page.panel.set_to_face(session, step.face)
            session.step_words = label
            report = ""
            if step.reason != PUT_ON:
                with one_sentence():
                    report = progress.draw() + draw_report(editor.report(before, {}, step.face, wanted, detail))
            yield {
                **page.guide_step(session, session.show(action, step.face), widgets, detail, seen),
                self.status: say(words),
                self.stop: gr.update(interactive=False),
                self.report: report,
                **sliders,
            }
