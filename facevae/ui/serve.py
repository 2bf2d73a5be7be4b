"""Open a checkpoint and serve the page: app.py and the command `facevae app`."""

import argparse
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradio import Blocks

    from facevae.editor import Editor


def read_app(args: Sequence[str]) -> Callable[[], int]:
    """The command `facevae app`, which has the flags of app.py."""
    return lambda: main(args, "facevae app")


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Parse flags, open the checkpoint, build the page, launch. `SystemExit` in one sentence where it cannot begin.

    Ends with Ctrl-C, and as cleanly where it is told to end (SIGTERM) or its terminal is closed (SIGHUP): temporary files go.
    """
    parser = argparse.ArgumentParser(prog=prog, description="facevae: edit, morph and draw faces in the browser")
    parser.add_argument(
        "--checkpoint",
        action="append",
        default=[],
        help="folder, or owner/name@revision on the Hub; the embedded one without this flag. Given again: more, to choose from in the page",
    )
    parser.add_argument(
        "--checkpoints", type=Path, action="append", default=[], help="folder of checkpoint folders, to choose from in the page"
    )
    parser.add_argument("--revision", help="commit, tag or branch of the first checkpoint, where its name has none")
    parser.add_argument(
        "--exhibits", type=Path, help="folder with more models for the tab Inside the model (python -m train exhibit makes them)"
    )
    parser.add_argument("--host", help="address to listen on; this machine only without this flag")
    parser.add_argument("--port", type=port_of, help="port to listen on; the first free one from 7860 without this flag")
    parser.add_argument("--root-path", type=path_of, default="", help="path of the page behind a reverse proxy, such as /faces")
    parser.add_argument("--share", action="store_true", help="open a temporary public link through Gradio's servers")
    flags = parser.parse_args(argv)
    with suppress(KeyboardInterrupt):
        end_cleanly()
        serve(parser, flags)
    return 0


def serve(parser: argparse.ArgumentParser, flags: argparse.Namespace) -> None:
    """Build the page and serve it until the process is told to end; what is wrong goes to the parser, which exits."""
    flags.checkpoint = flags.checkpoint or os.environ.get("FACEVAE_CHECKPOINT", "").split()  # a Space has no flags

    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"  # read when the library is imported
    from facevae.memory import frozen_objects, limit_malloc, trim_malloc
    from facevae.ui.gradio_patches import turn_off_statistics, write_no_stubs
    from facevae.ui.server.proxies import keep_local_requests_direct
    from facevae.ui.server.temp_files import keep_clean, own_folder

    keep_local_requests_direct(flags.host)
    turn_off_statistics()
    write_no_stubs()
    limit_malloc()
    try:
        keep_clean(own_folder())
    except ValueError as error:
        parser.error(str(error))
    try:
        with frozen_objects():
            page, options = open_page(flags)
    except ValueError as error:
        parser.error(str(error))
    trim_malloc()  # what reading the checkpoint has freed
    # No rendering by Node: with it, Gradio's own processes would take uploads and serve files past the request guard, and need memory.
    host = f"[{flags.host}]" if ":" in (flags.host or "") and not flags.host.startswith("[") else flags.host  # IPv6 in addresses
    try:
        page.launch(server_name=host, server_port=flags.port, share=flags.share, ssr_mode=False, num_workers=0, **options)
    except OSError:  # Gradio's words speak of its own settings
        at = f"{flags.host or 'this machine'}, {f'port {flags.port}' if flags.port else 'ports from 7860 on'}"
        parser.error(f"nothing can be served at {at}: the port is in use or not allowed, or the address is none of this machine")


def end_cleanly() -> None:
    """Let this process end at SIGTERM (docker stop, systemd) and SIGHUP (terminal closed) as it does at Ctrl-C.

    Not at those that are ignored, as SIGHUP is under nohup.
    """

    def interrupt(number: int, _frame: object) -> None:
        signal.signal(number, signal.SIG_IGN)  # one is enough: the next would cut the cleaning short
        raise KeyboardInterrupt

    for name in ("SIGTERM", "SIGHUP", "SIGBREAK"):  # the last is Windows' word for a closed window
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) != signal.SIG_IGN and threading.current_thread() is threading.main_thread():
            signal.signal(number, interrupt)


def open_page(flags: argparse.Namespace) -> "tuple[Blocks, dict[str, Any]]":
    """The page over the requested checkpoints, and the options for `launch`. `ValueError` where one cannot be opened."""
    with ThreadPoolExecutor(1) as thread:  # weights are read and checked while Gradio is imported, which takes longer
        opening = thread.submit(open_editor, flags.checkpoint[0] if flags.checkpoint else None, flags.revision)
        from starlette.middleware import Middleware

        from facevae.ui.page import build_page
        from facevae.ui.server.checkpoint_pages import CheckpointPages
        from facevae.ui.server.reverse_proxy import ReverseProxy

    editor = opening.result()
    more = flags.checkpoint[1:] or flags.checkpoints
    pages = CheckpointPages(editor.checkpoint.name, flags.checkpoint[1:], flags.checkpoints) if more else None
    page, options = build_page(editor, flags.exhibits, pages)
    options["app_kwargs"]["middleware"].insert(0, Middleware(ReverseProxy, prefix=flags.root_path))
    return page, options


def path_of(text: str) -> str:
    """A path below which the page lies; argparse names what is none."""
    from facevae.ui.server.reverse_proxy import prefix_of

    try:
        return prefix_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def port_of(text: str) -> int:
    """A port; argparse names what is none."""
    if not text.isdecimal() or not 0 < int(text) < 2**16:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: numbers from 1 to 65535 are")
    return int(text)


def open_editor(source: str | None, revision: str | None) -> "Editor":
    """The editor over a checkpoint, the embedded one where the Hub cannot be reached."""
    from facevae.checkpoint.verify import open_or_embedded
    from facevae.editor import Editor

    return Editor(open_or_embedded(source, revision))
