"""Upload button for photos: progress, Cancel; chosen, dropped or pasted files."""

from html import escape
from pathlib import Path

import gradio as gr

from facevae.photo.images import MAX_FILE_BYTES
from facevae.ui.components import html

SCRIPT = (Path(__file__).parent / "upload.js").read_text()
ACCEPT = "image/*,.heic,.heif,.avif,.json"
"""Phones offer photos and the camera first. Any other file can still be dropped, and ends in our sentence."""
MOST_FILES = 6


def upload_button(label: str, elem_id: str, several: bool = False, small: bool = False) -> gr.HTML:
    """A button for a photo, or for `several` at once. Its event `upload` carries `path`, the file on the server, and `others`, how many
    more were chosen with it and left.

    Gradio's own button shows no progress, cannot be cancelled, and lets a slow upload come after a later choice. page.js gives it what
    is dropped and pasted.
    """
    template = (
        f'<button type="button" class="choose {"secondary sm" if small else "primary md"}">{escape(label)}</button>'
        f'<input type="file" hidden accept="{ACCEPT}" aria-label="{escape(label)}" data-most-files="{MOST_FILES}" '
        f'data-most-bytes="{MAX_FILE_BYTES}"{" multiple" if several else ""}>'
        '<div class="progress" hidden><span></span><progress max="1" aria-label="Upload"></progress>'
        '<button type="button" class="cancel">Cancel</button></div><p class="note" role="status"></p>'
    )
    return html("", elem_id, html_template=template, js_on_load=SCRIPT, elem_classes=["plain", "upload", "open-photo"])
