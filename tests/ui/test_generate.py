"""The Generate tab: which steps of a search reach the page, and in a real browser its journeys by mouse and by keyboard."""

import re

import gradio as gr
import pytest
from hand import choose, drag
from PIL import Image

from facevae.editor import Editor
from facevae.ui.generate import GenerateTab
from facevae.ui.session import Session
from facevae.ui.sheets import MOST_BEHIND, MOST_NEAR, MOST_SHOWN, Sheet, in_few_words, neighbours, outcome, read_settings

# Without a browser ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tab(tiny_checkpoint) -> GenerateTab:
    with gr.Blocks():
        return GenerateTab(Editor(tiny_checkpoint), gr.BrowserState())


@pytest.fixture(scope="module")
def rare(tab) -> str:
    """A label that the fewest faces of the tiny model have, but some."""
    seen = [tab.editor.probabilities(face) for face in tab.editor.generate(range(60))]
    share = {name: sum(s[name] > 0.5 for s in seen) / len(seen) for name in seen[0]}
    return min((name for name in share if share[name] > 0), key=lambda name: share[name])


def asking(seed: int = 1, count: int = 4, with_it: tuple[str, ...] = (), without: tuple[str, ...] = ()) -> tuple:
    """What the widgets hold."""
    return seed, count, 0.8, "fitted", list(with_it), list(without)


def last(tab, updates) -> Sheet:
    return [update[tab.sheet] for update in updates if tab.sheet in update][-1]


def said(tab, updates) -> list[str]:
    return [update[tab.status] for update in updates if isinstance(update.get(tab.status), str)]


def seeds(sheet: Sheet) -> list[int | None]:
    return [face.seed for face in sheet.faces]


def test_more_goes_on_where_the_sheet_ends_until_it_is_full(tab):
    session = Session()
    sheet = last(tab, tab.draw(session, *asking(7, 40)))
    updates = list(tab.go_on(session, sheet))
    assert seeds(last(tab, updates)) == list(range(7, 87))
    assert not any(tab.chosen in update for update in updates)  # the choice stays
    full = list(tab.go_on(session, last(tab, updates)))
    assert seeds(last(tab, full)) == list(range(7, 7 + MOST_SHOWN))
    assert "full" in said(tab, full)[-1] and not full[0][tab.more]["interactive"]


def test_only_some_faces_are_those_of_the_seeds_that_fit(tab, rare):
    session = Session()
    sheet = last(tab, tab.draw(session, *asking(1, 3, (rare,))))
    assert all(tab.editor.probabilities(face)[rare] > 0.5 for face in sheet.faces) and len(sheet.faces) == 3
    both = last(tab, tab.go_on(session, sheet))
    assert seeds(both) == seeds(last(tab, tab.draw(Session(), *asking(1, 6, (rare,)))))
    assert seeds(last(tab, tab.draw(session, *asking(1, 12, (), (rare,)))))[:1] != seeds(sheet)[:1]


@pytest.mark.parametrize("by", ["draw", "more", "neighbours", "back", "nearer"])
def test_a_search_that_was_overtaken_falls_silent(tab, rare, by):
    session = Session()
    sheet = last(tab, tab.draw(session, *asking()))
    around = neighbours(tab.editor, sheet, sheet.faces[1], 0.5)
    actions = {
        "draw": lambda: tab.settle(session, *asking(9)),
        "more": lambda: next(tab.go_on(session, sheet)),
        "neighbours": lambda: tab.explore(session, sheet, sheet.faces[0], 0.5),
        "back": lambda: tab.go_back(session, around),
        "nearer": lambda: tab.come_nearer(session, around, None, 0.2),
    }
    running = tab.draw(session, *asking(1, 12, (rare,)))
    next(running)
    actions[by]()
    assert [list(update) for update in running] == [[tab.status]]


def test_stop_keeps_what_was_found_and_wrong_settings_stop_nothing(tab, rare, monkeypatch):
    monkeypatch.setattr("facevae.ui.generate.SEARCH_SEC", 0.0)
    session = Session()
    running = tab.draw(session, *asking(1, 48, (rare,)))
    first = next(update for update in running if tab.sheet in update)
    assert first[tab.chosen] is first[tab.sheet].faces[0] and first[tab.stop]["interactive"]
    for wrong, words in ((asking(-1), "whole number"), (asking(1.5), "whole number"), (asking(1, 4, (rare,), (rare,)), "for and against")):
        tab.settle(session, *wrong)
        with pytest.raises(gr.Error, match=words):
            next(tab.draw(session, *wrong))
    tab.settle(session, *asking(None))
    assert said(tab, tab.draw(session, *asking(None))) == []  # an empty field waits for its seed
    session.stop()
    (*_, end, silence) = running
    assert said(tab, [end])[0].startswith("Stopped: 1 of 48 found") and not end[tab.stop]["interactive"]
    assert len(end[tab.sheet].faces) == 1 and list(silence) == [tab.status]


def test_nothing_found_leaves_the_faces_from_before(tab, monkeypatch):
    monkeypatch.setattr("facevae.sampling.fits", lambda seen, wanted: False)
    monkeypatch.setattr(Editor.search, "__defaults__", (0.8, "fitted", 5))
    updates = list(tab.draw(Session(), *asking(1, 4, ("Smiling",))))
    assert not any(tab.sheet in update or tab.chosen in update for update in updates)
    assert said(tab, updates)[-1].startswith("None of 4 found in 5 tries") and "stay" in said(tab, updates)[-1]


def test_a_walk_leads_back_the_way_it_came(tab):
    session = Session()
    sheet = first = last(tab, tab.draw(session, *asking()))
    chosen = sheet.faces[2]
    for step in range(MOST_BEHIND):
        update = tab.explore(session, sheet, chosen, 0.5)
        sheet = update[tab.sheet]
        assert len(sheet.faces) == 9 and sheet.faces[4] is chosen and update[tab.gallery]["selected_index"] == 4
        chosen = sheet.faces[step % 9]
    for _ in range(MOST_BEHIND - 1):
        centre = sheet.centre
        update = tab.go_back(session, sheet)
        sheet = update[tab.sheet]
        assert update[tab.chosen] is centre and any(face is centre for face in sheet.faces)
    assert tab.go_back(session, sheet)[tab.sheet].faces == first.faces
    assert tab.go_back(session, first)[tab.sheet].faces == first.faces


def test_more_neighbours_leave_those_that_are_there(tab):
    session = Session()
    sheet = last(tab, tab.draw(session, *asking()))
    around = tab.explore(session, sheet, sheet.faces[0], 0.5)[tab.sheet]
    more = around
    for _ in range(3):
        more = last(tab, tab.go_on(session, more))
    assert len(more.faces) == MOST_NEAR and more.faces[:9] == around.faces and not more.room
    nearer = tab.come_nearer(session, more, more.faces[7], 0.2)
    assert nearer[tab.chosen] is nearer[tab.sheet].faces[7] and nearer[tab.sheet].faces[4] is sheet.faces[0]
    names = [face.name for face in more.faces]
    assert names[:6] == [f"face-1-near-{n}" for n in (1, 2, 3, 4)] + ["face-1", "face-1-near-5"] and len(set(names)) == MOST_NEAR


def test_words():
    assert in_few_words({"Smiling": 0.9, "Brown_Hair": 0.6, "No_Beard": 0.2, "Male": 0.4, "Attractive": 1.0}) == "smile, brown hair, beard"
    assert in_few_words({"Smiling": 0.1, "No_Beard": 0.9}) == "nothing that stands out"
    assert read_settings(*asking(1, 2, ("No_Beard",), ("Smiling",))).wanted == {"No_Beard": False, "Smiling": False}
    assert outcome(2, 12, 1000, False).startswith("Only 2 of 12 found in 1000 tries: ask for less")


# In the browser ---------------------------------------------------------------------------------------------------------

pytest.importorskip("playwright", reason="NO BROWSER TESTS: pip install playwright")
from playwright.sync_api import expect  # noqa: E402


@pytest.fixture
def generating(laptop):
    """The Generate tab with the twelve faces of seed 1."""
    laptop.get_by_role("tab", name="Generate").click()
    for menu in ("#only-with", "#only-without"):
        for token in laptop.locator(f"{menu} [title^=Remove]").all():
            token.click()
    laptop.locator("#seed input").fill("9000")
    laptop.locator("#seed input").fill("1")
    tile(laptop, 0, "Seed 1")
    expect(laptop.locator("#faces img")).to_have_count(12)
    return laptop


def tile(page, at: int, words: str) -> None:
    expect(page.locator("#faces button").nth(at)).to_have_attribute("aria-label", re.compile(f"^{words}(:|$)"))


def status(page, words) -> None:
    expect(page.locator("#generate-status")).to_contain_text(words)


def test_only_some_faces_come_as_they_are_found_and_stop_keeps_them(generating):
    page = generating
    choose(page, "#only-with", "Glasses")
    status(page, re.compile(r"[1-9]\d* of 12 found, \d+ tried"))
    page.locator("#generate-stop:enabled").click()
    status(page, re.compile(r"Stopped: ([1-9]|1[01]) of 12 found, \d+ tried"))
    expect(page.locator("#generate-stop")).to_be_disabled()
    found = int(re.search(r"(\d+) of", page.locator("#generate-status").inner_text())[1])
    expect(page.locator("#faces img")).to_have_count(found)
    expect(page.locator("#chosen img")).to_have_attribute("alt", re.compile(r"The chosen face, Seed \d+: .*glasses"))
    choose(page, "#only-without", "Glasses")
    expect(page.get_by_test_id("toast-body")).to_contain_text("Glasses is asked for and against")
    expect(page.locator("#faces img")).to_have_count(found)
    page.get_by_test_id("toast-close").click()


def test_more_neighbours_and_back_by_keyboard(generating):
    page = generating
    page.locator("#more").click()
    expect(page.locator("#faces img")).to_have_count(24)
    tile(page, 23, "Seed 24")
    page.locator("#faces button").nth(13).focus()
    page.keyboard.press("Enter")
    status(page, "Seed 14 is chosen")
    expect(page.locator("#faces button").nth(13)).to_have_attribute("aria-pressed", "true")
    page.locator("#neighbours").press("Enter")
    expect(page.locator("#faces img")).to_have_count(9)
    tile(page, 4, "Seed 14")
    expect(page.locator("#faces button").nth(4)).to_have_attribute("aria-pressed", "true")
    page.locator("#faces button").nth(0).press("Enter")
    status(page, "face-14-near-1 is chosen")
    before, centre = (page.locator("#faces img").nth(at).get_attribute("src") for at in (0, 4))
    page.locator("#radius input[type=range]").press("ArrowLeft")
    page.wait_for_function("b => document.querySelector('#faces img').src !== b", arg=before)
    assert page.locator("#faces img").nth(4).get_attribute("src") == centre
    page.locator("#neighbours").press("Enter")
    tile(page, 4, "face-14-near-1")
    page.locator("#generate-back").press("Enter")
    tile(page, 4, "Seed 14")
    page.locator("#generate-back").press("Enter")
    expect(page.locator("#faces img")).to_have_count(24)
    expect(page.locator("#generate-back")).to_have_count(0)
    status(page, "Seed 14 is chosen")


def test_a_neighbour_is_downloaded_edited_and_the_sheet_is_saved(generating, tmp_path):
    page = generating
    page.locator("#neighbours").click()
    tile(page, 4, "Seed 1")
    page.locator("#faces button").nth(8).click()
    status(page, "face-1-near-8 is chosen")
    saved = {}
    for button in ("#save-face", "#save-sheet"):
        with page.expect_download() as download:
            page.locator(button).click()
        download.value.save_as(tmp_path / download.value.suggested_filename)
        with Image.open(tmp_path / download.value.suggested_filename) as file:
            saved[download.value.suggested_filename] = file.size
            assert "AI-generated" in file.text["Comment"] and "latent" in file.text["facevae"]
    assert saved == {"face-1-near-8-facevae.png": (128, 128), "face-1-neighbours-facevae.png": (416, 470)}
    page.locator("#generate-to-edit").click()
    expect(page.get_by_role("tab", name="Edit")).to_have_attribute("aria-selected", "true")
    expect(page.locator("#edit-status")).to_contain_text("Opened face-1-near-8")


def test_a_dragged_slider_ends_with_its_own_faces(generating):
    page = generating
    drag(page, "#count", 0.2)
    count = int(page.locator("#count input[type=range]").input_value())
    assert count > 12
    expect(page.locator("#faces img")).to_have_count(count)
    page.locator("#count input[type=range]").press("Home")
    expect(page.locator("#faces img")).to_have_count(1)
    page.locator("#count input[type=range]").evaluate("e => { e.value = 12; e.dispatchEvent(new Event('input', { bubbles: true })) }")
    expect(page.locator("#faces img")).to_have_count(12)


def test_phone(visit):
    page = visit(width=390, height=844)
    page.get_by_role("tab", name="Generate").click()
    expect(page.locator("#faces img")).to_have_count(12)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator("#faces button").nth(9).scroll_into_view_if_needed()
    page.locator("#faces button").nth(9).click()
    status(page, "Seed 10 is chosen")
    expect(page.locator("#neighbours")).to_be_in_viewport()
    expect(page.locator("#generate-stop")).to_be_in_viewport()
    page.locator("#neighbours").click()
    expect(page.locator("#faces img")).to_have_count(9)
    expect(page.locator("#generate-back")).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
