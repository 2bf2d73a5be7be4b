"""While the page loads, no widget has a clock of its own."""

from facevae.checkpoint.checkpoint import Checkpoint
from facevae.editor import Editor
from facevae.ui.page import build_page


def test_what_loading_fills_shows_no_progress(tiny_checkpoint: Checkpoint) -> None:
    page, _ = build_page(Editor(tiny_checkpoint))
    loads = [fn for fn in page.fns.values() if any(event == "load" for _, event in fn.targets)]
    assert len(loads) >= 4 and [fn.name for fn in loads if fn.show_progress != "hidden"] == []
