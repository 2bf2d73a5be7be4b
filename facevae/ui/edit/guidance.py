"""Guidance on the Edit tab: a tap on a look, a free form, progress and report."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

import gradio as gr
import numpy as np

from facevae.attributes import PUT_ON, wanted_of
from facevae.editor import Editor, Goal
from facevae.editor.looks import taken_off, worn
from facevae.ui.components import (
    FRAME_SEC,
    LIVE,
    QUEUED,
    STILL_OPENING,
    Widgets,
    ends_silently,
    html,
    one_sentence,
    refusal,
    require_face,
    say,
    wishes,
)
from facevae.ui.edit.guidance_report import Progress, draw_report, wish_words
from facevae.ui.edit.looks import LooksPanel
from facevae.ui.edit.rendering import EditRendering

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
    """Looks, free form and report. `stop`, which is shown while something runs, stops refinement, too."""

    def __init__(self, editor: Editor, stop: gr.Button) -> None:
        self.editor, self.stop = editor, stop
        self.looks = LooksPanel(editor)

    def lay_out_more(self) -> None:
        """Looks that seldom look right, the free form, and the report, in a place of their own."""
        self.looks.lay_out_more()
        with gr.Accordion("Combine several", open=False, elem_id="wishes"):
            menu = {"multiselect": True, "value": [], "elem_classes": "bare", "min_width": 120}
            self.with_it = gr.Dropdown(wishes(self.editor), label="Add", elem_id="wish-with", **menu)
            self.without = gr.Dropdown(wishes(self.editor), label="Remove", elem_id="wish-without", **menu)
            self.guide = gr.Button("Apply", size="md", elem_id="guide", min_width=90)
        self.report = html("", "guide-report")

    def wire(self, rendering: EditRendering, after: list[dict[str, Any]]) -> None:
        """`rendering` shows a step; the events `after` draw the page again."""
        self.rendering, self.status, widgets = rendering, rendering.status, rendering.widgets
        shown = [*rendering.shown, self.stop, self.report]
        to = {"outputs": shown, "show_progress": "hidden", **QUEUED}
        taps = [self.looks.tiles.select, self.looks.more_tiles.select]
        runs = [tap(self.tap, widgets, trigger_mode="multiple", **to) for tap in taps]  # another look may be wanted before one is there
        runs.append(self.guide.click(self.follow_wishes, widgets | {self.with_it, self.without}, **to))
        for run in runs:
            for step in after:
                run = run.then(**step)
        self.stop.click(lambda session: session.stop(), rendering.session, None, **LIVE)

    def tap(self, widgets: Widgets, chosen: gr.EventData) -> Iterator[dict[Any, Any]]:
        """A look was tapped: it is put on, or taken off where the face wears it."""
        face = widgets[self.rendering.face]
        if face is None and widgets[self.rendering.session].begins:
            raise refusal(STILL_OPENING)
        face = require_face(face)
        with one_sentence():
            goal = self.editor.looks.goal(str(chosen.look))
        if any(look.name == goal.name for look in face.looks):
            yield self.take_off(goal, widgets)
        else:
            yield from self.run(goal.label, goal.wanted, widgets, goal)

    def take_off(self, goal: Goal, widgets: Widgets) -> dict[Any, Any]:
        """The face without a look; sliders keep their changes."""
        page, session = self.rendering, widgets[self.rendering.session]
        _, edit = page.begin(widgets)
        edit = page.new_edit(session, taken_off(edit.face, goal.name), edit.detail, edit.strengths, edit.locks)
        page.history.remember(session, edit, f"{goal.label} off")
        return page.show_edit(session, edit, widgets[page.preview.view], widgets[page.preview.show], f"{goal.label} taken off.")

    def follow_wishes(self, widgets: Widgets) -> Iterator[dict[Any, Any]]:
        """The handler of the free form."""
        with one_sentence():
            wanted = wanted_of(widgets[self.with_it], widgets[self.without])
        if not wanted:
            raise refusal("Choose something to add or remove first.")
        label = wish_words(wanted)
        yield from self.run(label[0].upper() + label[1:], wanted, widgets)

    @ends_silently
    def run(self, label: str, wanted: Mapping[str, bool], widgets: Widgets, goal: Goal | None = None) -> Iterator[dict[Any, Any]]:
        """Guide, and show it; the face takes over what the sliders request, so that they start from it again, and the look `goal`."""
        page, session, shown = self.rendering, widgets[self.rendering.session], require_face(widgets[self.rendering.face])
        editor, edit = page.begin(widgets)
        detail = edit.detail
        with one_sentence():
            before = editor.bake(editor.looks.make_room(edit.face, wanted) if goal else edit.face, edit.strengths, edit.locks)
        action, drawn_sec, step, placed = session.begin_work(), 0.0, None, False
        tiles = self.looks.show_coming(before, goal) if goal else {}
        yield {self.stop: gr.update(interactive=True), self.status: say(f"{label} …"), self.report: "", **tiles}
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
                    session.end_work(action)
                    yield {self.stop: gr.update(interactive=False), self.status: "", **self.looks.show(edit.face)}
                raise
        session.end_work(action)
        if step is not None and session.action == action:
            said = (f"{label}: done.", f"{label}: nothing to change in this photo.")
            done, already = SAID.get(goal.name, said) if goal else said
            face = worn(before, step.face, goal.name, goal.label) if goal else step.face
            if session.stopped:
                words = "Stopped."
            elif step.reason not in ("target", PUT_ON):
                words = NO_FURTHER
            else:
                words = already if np.allclose(step.face.offset, before.offset) else done
            sliders = page.panel.set_to_face(session, face) | self.looks.show(face)
            session.step_words = label
            report = ""
            if step.reason != PUT_ON:
                with one_sentence():
                    report = progress.draw() + draw_report(editor.report(before, {}, step.face, wanted, detail))
            yield {
                **page.guide_step(session, session.show(action, face), widgets, detail, seen),
                self.status: say(words),
                self.stop: gr.update(interactive=False),
                self.report: report,
                **sliders,
            }
