"""Open a checkpoint and serve the page: python app.py."""

import argparse
import os
from pathlib import Path


def main() -> None:
    """Parse flags, open the checkpoint, build the page, launch."""
    parser = argparse.ArgumentParser(description="facevae: edit, morph and draw faces in the browser")
    parser.add_argument("--checkpoint", help="folder or Hub id of a checkpoint; the embedded one without this flag")
    parser.add_argument("--revision", help="commit, tag or branch of a Hub checkpoint")
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
    from facevae.editor import Editor
    from facevae.memory import give_back
    from facevae.ui.page import build_page

    try:
        editor = Editor(flags.checkpoint, revision=flags.revision)
        page, options = build_page(editor, flags.exhibits)
    except ValueError as error:
        parser.error(str(error))
    give_back()
    page.launch(server_name=flags.host, server_port=flags.port, share=flags.share, **options)


if __name__ == "__main__":
    main()
