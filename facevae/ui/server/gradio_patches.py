"""How the values of a handler that streams reach the page: each as a whole."""

from typing import Any

from gradio import utils


def send_whole() -> None:
    """Let Gradio send a changed value of a stream as it is now, not as the edits that make it of the one before.

    Its script makes those edits in the very object that it has given to the page before, which may not have been shown yet: a page
    that has to wait for a hidden widget loses what is changed or taken back meanwhile (6.31: sliders stayed where guidance began).
    """
    utils.diff = whole


def whole(old: Any, new: Any) -> list[list[Any]]:
    """What `gradio.utils.diff` gives, but that a changed value is one edit: a new one in its place."""
    return [] if type(old) is type(new) and old == new else [["replace", [], new]]
