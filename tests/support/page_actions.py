"""What a visitor does with a page: look, wait, drag, drop. And where the faces of the group photo are."""

import base64
import time
from weakref import WeakKeyDictionary

GROUP_PX = (620, 340)
GROUP_BOXES_PX = ((20, 40, 240), (280, 70, 180), (480, 100, 120))
"""Left, top and side of each face's crop, the largest first."""


CALLS: WeakKeyDictionary = WeakKeyDictionary()
"""Of each page that is watched: its calls to the server that are under way."""
QUEUES: list = []
"""Gradio's queues of the pages that are served from this process."""
QUIET_MS, QUIET_TIMES, MOST_SEC = 40, 8, 180
"""For so long together nothing is under way: longer than the page waits by itself for a hand that may move on."""


def watch(page) -> None:
    """Count the page's calls to the server from now on, for `at_rest`; before it is loaded."""
    calls = CALLS.setdefault(page, set())
    page.on("request", lambda request: "/gradio_api/" in request.url and "/heartbeat/" not in request.url and calls.add(request))
    page.on("requestfinished", lambda request: calls.discard(request))
    page.on("requestfailed", lambda request: calls.discard(request))
    page.on("framenavigated", lambda _: calls.clear())


def busy(page) -> list[str]:
    """What is under way. The stream of a queue's messages stays open after a refusal: then the queue itself is asked."""
    streams = {request for request in CALLS[page] if "/queue/data" in request.url}
    working = any(any(q.active_jobs) or any(waiting.queue for waiting in q.event_queue_per_concurrency_id.values()) for q in QUEUES)
    return [request.url for request in CALLS[page] if working or request not in streams]


def open_folds(page) -> None:
    """Show all that is folded away on the Edit tab, and the numbers beside sliders, but not what lies in other accordions."""
    page.evaluate("document.querySelectorAll('.fold-label[aria-expanded=false]').forEach((label) => label.click())")
    page.locator("#scores-box button.label-wrap:not(.open)").click()


def close_toast(page) -> None:
    """Close the message; on a busy machine its time may be over, and it goes by itself."""
    page.evaluate("document.querySelector('[data-testid=toast-close]')?.click()")
    page.wait_for_function("!document.querySelector('[data-testid=toast-close]')")


def at_rest(page) -> None:
    """Wait until nothing is under way: no call whose answer is still to be shown, and none that an answer has led to.

    Time is the page's own, which a busy machine stretches as it does everything else that the page does.
    """
    quiet, end_sec = 0, time.monotonic() + MOST_SEC
    while quiet < QUIET_TIMES:
        page.evaluate("ms => new Promise((done) => setTimeout(done, ms))", QUIET_MS)
        quiet = 0 if busy(page) else quiet + 1
        assert time.monotonic() < end_sec, f"the page is not at rest: {busy(page)}"


def source(page, picture: str = "#result") -> str:
    """The address of a picture; Gradio names files by their content, so it changes when the picture does.

    Live previews of a drag are data URLs, see live_preview.js: this waits for the picture that stays.
    """
    return wait_for_change(page, "", picture)


def wait_for_change(page, before: str, picture: str = "#result") -> str:
    found = "([p, b]) => [document.querySelector(`${p} img`)?.src].find((src) => src && src !== b && !src.startsWith('data:'))"
    return page.wait_for_function(found, arg=[picture, before]).json_value()


def drag(page, slider: str, share: float) -> None:
    """Drag a slider's thumb by the mouse, to a share of the whole range beyond where it stands."""
    track = page.locator(f"{slider} input[type=range]")
    track.scroll_into_view_if_needed()
    box = track.bounding_box()
    at = track.evaluate("e => (e.value - e.min) / (e.max - e.min)")
    start = box["x"] + 8 + (box["width"] - 16) * at
    y = box["y"] + box["height"] / 2
    page.mouse.move(start, y)
    page.mouse.down()
    page.mouse.move(start + share * (box["width"] - 16), y, steps=6)
    page.mouse.up()


def value(page, slider: str) -> float:
    return float(page.locator(f"{slider} input[type=range]").input_value())


def start(page, slider: str) -> float:
    """Where the slider asks for no change: the face's own score, rounded to a step."""
    at = page.wait_for_function("s => getComputedStyle(document.querySelector(s)).getPropertyValue('--start') || null", arg=slider)
    return float(at.json_value())


def change(page, slider: str) -> float:
    """What the slider asks for, once the page is at rest: slider and start come with different answers."""
    at_rest(page)
    return round(value(page, slider) - start(page, slider), 6)


def comes_to(page, slider: str, expected: float) -> bool:
    """Whether what the slider asks for comes to this: a busy machine shows thumb and start one after the other."""
    end_sec = time.monotonic() + 10
    while (found := change(page, slider)) != expected and time.monotonic() < end_sec:
        page.wait_for_timeout(QUIET_MS)
    if found != expected:
        print(f"{slider} stands at {value(page, slider)}, its start is {start(page, slider)}")  # pytest shows it where the test fails
    return found == expected


def choose(page, menu: str, *names: str) -> None:
    """Choose from a menu that takes several."""
    field = page.locator(f"{menu} input")
    for name in names:
        field.click()
        page.get_by_role("option", name=name, exact=True).click()
    field.blur()
    page.get_by_role("option").first.wait_for(state="detached")  # the menu fades out


def clear(page, menu: str) -> None:
    """Take back all that was chosen from a menu that takes several."""
    field, tokens = page.locator(f"{menu} input"), page.locator(f"{menu} .token")
    field.click()
    for _ in range(tokens.count()):
        field.press("Backspace")
    field.blur()
    tokens.first.wait_for(state="detached")
    page.get_by_role("option").first.wait_for(state="detached")


def drop(page, target: str, name: str, content: bytes, kind: str) -> None:
    """Drop a file from outside the browser onto an element."""
    page.evaluate(
        """([target, name, content, kind]) => {
            const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([bytes], name, { type: kind }));
            const element = document.querySelector(target);
            for (const event of ["dragenter", "dragover", "drop"])
                element.dispatchEvent(new DragEvent(event, { bubbles: true, cancelable: true, dataTransfer }));
        }""",
        [target, name, base64.b64encode(content).decode(), kind],
    )
