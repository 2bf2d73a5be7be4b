"""The About tab: photos and limits in a few words; the edit matrix and the model card."""

from typing import Any

import gradio as gr

from facevae.editor import Editor
from facevae.ui.about.edit_matrix import draw_matrix
from facevae.ui.components import html

ABOUT = """
<h2>Your photos</h2>
<p>Photos go to the computer that runs this page and nowhere else. Uploads and results are deleted within the hour.
Saved edits carry "AI-edited" in their metadata: please leave it in.</p>
<h2>The model</h2>
<ul>
<li><b>Data:</b> it learned from photos of celebrities (CelebA), for non-commercial research only.</li>
<li><b>Bias:</b> it works less well for people who look different from them.</li>
<li><b>Labels:</b> sliders are named after what annotators ticked, often wrongly; they are not facts about people.</li>
<li><b>Left out:</b> labels that judge people, follow ethnicity or are close to random have no slider.</li>
</ul>
<p>More: the <a href="#figures">figures and model card</a> below, and <code>docs/edits.md</code> in the repository.</p>
<h2>What it is not for</h2>
<p>Deceiving, mocking or judging anybody; finding out who somebody is; changing pictures of people who would not agree.</p>
"""
OPEN_FIGURES = """element.querySelector('a[href="#figures"]').addEventListener("click", (event) => {
  event.preventDefault(); // the page's address may be a link to a face
  const box = document.querySelector("#figures"), button = box.querySelector("button.label-wrap");
  if (!button.classList.contains("open")) button.click();
  box.scrollIntoView();
});"""


class AboutTab:
    """A short text, and behind "Figures" the edit matrix and the card of this checkpoint: nothing here listens."""

    def __init__(self, editor: Editor) -> None:
        html(ABOUT, "about-text", js_on_load=OPEN_FIGURES)
        with gr.Accordion("Figures and model card", open=False, elem_id="figures"):
            if drawn := measured(editor.evaluation.get("edits", {})):
                html(drawn, "matrix")
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
