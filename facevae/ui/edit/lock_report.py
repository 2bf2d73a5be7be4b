"""Report on locks: what share of each edit is left while other attributes are locked."""

from collections.abc import Mapping, Sequence
from html import escape

import gradio as gr

from facevae.editor import Editor
from facevae.ui.components import html

LITTLE = 0.3
"""Below this share of its strength an edit hardly does anything: the page warns."""
TAKES = 0.1
"""A lock that takes less than this is not named."""
WORST = 2


def lock_line(elem_id: str) -> gr.HTML:
    """The widget of the report, which screen readers announce; not there without a lock."""
    template = '<div class="left" role="status" aria-live="polite">${value}</div>'
    return html("", elem_id, html_template=template)


def report_locks(editor: Editor, groups: Mapping[str, Sequence[str]], moved: Sequence[str], labels: Mapping[str, str]) -> str:
    """HTML: for each attribute of `moved` what is left of it and who takes the rest; where none is, the worst of all.

    `groups` are the locks by the words that a person chose them with, `labels` the words for attributes.
    """
    held = [name for names in groups.values() for name in names]
    left = {name: share for name, share in editor.remaining(held).items() if name in labels} if held else {}
    if not left:
        return ""
    alone = {words: editor.remaining(names) for words, names in groups.items()}

    def sentence(name: str) -> str:
        guilty = [words for words in groups if alone[words].get(name, 1.0) <= 1 - TAKES] or list(groups)
        little = "little" if left[name] < LITTLE else "some"
        return escape(f"Keeping {listed(guilty)} leaves {little} of {labels[name]} ({left[name]:.0%}).")

    asked = [name for name in moved if name in left]
    if not asked:
        worst = sorted(left, key=left.__getitem__)[:WORST]
        shares = ", ".join(f"{labels[name]} {left[name]:.0%}" for name in worst)
        return f"<p>{escape(f'What is kept weakens {shares}.')}</p>"
    return "".join(f'<p class="warning">{sentence(n)}</p>' if left[n] < LITTLE else f"<p>{sentence(n)}</p>" for n in asked)


def listed(words: Sequence[str]) -> str:
    """ "Smile, Young and Hat"."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
