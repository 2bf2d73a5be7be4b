"""Open a checkpoint and serve the page: python app.py."""

import argparse
import os
from pathlib import Path


def main() -> None:
    """Parse flags, open the checkpoint, build the page, launch."""
    parser = argparse.ArgumentParser(description="facevae: edit, morph and draw faces in the browser")
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
        "--exhibits", type=Path, help="folder with more models for the Latent space tab (python -m train exhibit makes them)"
    )
    parser.add_argument("--host", help="address to listen on; this machine only without this flag")
    parser.add_argument("--port", type=int, help="port to listen on; the first free one from 7860 without this flag")
    parser.add_argument("--share", action="store_true", help="open a temporary public link through Gradio's servers")
    flags = parser.parse_args()

    # Read at import time by these libraries: nothing is reported to anybody.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    from facevae.ui.cleaning import keep_clean, own_folder

    keep_clean(own_folder())
    from facevae.checkpoints import open_or_embedded
    from facevae.editor import Editor
    from facevae.ui.page import build_page
    from facevae.ui.shelf import Shelf

    try:
        editor = Editor(open_or_embedded(flags.checkpoint[0] if flags.checkpoint else None, flags.revision))
        more = flags.checkpoint[1:] or flags.checkpoints
        shelf = Shelf(editor.checkpoint.name, flags.checkpoint[1:], flags.checkpoints) if more else None
        page, options = build_page(editor, flags.exhibits, shelf)
    except ValueError as error:
        parser.error(str(error))
    page.launch(server_name=flags.host, server_port=flags.port, share=flags.share, **options)


if __name__ == "__main__":
    main()
