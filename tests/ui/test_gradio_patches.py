"""Values that are streamed to a page that is busy: the last one stays. And a component writes no stub."""

import pytest

pytest.importorskip("playwright", reason="NO BROWSER TESTS: pip install playwright")
import gradio as gr
from gradio import component_meta
from playwright.sync_api import expect

from facevae.ui.gradio_patches import send_whole_values

BUSY = "() => { const end = performance.now() + 400; while (performance.now() < end); }"


def test_the_last_value_of_a_stream_stays_where_the_page_was_busy(browser):
    send_whole_values()
    with gr.Blocks() as blocks:
        slider, hidden = gr.Slider(0, 9, 0, elem_id="slider"), gr.Slider(0, 9, 0, visible=False)  # the page waits for what is hidden
        over, go = gr.HTML("", elem_id="over"), gr.Button("Go", elem_id="go")

        def stream():
            for value in (1, 2, 3):
                yield {hidden: gr.update(value=0, visible=False), slider: gr.update(value=value)}
            yield {over: "It is over"}

        go.click(stream, None, [hidden, slider, over])
    blocks.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False, server_name="127.0.0.1")
    try:
        page = browser.new_page()
        page.goto(blocks.local_url)
        page.locator("#go").click()
        page.evaluate(BUSY)
        expect(page.locator("#over")).to_contain_text("It is over")
        expect(page.locator("#slider input[type=range]")).to_have_value("3")
    finally:
        blocks.close(verbose=False)


def test_a_component_gets_no_stub(monkeypatch: pytest.MonkeyPatch) -> None:
    """tests/conftest.py calls `write_no_stubs`, as app.py does."""
    monkeypatch.setattr(component_meta, "create_pyi", lambda *_: pytest.fail("a stub is made"))

    class Shown(gr.HTML):
        pass
