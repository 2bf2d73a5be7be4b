"""Guidance by the classifier: goal buttons, a free form, and the stream of pictures."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

import gradio as gr

from facevae.attributes import PUT_ON, wanted_of
from facevae.editor import Editor, Goal, GuideStep
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

BACK = "Reset all brings the photo back."
ENDED = {"plateau": " It got no further.", "steps": " These were all the steps it may take."}


class GuidancePanel:
    """Buttons, free form and report. The Stop button among them stops refinement, too."""

    def __init__(self, editor: Editor) -> None:
        self.editor = editor
        heading("Make it")
        with gr.Row(elem_classes="goals"):
            self.buttons = [(goal, gr.Button(goal.label, size="sm", min_width=60, elem_id=f"goal-{goal.name}")) for goal in editor.goals]
            self.stop = gr.Button("Stop", size="sm", min_width=60, variant="stop", interactive=False, elem_id="stop")
        with gr.Accordion("With and without …", open=False, elem_id="wishes"):
            menu = {"multiselect": True, "value": [], "elem_classes": "bare", "min_width": 120}
            self.with_it = gr.Dropdown(wishes(editor), label="With", elem_id="wish-with", **menu)
            self.without = gr.Dropdown(wishes(editor), label="Without", elem_id="wish-without", **menu)
            self.guide = gr.Button("Guide", size="md", elem_id="guide", min_width=90)
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
            yield from self.run(goal.label, goal.wanted, widgets)

        return run

    def follow_wishes(self, widgets: Widgets) -> Iterator[dict[Any, Any]]:
        """The handler of the free form."""
        with one_sentence():
            wanted = wanted_of(widgets[self.with_it], widgets[self.without])
        if not wanted:
            raise refusal("Choose at least one attribute that the face shall be with or without.")
        label = wish_words(wanted)
        yield from self.run(label[0].upper() + label[1:], wanted, widgets)

    @ends_silently
    def run(self, label: str, wanted: Mapping[str, bool], widgets: Widgets) -> Iterator[dict[Any, Any]]:
        """Guide, and show it; the face takes over what the sliders request, so that they start from it again."""
        page, session, shown = self.rendering, widgets[self.rendering.session], require_face(widgets[self.rendering.face])
        editor, edit = page.begin(widgets)
        detail = edit.detail
        with one_sentence():
            before = editor.bake(edit.face, edit.strengths, edit.locks)
        action, drawn_sec, step, placed = session.begin_action(), 0.0, None, False
        yield {self.stop: gr.update(interactive=True), self.status: say(f"{label}: starting"), self.report: ""}
        progress, seen = Progress(wanted), self.editor.probabilities(before, detail=detail)
        with one_sentence(), session.keeping(action, shown):
            try:
                for step in editor.guide(before, wanted, detail=detail, locks=edit.locks):
                    progress.add(step)
                    seen |= step.probabilities  # the other labels are read when the search is over
                    if session.action != action or session.stopped:
                        break
                    if step.reason != PUT_ON and time.monotonic() - drawn_sec > FRAME_SEC:
                        text = f"{sure(label, step)}, step {step.step} of {step.steps}"
                        sliders = {} if placed else page.panel.set_to_face(session, step.face)
                        drawn = page.guide_step(session, session.show(action, step.face), widgets, detail, seen)
                        yield {**drawn, self.status: say(text), self.report: progress.draw(), **sliders}
                        placed, drawn_sec = True, time.monotonic()
            except ValueError:  # nothing goes on that could be stopped
                if session.action == action:
                    yield {self.stop: gr.update(interactive=False), self.status: ""}
                raise
        if step is not None and session.action == action:
            stopped, ended = ("Stopped. ", "") if session.stopped else ("", ENDED.get(step.reason, ""))
            sliders = page.panel.set_to_face(session, step.face)
            session.step_words = label
            report = ""
            if step.reason != PUT_ON:
                with one_sentence():
                    report = progress.draw() + draw_report(editor.report(before, {}, step.face, wanted, detail))
            yield {
                **page.guide_step(session, session.show(action, step.face), widgets, detail, seen),
                self.status: say(f"{stopped}{sure(label, step)}.{ended} {BACK}"),
                self.stop: gr.update(interactive=False),
                self.report: report,
                **sliders,
            }


def sure(label: str, step: GuideStep) -> str:
    """Progress of guidance, in words; what is put on takes no classifier."""
    return label if step.reason == PUT_ON else f"{label}: the classifier is {step.probability:.0%} sure"
