"""The faces of a morph, without a browser: what comes while another photo is being read is not lost."""

import gradio as gr
import pytest

from facevae.editor.morph_types import KeyFrames
from facevae.ui.examples import Examples
from facevae.ui.morph.film import plan_of
from facevae.ui.morph.tab import MorphTab
from facevae.ui.session import Session


@pytest.fixture(scope="module")
def tab(editor) -> MorphTab:
    with gr.Blocks():
        return MorphTab(editor, Examples(editor))


def test_two_faces_that_come_at_once_are_both_there(tab) -> None:
    session, faces = Session(), tab.editor.generate([1, 2])
    sent = tab.first_visit(session)[tab.keys]  # what the page holds when both files are dropped
    updates = [tab.add(session, sent, face) for face in faces]
    assert updates[-1][tab.keys].faces == faces and "face 2 of 2" in updates[-1][tab.status]
    tab.changing(lambda keys: keys.move(-1))(session, sent)
    assert session.keys.faces == faces[::-1]
    chosen = tab.choose(session, gr.EventData(None, {"index": 1}), sent, "face", "slerp", "back", False, [])[0]
    assert chosen.faces == faces[::-1] and chosen.chosen == 1


def test_an_older_strip_does_not_replace_a_newer_one(tab, monkeypatch) -> None:
    session, asked = Session(), (KeyFrames.of_examples(*tab.editor.generate([1, 2])), "face", "slerp", "back", False, [])
    through = tab.editor.morph_through

    def overtaken(*given, **options):
        monkeypatch.setattr(tab.editor, "morph_through", through)
        assert isinstance(tab.redraw(session, *asked), str)
        return through(*given, **options)

    monkeypatch.setattr(tab.editor, "morph_through", overtaken)
    assert tab.redraw(session, *asked) == gr.skip()


def test_an_emptied_number_draws_nothing(tab) -> None:
    keys = KeyFrames.of_examples(*tab.editor.generate([1, 2]))
    assert tab.preview(None, keys, "face", "slerp", "back", False, []) == gr.skip() == tab.preview(0.5, None)


def test_what_a_film_will_have_is_said_beforehand() -> None:
    assert "62 frames with the way back, 3.7 s" in plan_of(32, 60, "back")
    assert ">32 frames, 1.9 s" in plan_of(32, 60, "round") and plan_of(None, 60, "once") == ""
