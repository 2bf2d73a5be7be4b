""" "Make it …": a button for each goal, wishes in free form, and guidance that streams its pictures, its curve and its report."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import gradio as gr

from facevae.attributes import wanted_of
from facevae.editor import Editor, Face, Goal, GuideStep
from facevae.editor.history import Edit
from facevae.ui.components import FRAME_SEC, LIVE, QUEUED, heading, here, one_sentence, refusal, say, wishes
from facevae.ui.edit.guidance_report import Progress, draw_report, wish_words
from facevae.ui.session import Session

BACK = "Reset all brings the photo back."
ENDED = {"plateau": " It got no further.", "steps": " These were all the steps it may take."}


class GoalsPart:
    """The buttons, the wishes, and what came of them. The Stop button among them stops refinement, too."""

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
        self.report = gr.HTML("", elem_id="guide-report", apply_default_css=False, elem_classes="plain")

    def wire(
        self,
        look: list[Any],
        outputs: list[Any],
        begun: Callable[[Session, Face, float, tuple[Any, ...]], tuple[Editor, Edit]],
        draw: Callable[..., dict[Any, Any]],
        place: Callable[[Session, Face], dict[Any, Any]],
        status: gr.HTML,
        after: list[dict[str, Any]],
    ) -> None:
        """`begun` gives what guidance goes on from, `draw` shows a step, `place` puts the sliders to a face.

        `look` begins with the session, the face, the two switches and the photo detail; the rest is what `begun` reads.
        """
        self.begun, self.draw, self.place, self.status = begun, draw, place, status
        to = {"outputs": [*outputs, status, self.stop, self.report], "show_progress": "hidden", **QUEUED}
        runs = [button.click(self.follow(goal), look, **to) for goal, button in self.buttons]
        runs.append(self.guide.click(self.follow_wishes, [self.with_it, self.without, *look], **to))
        for run in runs:
            for step in after:
                run = run.then(**step)
        self.stop.click(lambda session: session.stop(), look[0], None, **LIVE)

    def follow(self, goal: Goal) -> Any:
        """The handler of one button."""

        def run(session: Session, *look: Any) -> Iterator[dict[Any, Any]]:
            yield from self.run(goal.label, goal.wanted, session, *look)

        return run

    def follow_wishes(self, with_it: list[str], without: list[str], session: Session, *look: Any) -> Iterator[dict[Any, Any]]:
        """The handler of the free form."""
        with one_sentence():
            wanted = wanted_of(with_it, without)
        if not wanted:
            raise refusal("Choose at least one attribute that the face shall be with or without.")
        label = wish_words(wanted)
        yield from self.run(label[0].upper() + label[1:], wanted, session, *look)

    def run(
        self,
        label: str,
        wanted: Mapping[str, bool],
        session: Session,
        face: Face | None,
        view: str,
        show: str,
        detail: float,
        *values: Any,
    ) -> Iterator[dict[Any, Any]]:
        """Guide, and show it; what the sliders asked for is taken over, so that they start again from where the face is then."""
        editor, edit = self.begun(session, here(face), detail, values)
        detail = edit.detail
        with one_sentence():
            before = editor.bake(edit.face, edit.strengths, edit.locks)
        turn, drawn_sec, step, put = session.take_turn(), 0.0, None, False
        yield {self.stop: gr.update(interactive=True), self.status: say(f"{label}: starting"), self.report: ""}
        progress, seen = Progress(wanted), self.editor.probabilities(before, detail=detail)
        with one_sentence(), session.keeping(turn, here(face)):
            for step in editor.guide(before, wanted, detail=detail, locks=edit.locks):
                progress.add(step)
                seen |= step.probabilities  # what was not asked for is read when the search is over
                if session.turn != turn or session.stopped:
                    break
                if time.monotonic() - drawn_sec > FRAME_SEC:
                    text = f"{sure(label, step)}, step {step.step} of {step.steps}"
                    placed = {} if put else self.place(session, step.face)
                    drawn = self.draw(session, session.show(turn, step.face), view, show, detail, seen)
                    yield {**drawn, self.status: say(text), self.report: progress.draw(), **placed}
                    put, drawn_sec = True, time.monotonic()
        if step is not None and session.turn == turn:
            stopped, ended = ("Stopped. ", "") if session.stopped else ("", ENDED.get(step.reason, ""))
            placed = self.place(session, step.face)
            session.deed = label
            with one_sentence():
                found = editor.report(before, {}, step.face, wanted, detail)
            yield {
                **self.draw(session, session.show(turn, step.face), view, show, detail, seen),
                self.status: say(f"{stopped}{sure(label, step)}.{ended} {BACK}"),
                self.stop: gr.update(interactive=False),
                self.report: progress.draw() + draw_report(found),
                **placed,
            }
        yield {self.status: gr.skip()}  # Gradio sends the last message twice: it must say nothing


def sure(label: str, step: GuideStep) -> str:
    """How far guidance has come, in words."""
    return f"{label}: the classifier is {step.probability:.0%} sure"
