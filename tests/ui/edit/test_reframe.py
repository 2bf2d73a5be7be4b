"""Reframe in a real browser: the frame on the photo by mouse, finger and keys, and a photo without a face."""

import re
import time

import pytest

pytest.importorskip("playwright", reason="NO BROWSER TESTS: pip install playwright")
from page_actions import at_rest, drag, open_folds, source, wait_for_change
from PIL import Image
from playwright.sync_api import expect

PLACE = """() => {
    const image = document.querySelector("#result img"), box = image.getBoundingClientRect();
    const frame = document.querySelector(".frame-layer .frame"), style = new DOMMatrix(getComputedStyle(frame).transform);
    const own = frame.getBoundingClientRect(), scale = Math.min(box.width / image.naturalWidth, box.height / image.naturalHeight);
    return [own.x + own.width / 2, own.y + own.height / 2, frame.offsetWidth, Math.atan2(style.b, style.a) * 180 / Math.PI, scale];
}"""
"""The frame on the screen: its centre, its side, its angle in degrees; and the size of a pixel of the picture."""


@pytest.fixture
def sky(tmp_path):
    """A photo without a face, and with a cloud, so that a moved crop is another picture."""
    photo = Image.new("RGB", (320, 240), "skyblue")
    photo.paste("white", (40, 60, 120, 90))
    photo.save(tmp_path / "sky.png")
    return tmp_path / "sky.png"


def open_file(page, path) -> None:
    field = page.locator("#tab-edit input[type=file]").first
    field.evaluate("field => { field.value = '' }")  # the same file again would be no change
    field.set_input_files(path)


def frame_of(page) -> list[float]:
    page.locator(".frame-layer .frame").wait_for()
    return page.evaluate(PLACE)


def pull(page, handle: str, right: float, down: float) -> None:
    """Drag a part of the frame by the mouse."""
    box = page.locator(handle).bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + right, y + down, steps=4)
    page.mouse.up()


def test_the_frame_is_dragged_resized_and_turned_on_the_photo(page) -> None:
    expect(page.locator("#view input[value=Face]")).to_be_checked()
    drag(page, "#slider-bangs", 0.3)
    at_rest(page)
    edited, crop = source(page), source(page, "#crop")
    page.locator("#reframe").click()
    edited = wait_for_change(page, edited)  # of the whole photo
    before = frame_of(page)
    expect(page.locator(".frame-layer .frame")).to_be_focused()

    pull(page, ".frame-layer .frame", 40, 10)
    moved = frame_of(page)
    assert [moved[0] - before[0], moved[1] - before[1]] == pytest.approx([40, 10], abs=1)
    crop = wait_for_change(page, crop, "#crop")
    edited = wait_for_change(page, edited)
    pull(page, ".frame-layer .se", 20, 20)
    larger = frame_of(page)
    assert larger[2] > moved[2] + 10 and larger[3] == pytest.approx(moved[3], abs=0.1)
    pull(page, ".frame-layer .turn", larger[2] / 2 + 60, larger[2] / 2 + 20)
    turned = frame_of(page)
    assert turned[3] > 60 and turned[:2] == pytest.approx(larger[:2], abs=1)
    wait_for_change(page, crop, "#crop")
    at_rest(page)
    assert "Ready." in page.locator("#edit-status").inner_text()

    page.locator("#frame .done").click()
    expect(page.locator("#view input[value=Face]")).to_be_checked()
    expect(page.locator(".frame-layer")).to_have_count(0)
    expect(page.locator("#reframe")).to_be_focused()
    at_rest(page)
    page.locator("#undo").click()
    expect(page.locator("#edit-status")).to_contain_text("Step 1")
    page.locator("#reframe").click()
    page.wait_for_function("([place, x]) => Math.abs(eval(place)()[0] - x) < 1", arg=[PLACE, before[0]])  # it is back, too
    page.locator("#frame .done").click()


def test_the_frame_is_moved_by_keys(page) -> None:
    page.locator("#reframe").click()
    frame = page.locator(".frame-layer .frame")
    expect(frame).to_be_focused()
    at_rest(page)
    before, crop = frame_of(page), source(page, "#crop")
    for key in ("ArrowRight", "ArrowDown", "+", "]"):
        page.keyboard.press(key)
    after = frame_of(page)
    assert after[0] > before[0] and after[1] > before[1] and after[2] > before[2] and after[3] == pytest.approx(before[3] + 1, abs=0.1)
    wait_for_change(page, crop, "#crop")
    page.keyboard.press("Enter")
    expect(page.locator(".frame-layer")).to_have_count(0)
    expect(page.locator("#reframe")).to_be_focused()


def test_an_upside_down_photo_is_put_right(page, astronaut, tmp_path) -> None:
    with Image.open(astronaut) as photo:
        photo.transpose(Image.Transpose.ROTATE_180).save(tmp_path / "turned.png")
    open_file(page, tmp_path / "turned.png")
    expect(page.locator("#edit-status")).to_contain_text(re.compile("turned|Getting your face right|Ready"))
    at_rest(page)
    if page.locator("#reframe").is_visible():  # something was taken for a face
        page.locator("#reframe").click()
    at_rest(page)
    assert frame_of(page)[3] == pytest.approx(0, abs=0.1)
    crop = source(page, "#crop")
    for times in ("first", "second"):
        page.locator("#frame [data-turn='90']").click()
        crop = wait_for_change(page, crop, "#crop")
        assert crop, times
    assert abs(frame_of(page)[3]) == pytest.approx(180, abs=0.1)
    page.locator("#frame input[type=range]").fill("-170.5")
    expect(page.locator("#frame output")).to_have_text("-170.5°")
    wait_for_change(page, crop, "#crop")
    page.locator("#frame .done").click()


def test_a_photo_without_a_face_waits_for_the_frame(page, sky) -> None:
    status, controls = page.locator("#edit-status"), page.locator("#tab-edit .controls")
    open_file(page, sky)
    expect(status).to_contain_text("No face found. Drag the frame onto a face, or open another photo.")
    expect(controls).to_have_js_property("inert", True)
    frame_of(page)
    time.sleep(0.5)
    expect(status).to_contain_text("No face found")  # nothing is refined before there is a face
    before, crop = source(page, "#reconstruction"), source(page, "#crop")
    pull(page, ".frame-layer .frame", 30, 0)
    expect(controls).to_have_js_property("inert", False)
    wait_for_change(page, crop, "#crop")
    wait_for_change(page, before, "#reconstruction")
    expect(status).to_contain_text("Ready.")
    page.locator("#frame .done").click()

    open_file(page, sky)
    expect(controls).to_have_js_property("inert", True)
    page.locator("#frame .done").click()  # a face is where the frame is
    expect(controls).to_have_js_property("inert", False)
    expect(status).to_contain_text("Ready.")
    page.locator("#examples button").nth(2).click()
    expect(status).to_contain_text("Opened face")
    expect(page.locator("#reframe")).to_be_disabled()  # a drawn face has no photo


def test_the_frame_follows_fingers_on_a_phone(visit) -> None:
    page = visit(width=390, height=844)
    at_rest(page)
    open_folds(page)
    page.locator("#reframe").click()
    at_rest(page)
    page.evaluate("scrollTo(0, 0)")
    before, crop, client = frame_of(page), source(page, "#crop"), page.context.new_cdp_session(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for part in ("#frame .done", "#frame input", ".frame-layer .turn", ".frame-layer .se"):
        expect(page.locator(part)).to_be_in_viewport()

    def touch(kind: str, *points: tuple[float, float]) -> None:
        client.send(
            "Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y, "id": k} for k, (x, y) in enumerate(points)]}
        )

    x, y = before[:2]
    touch("touchStart", (x, y))
    touch("touchMove", (x + 10, y + 20))
    touch("touchMove", (x + 30, y + 40))
    touch("touchEnd")
    moved = frame_of(page)
    assert [moved[0] - x, moved[1] - y] == pytest.approx([30, 40], abs=1)
    assert page.evaluate("scrollY") == 0
    wait_for_change(page, crop, "#crop")
    at_rest(page)  # the picture under the fingers is no longer replaced
    moved = frame_of(page)
    x, y = moved[:2]
    touch("touchStart", (x - 15, y), (x + 15, y))
    touch("touchMove", (x - 30, y), (x + 30, y))
    touch("touchEnd")
    assert frame_of(page)[2] == pytest.approx(2 * moved[2], rel=0.1)
    page.locator("#frame .done").click()
    at_rest(page)
