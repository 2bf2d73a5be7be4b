"""The benches' own arithmetic: turns, medians, colours, and which picture came of which move. What they measure runs elsewhere."""

import asyncio
import base64
import io
import json
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import combinations

import httpx
import numpy as np
import pytest
from bent_flow import bent
from PIL import Image

from facevae.checkpoint.checkpoint import Checkpoint
from facevae.editor import Editor
from facevae.nets.velocity import VelocityConfig
from train.bench import load
from train.bench.altered_page import MARK_PX, empty_sliders, marked, remembering
from train.bench.editor import touch, velocities
from train.bench.gradio_client import GradioClient
from train.bench.load import PHOTO_PX, LoadRecord, around, bench_load, border_colour, colours, draw_photo, match_user, print_load
from train.bench.page import Drags, bench_page, frames_per_sec, latencies, print_page
from train.bench.slider_client import JPEG, SliderClient
from train.bench.start import print_start
from train.bench.timing import interleave, large_photo, print_bench
from train.publish.served_page import served

MACHINE = {"cores": 2, "load_before": 0.1}


def test_calls_take_turns_and_the_first_round_does_not_count() -> None:
    order: list[str] = []
    seconds = interleave({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, rounds=3)
    assert order == ["a", "b"] * 4 and set(seconds) == {"a", "b"} and min(seconds.values()) >= 0


def test_rows_are_shares_of_the_first(capsys) -> None:
    print_bench({"models": 2.0, "preview": 3.0, "ratio": 1.5})
    out = capsys.readouterr().out
    assert "1.00 ×" in out and "1.50 ×" in out and "takes 1.50 times" in out


def test_the_photo_has_twelve_megapixels() -> None:
    with Image.open(io.BytesIO(large_photo())) as photo:
        assert photo.format == "JPEG" and 11.9e6 < photo.width * photo.height < 12.1e6


# ---- the page in a browser


def test_a_picture_is_timed_from_the_move_that_asked_for_it() -> None:
    shown = [{"path": "/a", "at": 130.0}, {"path": "/unknown", "at": 140.0}, {"path": "/b", "at": 190.0}]
    assert latencies({"/a": 100.0, "/b": 150.0, "/never-shown": 160.0}, shown) == [30.0, 40.0]


def test_frames_after_the_hand_has_stopped_do_not_count() -> None:
    assert frames_per_sec([90.0, 200.0, 600.0, 1100.0, 1101.0], begin_ms=100.0, end_ms=1100.0) == pytest.approx(3.0)


def test_drags_come_to_medians_and_edges() -> None:
    found = Drags([10.0, 20.0, 90.0], [20.0, 12.0, 30.0], [True, True, False]).summary()
    assert (found["median_ms"], found["fps"], found["least_fps"], found["last_shown"], found["drags"]) == (20.0, 20.0, 12.0, 2, 3)
    assert 20 < found["p95_ms"] < 90
    with pytest.raises(ValueError, match="no picture"):
        Drags().summary()


@pytest.mark.parametrize(("ratio", "fps", "last", "missed"), [(1.9, 15.0, 3, 0), (2.1, 14.0, 2, 3)])
def test_the_page_is_held_to_its_goals(capsys, ratio, fps, last, missed) -> None:
    row = {"pictures": 9, "median_ms": 40.0, "p95_ms": 50.0, "fps": fps, "least_fps": fps, "drags": 3, "last_shown": last}
    print_page({**MACHINE, "page": row, "trivial": row, "ratio": ratio})
    out = capsys.readouterr().out
    assert out.count("MISSED") == missed and out.count("met  ") == 3 - missed and f"{last} of 3" in out


def test_without_a_browser_the_bench_says_what_to_install(monkeypatch) -> None:
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    pytest.importorskip("playwright")
    with pytest.raises(ValueError, match=r"install_browser\.sh"):
        bench_page(1)
    monkeypatch.setitem(sys.modules, "playwright.sync_api", None)
    with pytest.raises(ValueError, match="pip install"):
        bench_page(1)


def test_the_trivial_function_computes_once_and_marks_its_pictures() -> None:
    calls = []

    def draw(value: float, name: str) -> tuple:
        calls.append(value)
        return {"value": Image.new("RGB", (40, 30), "teal"), "alt_text": name}, None

    trivial = remembering(draw)
    one, two, again = (np.asarray(trivial(value, "a")[0]["value"]) for value in (1.0, 2.0, 1.0))
    assert calls == [1.0] and trivial(3.0, "b")[0]["alt_text"] == "a" and trivial(3.0, "b")[1] is None
    assert np.array_equal(one, again) and not np.array_equal(one, two)
    assert np.array_equal(one[MARK_PX:], two[MARK_PX:]) and (one[MARK_PX:] == (0, 128, 128)).all()
    assert isinstance(marked(np.zeros((20, 20, 3), np.uint8), 7), Image.Image)


def test_only_what_draws_the_edit_is_emptied() -> None:
    import gradio

    def draw(look: dict) -> dict | None:
        return look.get("answer")

    with gradio.Blocks() as page:
        hand = gradio.HTML(elem_id="hand", js_on_load='trigger("move"); trigger("rest")', server_functions=[draw])
        crop, result, told = gradio.Slider(elem_id="shift-x"), gradio.Image(elem_id="result"), gradio.HTML()
        hand.rest(lambda value: value, crop, result)
        hand.move(lambda value: value, crop, told)
        crop.input(lambda value: value, crop, result)
    before = [function.fn for function in page.fns.values()]
    empty_sliders(page)
    assert [function.fn is old for function, old in zip(page.fns.values(), before, strict=True)] == [False, True, True]

    buffer = io.BytesIO()
    Image.new("RGB", (40, 32), "teal").save(buffer, "JPEG")
    drawn = {"picture": JPEG + base64.b64encode(buffer.getvalue()).decode(), "words": "teal"}
    assert hand.draw({"answer": None}) is None  # nothing to show yet
    first, second, again = (hand.draw({"answer": drawn if value == 1 else None, "slider-smiling": value}) for value in (1, 2, 1))
    assert first == again != second and second["words"] == "teal"
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(second["picture"].removeprefix(JPEG)))))
    assert pixels.shape == (32, 40, 3) and np.abs(pixels[-8:, -8:].astype(int) - (0, 128, 128)).max() < 6
    assert hand.draw._is_server_fn  # or Gradio would not let the page call it


# ---- a cold start


def test_a_program_that_ends_before_it_answers_is_told_in_its_own_words() -> None:
    with pytest.raises(ValueError, match="did not start: no such face"), served(("-c", "print('hello'); exit('no such face')")):
        pass


def test_a_start_is_held_to_its_goal(capsys) -> None:
    print_start({**MACHINE, "runs": 3, "empty_sec": 2.0, "answer_sec": 3.0, "first_edit_sec": 4.0, "ratio": 1.5, "first_edit_ratio": 2.0})
    out = capsys.readouterr().out
    assert "MISSED  the page answers after 1.50 times" in out and "2.00 ×" in out


# ---- many users


@pytest.mark.parametrize("count", [1, 3, 8, 9, 20, 60])
def test_everybody_has_a_colour_that_is_far_from_all_others(count) -> None:
    everybody = colours(count)
    assert len(set(everybody)) == count
    apart = min((max(abs(a - b) for a, b in zip(one, two, strict=True)) for one, two in combinations(everybody, 2)), default=255)
    assert apart >= 60
    for k, colour in enumerate(everybody):
        assert match_user(tuple(min(max(v + 12, 0), 255) for v in colour), everybody) == k


def test_a_colour_between_two_users_is_nobodys() -> None:
    assert match_user((128, 30, 30), colours(8)) is None
    assert match_user((200, 30, 30), colours(1)) is None


def test_the_photo_has_its_users_colour_around_the_face() -> None:
    face = np.random.default_rng(0).integers(0, 256, (16, 16, 3)).astype(np.uint8)
    with Image.open(io.BytesIO(draw_photo(face, (226, 30, 128)))) as photo:
        assert photo.size == PHOTO_PX
        pixels = np.asarray(photo)
    assert np.abs(np.subtract(border_colour(pixels), (226, 30, 128))).max() <= 4
    assert pixels[PHOTO_PX[1] // 2, PHOTO_PX[0] // 2].tolist() != pixels[0, 0].tolist()


def test_all_sliders_are_one_kind_of_event() -> None:
    record = LoadRecord()
    for name, seconds in (("preview slider-smiling", 0.1), ("preview slider-bangs", 0.3), ("tap look-tiles", 1.0)):
        record.log(name, seconds, "")
    record.log("save download", 0.2, "too late")
    rows = record.actions()
    assert next(iter(rows)) == "preview slider-…" and rows["preview slider-…"] == {"n": 2, "p50_ms": 200.0, "p95_ms": pytest.approx(290.0)}
    assert rows["tap look-tiles"]["n"] == 1 and record.errors == ["save download: too late"]


def test_samples_are_those_before_the_mark() -> None:
    samples = [{"sec": float(k), "rss_mb": 100.0 + k} for k in range(60)]
    assert around(samples, 30, window_sec=10) == {"sec": 25.0, "rss_mb": 125.0}
    assert around(samples[:1], 30)["rss_mb"] == 100.0


def test_a_load_is_held_to_its_goals(capsys, monkeypatch) -> None:
    monkeypatch.setattr(load, "MORE_MEMORY", 1.04)
    monkeypatch.setattr(load, "MORE_FILES", 1.35)
    mark, end = (
        {"sec": 120.0, "rss_mb": 1000.0, "files": 50, "files_mb": 10.0, "overdue": 0.0},
        {"sec": 600.0, "rss_mb": 1060.0, "files": 60, "files_mb": 12.0, "overdue": 3.0},
    )
    found = {
        "users": 3,
        "minutes": 10,
        "keep_sec": 60,
        "pictures": 9,
        "mark_min": 2,
        "mark": mark,
        "end": end,
        "most_overdue": 3,
        "most_files_mb": 13.0,
    }
    row = {"n": 4, "p50_ms": 10.0, "p95_ms": 20.0}
    print_load({**MACHINE, **found, "actions": {"preview": row}, "errors": {"save: too late": 2}, "strange": ["edit of a shows b"]})
    out = capsys.readouterr().out
    assert out.count("MISSED") == 4 and "met     files are bounded" in out
    assert all(part in out for part in ("2 errors", "3 files at most had outlived", "1.060", "2 × save: too late"))
    assert "goal 1.04)" in out and "at most 1.35 of those" in out  # what is printed is what is held to
    with pytest.raises(ValueError, match="no load"):
        bench_load(0, 1)


# ---- the visitor


def event(number: int, target: list, after: int | None = None, mode: str = "once", on_success: bool = False) -> dict:
    names = {"inputs": [1, 2], "outputs": [2, 3], "backend_fn": True, "queue": False, "api_name": f"handler_{number}", "trigger_mode": mode}
    chain = {"trigger_after": after, "trigger_only_on_success": on_success, "trigger_only_on_failure": False}
    return {"id": number, "targets": [target], **names, **chain}


CONFIG = {
    "components": [
        {"id": 1, "type": "state", "props": {}},
        {"id": 2, "type": "slider", "props": {"elem_id": "slider-a", "value": 0}},
        {"id": 3, "type": "html", "props": {"elem_id": "told", "value": ""}},
    ],
    "dependencies": [
        event(0, [2, "input"], mode="always_last"),
        event(1, [None, "then"], 0),
        event(2, [None, "success"], 1, on_success=True),
    ],
}


def test_a_visitor_sends_what_the_widgets_hold_and_keeps_the_last_of_many_moves() -> None:
    sent, logged = [], []

    async def answer(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        await asyncio.sleep(0.01)
        sent.append((body["fn_index"], body["data"]))
        if body["fn_index"] == 1:
            return httpx.Response(500, text="no")
        return httpx.Response(200, json={"data": [{"__type__": "update"}, f"moved to {body['data'][1]}"]})

    async def visit() -> GradioClient:
        async with httpx.AsyncClient(base_url="http://page", transport=httpx.MockTransport(answer)) as http:
            visitor = GradioClient(http, CONFIG, lambda *what: logged.append(what))
            for value in (1, 2, 3):
                visitor.put("slider-a", value)
                visitor.fire("slider-a", "input")
                await asyncio.sleep(0)
            await visitor.rest()
            with pytest.raises(ValueError, match="does not listen"):
                visitor.fire("slider-a", "blur")
            return visitor

    with ThreadPoolExecutor(1) as thread:  # a browser test in this process may have left a loop running
        visitor = thread.submit(asyncio.run, visit()).result()
    assert [data for number, data in sent if number == 0] == [[None, 1], [None, 3]]  # the state stays on the server
    assert visitor.value("told") == "moved to 3" and visitor.value("slider-a") == 3
    assert {number for number, _ in sent} == {0, 1}  # what follows a success does not follow a failure
    assert ("handler slider-a", "") in [(name, wrong) for name, _, wrong in logged]
    assert any(wrong.startswith("HTTP 500") for _, _, wrong in logged)


def run(visit) -> object:
    """Where a browser test in this process may have left a loop running."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, visit).result()


def test_whatever_goes_wrong_in_an_event_is_an_error_of_the_visitor_and_the_event_is_over() -> None:
    logged = []

    async def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"no": "data"})  # a KeyError

    async def visit() -> None:
        async with httpx.AsyncClient(base_url="http://page", transport=httpx.MockTransport(answer)) as http:
            visitor = GradioClient(http, CONFIG, lambda *what: logged.append(what))
            visitor.fire("slider-a", "input")
            await asyncio.wait_for(visitor.quiet("slider-a", "input"), 5)
            await visitor.rest()

    run(visit())
    assert next((name, wrong) for name, _, wrong in logged) == ("handler slider-a", "KeyError: 'data'")


# ---- the hand


HAND = {
    "components": [
        *CONFIG["components"],
        {"id": 4, "type": "html", "props": {"elem_id": "hand", "value": "a key"}},
    ],
    "dependencies": [
        *({**event(k, [4, name], mode="always_last"), "outputs": [3], "inputs": [2]} for k, name in enumerate(("move", "rest", "release"))),
        {**event(3, [2, "change"]), "inputs": [4, 2], "backend_fn": False, "js": 'new CustomEvent("facevae-look")'},
    ],
}


def test_a_hand_asks_for_one_picture_at_a_time_and_for_the_last_value_always() -> None:
    asked, logged, running = [], [], []

    async def answer(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        if "component_server" not in request.url.path:
            return httpx.Response(200, json={"data": [f"at {body['data'][0]}"]})
        running.append(body["fn_name"])
        assert running == ["draw"]
        await asyncio.sleep(0.02)
        running.clear()
        asked.append(body["data"])
        if len(asked) == 2:
            return httpx.Response(500, text="no")
        return httpx.Response(200, json={"picture": JPEG + base64.b64encode(repr(body["data"]["slider-a"]).encode()).decode()})

    async def visit() -> tuple[list[bytes], str]:
        async with httpx.AsyncClient(base_url="http://page", transport=httpx.MockTransport(answer)) as http:
            visitor = GradioClient(http, HAND, lambda *what: logged.append(what))
            hand = SliderClient(visitor)
            for value in range(12):
                hand.move("slider-a", value)
                await asyncio.sleep(0.01)
            return await hand.rest(), visitor.value("told")

    pictures, told = run(visit())
    assert all(look["hand"] == "a key" for look in asked)
    assert 2 < len(asked) < 12 and asked[-1]["slider-a"] == 11 and pictures[-1] == b"11" and told == "at 11"
    assert len(pictures) == len(asked) - 1 and [wrong for name, _, wrong in logged if name == "live picture" and wrong] == ["HTTP 500: no"]


def test_the_floor_of_a_first_touch_asks_the_net_as_often(tiny_checkpoint: Checkpoint) -> None:
    flow = bent(config=VelocityConfig(latent=6, labels=8, width=8, hidden=8, blocks=2))
    editor, asked = Editor(replace(tiny_checkpoint, prior=flow)), []
    flow.net.register_forward_hook(lambda net, inputs, output: asked.append(len(inputs[0])))
    face = editor.generate([1])[0]
    asked.clear()
    touch(editor, face, "Young")
    touched = asked.copy()
    asked.clear()
    velocities(editor)()
    assert asked == touched
