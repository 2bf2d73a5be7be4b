"""Ways of a photo to the page, and of a visitor away from it, in a real browser."""

import pytest

pytest.importorskip("playwright", reason="NO BROWSER TESTS: pip install playwright")
from page_actions import at_rest, close_toast, drag, source, value
from PIL import Image
from playwright.sync_api import expect

DROP = """([target, data]) => {
    const dataTransfer = new DataTransfer();
    if (typeof data === "string") dataTransfer.setData("text/uri-list", data);
    else for (const name of data) dataTransfer.items.add(new File(["words"], name, { type: "text/plain" }));
    const event = new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer });
    return !document.querySelector(target).dispatchEvent(event);
}"""
STAY = """() => {
    window.left = 0;
    window.addEventListener("beforeunload", (event) => { window.left += 1; event.stopImmediatePropagation(); }, true);
}"""
"""Nothing is really left here: Gradio, whose listener comes later, would close its connection."""
LEAVE = "!window.dispatchEvent(new Event('beforeunload', { cancelable: true }))"
TOUCH = """([type, value]) => {
    const range = document.querySelector("#slider-smiling input[type=range]");
    range.dispatchEvent(new PointerEvent(type, { bubbles: true, pointerType: "touch" }));
    if (value === null) return;
    range.value = value;
    range.dispatchEvent(new Event("input", { bubbles: true }));
}"""


@pytest.fixture
def held(page):
    """Uploads of files called "slow" wait here, and go on when they are asked to."""
    waiting: list = []
    page.route(
        "**/gradio_api/upload*", lambda route: waiting.append(route) if b"slow" in route.request.post_data_buffer else route.continue_()
    )
    yield waiting
    page.unroute("**/gradio_api/upload*")


def test_an_upload_shows_itself_can_be_cancelled_and_yields_to_a_later_choice(page, held, astronaut, tmp_path):
    with Image.open(astronaut) as photo:
        small = photo.resize((160, 160))
    for name in ("slow", "quick"):
        small.save(tmp_path / f"{name}.jpg")
    field, line, note = (page.locator(f"#edit-upload {part}") for part in ("input", ".progress", ".note"))
    page.locator("#refine input").uncheck()
    shown, status = source(page), page.locator("#edit-status")
    field.set_input_files(tmp_path / "slow.jpg")
    expect(line).to_contain_text("slow.jpg")
    line.locator("button").click()
    expect(note).to_have_text("The upload was cancelled.")
    expect(line).to_be_hidden()
    assert source(page) == shown
    field.set_input_files([])
    field.set_input_files(tmp_path / "slow.jpg")
    expect(line).to_contain_text("slow.jpg")
    field.set_input_files(tmp_path / "quick.jpg")
    expect(status).to_contain_text("Opened quick")
    assert len(held) == 2
    at_rest(page)
    expect(status).to_contain_text("quick")
    expect(note).to_be_empty()


def test_what_is_dropped_besides_a_photo_is_told(page):
    note, toast = page.locator("#edit-upload .note"), page.get_by_test_id("toast-body")
    assert page.evaluate(DROP, ["#result", "https://example.org/face.jpg"])
    expect(note).to_contain_text("This is an address, not a photo")
    assert page.evaluate(DROP, ["#result", ["a.txt", "b.txt", "c.txt"]])
    expect(toast).to_contain_text("a.txt")
    expect(note).to_be_empty()
    close_toast(page)
    assert page.evaluate("document.documentElement.lang") == "en"
    assert "image/*" in page.locator("#edit-upload input").get_attribute("accept").split(",")


def test_scrolling_by_touch_moves_no_slider_and_leaving_asks_once(visit):
    page = visit()  # a page that was told it is left is not for other tests
    at_rest(page)
    page.locator("#examples button").first.click()  # as it is, without the first visit's slider
    at_rest(page)
    page.evaluate(STAY)
    page.evaluate(LEAVE)
    start = value(page, "#slider-smiling")
    page.evaluate(TOUCH, ["pointerdown", str(start + 1)])
    page.evaluate(TOUCH, ["pointercancel", None])
    assert value(page, "#slider-smiling") == start
    assert not page.evaluate(LEAVE)
    drag(page, "#slider-smiling", 0.1)
    expect(page.locator("#edit-status")).to_have_text(f"Smile {value(page, '#slider-smiling') - start:+.2g}.")
    left = page.evaluate("window.left")
    assert page.evaluate(LEAVE) and page.evaluate("window.left") == left  # who stays keeps the connection
    assert not page.evaluate(LEAVE) and page.evaluate("window.left") == left + 1
    drag(page, "#slider-smiling", 0.2)
    page.locator("#examples button").first.click()  # another face: there is nothing to lose any more
    assert not page.evaluate(LEAVE)
    at_rest(page)
