"""Live preview during a drag: the session key, refused values, and that the last value stays."""

import asyncio
import base64
import io
import re
from concurrent.futures import ThreadPoolExecutor

import gradio as gr
import httpx
import numpy as np
import pytest
from PIL import Image

from facevae.photo.alignment import Square
from facevae.ui.edit.preview import COMPARE, EDITED, ORIGINAL
from facevae.ui.session import Session, find_session
from train.bench.gradio_client import GradioClient
from train.bench.slider_client import JPEG, SliderClient


@pytest.fixture
def look(tab, face):
    """What the page of one visitor says, who has opened the face: by the widgets' ids."""
    session = Session()
    tab.opening.open_face(session, face)
    values, _ = tab.panel.set_to_edit(session, {}, (), 0.5)
    held = {widget.elem_id: value for widget, value in values.items()}
    return {"hand": session.open_key(), "view": "Face", "show": EDITED, **held}, session


def widgets_of(tab, session: Session, face, look: dict) -> dict:
    """What Gradio would give to a handler."""
    return {widget: look.get(widget.elem_id) for widget in tab.rendering.widgets} | {tab.session: session, tab.face: face}


def pixels(answer: dict) -> np.ndarray:
    data = base64.b64decode(answer["picture"].removeprefix(JPEG))
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


def test_live_preview_has_the_bytes_of_gradios_picture(tab, face, look) -> None:
    look, session = look
    look["slider-smiling"] = round(look["slider-smiling"] + 2, 1)
    answer = tab.live_preview.draw(look)
    assert answer["words"] == "Edited face: Smile +2"
    at_rest = tab.rendering.draw_preview(widgets_of(tab, session, face, look))[0]
    buffer = io.BytesIO()
    at_rest["value"].save(buffer, "JPEG")  # as Gradio does
    assert base64.b64decode(answer["picture"].removeprefix(JPEG)) == buffer.getvalue() and at_rest["alt_text"] == answer["words"]
    assert tab.live_preview.draw(look | {"show": COMPARE}) == answer
    session.drag, values = {}, {widget: look[widget.elem_id] for widget in (tab.detail, *tab.panel.inputs)}
    assert tab.live_preview.draw(look | {"show": ORIGINAL}) is None and session.drag == values  # nothing to draw, but the hand is there
    held = tab.live_preview.draw(look | {"locks": ["Young", "Male", "gone"]})
    assert not np.array_equal(pixels(held), pixels(answer))


@pytest.mark.parametrize(
    "change",
    [
        {"hand": "somebody"},
        {"hand": ""},
        {"hand": None},
        {"hand": ["a"]},
        {"placed": 99},
        {"slider-smiling": "3"},
        {"slider-smiling": float("nan")},
        {"slider-smiling": True},
        {"detail": None},
        {"locks": [["Young"]]},
        {"locks": "Young"},
        {"view": 3},
    ],
)
def test_live_preview_requires_the_session_key_and_valid_values(tab, look, change) -> None:
    assert tab.live_preview.draw(look[0]) is not None
    assert tab.live_preview.draw(look[0] | change) is None
    for other in (None, [], "look", {}, {"hand": look[0]["hand"]}):
        assert tab.live_preview.draw(other) is None


def test_an_emptied_number_asks_for_nothing(tab, look) -> None:
    assert tab.live_preview.draw(look[0] | {"slider-smiling": None})["words"] == "Edited face: no change"


def test_a_key_is_the_visitors_alone_and_goes_with_the_session() -> None:
    one, two = Session(), Session()
    assert one.open_key() == one.open_key() != two.open_key() and len(one.key) >= 32
    assert find_session(one.key) is one and find_session("") is None
    key = two.key
    del two
    assert find_session(key) is None


def test_no_live_preview_between_an_action_and_its_first_face(tab, face, look) -> None:
    look, session = look
    other = tab.editor.generate([3])[0]
    turn = session.action
    late = session.begin_action()
    assert tab.live_preview.draw(look) is None
    session.show(late, face)
    session.show(turn, other)  # what was overtaken comes late: nobody sees it
    assert session.face_now is None and tab.live_preview.draw(look) is None
    session.show(late, face)
    assert tab.live_preview.draw(look) is not None
    session.forget()
    assert tab.live_preview.draw(look) is None


def test_guidance_and_a_moved_crop_show_the_face_that_they_have_come_to(tab, face) -> None:
    session = Session()
    tab.opening.open_face(session, face)
    tab.crop.adjust(session, face, Square(40, 32, 45))
    assert session.face_now is not face and session.face_now.photo is face.photo
    values, _ = tab.panel.set_to_edit(session, {}, (), 0.5)
    look = {tab.session: session, tab.face: face, tab.preview.view: "Face", tab.preview.show: EDITED}
    run = tab.guidance.run("Smile", {"Smiling": True}, {**look, **values})
    faces = [update[tab.face] for update in run if tab.face in update]
    assert faces and session.face_now is faces[-1]


# ---- over HTTP, without a browser


def test_two_visitors_pictures_do_not_mix(url) -> None:
    """One has the first example, the other the second; both move the same slider at the same time."""

    async def visit() -> list[list[bytes]]:
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as http:
            config = (await http.get("/config")).json()
            wrong: list[str] = []
            visitors = [GradioClient(http, config, lambda _n, _s, error: wrong.append(error) if error else None) for _ in range(2)]
            for visitor in visitors:
                await asyncio.gather(*visitor.arrive())
            await asyncio.gather(*visitors[1].fire("examples", "select", {"index": 1, "value": None}))
            hands = [SliderClient(visitor) for visitor in visitors]
            alone = [await hand.draw() for hand in hands]
            for step in range(12):
                for hand in hands:
                    hand.move("slider-smiling", round(hand.visitor.value("slider-smiling") + (0.1 if step < 6 else -0.1), 1))
                await asyncio.sleep(0.03)
            ways = [await hand.rest() for hand in hands]
            stolen = dict.fromkeys(hands[0].look, 0) | {"hand": hands[1].visitor.session}
            assert await hands[0]._ask(stolen) is None  # Gradio's number of a session is no key
            assert not wrong
            for visitor in visitors:
                visitor.fire("stop", "click")
                await visitor.rest()
            return [[one, *way] for one, way in zip(alone, ways, strict=True)]

    with ThreadPoolExecutor(1) as thread:  # a browser test in this process may have left a loop running
        ways = thread.submit(asyncio.run, visit()).result()
    shown = [[np.asarray(Image.open(io.BytesIO(picture)).convert("RGB").resize((32, 32))).astype(int) for picture in way] for way in ways]
    mine, others = shown
    assert len(mine) > 2 and len(others) > 2
    for way, other in ((mine, others), (others, mine)):
        for picture in way:
            assert np.abs(picture - way[0]).mean() < np.abs(picture - other[0]).mean() / 2


# ---- in the browser

WATCH = """() => {
  window.seen = [];
  new MutationObserver((all) => all.forEach(({ target }) => target.closest("#result, #slide") && seen.push(target.src.slice(0, 9))))
    .observe(document.body, { subtree: true, attributes: true, attributeFilter: ["src"] });
}"""


@pytest.fixture
def expect():
    return pytest.importorskip("playwright.sync_api", reason="NO BROWSER TESTS: pip install playwright").expect


def drag_to_and_fro(page, slider: str) -> None:
    """Fast, and to an end that is not where it began."""
    track = page.locator(f"{slider} input[type=range]")
    track.scroll_into_view_if_needed()
    box = track.bounding_box()
    at = track.evaluate("e => (e.value - e.min) / (e.max - e.min)")
    x, y = box["x"] + 8 + (box["width"] - 16) * at, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for share in (*np.linspace(0, 0.3, 6), *np.linspace(0.3, -0.1, 6), *np.linspace(-0.1, 0.2, 6)):
        page.mouse.move(x + share * (box["width"] - 16), y)
    page.mouse.up()


def fetched(page, picture: str = "#result img") -> bytes:
    """The picture that is there now, wherever it came from."""
    script = """async (p) => { const image = [...document.querySelectorAll(p)].at(-1);
        return Array.from(new Uint8Array(await (await fetch(image.src)).arrayBuffer())) }"""
    return bytes(page.evaluate(script, picture))


def test_after_a_fast_drag_the_last_value_stays(page, expect) -> None:
    from page_actions import change, source, value, wait_for_change

    first = source(page)
    page.evaluate(WATCH)
    for slider in ("#slider-smiling", "#slider-bangs"):
        drag_to_and_fro(page, slider)
    stays = wait_for_change(page, first)
    words = f"Smile {change(page, '#slider-smiling'):+g}, Bangs {change(page, '#slider-bangs'):+g}"
    picture = page.locator("#result img")
    expect(picture).to_have_attribute("alt", re.compile(re.escape(words.split(", ")[1])))
    page.wait_for_timeout(1500)  # nothing comes after it
    assert "data:imag" in page.evaluate("seen")  # pictures came on the way
    assert sorted(picture.get_attribute("alt").removeprefix("Edited face: ").split(", ")) == sorted(words.split(", "))
    at = value(page, "#slider-bangs")
    last, there = fetched(page), source(page)
    track = page.locator("#slider-bangs input[type=range]")
    track.press("ArrowLeft")
    aside = wait_for_change(page, there)
    track.press("ArrowRight")
    wait_for_change(page, aside)
    assert value(page, "#slider-bangs") == at and fetched(page) == last and stays


def test_keys_a_typed_number_and_the_arrow_back_bring_their_pictures(page, expect) -> None:
    from page_actions import change, start

    picture = page.locator("#result img")
    track = page.locator("#slider-smiling input[type=range]")
    track.scroll_into_view_if_needed()
    for _ in range(5):
        track.press("ArrowRight")
    expect(picture).to_have_attribute("alt", "Edited face: Smile +0.5")
    expect(track).to_have_attribute("aria-valuetext", re.compile(rf"^{track.input_value()}, "))
    expect(page.locator("#history button")).to_have_count(2)  # and it is a step
    number = page.locator("#slider-smiling input[type=number]")
    number.fill(f"{start(page, '#slider-smiling') + 1.5:.1f}")
    number.press("Enter")
    expect(picture).to_have_attribute("alt", "Edited face: Smile +1.5")
    page.locator("#slider-smiling .reset-button").click()
    expect(picture).to_have_attribute("alt", "Edited face: no change")
    assert change(page, "#slider-smiling") == 0
    page.wait_for_timeout(1000)
    expect(picture).to_have_attribute("alt", "Edited face: no change")


def test_photo_detail_and_comparing_show_the_edit_too(page, expect) -> None:
    from page_actions import drag, source, wait_for_change

    first = source(page)
    drag(page, "#slider-smiling", -0.3)
    edited = wait_for_change(page, first)
    drag(page, "#detail", -0.4)
    wait_for_change(page, edited)
    page.locator("#show input[value=Compare]").check(force=True)
    expect(page.locator("#slide img")).to_have_count(2)
    before, after = (page.locator("#slide img").nth(k).get_attribute("src") for k in (0, 1))
    page.evaluate(WATCH)
    drag_to_and_fro(page, "#slider-smiling")
    page.wait_for_function(
        "b => { const s = [...document.querySelectorAll('#slide img')].at(-1).src; return s !== b && !s.startsWith('data:') }", arg=after
    )
    assert "data:imag" in page.evaluate("seen") and page.locator("#slide img").nth(0).get_attribute("src") == before
    page.locator("#show input[value=Original]").check(force=True)
    expect(page.locator("#result img")).to_have_attribute("alt", "Original photo")
    drag_to_and_fro(page, "#slider-smiling")
    page.wait_for_timeout(1000)
    expect(page.locator("#result img")).to_have_attribute("alt", "Original photo")


def test_guidance_that_fails_at_once_leaves_the_face_where_it_was(tab, face, look, monkeypatch: pytest.MonkeyPatch) -> None:
    look, session = look
    before = session.face_now
    monkeypatch.setattr(tab.editor, "guide", lambda *asked, **how: (_ for _ in ()).throw(ValueError("no gradient")))
    with pytest.raises(gr.Error, match="no gradient"):
        list(tab.guidance.run("Smile", {"Smiling": True}, widgets_of(tab, session, before, look)))
    assert session.face_now is before and tab.live_preview.draw(look) is not None
