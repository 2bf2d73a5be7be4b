"""Several users at once, over HTTP: no error, and each sees the own face only. `python -m train bench load` has more of it."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from facevae.ui.edit.preview import Preview
from train.bench.load import LoadRecord, bench_load, simulate

USERS, SECONDS = 3, 6.0


def run(url: str, users: int, seconds: float) -> LoadRecord:
    """In a thread of its own: in this one, Playwright's event loop may be running."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, simulate(url, users, seconds)).result()


def test_users_at_once_see_their_own_faces_only(url):
    tally = run(url, USERS, SECONDS)
    assert not tally.errors
    assert not tally.strange
    assert tally.pictures >= USERS
    assert {"first_visit", "open_upload edit-upload"} <= set(tally.actions())


@pytest.mark.slow
def test_somebody_elses_face_would_be_noticed(url, monkeypatch):
    draw, faces = Preview.draw, []

    def mixed_up(stage, face, *look):
        faces.append(face)
        return draw(stage, faces[-2:][0], *look)  # whoever's was drawn before

    monkeypatch.setattr(Preview, "draw", mixed_up)
    assert any("shows user" in line for line in run(url, USERS, 2 * SECONDS).strange)


@pytest.mark.slow
def test_a_server_of_its_own_under_load():
    found = bench_load(USERS, 0.5)
    assert not found["errors"]
    assert not found["strange"]
    assert found["end"]["rss_mb"] > 100 and found["most_files_mb"] > 0
