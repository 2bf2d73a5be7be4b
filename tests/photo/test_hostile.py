"""Every odd or hostile file opens correctly or is refused in its sentence, in under 600 MB."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hostile import Case, corpus, written

from facevae.photo.images import Photo, open_photo

MOST_MB = 600
ROOT = Path(__file__).parents[2]


def peak_mb(key: str) -> float:
    """VmHWM or VmRSS of this process; writing 5 to clear_refs sets the former back to the latter."""
    return next(int(line.split()[1]) / 1024 for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(key))


def measure(folder: Path) -> None:
    """The child: open every file, print a line of JSON for each."""
    for case in corpus():
        print(json.dumps(open_once(folder, case)), flush=True)


def open_once(folder: Path, case: Case) -> list:
    """Name, message, what is wrong with the pixels, megabytes above rest."""
    Path("/proc/self/clear_refs").write_text("5")
    rest = peak_mb("VmRSS")
    try:
        photo, message = open_photo(folder / case.name), ""
    except ValueError as error:
        photo, message = None, str(error)
    return [case.name, message, check(case, photo) if photo and not case.refused else "", peak_mb("VmHWM") - rest]


def check(case: Case, photo: Photo) -> str:
    try:
        case.check(photo.pixels)
    except AssertionError as error:
        return str(error)
    return ""


@pytest.fixture(scope="module")
def results() -> dict[str, list]:
    """Opened in a process of its own, which does nothing else that takes memory."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests" / "support")])}
    child = subprocess.run([sys.executable, __file__, str(written())], env=environment, capture_output=True, text=True)
    lines = [json.loads(line) for line in child.stdout.splitlines()]
    assert child.returncode == 0, f"ended at {corpus()[len(lines)].name}: {child.stderr[-2000:]}"
    assert not child.stderr, child.stderr[:2000]  # nothing on the terminal either
    return {line[0]: line[1:] for line in lines}


def test_there_are_enough_files():
    assert len(corpus()) >= 60
    assert len({case.name for case in corpus()}) == len(corpus())


def fault(case: Case, message: str, wrong_pixels: str, megabytes: float) -> str:
    """What is wrong with how a file was opened or refused; empty where nothing is."""
    if megabytes >= MOST_MB:
        return f"took {megabytes:.0f} MB"
    if not case.refused:
        return wrong_pixels or message
    if not re.search(case.refused, message):
        return message or "it opened"
    if "\n" in message or len(message) >= 250:
        return f"not one sentence: {message}"
    return "" if re.search("would work|save it again|at most|at least", message) else f"no way out is named: {message}"


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is measured as Linux tells it")
def test_every_file_opens_correctly_or_is_refused_in_its_sentence(results):
    faults = {case.name: fault(case, *results[case.name]) for case in corpus()}
    assert {name: wrong for name, wrong in faults.items() if wrong} == {}


def test_folders_pipes_and_missing_files_are_refused_in_a_sentence(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    for name, words in (
        ("pipe.jpg", "not a file"),
        ("folder.jpg", "a folder"),
        ("none.jpg", "no such file"),
        ("loop.jpg", "cannot be read"),
    ):
        with pytest.raises(ValueError, match=rf"^{name} .*{words}"):
            open_photo(tmp_path / name)
    with pytest.raises(ValueError, match="cannot be read|no such file"):
        open_photo(tmp_path / ("n" * 300))
    with pytest.raises(ValueError, match="cannot be read|no such file"):
        open_photo("null\0byte.jpg")


def test_a_sparse_file_is_refused_before_it_is_read(tmp_path):
    with (tmp_path / "sparse.jpg").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ValueError, match=r"^sparse.jpg is too large a file \(1099511\.6 MB\): at most 30 MB"):
        open_photo(tmp_path / "sparse.jpg")


if __name__ == "__main__":
    measure(Path(sys.argv[1]))
