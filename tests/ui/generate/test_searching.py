"""The Create tab without a browser: which steps of a search reach the page, and which must not."""

import gradio as gr
import pytest

from facevae.editor import Editor
from facevae.ui.generate.sheet import (
    MOST_BEHIND,
    MOST_NEAR,
    MOST_SHOWN,
    Sheet,
    counted,
    describe_neighbours,
    in_few_words,
    neighbours,
    outcome,
    read_settings,
)
from facevae.ui.generate.tab import GenerateTab
from facevae.ui.session import Session


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
    return [update[tab.view.sheet] for update in updates if tab.view.sheet in update][-1]


def said(tab, updates) -> list[str]:
    return [update[tab.view.status] for update in updates if isinstance(update.get(tab.view.status), str)]


def seeds(sheet: Sheet) -> list[int | None]:
    return [face.seed for face in sheet.faces]


def test_more_goes_on_where_the_sheet_ends_until_it_is_full(tab):
    session = Session()
    sheet = last(tab, tab.search.draw(session, *asking(7, 40)))
    updates = list(tab.search.go_on(session, sheet))
    assert seeds(last(tab, updates)) == list(range(7, 87))
    assert not any(tab.view.chosen in update for update in updates)  # the choice stays
    full = list(tab.search.go_on(session, last(tab, updates)))
    assert seeds(last(tab, full)) == list(range(7, 7 + MOST_SHOWN))
    assert "full" in said(tab, full)[-1] and not full[0][tab.view.more]["interactive"]


def test_only_some_faces_are_those_of_the_seeds_that_fit(tab, rare):
    session = Session()
    sheet = last(tab, tab.search.draw(session, *asking(1, 3, (rare,))))
    assert all(tab.editor.probabilities(face)[rare] > 0.5 for face in sheet.faces) and len(sheet.faces) == 3
    both = last(tab, tab.search.go_on(session, sheet))
    assert seeds(both) == seeds(last(tab, tab.search.draw(Session(), *asking(1, 6, (rare,)))))
    assert seeds(last(tab, tab.search.draw(session, *asking(1, 12, (), (rare,)))))[:1] != seeds(sheet)[:1]


@pytest.mark.parametrize("by", ["draw", "more", "neighbours", "back", "nearer"])
def test_a_search_that_was_overtaken_falls_silent(tab, rare, by):
    session = Session()
    sheet = last(tab, tab.search.draw(session, *asking()))
    around = neighbours(tab.editor, sheet, sheet.faces[1], 0.5)
    actions = {
        "draw": lambda: tab.search.settle(session, *asking(9)),
        "more": lambda: next(tab.search.go_on(session, sheet)),
        "neighbours": lambda: tab.neighbours.explore(session, sheet, sheet.faces[0], 0.5),
        "back": lambda: tab.neighbours.go_back(session, around),
        "nearer": lambda: tab.neighbours.change_radius(session, around, None, 0.2),
    }
    running = tab.search.draw(session, *asking(1, 12, (rare,)))
    next(running)
    actions[by]()
    assert [list(update) for update in running] == [[tab.view.status]]


def test_stop_keeps_what_was_found_and_wrong_settings_stop_nothing(tab, rare, monkeypatch):
    monkeypatch.setattr("facevae.ui.generate.search.SEARCH_SEC", 0.0)
    session = Session()
    running = tab.search.draw(session, *asking(1, 48, (rare,)))
    first = next(update for update in running if tab.view.sheet in update)
    assert first[tab.view.chosen] is first[tab.view.sheet].faces[0] and first[tab.view.stop]["interactive"]
    for wrong, words in ((asking(-1), "whole number"), (asking(1.5), "whole number"), (asking(1, 4, (rare,), (rare,)), "for and against")):
        tab.search.settle(session, *wrong)
        with pytest.raises(gr.Error, match=words):
            next(tab.search.draw(session, *wrong))
    tab.search.settle(session, *asking(None))
    assert said(tab, tab.search.draw(session, *asking(None))) == []  # an empty field waits for its seed
    session.stop()
    (*_, end, silence) = running
    found = len(end[tab.view.sheet].faces)  # the try that was under way counts
    assert said(tab, [end])[0].startswith(f"Stopped: {found} of 48 found") and not end[tab.view.stop]["interactive"]
    assert found <= 2 and list(silence) == [tab.view.status]


def test_nothing_found_leaves_the_faces_from_before(tab, monkeypatch):
    monkeypatch.setattr("facevae.editor.generation.fits", lambda seen, wanted: False)
    monkeypatch.setattr(Editor.search, "__defaults__", (0.8, "fitted", 5))
    updates = list(tab.search.draw(Session(), *asking(1, 4, ("Smiling",))))
    assert not any(tab.view.sheet in update or tab.view.chosen in update for update in updates)
    assert said(tab, updates)[-1].startswith("None of 4 found in 5 tries") and "stay" in said(tab, updates)[-1]


def test_a_walk_leads_back_the_way_it_came(tab):
    session = Session()
    sheet = first = last(tab, tab.search.draw(session, *asking()))
    chosen = sheet.faces[2]
    for step in range(MOST_BEHIND):
        update = tab.neighbours.explore(session, sheet, chosen, 0.5)
        sheet = update[tab.view.sheet]
        assert len(sheet.faces) == 9 and sheet.faces[4] is chosen and update[tab.view.gallery]["selected_index"] == 4
        chosen = sheet.faces[step % 9]
    for _ in range(MOST_BEHIND - 1):
        centre = sheet.centre
        update = tab.neighbours.go_back(session, sheet)
        sheet = update[tab.view.sheet]
        assert update[tab.view.chosen] is centre and any(face is centre for face in sheet.faces)
    assert tab.neighbours.go_back(session, sheet)[tab.view.sheet].faces == first.faces
    assert tab.neighbours.go_back(session, first)[tab.view.sheet].faces == first.faces


def test_more_neighbours_leave_those_that_are_there(tab):
    session = Session()
    sheet = last(tab, tab.search.draw(session, *asking()))
    around = tab.neighbours.explore(session, sheet, sheet.faces[0], 0.5)[tab.view.sheet]
    more = around
    for _ in range(3):
        more = last(tab, tab.search.go_on(session, more))
    assert len(more.faces) == MOST_NEAR and more.faces[:9] == around.faces and not more.room
    nearer = tab.neighbours.change_radius(session, more, more.faces[7], 0.2)
    assert nearer[tab.view.chosen] is nearer[tab.view.sheet].faces[7] and nearer[tab.view.sheet].faces[4] is sheet.faces[0]
    names = [face.name for face in more.faces]
    assert names[:6] == [f"face-1-near-{n}" for n in (1, 2, 3, 4)] + ["face-1", "face-1-near-5"] and len(set(names)) == MOST_NEAR


def test_the_page_says_which_numbers_it_leaves_out_and_shows_as_many_faces(tab, monkeypatch):
    monkeypatch.setattr(tab.editor.generation, "poor", lambda face: face.seed in (8, 9))
    updates = list(tab.search.draw(Session(), *asking(7, 3)))
    assert seeds(last(tab, updates)) == [7, 10, 11] and "3 faces. Left out, poorly drawn: 8, 9. These" in said(tab, updates)[-1]
    monkeypatch.setattr(tab.editor.generation, "poor", lambda face: face.seed < 15)
    assert "Left out, poorly drawn: 8 numbers." in said(tab, tab.search.draw(Session(), *asking(7, 2)))[-1]
    around = neighbours(tab.editor, last(tab, updates), last(tab, updates).faces[1], 0.5)
    assert len(around.faces) == 9 and describe_neighbours(around).startswith("Face 10 and 8 similar faces.")


def test_words():
    assert in_few_words({"Smiling": 0.9, "Brown_Hair": 0.6, "No_Beard": 0.2, "Male": 0.4, "Attractive": 1.0}) == "smile, brown hair, beard"
    assert in_few_words({"Smiling": 0.1, "No_Beard": 0.9}) == "nothing that stands out"
    assert read_settings(*asking(1, 2, ("No_Beard",), ("Smiling",))).wanted == {"No_Beard": False, "Smiling": False}
    assert counted(12, {"Smiling": True}) == "12 smiling faces" and counted(2, {}) == "2 faces"
    assert counted(1, {"No_Beard": False, "Eyeglasses": False, "Young": True}) == "1 young face with beard, without glasses"
    assert counted(3, {"Smiling": False, "Wearing_Hat": True, "Bangs": True}) == "3 faces with hat and bangs, without smile"
    assert outcome(2, 12, 1000, False).startswith("Only 2 of 12 found in 1000 tries: ask for less")
