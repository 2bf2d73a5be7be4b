""" "Make it …": a button for each goal, and guidance that streams its pictures until the classifier agrees."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from facevae.editor import Editor, Face, Goal, GuideStep
from facevae.ui.parts import FRAME_SEC, LIVE, QUEUED, heading, here, one_sentence, say
from facevae.ui.session import Session

BACK = "Reset all brings the photo back."


class GoalsPart:
    """The buttons with the Stop button beside them, which stops refinement, too."""

    def __init__(self, editor: Editor) -> None:
        self.editor = editor
        heading("Make it")
        with gr.Row(elem_classes="goals"):
            self.buttons = [(goal, gr.Button(goal.label, size="sm", min_width=60, elem_id=f"goal-{goal.name}")) for goal in editor.goals]
            self.stop = gr.Button("Stop", size="sm", min_width=60, variant="stop", interactive=False, elem_id="stop")

    def wire(
        self,
        session: gr.State,
        look: list[Any],
        outputs: list[Any],
        guided: Callable[..., dict[Any, Any]],
        restart: Callable[[tuple[float, ...]], tuple[dict[str, float], dict[Any, Any]]],
        status: gr.HTML,
        after: list[dict[str, Any]],
    ) -> None:
        """`guided` draws a step, `restart` gives the strengths of slider values and the update that puts them to zero."""
        self.guided, self.restart, self.status = guided, restart, status
        for goal, button in self.buttons:
            run = button.click(self.follow(goal), [session, *look], [*outputs, status, self.stop], show_progress="hidden", **QUEUED)
            for step in after:
                run = run.then(**step)
        self.stop.click(lambda session: session.stop(), session, None, **LIVE)

    def follow(self, goal: Goal) -> Any:
        """The handler of one button."""

        def run(session: Session, face: Face | None, view: str, show: str, detail: float, *values: float) -> Iterator[dict[Any, Any]]:
            face, turn, drawn_sec, step = here(face), session.take_turn(), 0.0, None
            yield {self.stop: gr.update(interactive=True), self.status: say(f"{goal.label}: starting")}
            # The steps carry the strengths of the sliders inside them, so the sliders start again from zero.
            strengths, neutral = self.restart(values)
            with one_sentence():
                for step in self.editor.guide(face, goal.wanted, strengths, detail=detail):
                    if session.turn != turn or session.stopped:
                        break
                    if time.monotonic() - drawn_sec > FRAME_SEC:
                        text = f"{sure(goal, step)}, step {step.step} of {step.steps}"
                        yield {**self.guided(step.face, view, show, detail), self.status: say(text), **neutral}
                        neutral, drawn_sec = {}, time.monotonic()
            if step is not None and session.turn == turn:
                text = f"{'Stopped. ' if session.stopped else ''}{sure(goal, step)}. {BACK}"
                drawn = self.guided(step.face, view, show, detail)
                yield {**drawn, self.status: say(text), self.stop: gr.update(interactive=False), **neutral}
            yield {self.status: gr.skip()}  # Gradio sends the last message twice: it must say nothing

        return run


def sure(goal: Goal, step: GuideStep) -> str:
    """How far guidance has come, in words."""
    return f"{goal.label}: the classifier is {step.probability:.0%} sure"
