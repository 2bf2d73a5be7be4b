"""Downloads: the picture, its recipe, a link; presets ("looks") in the browser's storage."""

import json
from collections.abc import Mapping
from typing import Any

import gradio as gr

from facevae.editor import Editor
from facevae.ui.browser_storage import MAX_NAME, checked
from facevae.ui.components import QUEUED, heading, hidden_download, html, refusal, say, status_line, to_file

MAX_PRESETS = 30
COPY = """(query) => {
  const link = location.origin + location.pathname + "?" + query;
  history.replaceState(null, "", "?" + query);
  const told = (text) => { document.querySelector("#link-told .status").textContent = text; };
  if (!navigator.clipboard) return told(link);
  navigator.clipboard.writeText(link).then(() => told("Link copied."), () => told(link));
}"""


class Downloads:
    """The buttons below the picture that concern all of the edit. The Edit tab wires what needs its sliders; page.js makes Hold work."""

    def __init__(self, editor: Editor, store: gr.BrowserState) -> None:
        self.editor, self.store = editor, store
        self.reset = gr.Button("Original", size="sm", elem_id="reset", min_width=70)
        gr.Button("Hold to compare", size="sm", elem_id="hold", min_width=110)
        self.download = gr.Button("Download", variant="primary", size="sm", elem_id="download", min_width=100)
        self.file = hidden_download("download-file")

    def lay_out_more(self) -> None:
        """A new start, the Morph tab, recipe, link and presets, in a place of their own."""
        with gr.Row(elem_classes="keep-row"):
            self.bake = gr.Button("Apply and continue", size="sm", elem_id="bake", min_width=130)
            self.to_morph = gr.Button("Morph with …", size="sm", elem_id="edit-to-morph", min_width=110)
            self.as_png = gr.Checkbox(False, label="Download as PNG", elem_id="as-png", elem_classes="bare", container=False, min_width=80)
        with gr.Accordion("Save & share", open=False, elem_id="keep"):
            html(
                '<p class="note">Save your edit as a small file, without your photo. Drop it, or a picture that you saved here, '
                "on this page to continue.</p>"
            )
            with gr.Row(elem_classes="keep-row"):
                self.save_recipe = gr.Button("Save edit file", size="sm", min_width=100, elem_id="save-recipe")
                self.copy = gr.Button("Copy link", size="sm", min_width=100, elem_id="copy-link")
            self.query = gr.Textbox(visible="hidden", elem_id="link-query")
            self.message = status_line("link-told")
            heading("My looks")
            with gr.Row(elem_classes="keep-row"):
                self.presets = gr.Dropdown([], label="Look", show_label=False, container=False, elem_id="looks", min_width=120)
                self.apply_preset = gr.Button("Apply", size="sm", min_width=70, elem_id="look-on")
                self.forget = gr.Button("Delete", size="sm", min_width=70, elem_id="look-forget")
            with gr.Row(elem_classes="keep-row"):
                self.preset_name = gr.Textbox(
                    placeholder="Name this look", show_label=False, container=False, label="Name this look", max_length=MAX_NAME,
                    elem_id="look-name", min_width=120,
                )  # fmt: skip
                self.keep_preset = gr.Button("Save as look", size="sm", min_width=100, elem_id="look-keep")

    def wire(self, refine: gr.Checkbox) -> None:
        """Events that only concern the browser's storage."""
        self.forget.click(self.forget_preset, [self.store, self.presets], [self.store, self.presets], **QUEUED)
        for switch, key in ((refine, "refine"), (self.as_png, "png")):
            switch.input(self.remember(key), [self.store, switch], self.store, show_progress="hidden", **QUEUED)

    def remember(self, key: str) -> Any:
        """The handler that keeps a switch as it is."""
        return lambda stored, value: checked(stored) | {key: bool(value)}

    def recall(self, stored: Any) -> tuple[Any, Any, Any]:
        """The contents of the browser's storage: presets, and the two switches."""
        stored = checked(stored)
        return gr.update(choices=list(stored["looks"]), value=None), stored["refine"], stored["png"]

    def add_preset(
        self, stored: Any, name: str, strengths: Mapping[str, float], locks: tuple[str, ...], worn: Mapping[str, float]
    ) -> tuple[Any, Any, str, str]:
        """Store strengths, and the amounts of the looks that are `worn`, under a name; the same name again replaces them."""
        stored, name = checked(stored), " ".join((name or "").split())
        strengths = {k: v for k, v in strengths.items() if k in self.editor.directions}
        if not 0 < len(name) <= MAX_NAME or not name.isprintable():
            raise refusal(f"Name this look (up to {MAX_NAME} characters).")
        if not strengths and not worn:
            raise refusal("Change something first, then save it as a look.")
        if name not in stored["looks"] and len(stored["looks"]) >= MAX_PRESETS:
            raise refusal(f"You have {MAX_PRESETS} looks: delete one first.")
        known = [lock for lock in locks if lock in self.editor.directions]
        looks = stored["looks"] | {name: {"strengths": strengths, "locks": known, **({"worn": dict(worn)} if worn else {})}}
        return stored | {"looks": looks}, gr.update(choices=list(looks), value=name), "", say(f"{name} is saved in this browser.")

    def forget_preset(self, stored: Any, name: str | None) -> tuple[Any, Any]:
        """Take a preset out of the storage."""
        stored = checked(stored)
        looks = {k: v for k, v in stored["looks"].items() if k != name}
        return stored | {"looks": looks}, gr.update(choices=list(looks), value=None)

    def preset(self, stored: Any, name: str | None) -> tuple[dict[str, float], tuple[str, ...], dict[str, float]]:
        """Strengths, locks and worn looks of a preset, as far as this checkpoint knows them."""
        found = checked(stored)["looks"].get(name)
        if found is None:
            raise refusal("Choose a look first.")
        known = self.editor.directions
        strengths = {k: max(-20.0, min(20.0, float(v))) for k, v in found["strengths"].items() if k in known}
        worn = {look: amount for look, amount in found.get("worn", {}).items() if look in self.editor.looks.goals}
        return strengths, tuple(lock for lock in found["locks"] if lock in known), worn

    def write(self, recipe: Any, name: str) -> str:
        """A recipe as a file for the browser."""
        return to_file(self.file, json.dumps(recipe.as_json(), indent=1).encode(), name)
