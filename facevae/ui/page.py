"""The whole page: five tabs, and the ways by which a face goes from one tab to another."""

import weakref
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from facevae.editor import Editor
from facevae.exhibits.exhibit import open_exhibits
from facevae.ui.about.tab import AboutTab
from facevae.ui.browser_storage import STORE
from facevae.ui.components import QUEUED
from facevae.ui.edit.tab import EditTab
from facevae.ui.examples import Examples
from facevae.ui.generate.tab import GenerateTab
from facevae.ui.latent_space.tab import LatentSpaceTab
from facevae.ui.morph.tab import MorphTab
from facevae.ui.server.api import Api
from facevae.ui.server.checkpoint_pages import CheckpointPages
from facevae.ui.server.gradio_patches import send_whole
from facevae.ui.server.request_guard import app_options
from facevae.ui.server.temp_files import FOLLOWERS
from facevae.ui.session import Session

HERE = Path(__file__).parent
TITLE = "<h1>facevae</h1><p>Change a face in a photo, morph several, or meet new ones. Photos stay on this machine.</p>"
# Gradio scopes `css` to what is inside the page's frame; this is the frame.
OUTER_STYLE = """<style>
.gradio-container { overflow: clip !important; } /* hidden would undo every position: sticky inside */
.gradio-container > .main.fillable { width: 100%; max-width: 1440px !important; }
@media (max-width: 760px) { .gradio-container > .main.fillable { padding: 8px 14px !important; } }
</style>"""
MAX_UPLOAD = "36mb"
"""A bit above our own limit of 30 MB, so that our sentence is the one that is read; beyond it Gradio refuses by itself."""
MOST_SESSIONS = 500
"""Whoever was away longest is forgotten where there are more: each may hold a photo of 50 megapixels."""
DELETE_CACHE_SEC = (300, 3300)
"""Every five minutes, files older than 55 minutes are deleted: none lives longer than an hour."""


def build_page(
    editor: Editor, more_exhibits: Path | None = None, shelf: CheckpointPages | None = None, current: str = ""
) -> tuple[gr.Blocks, dict[str, Any]]:
    """The page, and what `launch` needs to know for it. `more_exhibits` is a folder with models for the Latent space tab.

    `shelf` holds the other checkpoints that can be chosen, and `current` is this one's place among them, "" being the root.
    `ValueError` where an exhibit is not as it was written.
    """
    send_whole()
    examples, exhibits = Examples(editor), open_exhibits(editor.checkpoint.net, more_exhibits)
    with gr.Blocks(title="facevae", analytics_enabled=False, delete_cache=DELETE_CACHE_SEC, fill_width=True) as page:
        Api(editor)  # first: endpoint names are given in order, and those of the page's own handlers yield
        store = gr.BrowserState(STORE, storage_key="facevae", secret="facevae")  # nothing secret is in it, and it must outlive us
        with gr.Row(elem_id="top"):
            gr.HTML(TITLE, elem_id="title", apply_default_css=False, elem_classes="plain")
            if shelf is not None:
                shelf.lay_out(page, current)
        with gr.Tabs(elem_id="tabs") as tabs:
            with gr.Tab("Edit", id="edit", elem_id="tab-edit", elem_classes="drop-target"):
                edit = EditTab(editor, examples, store)
            with gr.Tab("Morph", id="morph", elem_id="tab-morph", elem_classes="drop-target", render_children=True):
                morph = MorphTab(editor, examples)
            with gr.Tab("Generate", id="generate", elem_id="tab-generate", render_children=True) as generate_tab:
                generate = GenerateTab(editor, store)
            if exhibits:
                with gr.Tab("Latent space", id="latent", elem_id="tab-latent", render_children=True) as latent_tab:
                    latent = LatentSpaceTab(editor, examples, exhibits)
            with gr.Tab("About", id="about", elem_id="tab-about"):
                AboutTab(editor)

        def go(tab: str) -> Any:
            return gr.Tabs(selected=tab)

        # Faces travel: generated ones to Edit or Morph, the edited one to Morph.
        to_edit = generate.to_edit.click(edit.open_face, [edit.session, generate.chosen], edit.opened, **QUEUED)
        to_edit.success(lambda: go("edit"), None, tabs, **QUEUED)

        def edit_morph(session: Session, *asked: Any) -> dict[Any, Any]:
            return edit.open_face(session, morph.face_now(*asked))

        morphed = morph.edit_this.click(edit_morph, [edit.session, morph.position, *morph.asked], edit.opened, **QUEUED)
        morphed.success(lambda: go("edit"), None, tabs, **QUEUED)
        edited = [edit.session, edit.face, *edit.panel.inputs]
        for button, face_of, inputs in (
            (generate.to_morph, lambda face: face, [generate.chosen]),
            (edit.keep.to_morph, edit.as_edited, edited),
        ):
            morph.receive(button.click, face_of, inputs).success(lambda: go("morph"), None, tabs, **QUEUED)
        morph.receive(morph.from_edit.click, edit.as_edited, edited)

        # First visit: every tab already shows something.
        def first_visit(session: Session, request: gr.Request) -> dict[Any, Any]:
            opened = edit.open_link(session, str(request.query_params)) or edit.first_visit(session)
            return {edit.gallery: gr.update(value=examples.tiles), edit.live.hand: session.open_key(), **opened}

        edit.shown(page.load(first_visit, edit.session, [edit.gallery, edit.live.hand, *edit.opened], **QUEUED))
        page.load(edit.keep.recall, store, [edit.keep.looks, edit.crop.wanted, edit.keep.as_png], show_progress="hidden", **QUEUED)
        page.load(generate.favourites.show, store, generate.favourites.shown, show_progress="hidden", **QUEUED)
        page.load(morph.first_visit, morph.session, morph.opened, **QUEUED)
        drawing = [generate.session, generate.sheet]
        generate.described(generate_tab.select(generate.first_visit, drawing, generate.drawn, show_progress="hidden", **QUEUED))
        if exhibits:

            def edit_point(session: Session, *chosen: Any) -> dict[Any, Any]:
                return edit.open_face(session, latent.face(*chosen))

            to_edit = latent.to_edit.click(edit_point, [edit.session, *latent.chosen], edit.opened, **QUEUED)
            to_edit.success(lambda: go("edit"), None, tabs, **QUEUED)
            morph.receive(latent.to_morph.click, latent.face, latent.chosen).success(lambda: go("morph"), None, tabs, **QUEUED)
            seen = [latent.opened, latent.together, *latent.shown]
            latent_tab.select(latent.first_visit, [latent.opened, latent.model, latent.seed], seen, show_progress="hidden", **QUEUED)
    follow = partial(move_files, weakref.ref(page))  # the page of another checkpoint may go
    FOLLOWERS.append(follow)
    weakref.finalize(page, FOLLOWERS.remove, follow)
    options = launch_options()
    if shelf is not None and not current:
        options["app_kwargs"] |= {"routes": shelf.routes(lambda other, slug: build_page(other, more_exhibits, shelf, slug))}
    return page, options


def move_files(whose: "weakref.ref[gr.Blocks]", folder: Path) -> None:
    """Uploads and results of a page that runs go to another folder from now on."""
    if (page := whose()) is None:
        return
    for block in page.blocks.values():
        if isinstance(block, gr.components.Component):
            block.GRADIO_CACHE = str(folder)
    if page.app is not None:
        page.app.uploaded_file_dir = str(folder)


def launch_options() -> dict[str, Any]:
    """Look, privacy and safety: system fonts, no analytics, no history of calls in the browser, the gate, no folder but the uploads."""
    return {
        "theme": theme(),
        "css": (HERE / "style.css").read_text(),
        "head": OUTER_STYLE + f"<script>{(HERE / 'page.js').read_text()}</script>",
        "footer_links": ["api", "settings"],
        "run_history": False,
        "show_error": False,
        "max_file_size": MAX_UPLOAD,
        "allowed_paths": [],
        "state_session_capacity": MOST_SESSIONS,
        "app_kwargs": app_options(),
    }


def theme() -> gr.themes.Base:
    """Stone grey in light and dark: the face is the colour. Fonts of the system, so that none is fetched."""
    fonts = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}
    return gr.themes.Base(primary_hue="stone", secondary_hue="stone", neutral_hue="stone", radius_size="md", text_size="md", **fonts).set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
        input_background_fill_dark="*neutral_800",
        input_placeholder_color_dark="*neutral_400",
        slider_color="*neutral_700",
        slider_color_dark="*neutral_300",
        button_primary_background_fill="*neutral_800",
        button_primary_background_fill_hover="*neutral_700",
        button_primary_background_fill_dark="*neutral_200",
        button_primary_background_fill_hover_dark="*neutral_100",
        button_primary_text_color="white",
        button_primary_text_color_dark="*neutral_900",
        button_secondary_background_fill="*neutral_200",
        button_secondary_background_fill_hover="*neutral_300",
        button_secondary_background_fill_dark="*neutral_800",
        button_secondary_background_fill_hover_dark="*neutral_700",
        button_large_text_weight="500",
        button_medium_text_weight="500",
        button_small_text_weight="400",
    )
