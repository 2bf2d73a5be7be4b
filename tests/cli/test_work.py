"""A folder run that is killed goes on; several processes; a process that dies."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_photos import PLACED, draw, pixels
from PIL import Image

from facevae.__main__ import main
from facevae.cli import work
from facevae.cli.files import Job
from facevae.cli.rows import Row

ROOT = Path(__file__).parents[2]
PATIENCE_SEC = 60
PHOTOS = 40


def children_of(pid: int) -> set[int]:
    """Processes whose parent this is, all the way down."""
    found = {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}
    return found.union(*(children_of(child) for child in found))


def runs(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="children are counted in /proc")
def test_a_killed_folder_run_goes_on_where_it_was(folder, rows, tmp_path) -> None:
    for seed in range(PHOTOS):
        draw(tmp_path / "in" / f"{seed:02}.png", seed)
    asked = ["edit", str(tmp_path / "in"), "--smiling", "2", "--no-refine", *PLACED, "-o", str(tmp_path / "out"), "--workers", "2"]
    run = subprocess.Popen(
        [sys.executable, "-m", "facevae", *asked, "--checkpoint", str(folder)], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    until = time.monotonic() + PATIENCE_SEC
    while not (done := list((tmp_path / "out").glob("[!.]*.png"))) and time.monotonic() < until:
        assert run.poll() is None
        time.sleep(0.005)
    workers = children_of(run.pid)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    while any(map(runs, workers)) and time.monotonic() < until:
        time.sleep(0.01)
    assert workers and not any(map(runs, workers))  # nobody waits for a parent that is gone
    done = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("[!.]*.png")}
    assert 0 < len(done) < PHOTOS
    for path in done:
        assert pixels(path).shape == (64, 80, 3)  # whole files alone

    code, found = rows(*asked[:-2])  # in this process
    assert code == 0 and len(found) == PHOTOS
    assert {Path(row["output"]) for row in found if row["status"] == "skipped"} == set(done)
    assert all(path.stat().st_mtime_ns == before for path, before in done.items())
    assert len([path for path in (tmp_path / "out").iterdir() if not path.name.startswith(".")]) == PHOTOS


@pytest.mark.parametrize(
    ("seconds", "count", "sentence"),
    [
        (57, 500, "3 of 500 photos took 57 s: about 2.6 h for the others."),
        (7.5, 500, "3 of 500 photos took 8 s: about 21 min for the others."),
        (120, 5, "3 of 5 photos took 2 min: about 80 s for the others."),
        (3, 5, ""),
        (300, 3, ""),
    ],
)
def test_the_time_of_the_others_is_told(seconds, count, sentence) -> None:
    assert work.forecast(seconds, 3, count) == sentence


def test_folders_are_told_the_time_and_are_not_refined_unless_asked(call, tmp_path, monkeypatch) -> None:
    for seed in range(4):
        draw(tmp_path / "in" / f"{seed}.png", seed)
    monkeypatch.setattr(work, "LEAST_REST_SEC", 0)
    for more, refined in (([], False), (["--refine"], True), (["--no-refine"], False)):
        code, _, err = call("edit", tmp_path / "in", "--smiling", 2, *PLACED, "-o", tmp_path / "out", *more)
        assert (
            code == 0 and re.search(r"^3 of 4 photos took .* for the others\.$", err, flags=re.M) if more != ["--no-refine"] else code == 0
        )
        assert ("Folders are done without --refine" in err) == (more == [])
        with Image.open(tmp_path / "out" / "0-facevae.png") as image:
            assert (json.loads(image.text["facevae"])["refined"] > 0) == refined
    call("edit", tmp_path / "in" / "0.png", "--smiling", 2, *PLACED, "-o", tmp_path / "one.png")
    with Image.open(tmp_path / "one.png") as image:
        assert json.loads(image.text["facevae"])["refined"] > 0


class Last:
    """A task that dies."""

    def done(self, job: Job) -> Row | None:
        return None

    def do(self, editor: object, job: Job) -> Row:
        os._exit(9)


def test_a_process_that_dies_is_reported_and_not_waited_for(folder) -> None:
    found = list(work.in_processes([Job(name) for name in "abcd"], Last(), str(folder), None, 1))
    assert [row.status for row in found] == ["failed"] * 4 and all("--workers" in row.message for row in found)


def test_weights_that_are_not_the_listed_ones_fail_in_one_sentence(folder, tmp_path, monkeypatch, capsys) -> None:
    broken = shutil.copytree(folder, tmp_path / "broken")
    (broken / "prior.safetensors").write_bytes(b"other")
    photo = draw(tmp_path / "a.png")
    assert main(["edit", str(photo), "--smiling", "1", "--checkpoint", str(broken)]) == 1
    assert "SHA-256 differs" in capsys.readouterr().err
    monkeypatch.setattr(work, "_editor", ValueError("a sentence"))  # as `begin` leaves it in a process of its own
    assert work.attempt_here(Job(str(photo)), Last()) == Row(str(photo), "failed", message="a sentence")
