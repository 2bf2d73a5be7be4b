"""Undo, redo and rewind, for any sequence of edits."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from facevae.editor import Face
from facevae.editor.history import MOST, MOST_PHOTOS, Edit, History

FACES = [Face(np.zeros(2, np.float32), np.zeros(2, np.float32), np.zeros((2, 2, 3), np.uint8)) for _ in range(3)]
START = Edit(FACES[0])
CHANGES = st.one_of(
    st.tuples(st.just("strength"), st.sampled_from(["Smiling", "Male"]), st.integers(-3, 3)),
    st.tuples(st.just("locks"), st.sampled_from([(), ("Young",)]), st.just(0)),
    st.tuples(st.just("detail"), st.sampled_from([0.0, 0.5, 1.0]), st.just(0)),
    st.tuples(st.just("face"), st.sampled_from(FACES), st.just(0)),
    st.tuples(st.just("close"), st.just(""), st.just(0)),
)


def perform(history: History, change: tuple) -> History:
    what, value, amount = change
    now = history.now
    if what == "close":
        return history.close()
    if what == "strength":
        return history.do(replace(now, strengths={**now.strengths, value: float(amount)}), f"{value} {amount}", key=value)
    return history.do(replace(now, **{what: value}), what)


def state(edit: Edit) -> tuple:
    """What an edit says, without asking `Edit.changed`."""
    return {k: v for k, v in edit.strengths.items() if v}, edit.locks, edit.detail, id(edit.face)


@given(st.lists(CHANGES, max_size=12), CHANGES)
def test_each_change_is_shown_and_can_be_undone(changes: list[tuple], last: tuple) -> None:
    history = History.of(START)
    for change in changes:
        history = perform(history, change).close()
    what, value, amount = last
    strengths, locks, detail, face = state(history.now)
    wanted = {
        "strength": ({k: v for k, v in {**strengths, value: amount}.items() if v}, locks, detail, face),
        "locks": (strengths, value, detail, face),
        "detail": (strengths, locks, value, face),
        "face": (strengths, locks, detail, id(value)),
        "close": state(history.now),
    }[what]
    after = perform(history, last)
    assert state(after.now) == wanted
    assert state(after.undo().now) == state(history.now) or wanted == state(history.now)


@given(st.lists(CHANGES, max_size=20))
def test_all_undone_is_the_start_and_all_redone_is_the_end(changes: list[tuple]) -> None:
    history = History.of(START)
    for change in changes:
        history = perform(history, change)
    end, count = history, len(history.steps)
    assert not history.can_redo and history.at == count - 1
    for _ in range(count - 1):
        assert history.can_undo
        history = history.undo()
    assert state(history.now) == state(START) and not history.can_undo and history.undo().at == 0
    for _ in range(count - 1):
        history = history.redo()
    assert state(history.now) == state(end.now) and not history.can_redo and len(history.steps) == count


@given(st.lists(CHANGES, max_size=12), st.integers(-5, 20))
def test_rewinding_loses_nothing_and_no_step_does_nothing(changes: list[tuple], index: int) -> None:
    history = History.of(START)
    for change in changes:
        before = history
        history = perform(history, change)
        assert before.steps[0].edit is START  # values, never changed
    there = history.rewind(index)
    assert len(there.steps) == len(history.steps) and there.at == min(max(index, 0), len(history.steps) - 1)
    assert all(a.edit.changed(b.edit) for a, b in zip(history.steps, history.steps[1:], strict=False))


def smile(history: History, strength: float) -> History:
    return history.do(replace(history.now, strengths={"Smiling": strength}), f"Smile {strength:+g}", key="Smiling")


def test_a_drag_is_one_step_and_a_drag_there_and_back_none() -> None:
    drag = smile(smile(smile(History.of(START), 0.5), 1.0), 1.5)
    assert [step.words for step in drag.steps] == ["Opened", "Smile +1.5"]
    twice = smile(drag.close(), 2.0)
    assert [step.words for step in twice.steps] == ["Opened", "Smile +1.5", "Smile +2"]
    assert len(smile(smile(History.of(START), 0.5), 0.0).steps) == 1
    other = drag.do(replace(drag.now, strengths={**drag.now.strengths, "Male": 1.0}), "Masculine +1", key="Male")
    assert len(other.steps) == 3


def test_what_was_undone_is_gone_with_the_next_edit() -> None:
    history = smile(smile(History.of(START), 1.0).close(), 2.0).undo()
    assert history.can_redo
    history = smile(history, 3.0)
    assert not history.can_redo and [step.edit.strengths.get("Smiling", 0) for step in history.steps] == [0, 1, 3]


def test_a_better_likeness_is_no_step_and_reaches_all_of_them() -> None:
    nearer = replace(FACES[0], latent=np.ones(2, np.float32), refined=9)
    history = smile(smile(History.of(START), 1.0).close(), 2.0)
    guided = history.do(replace(history.now, face=replace(FACES[0], offset=np.ones(2, np.float32)), strengths={}), "Glasses")
    assert guided.do(replace(guided.now, face=replace(guided.now.face, refined=9)), "") is guided
    found = guided.refined(nearer)
    assert all(a.edit is b.edit for a, b in zip(found.refined(nearer).steps, found.steps, strict=True))  # their pictures are kept by it
    assert [step.edit.face.refined for step in found.steps] == [9, 9, 9, 0] and len(found.steps) == len(guided.steps)


def test_old_steps_go_and_the_start_stays() -> None:
    history = History.of(START)
    for k in range(MOST + 10):
        history = smile(history, float(k + 1)).close()
    assert len(history.steps) == MOST and history.steps[0].edit is START and history.now.strengths["Smiling"] == MOST + 10


def test_pictures_of_their_own_are_kept_for_a_few_steps_only() -> None:
    history = History.of(START)
    for k in range(MOST_PHOTOS + 5):
        own = replace(FACES[0], photo=np.zeros((2, 2, 3), np.uint8), crop=np.zeros((2, 2, 3), np.uint8))
        history = history.do(replace(START, face=own), f"New start {k}")
    assert (
        len(history.steps) == MOST_PHOTOS and history.steps[0].edit is START and history.steps[-1].words == f"New start {MOST_PHOTOS + 4}"
    )
