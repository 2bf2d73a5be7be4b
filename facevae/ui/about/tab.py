"""The About tab: privacy, limits, the edit matrix, and the model card."""

from typing import Any

import gradio as gr

from facevae.editor import Editor
from facevae.ui.about.edit_matrix import draw_matrix
from facevae.ui.components import html

PROMISES = """
## Your photos
Photos are sent to the machine that runs this page and to no other. Uploads and results are deleted there within the
hour; nothing is kept to train on, nothing is logged, and the page loads nothing from elsewhere.
Saved pictures carry a note that they were edited with facevae. Please leave it in.

## What the words mean
The sliders are named after the labels of the data set: what annotators ticked for photos of celebrities. They are
not facts about people, least of all about you. The model knows who was photographed for that data set, and treats everybody
else worse; it draws what was common there. "The classifier sees" is the opinion of a small network with the same
limits.

## What it should not be used for
To deceive, to mock, or to judge anybody; to tell who somebody is; to change pictures of people who would not agree.
"""


class AboutTab:
    """Promises, the edit matrix and the card: nothing here listens."""

    def __init__(self, editor: Editor) -> None:
        with gr.Row(elem_classes="about"):
            with gr.Column(scale=1, min_width=300):
                gr.Markdown(PROMISES)
                if drawn := measured(editor.evaluation.get("edits", {})):
                    html(drawn, "matrix")
            with gr.Column(scale=1, min_width=300):
                gr.Markdown(without_front_matter(editor.card), elem_id="card")


def measured(edits: Any) -> str:
    """The edit matrix, or a word about it where a checkpoint from elsewhere says what cannot be drawn."""
    try:
        return draw_matrix(edits)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return '<p class="note">What was measured of this checkpoint\'s edits cannot be read.</p>'


def without_front_matter(card: str) -> str:
    """The card as text: the Hub's YAML header is not for people."""
    if card.startswith("---"):
        return card.split("---", 2)[-1].strip()
    return card
