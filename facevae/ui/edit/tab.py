"""The Edit tab: its layout, its parts, and which event calls which handler."""

from typing import Any

import gradio as gr

from facevae.editor import Editor
from facevae.settings import PHOTO_DETAIL
from facevae.ui.components import LIVE, QUEUED, face_state, fold, html, slider, start_download, status_line, tiles
from facevae.ui.edit.actions import EditActions
from facevae.ui.edit.crop import CropPanel
from facevae.ui.edit.custom_directions import CustomDirections
from facevae.ui.edit.downloads import COPY, Downloads
from facevae.ui.edit.guidance import GuidancePanel
from facevae.ui.edit.history import HistoryStrip
from facevae.ui.edit.live_preview import LivePreview
from facevae.ui.edit.opening import Opening
from facevae.ui.edit.preview import Preview
from facevae.ui.edit.rendering import EditRendering
from facevae.ui.edit.sliders import SliderPanel
from facevae.ui.examples import Examples
from facevae.ui.session import Session
from facevae.ui.widgets.upload import upload_button

DETAIL_NOTE = "More keeps skin and hair crisp, less draws more of them anew"


class EditTab:
    """Lays out the parts and wires them. The handlers are those of `rendering`, `actions` and `opening`, and of the parts themselves."""

    def __init__(self, editor: Editor, examples: Examples, store: gr.BrowserState) -> None:
        self.editor, self.examples, self.store = editor, examples, store
        self.face = face_state()
        self.session = gr.State(Session())
        with gr.Row(elem_classes="edit-row"):
            with gr.Column(scale=62, min_width=300, elem_classes="stage"):
                self._lay_out_stage()
            with gr.Column(scale=38, min_width=300, elem_classes="controls"):
                self._lay_out_controls()
        self.rendering = EditRendering(
            editor,
            self.session,
            self.face,
            self.status,
            self.scores,
            self.stop,
            self.guidance.report,
            self.guidance.looks,
            self.preview,
            self.panel,
            self.history,
            self.crop,
        )
        self.actions = EditActions(self.rendering, self.downloads)
        self.opening = Opening(self.rendering, self.custom, examples)
        self._wire()

    # ---- layout

    def _lay_out_stage(self) -> None:
        """The picture, what is done with it as a whole, and the ways to another photo."""
        self.preview = Preview(self.editor)
        self.crop = CropPanel(self.editor, self.examples, self.preview.switches)
        with gr.Row(elem_classes="toolbar"):
            self.history = HistoryStrip(self.editor)
            self.downloads = Downloads(self.editor, self.store)
        with gr.Row(elem_classes="status-row"):
            self.status = status_line("edit-status", "Opening an example …")
            self.stop = gr.Button("Stop", size="sm", min_width=60, variant="stop", interactive=False, elem_id="stop")
        with gr.Row(elem_classes="open-row"):
            self.upload = upload_button("Open photo", "edit-upload")
            with gr.Accordion("Camera", open=False, elem_id="camera-box"):
                self.camera = gr.Image(
                    sources=["webcam"],
                    label="Camera",
                    show_label=False,
                    format="jpeg",
                    elem_id="camera",
                    elem_classes="picture",
                    buttons=[],
                    webcam_options=gr.WebcamOptions(mirror=False),  # of the photo; page.js mirrors what is seen while it is taken
                )
            html('<p class="hint">or drop or paste a photo</p>')
            self.gallery = tiles("examples", columns=6)
        self.history.lay_out_strip()

    def _lay_out_controls(self) -> None:
        """What changes the face."""
        self.guidance = GuidancePanel(self.editor, self.stop)
        self.detail = slider(PHOTO_DETAIL, "detail", info=DETAIL_NOTE, render=False)
        self.panel = SliderPanel(self.editor, self.detail, self.guidance.looks.amount)
        with fold("More", "edit-more"):
            self.guidance.lay_out_more()
            self.panel.lay_out_more()
            self.detail.render()
            self.crop.lay_out_more()
            with gr.Accordion("Details", open=False, elem_id="scores-box"):
                self.scores = html("", "scores", elem_classes=None)
            self.downloads.lay_out_more()
            self.custom = CustomDirections(self.editor, self.panel)
        self.live_preview = LivePreview(self.preview, self.panel)

    # ---- events

    def _wire(self) -> None:
        page, panel, preview = self.rendering, self.panel, self.preview
        # A preview that was on its way when another face opened would leave the old face on the page: draw once more.
        self.again = [page.redraw | LIVE, page.reread | LIVE]
        self.guidance.looks.wire(self.session, self.face)
        self.crop.wire(self.session, self.face, self.status, self.stop)
        self.live_preview.wire(page)
        gr.on([preview.view.input, preview.show.input, panel.locks.input], **page.redraw, **LIVE)
        panel.locks.input(**page.reread | {"fn": page.read_slowly}, **LIVE)
        self.draw_again(panel.toggle.select(panel.toggle_lock, [self.session, panel.locks], panel.locks, **LIVE))
        self._wire_opening()
        self._wire_crop()
        self.guidance.wire(page, [*self.again, self.guidance.looks.draw_event])
        self.custom.wire(self.session, self.face, self.again)
        self._wire_history()
        self._wire_downloads()

    def _wire_opening(self) -> None:
        """The ways to another face, or to another state of it."""
        self.opens = {"outputs": self.opening.outputs, "show_progress_on": self.preview.result, **QUEUED}
        opening, upload = self.opening, {"preprocess": False, **self.opens, "trigger_mode": "multiple"}
        self.opened(self.upload.upload(opening.open_upload, [self.session, self.face], **upload))
        self.opened(self.camera.input(opening.open_camera, [self.session, self.camera, self.face], **upload))
        self.opened(self.gallery.select(opening.open_example, self.session, **self.opens))
        self.opened(self.preview.tiles.select(self.actions.choose, self.rendering.widgets, **self.opens))
        self.opened(self.preview.result.select(self.actions.point, self.rendering.widgets, show_progress="hidden", **self.opens))

    def _wire_crop(self) -> None:
        moved = self.crop.frame.widget.move(
            self.actions.adjust,
            self.rendering.widgets | {self.crop.frame.widget},
            [
                self.face,
                self.crop.crop,
                self.crop.reconstruction,
                self.status,
                self.stop,
                *self.guidance.looks.outputs,
                *self.rendering.pictures,
            ],
            **LIVE,
        )
        self.refine_after(moved.then(self.crop.settle, None, None, **LIVE).then)
        self.refine_after(self.crop.refine_switch.input)

    def _wire_history(self) -> None:
        for event, handler in (
            (self.history.undo.click, self.actions.undo),
            (self.history.redo.click, self.actions.redo),
            (self.history.strip.select, self.actions.rewind),
            (self.downloads.reset.click, self.actions.reset),
            (self.downloads.bake.click, self.actions.begin_from),
        ):
            self.opened(event(handler, self.rendering.widgets, show_progress="hidden", **self.opens))

    def _wire_downloads(self) -> None:
        """Files, links and presets."""
        downloads, actions, widgets = self.downloads, self.actions, self.rendering.widgets
        saved = downloads.download.click(actions.save, widgets | {downloads.as_png}, [downloads.file, self.status], **QUEUED)
        start_download(saved, downloads.file)
        start_download(
            downloads.save_recipe.click(actions.save_recipe, widgets, [downloads.file, downloads.message], **QUEUED), downloads.file
        )
        downloads.copy.click(actions.link, widgets, downloads.query, show_progress="hidden", **QUEUED).success(
            None, downloads.query, None, js=COPY, api_visibility="private"
        )
        kept = [downloads.store, downloads.presets, downloads.preset_name, downloads.message]
        named = widgets | {downloads.store, downloads.preset_name}
        downloads.keep_preset.click(actions.keep_preset, named, kept, show_progress="hidden", **QUEUED)
        chosen = widgets | {downloads.store, downloads.presets}
        self.opened(downloads.apply_preset.click(actions.apply_preset, chosen, show_progress="hidden", **self.opens))
        downloads.wire(self.crop.refine_switch)

    def draw_again(self, event: Any) -> None:
        """Preview and readings when `event` is over."""
        for step in self.again:
            event = event.then(**step)

    def refine_after(self, event: Any) -> None:
        """Refine when `event` is over, let untouched sliders follow the face, draw once more, and the looks' small pictures."""
        follow = {"fn": self.rendering.follow_face, "inputs": self.rendering.widgets, "outputs": self.panel.inputs, **LIVE}
        self.crop.refine_after(event, [follow, *self.again, self.guidance.looks.draw_event])

    def opened(self, event: Any) -> None:
        """What follows when a face has been opened."""
        self.refine_after(event.success(**self.again[0]).success)
