"""What runs for a visitor, without a browser: which steps reach the page, and which must not."""

import re
from dataclasses import replace
from itertools import product

import gradio as gr
import pytest
from colour_parser import only
from PIL import Image

from facevae.editor import GuideStep
from facevae.ui.edit.guidance import NO_FURTHER, SAID
from facevae.ui.session import Session


def at_rest(tab, session: Session, face) -> dict:
    """The values of the widgets once the face is open and before anything is moved."""
    session.starts = tab.panel.starts(session, face)
    values, _ = tab.panel.set_to_edit(session, {}, (), 0.5)
    look = {tab.session: session, tab.face: face, tab.preview.view: "Photo", tab.preview.show: "Edited"}
    frame = tab.crop.frame.widget
    return {**look, **values, frame: tab.crop.show(face)[frame]}


def tap(tab, look: str, widgets: dict):
    """What a tap on a look does to the page, step by step."""
    return tab.guidance.tap(widgets, gr.EventData(None, {"look": look}))


def said(tab, updates) -> list[str]:
    """The texts that a stream writes into the status line."""
    return [update[tab.status] for update in updates if isinstance(update.get(tab.status), str)]


def test_refinement_tells_its_progress_and_its_end(tab, face):
    updates = list(tab.crop.refine(Session(), face, True))
    assert said(tab, updates)[0] == "Getting your face right …"
    assert said(tab, updates)[-1].startswith("Ready.")
    assert re.search(r"\d+\.\d → \d+\.\d dB", updates[1][tab.crop.reconstruction]["alt_text"])
    faces = [update[tab.face] for update in updates if tab.face in update]
    assert faces[-1].refined > 0
    assert not {*tab.panel.inputs, tab.detail, tab.preview.view, tab.preview.show} & {part for update in updates for part in update}
    assert list(updates[-1]) == [tab.status] and not said(tab, updates[-1:])  # Gradio sends it twice


@pytest.mark.parametrize(
    ("stream", "overtake"),
    [*product(("refine", "guide"), ("open", "choose", "adjust", "reset", "guide")), ("refine", "refine")],
)
def test_results_of_a_superseded_action_are_ignored(tab, face, stream, overtake):
    session = Session()
    widgets = at_rest(tab, session, face)
    goal = tab.editor.goals[0]
    actions = {
        "open": lambda: tab.opening.open_face(session, face),
        "choose": lambda: tab.actions.choose(widgets, gr.EventData(None, {"index": 0})),
        "adjust": lambda: tab.actions.adjust(widgets),
        "reset": lambda: tab.actions.reset(widgets),
        "guide": lambda: next(tap(tab, goal.name, widgets)),
        "refine": lambda: next(tab.crop.refine(session, face, True)),
    }
    running = tab.crop.refine(session, face, True) if stream == "refine" else tap(tab, goal.name, widgets)
    next(running)
    actions[overtake]()
    late = list(running)
    assert late
    assert all(list(update) == [tab.status] for update in late)
    assert not said(tab, late)


def test_refinement_that_comes_late_leaves_guidance_alone(tab, face):
    session = Session()
    opened = tab.opening.open_face(session, face)
    widgets = at_rest(tab, session, face) | {tab.face: opened[tab.face]}
    running = tap(tab, tab.editor.goals[0].name, widgets)
    next(running)  # pressed before the page had asked for the refinement that follows an opening
    assert not said(tab, tab.crop.refine(session, opened[tab.face], True))
    assert said(tab, running)[-1] in (*SAID[tab.editor.goals[0].name], NO_FURTHER)


def test_a_refused_upload_overtakes_nothing(tab, face, tmp_path):
    session = Session()
    running = tab.crop.refine(session, face, True)
    next(running)
    (tmp_path / "notes.txt").write_text("words")
    with pytest.raises(gr.Error, match=r"notes\.txt"):
        tab.opening.open_file(session, str(tmp_path / "notes.txt"))
    assert said(tab, running)[-1].startswith("Ready.")


def test_the_last_choice_wins_though_an_earlier_one_takes_longer(tab, face, tmp_path, monkeypatch):
    session, open_file = Session(), tab.editor.open_file
    for name in ("large", "small"):
        Image.new("RGB", (64, 64), "grey").save(tmp_path / f"{name}.png")

    def read(path, face):
        if path.stem == "large":  # while it is read, another one is chosen, and is there
            assert "Opened small." in tab.opening.open_file(session, str(tmp_path / "small.png"))[tab.status]
        return open_file(path, face)

    monkeypatch.setattr(tab.editor, "open_file", read)
    assert tab.status not in tab.opening.open_file(session, str(tmp_path / "large.png"))
    assert session.history.now.face.name == "small"


def test_stop_keeps_what_was_reached(tab, face):
    session = Session()
    running = tab.crop.refine(session, face, True)
    next(running)
    session.stop()
    updates = list(running)
    assert said(tab, updates)[0].startswith("Stopped.")
    assert tab.face in updates[0]


def test_what_is_not_worth_refining(tab, face):
    middle = tab.editor.open_photo(face.source.pixels)
    drawn = tab.editor.generate([1])[0]
    for other, wanted in ((middle, True), (drawn, True), (face, False), (None, True)):
        assert not said(tab, tab.crop.refine(Session(), other, wanted))


def test_an_example_is_refined_once_for_all(tab, face, monkeypatch):
    monkeypatch.setattr(tab.examples, "_faces", [face])
    list(tab.crop.refine(Session(), face, True))
    assert tab.examples.faces[0].refined > 0
    assert not said(tab, tab.crop.refine(Session(), tab.examples.faces[0], True))


def test_a_hair_colour_is_there_at_once_and_has_no_report(tab, monkeypatch):
    monkeypatch.setattr(tab.editor.renderer, "parser", only("hair"))
    session, (face,) = Session(), tab.editor.generate([3])
    updates = list(tap(tab, "black_hair", at_rest(tab, session, face)))
    assert said(tab, updates) == ["Black hair …", "Black hair: done."]
    last = next(update for update in reversed(updates) if tab.guidance.report in update)
    assert last[tab.guidance.report] == "" and last[tab.guidance.stop]["interactive"] is False
    assert abs(last[tab.face].offset - face.offset).max() > 0


@pytest.mark.parametrize(
    ("moves", "reason", "words"),
    [
        (1, "target", "Smile added."),
        (0, "target", "You are already smiling in this photo."),
        (1, "plateau", NO_FURTHER),
        (1, "steps", NO_FURTHER),
    ],
)
def test_a_look_says_how_it_ended(tab, face, monkeypatch, moves, reason, words):
    def guide(before, wanted, **_):
        moved = replace(before, offset=before.offset + moves)
        yield GuideStep(moved, 1, 1, 0.9, dict.fromkeys(wanted, 0.9), 0.1, True, reason)

    monkeypatch.setattr(tab.editor, "guide", guide)
    updates = tap(tab, "smiling", at_rest(tab, Session(), face))
    assert said(tab, list(updates)) == ["Smiling …", words]


def test_where_there_is_no_hair_to_dye_nothing_goes_on_running(tab, face):
    """Its Stop button stayed on, and the line said "starting" for good."""
    updates, running = [], tap(tab, "blond", at_rest(tab, Session(), face))
    with pytest.raises(gr.Error, match="too little hair"):
        for update in running:
            updates.append(update)
    assert updates[-1][tab.guidance.stop]["interactive"] is False and said(tab, updates)[-1] == ""
