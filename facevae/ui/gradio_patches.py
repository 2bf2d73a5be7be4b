"""Patches of Gradio and all use of its internals: version seen in, and when to drop."""

import inspect
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # `turn_off_statistics` has to be called before Gradio is imported
    import gradio as gr


def turn_off_statistics() -> None:
    """Nothing is reported to anybody, and no table of calls is kept. To be called before Gradio is imported.

    Seen in 6.31: after each call Gradio makes a table of all of them, for a page of statistics (/monitoring) that is closed here.
    Drop when `analytics_enabled=False` turns that page off, too.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"], os.environ["GRADIO_ANALYTICS_MAX_EVENTS"] = str(2**62), "1"


def write_no_stubs() -> None:
    """Gradio reads and writes no type stubs (.pyi) of its components while it is imported: 1.7 s of 3.5. To be called before.

    Seen in 6.31: `create_or_modify_pyi` parses each component's source twice and writes beside it, but neither where `inspect.getfile`
    knows no file. Drop when importing Gradio no longer writes files.
    """
    getfile = inspect.getfile

    def unless_for_stubs(thing: Any) -> str:
        caller = sys._getframe(1)
        callers = {frame.f_code.co_name for frame in (caller, caller.f_back) if frame}  # torch puts a function of its own between
        if "create_or_modify_pyi" in callers:
            raise OSError("no stubs")
        return getfile(thing)

    inspect.getfile = unless_for_stubs


def send_whole_values() -> None:
    """Let Gradio send a changed value of a stream as it is, not as the edits that make it of the one before.

    Seen in 6.31: the page makes those edits in the very object that it has shown or is about to show. A page that has to wait for a hidden
    widget loses what is changed or taken back meanwhile, and sliders stay where guidance began.
    Drop when the front end applies differences to a copy (tests/ui/test_gradio_patches.py passes without this).
    """
    from gradio import utils

    utils.diff = whole_value


def whole_value(old: Any, new: Any) -> list[list[Any]]:
    """Like `gradio.utils.diff`, but a changed value is one edit: the new value in its place."""
    return [] if type(old) is type(new) and old == new else [["replace", [], new]]


def upload_folder() -> str:
    """The folder of uploads and results.

    Seen in 6.31: `get_upload_folder` is not documented. Drop when Gradio has a public function for it.
    """
    from gradio.utils import get_upload_folder

    return get_upload_folder()


def write_to_cache(component: "gr.components.Component", data: bytes, name: str) -> str:
    """Write a file where Gradio serves it from and deletes it on schedule; gives its path.

    Seen in 6.31: `save_bytes_to_cache` and a component's `GRADIO_CACHE` are not documented. Drop when a handler may return named bytes.
    """
    from gradio.processing_utils import save_bytes_to_cache

    return save_bytes_to_cache(data, name, component.GRADIO_CACHE)


def move_upload_folder(page: "gr.Blocks", folder: Path) -> None:
    """Let a running page write uploads and results to another folder.

    Seen in 6.31: components and app copy GRADIO_TEMP_DIR when they are made. Drop when they read it at each write.
    """
    import gradio as gr

    for block in page.blocks.values():
        if isinstance(block, gr.components.Component):
            block.GRADIO_CACHE = str(folder)
    if page.app is not None:
        page.app.uploaded_file_dir = str(folder)


def rest_between_events(page: "gr.Blocks") -> None:
    """A page that nobody uses looks for events fifty times a second, not a thousand: 2 % of a core instead of 7 %.

    Seen in 6.31: `Queue.start_processing` sleeps for a millisecond at a time. Drop when it waits for an event.
    """
    page._queue.sleep_when_free = 0.02


def limit_sessions(page: "gr.Blocks", count: int) -> None:
    """How many visitors a mounted page remembers.

    Seen in 6.31: `launch` takes `state_session_capacity`, `mount_gradio_app` does not. Drop when it does.
    """
    page.state_session_capacity = count


def close_mounted_page(page: "gr.Blocks") -> None:
    """Close a mounted page, and let its memory go. Its files stay for their hour, for another page may show them.

    Seen in 6.31: `close` deletes all files of the page, and FastAPI remembers functions of every app for ever, and they know their page.
    Drop when a mounted page can be closed and is collected afterwards (tests/ui/server/test_checkpoint_pages.py).
    """
    page.temp_file_sets.clear()
    page.close(verbose=False)
    page.default_config.fns.clear()
    page.default_config.blocks.clear()
    page.children.clear()
