"""Zoom of the large picture in a real browser: wheel, fingers, drag, double click; and full screen."""

import pytest

pytest.importorskip("playwright", reason="NO BROWSER TESTS: pip install playwright")
from page_actions import at_rest, drag, source, wait_for_change
from playwright.sync_api import expect

SCALE = "(picture) => new DOMMatrix(getComputedStyle(document.querySelector(`${picture} img`)).transform)"


def scale(page, picture: str = "#result") -> float:
    return page.evaluate(f"({SCALE})('{picture}').a")


def point_at(page, picture: str = "#result") -> tuple[float, float]:
    """Move the mouse there, a third into the picture."""
    box = page.locator(picture).bounding_box()
    x, y = box["x"] + box["width"] / 3, box["y"] + box["height"] / 3
    page.mouse.move(x, y)
    return x, y


def wheel(page, up: float, ctrl: bool = False) -> None:
    if ctrl:
        page.keyboard.down("Control")
    page.mouse.wheel(0, -up)
    if ctrl:
        page.keyboard.up("Control")


def test_the_wheel_zooms_a_drag_moves_and_a_double_click_resets(page) -> None:
    drag(page, "#slider-bangs", 0.3)
    at_rest(page)
    page.locator("#view input[value=Photo]").check(force=True)
    at_rest(page)
    page.evaluate("scrollTo(0, 0)")
    edited, status = source(page), page.locator("#edit-status").inner_text()
    x, y = point_at(page)
    page.set_viewport_size({"width": 1280, "height": 600})
    point_at(page)
    wheel(page, -50)
    page.wait_for_function("scrollY > 0")  # the wheel alone scrolls the page
    assert scale(page) == 1
    page.evaluate("scrollTo(0, 0)")
    page.set_viewport_size({"width": 1280, "height": 900})
    x, y = point_at(page)
    wheel(page, 400, ctrl=True)
    page.wait_for_function(f"({SCALE})('#result').a > 1.5")

    # A drag moves it, and its end is no click on a face.
    left = page.evaluate(f"({SCALE})('#result').e")
    page.mouse.down()
    page.mouse.move(x + 60, y + 30, steps=3)
    page.mouse.up()
    assert page.evaluate(f"({SCALE})('#result').e") == pytest.approx(left + 60, abs=1)
    at_rest(page)
    assert (source(page), page.locator("#edit-status").inner_text()) == (edited, status)

    # Hold to compare shows the same place of the photo.
    page.locator("#hold").focus()
    page.keyboard.down("Space")
    wait_for_change(page, edited)
    assert scale(page) > 1.5
    page.keyboard.up("Space")
    expect(page.locator("#show input[value=Edited]")).to_be_checked()
    wait_for_change(page, source(page))
    page.mouse.dblclick(x, y)
    assert scale(page) == 1
    page.mouse.move(x, y)
    wheel(page, 400, ctrl=True)
    page.locator("#view input[value=Face]").check(force=True)
    page.wait_for_function(f"({SCALE})('#result').a === 1")


def test_split_zooms_with_the_wheel_and_leaves_the_page_its_scrolling(page) -> None:
    page.locator("#show input[value=Compare]").check(force=True)
    page.locator("#slide img").first.wait_for()
    at_rest(page)
    page.set_viewport_size({"width": 1280, "height": 600})
    point_at(page, "#slide")
    wheel(page, -50)
    page.wait_for_function("scrollY > 0")
    page.evaluate("scrollTo(0, 0)")
    page.set_viewport_size({"width": 1280, "height": 900})
    x, y = point_at(page, "#slide")
    for _ in range(5):
        wheel(page, 100, ctrl=True)
    page.wait_for_function(f"({SCALE})('#slide').a > 1.1")
    page.mouse.dblclick(x, y)
    page.wait_for_function(f"({SCALE})('#slide').a === 1")
    page.locator("#show input[value=Edited]").check(force=True)


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 844)])
def test_full_screen_fills_the_window_and_zooms_with_the_wheel_alone(page, width, height) -> None:
    page.set_viewport_size({"width": width, "height": height})
    try:
        page.locator("#result button[aria-label=Fullscreen]").click()
        page.wait_for_function("document.querySelector('#result').getBoundingClientRect().height === innerHeight")
        box = page.locator("#result").bounding_box()
        assert (box["width"], box["height"]) == (width, height)
        on_top = "([x, y]) => Boolean(document.elementFromPoint(x, y).closest('#result'))"
        assert all(page.evaluate(on_top, [width * share, height / 2]) for share in (0.05, 0.5, 0.95))
        page.mouse.move(width / 2, height / 2)
        wheel(page, 400)
        page.wait_for_function(f"({SCALE})('#result').a > 1.5")
        page.locator("#result button[aria-label='Exit fullscreen mode']").click()
        page.wait_for_function(f"({SCALE})('#result').a === 1")
    finally:
        page.set_viewport_size({"width": 1280, "height": 900})


def test_two_fingers_zoom_and_a_double_tap_resets(visit) -> None:
    page = visit(width=390, height=844)
    page.locator("#show input[value=Edited]").check(force=True)
    page.locator("#result img").wait_for()
    at_rest(page)
    (x, y), client = point_at(page), page.context.new_cdp_session(page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        client.send(
            "Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y, "id": k} for k, (x, y) in enumerate(points)]}
        )

    touch("touchStart", (x - 20, y), (x + 20, y))
    touch("touchMove", (x - 60, y), (x + 60, y))
    touch("touchEnd")
    page.wait_for_function(f"({SCALE})('#result').a > 2")
    left = page.evaluate(f"({SCALE})('#result').e")
    touch("touchStart", (x, y))
    touch("touchMove", (x + 20, y))
    touch("touchMove", (x + 40, y))
    touch("touchEnd")
    assert page.evaluate(f"({SCALE})('#result').e") > left + 15
    for _ in range(2):
        touch("touchStart", (x, y))
        touch("touchEnd")
    page.wait_for_function(f"({SCALE})('#result').a === 1")
