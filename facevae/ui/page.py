"""The page: five tabs, events between them, theme, and options for `launch`."""

import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from facevae.editor import Editor, Face
from facevae.exhibits.exhibit import open_exhibits
from facevae.ui.about.tab import AboutTab
from facevae.ui.browser_storage import STORE
from facevae.ui.components import QUEUED, html
from facevae.ui.edit.tab import EditTab
from facevae.ui.examples import Examples
from facevae.ui.generate.tab import GenerateTab
from facevae.ui.gradio_patches import move_upload_folder, rest_between_events, send_whole_values
from facevae.ui.latent_space.tab import LatentSpaceTab
from facevae.ui.morph.tab import MorphTab
from facevae.ui.server.api import Api
from facevae.ui.server.checkpoint_pages import CheckpointPages
from facevae.ui.server.request_guard import app_options
from facevae.ui.server.temp_files import FOLLOWERS
from facevae.ui.session import Session

HERE = Path(__file__).parent
TITLE = """<h1>facevae</h1><p>Edit faces in your photos: hair colour, smile, age, makeup.
<span data-local="Your photos never leave this computer.">Photos are deleted within the hour.</span></p>"""
# The address knows best whether the server is the visitor's own computer: it may be shared, a Space, or behind a proxy.
PROMISE = """const promise = element.querySelector("[data-local]");
if (/^(localhost|127(\\.[0-9]+){3}|\\[::1\\])$/.test(location.hostname)) promise.textContent = promise.dataset.local;"""
# Gradio scopes `css` to what is inside the page's frame; this is the frame.
OUTER_STYLE = """<style>
.gradio-container { overflow: clip !important; } /* hidden would undo every position: sticky inside */
.gradio-container > .main.fillable { width: 100%; max-width: 1440px !important; }
@media (max-width: 760px) { .gradio-container > .main.fillable { padding: 8px 14px !important; } }
@media (max-width: 640px) { footer .show-api ~ .divider { display: none !important; } } /* Gradio hides the link before it */
</style>"""
SCRIPTS = ("page.js", "zoom.js")
MAX_UPLOAD = "36mb"
"""A bit above our own limit of 30 MB, so that our sentence is the one that is read; beyond it Gradio refuses by itself."""
MOST_SESSIONS = 500
"""Whoever was away longest is forgotten where there are more: each may hold a photo of 50 megapixels."""
DELETE_CACHE_SEC = (300, 3300)
"""Every five minutes, files older than 55 minutes are deleted: none lives longer than an hour."""


def build_page(
    editor: Editor, more_exhibits: Path | None = None, pages: CheckpointPages | None = None, current: str = ""
) -> tuple[gr.Blocks, dict[str, Any]]:
    """The page and the options for `launch`. `more_exhibits` is a folder with models for the tab Inside the model.

    `pages` holds the other checkpoints that can be chosen, and `current` is this one's place among them, "" being the root.
    `ValueError` where an exhibit is not as it was written.
    """
    send_whole_values()
    examples, exhibits = Examples(editor), open_exhibits(editor.checkpoint.net, more_exhibits)
    with gr.Blocks(title="facevae", analytics_enabled=False, delete_cache=DELETE_CACHE_SEC, fill_width=True) as page:
        Api(editor)  # first: endpoint names are given in order, and those of the page's own handlers yield
        store = gr.BrowserState(STORE, storage_key="facevae", secret="facevae")  # nothing secret is in it, and it must outlive us
        with gr.Row(elem_id="top"):
            html(TITLE, "title", js_on_load=PROMISE)
            if pages is not None:
                pages.lay_out(page, current)
        with gr.Tabs(elem_id="tabs") as tabs:
            with gr.Tab("Edit", id="edit", elem_id="tab-edit", elem_classes="drop-target"):
                edit = EditTab(editor, examples, store)
            with gr.Tab("Morph", id="morph", elem_id="tab-morph", elem_classes="drop-target", render_children=True):
                morph = MorphTab(editor, examples)
            with gr.Tab("Create", id="generate", elem_id="tab-generate", render_children=True) as generate_tab:
                generate = GenerateTab(editor, store)
            latent = None
            if exhibits:
                with gr.Tab("Inside the model", id="latent", elem_id="tab-latent", render_children=True) as latent_tab:
                    latent = LatentSpaceTab(editor, examples, exhibits)
            with gr.Tab("About", id="about", elem_id="tab-about"):
                AboutTab(editor)
        wire_face_transfer(tabs, edit, morph, generate, latent)
        wire_first_visit(page, store, edit, morph)
        page.load(generate.favourites.show, store, generate.favourites.shown, show_progress="hidden", **QUEUED)
        generate.first_visit_at(generate_tab.select)
        if latent is not None:
            latent.first_visit_at(latent_tab.select)
    rest_between_events(page)
    follow = partial(move_files, weakref.ref(page))  # the page of another checkpoint may be closed
    FOLLOWERS.append(follow)
    weakref.finalize(page, FOLLOWERS.remove, follow)
    options = launch_options()
    if pages is not None and not current:
        options["app_kwargs"] |= {"routes": pages.routes(lambda other, slug: build_page(other, more_exhibits, pages, slug))}
    return page, options


def wire_face_transfer(tabs: gr.Tabs, edit: EditTab, morph: MorphTab, generate: GenerateTab, latent: LatentSpaceTab | None) -> None:
    """Faces that go from one tab to another: to Edit, and to Morph."""

    def go(event: Any, tab: str) -> None:
        event.success(lambda: gr.Tabs(selected=tab), None, tabs, **QUEUED)

    def to_edit(button: gr.Button, inputs: list[Any], face_of: Callable[..., Face | None]) -> None:
        def open_face(session: Session, *values: Any) -> dict[Any, Any]:
            return edit.opening.open_face(session, face_of(*values))

        go(button.click(open_face, [edit.session, *inputs], edit.opening.outputs, **QUEUED), "edit")

    to_edit(generate.to_edit, [generate.view.chosen], lambda face: face)
    to_edit(morph.edit_this, [morph.position, *morph.asked], morph.face_now)
    generated = (lambda widgets: widgets[generate.view.chosen]), {generate.view.chosen}
    edited = edit.actions.edited_face, edit.rendering.widgets
    go(morph.receive(generate.to_morph.click, *generated), "morph")
    go(morph.receive(edit.downloads.to_morph.click, *edited), "morph")
    morph.receive(morph.from_edit.click, *edited)
    if latent is not None:
        to_edit(latent.to_edit, latent.chosen, latent.face)
        point = (lambda widgets: latent.face(*(widgets[widget] for widget in latent.chosen))), set(latent.chosen)
        go(morph.receive(latent.to_morph.click, *point), "morph")


def wire_first_visit(page: gr.Blocks, store: gr.BrowserState, edit: EditTab, morph: MorphTab) -> None:
    """What the first two tabs show when the page is loaded."""

    def first_visit(session: Session, request: gr.Request) -> dict[Any, Any]:
        opened = edit.opening.open_link(session, str(request.query_params)) or edit.opening.first_visit(session)
        return {edit.gallery: gr.update(value=edit.examples.tiles), edit.live_preview.widget: session.open_key(), **opened}

    quietly = {"show_progress": "hidden", **QUEUED}  # or every widget would have a clock of its own
    edit.opened(page.load(first_visit, edit.session, [edit.gallery, edit.live_preview.widget, *edit.opening.outputs], **quietly))
    recalled = [edit.downloads.presets, edit.crop.refine_switch, edit.downloads.as_png]
    page.load(edit.downloads.recall, store, recalled, **quietly)
    page.load(morph.first_visit, morph.session, morph.opened, **quietly)


def move_files(whose: "weakref.ref[gr.Blocks]", folder: Path) -> None:
    """Uploads and results of a page go to another folder, where the page has not been closed."""
    if (page := whose()) is not None:
        move_upload_folder(page, folder)


def launch_options() -> dict[str, Any]:
    """Look, privacy and safety: system fonts, no analytics, no history of calls in the browser, request guard, only the upload folder."""
    return {
        "theme": theme(),
        "css": (HERE / "style.css").read_text(),
        "head": OUTER_STYLE + "".join(f"<script>{(HERE / name).read_text()}</script>" for name in SCRIPTS),
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
        link_text_color_dark="*neutral_300",
        link_text_color_visited_dark="*neutral_300",
        link_text_color_hover_dark="*neutral_100",
        link_text_color_active_dark="*neutral_300",
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
