"""Several checkpoints in one process: a page for each, chosen by a link, opened when it is asked for, apart from each other."""

import shutil
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx
import pytest
from gradio_client import Client

from facevae.checkpoint.checkpoint import Checkpoint, save_checkpoint
from facevae.editor import Editor
from facevae.ui.server.checkpoint_pages import CheckpointPages, short_name

PATIENCE_SEC = 120
"""Against what never comes, not a measure of speed."""


@pytest.fixture(scope="module")
def place(tiny_checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a checkpoint of one slider, one that is broken, and a folder that is none."""
    found = tmp_path_factory.mktemp("checkpoints")
    save_checkpoint(found / "one slider", replace(tiny_checkpoint, directions={"Smiling": tiny_checkpoint.directions["Smiling"]}))
    save_checkpoint(found / "broken", tiny_checkpoint)
    (found / "broken" / "model.safetensors").write_bytes(b"broken")
    (found / "notes").mkdir()
    return found


@pytest.fixture(scope="module")
def address(tiny_checkpoint: Checkpoint, place: Path) -> Iterator[str]:
    """The page over the tiny checkpoint, with that folder to choose from and one that the Hub would have to bring."""
    from facevae.ui.page import build_page

    page, options = build_page(Editor(tiny_checkpoint), None, CheckpointPages("tiny", ["them/away@v1"], [place]))
    page.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False, server_name="127.0.0.1", **options)
    yield page.local_url.rstrip("/")
    page.close(verbose=False)


def test_each_checkpoint_has_its_own_page_and_api(address: str) -> None:
    open_client = partial(Client, verbose=False, httpx_kwargs={"timeout": PATIENCE_SEC})
    one, first = open_client(f"{address}/checkpoints/one--slider/"), open_client(address)
    assert [c["name"] for c in one.predict(api_name="/controls")["controls"]] == ["Smiling"]
    assert [c["name"] for c in first.predict(api_name="/controls")["controls"]] == ["Smiling", "Blond_Hair", "Male", "Young"]
    (picture,) = one.predict(seed=1, count=1, api_name="/generate")
    assert Path(picture).read_bytes().startswith(b"\x89PNG")


def test_an_address_without_its_slash_leads_to_the_page(address: str) -> None:
    found = httpx.get(f"{address}/checkpoints/one--slider?seed=7", follow_redirects=True, timeout=PATIENCE_SEC)
    assert found.status_code == 200 and str(found.url) == f"{address}/checkpoints/one--slider/?seed=7"


@pytest.mark.parametrize(
    ("slug", "status", "words"),
    [
        ("broken", 404, "broken/model.safetensors is not the file that config.json lists"),
        ("them--away@v1", 404, "HF_HUB_OFFLINE is set"),
        ("nothing", 404, "There is no checkpoint nothing here."),
        ("%2e%2e", 404, "There is no checkpoint .. here."),
        ("<script>", 404, "There is no checkpoint &lt;script&gt; here."),
        ("notes", 404, "There is no checkpoint notes here."),
    ],
)
def test_what_cannot_be_opened_is_a_sentence_and_a_way_back(address: str, place: Path, slug: str, status: int, words: str) -> None:
    found = httpx.get(f"{address}/checkpoints/{slug}/", timeout=PATIENCE_SEC)
    assert found.status_code == status and words in found.text and 'href="../../"' in found.text
    assert str(place) not in found.text  # where things lie is nobody's business


@pytest.mark.parametrize("edits", ["text", [1], {"matrix": 3}, {"matrix": {"a": {"b": {"end": "<img src=x onerror=alert(1)>"}}}, "n": 1}])
def test_measurements_from_elsewhere_do_not_break_the_page(edits) -> None:
    from facevae.ui.about.tab import measured

    assert "cannot be read" in measured(edits)


def test_a_number_that_is_markup_is_not_shown() -> None:
    """`n` used to be put into the page as it came."""
    from facevae.ui.about.edit_matrix import IN_USE
    from facevae.ui.about.tab import measured

    row = {"n": "<script>", "strength": 1.0, "success": 1.0, "leakage": 1.0, "masked": 1.0, "identity": 1.0, "same": 1.0, "density": 1.0}
    edits = {"matrix": {IN_USE: {"Smiling": {"end": row}}}, "attributes": ["Smiling"], "n": 1}
    assert "<script>" not in measured(edits)
    row["n"] = 5
    assert ">5</td>" in measured(edits)


def test_names_are_told_apart_and_commits_are_short(place: Path, tmp_path: Path) -> None:
    commit = "0123456789" * 4
    shelf = CheckpointPages("tiny", [f"a/b@{commit}", f"a/b@{commit}", "a--b/c"], [place, place])
    assert [(e.slug, e.name) for e in shelf.entries()] == [
        ("", "tiny"),
        (f"a--b@{commit}", "a/b@0123456"),
        ("a--b--c", "a--b/c"),
        ("broken", "broken"),
        ("one--slider", "one slider"),
    ]
    assert [(e.slug, e.name) for e in CheckpointPages("broken", ["a/b", "a--b"], [place]).entries()] == [
        ("", "broken"),
        ("a--b", "a/b"),
        ("a--b-2", "a--b (2)"),
        ("broken-2", "broken (2)"),
        ("one--slider", "one slider"),
    ]
    assert short_name("a/b@main") == "a/b@main"
    with pytest.raises(ValueError, match="there is no folder"):
        CheckpointPages("tiny", [], [tmp_path / "nowhere"])
    assert CheckpointPages("tiny", [], [tmp_path]).picker("") == ""  # nothing to choose from


def test_what_has_an_address_keeps_it(place: Path, tmp_path: Path) -> None:
    """A folder of the same name in an earlier place used to take the address over, and the page that was open answered for it."""
    (tmp_path / "notes").mkdir()
    shelf = CheckpointPages("tiny", [], [tmp_path, place])
    before = {entry.source: entry.slug for entry in shelf.entries()}
    shutil.copytree(place / "one slider", tmp_path / "one slider")
    after = {entry.source: (entry.slug, entry.name) for entry in shelf.entries()}
    assert after[str(place / "one slider")] == (before[str(place / "one slider")], "one slider")
    assert after[str(tmp_path / "one slider")] == ("one--slider-2", "one slider (2)")


def test_a_place_that_goes_away_holds_nothing(place: Path, tmp_path: Path) -> None:
    gone = shutil.copytree(place, tmp_path / "gone")
    shelf = CheckpointPages("tiny", ["a/b"], [gone])
    assert len(shelf.entries()) == 4
    shutil.rmtree(gone)
    assert [entry.slug for entry in shelf.entries()] == ["", "a--b"] and str(tmp_path) not in shelf.picker("")


def test_pages_that_nobody_uses_are_closed_and_leave_the_memory(
    tiny_checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from facevae.ui.page import build_page

    opened: list[weakref.ref] = []

    def open_editor(source: str) -> Editor:
        editor = Editor(source)
        opened.append(weakref.ref(editor.checkpoint))
        return editor

    monkeypatch.setattr("facevae.ui.server.checkpoint_pages.Editor", open_editor)
    monkeypatch.setattr("facevae.ui.server.checkpoint_pages.MOST_OPEN", 2)
    monkeypatch.setattr("facevae.ui.server.checkpoint_pages.IDLE_SEC", 0)
    for name in "abc":
        save_checkpoint(tmp_path / name, tiny_checkpoint)
    page, options = build_page(Editor(tiny_checkpoint), None, CheckpointPages("tiny", [], [tmp_path]))
    page.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False, server_name="127.0.0.1", **options)
    try:
        with httpx.Client(base_url=f"{page.local_url}checkpoints/", timeout=PATIENCE_SEC) as http:

            def generate(name: str) -> str:
                answer = http.post(f"{name}/gradio_api/run/generate", json={"data": [1, 1, 0.8, "fitted", None]})
                return answer.json()["data"][0][0]["path"]

            with http.stream("GET", "a/gradio_api/heartbeat/x") as shown:  # a browser shows the first one
                alive = shown.iter_text()  # without a name it would be over, and the request with it
                next(alive)
                kept = generate("a")
                generate("b")
                generate("c")
                wait_until(lambda: [ref() is None for ref in opened] == [False, True, False])
                assert generate("a") == kept and len(opened) == 3
                assert Path(kept).is_file()  # of the same content as the result of the page that was closed
            generate("b")  # is opened again, and what was used longest ago goes
            wait_until(lambda: [ref() is None for ref in opened] == [False, True, True, False])
    finally:
        page.close(verbose=False)


def wait_until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_SEC
    while not holds() and time.monotonic() < until:
        time.sleep(0.05)
    assert holds()


def test_the_picker_leads_from_page_to_page_and_knows_what_came_since(browser, address: str, place: Path) -> None:
    from playwright.sync_api import expect

    context = browser.new_context(viewport={"width": 390, "height": 800})
    context.set_default_timeout(1000 * PATIENCE_SEC)
    page, errors = context.new_page(), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(address)
    picker = page.locator("#checkpoints")
    expect(picker.locator("summary")).to_have_text("Checkpoint: tiny")
    expect(picker.locator("a", has_text="one slider")).to_be_hidden()
    picker.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(picker.get_by_role("link", name="broken")).to_be_visible()
    box = picker.locator("ul").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 390
    picker.get_by_role("link", name="one slider").click()
    page.wait_for_url("**/checkpoints/one--slider/")
    expect(picker.locator("summary")).to_have_text("Checkpoint: one slider")
    page.locator(":is(#result, #slide) img").first.wait_for()
    assert page.locator(".sigma[id^='slider-']").count() == 1
    # A visitor's face is on the page where it was opened, and nowhere else.
    page.locator("#examples button").nth(1).click()
    expect(page.locator("#edit-status")).to_contain_text("Opened face")
    (place / "broken").rename(place / "mended")
    picker.locator("summary").click()
    picker.get_by_role("link", name="tiny").click()
    page.wait_for_url(f"{address}/")
    expect(picker.locator("summary")).to_have_text("Checkpoint: tiny")
    picker.locator("a", has_text="mended").wait_for(state="attached")  # which the page did not know when it was first shown
    (place / "mended").rename(place / "broken")
    context.close()
    assert not errors
