"""HTML of guidance: its curve, its report, and the classifier's readings of a face."""

import html
from collections.abc import Mapping

from facevae.attributes import SHOWN, WITHHELD, in_words
from facevae.editor import LEAST_MOVED_SIGMA, GuideReport, GuideStep
from facevae.ui import charts


class Progress:
    """The wanted labels' probabilities and the loss, step by step."""

    def __init__(self, wanted: Mapping[str, bool]) -> None:
        self.wanted = dict(wanted)
        self.curves: dict[str, list[float]] = {wish(name, want): [] for name, want in wanted.items()}
        self.loss: list[float] = []

    def add(self, step: GuideStep) -> None:
        """One step more."""
        for name, want in self.wanted.items():
            self.curves[wish(name, want)].append(fulfilled(step.probabilities[name], want))
        self.loss.append(step.loss)

    def draw(self) -> str:
        """As a chart; nothing where there was no step to draw a line to."""
        return charts.progress(self.curves, self.loss) if len(self.loss) > 1 else ""


def wish(name: str, want: bool) -> str:
    """ "Glasses" or "no glasses"."""
    words, itself = in_words(name)
    return words if want == itself else f"no {words[0].lower()}{words[1:]}"


def wish_words(wanted: Mapping[str, bool]) -> str:
    """ "with Smile, Hat, without Glasses"."""
    sides = {True: [], False: []}
    for name, want in wanted.items():
        words, itself = in_words(name)
        sides[want == itself].append(words)
    said = [f"{side} {', '.join(names)}" for side, names in (("with", sides[True]), ("without", sides[False])) if names]
    return ", ".join(said)


def fulfilled(probability: float, want: bool) -> float:
    """The probability that a wish has come true."""
    return probability if want else 1 - probability


def draw_report(report: GuideReport) -> str:
    """As a list. Labels that are withheld from the sliders stay out of it, too."""

    def seen(probabilities: Mapping[str, float]) -> str:
        return ", ".join(f"{wish(name, want)} at {fulfilled(probabilities[name], want):.0%}" for name, want in report.asked.items())

    rows = [f"The classifier that guided sees {seen(report.guide)}."]
    if report.judge is not None:
        rows.append(f"An independent classifier sees {seen(report.judge)}.")
    moved = [(*in_words(name), sigma) for name, sigma in report.moved if name not in WITHHELD]
    shown = ", ".join(f"{words} {sigma if itself else -sigma:+.1f} σ" for words, itself, sigma in moved).replace(" -", " −")
    rows.append(f"What else moved: {shown}." if shown else f"Nothing else moved by more than {LEAST_MOVED_SIGMA:g} σ.")
    items = "".join(f"<li>{html.escape(row)}</li>" for row in rows)
    return f'<div class="report"><h3>Asked for: {html.escape(wish_words(report.asked))}</h3><ul>{items}</ul></div>'


def list_scores(seen: Mapping[str, float]) -> str:
    """The classifier's readings as bars, under the data set's own labels, in the order of the sliders."""
    rows = (
        f"<li><span>{html.escape(shown.name.replace('_', ' '))}</span><meter min=0 max=1 value={seen[shown.name]:.3f}></meter>"
        f"<span>{seen[shown.name]:.0%}</span></li>"
        for shown in SHOWN
        if shown.name in seen
    )
    return f'<ul class="scores">{"".join(rows)}</ul>'
