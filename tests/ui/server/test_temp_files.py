"""No file of a visitor outlives its time, whoever has forgotten it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from facevae.ui.server.temp_files import keep_clean, own_folder, sweep


def test_old_files_go_and_new_ones_stay(tmp_path: Path) -> None:
    outside = tmp_path / "outside.png"
    outside.write_bytes(b"1")
    for name in ("a/old.png", "b/c/old.jpeg", "a/young.png"):
        file = tmp_path / "own" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"1")
    (tmp_path / "own" / "link").symlink_to(outside)
    time.sleep(0.3)
    (tmp_path / "own" / "a" / "young.png").write_bytes(b"22")  # changed now
    assert sweep(tmp_path / "own", 0.2) == 3
    assert [p.name for p in (tmp_path / "own").rglob("*") if p.is_file()] == ["young.png"] and outside.exists()
    time.sleep(0.3)
    assert sweep(tmp_path / "own", 0.2) == 1 and sweep(tmp_path / "missing", 0) == 0


def test_a_thread_sees_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "face.png").write_bytes(b"1")
    # The thread lives as long as this process: it may not forget the visitors of other tests after a tenth of a second.
    monkeypatch.setattr("facevae.ui.session.forget_idle", lambda age_sec: None)
    thread = keep_clean(tmp_path, every_sec=0.05, age_sec=0.1)
    for _ in range(100):
        if not (tmp_path / "face.png").exists():
            break
        time.sleep(0.05)
    assert not (tmp_path / "face.png").exists() and thread.daemon and thread.is_alive()


def test_the_folder_is_this_process_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "shared"))
    folder = own_folder()
    assert folder.parent == tmp_path / "shared" and os.environ["GRADIO_TEMP_DIR"] == str(folder)
    assert own_folder() != folder and oct(folder.stat().st_mode)[-3:] == "700"


SERVE = """
import os, sys, time
from facevae.ui.serve import end_cleanly
from facevae.ui.server.temp_files import own_folder
end_cleanly()
(own_folder() / "photo.png").write_bytes(b"1")
print("written", flush=True)
try:
    time.sleep(600)
except KeyboardInterrupt:
    pass
"""


@pytest.mark.skipif(os.name != "posix", reason="these signals are Unix's")
def test_uploads_go_with_the_process_however_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told to end and hung up it deletes them itself; after a crash the next start does, and leaves those of processes that live."""
    base = tmp_path / "shared"
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(base))

    def start() -> subprocess.Popen:
        process = subprocess.Popen([sys.executable, "-c", SERVE], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None and process.stdout.readline() == "written\n"
        return process

    alive, *ended = (start() for _ in range(4))
    for process, number in zip(ended, (signal.SIGTERM, signal.SIGHUP, signal.SIGKILL), strict=True):
        process.send_signal(number)
        process.wait()
    assert len(list(base.glob("*/photo.png"))) == 2  # of the one that lives, and of the one that was killed
    own = own_folder()
    assert len(list(base.glob("*/photo.png"))) == 1 and own.is_dir()
    alive.terminate()
    alive.wait()
    # A page that this process serves for other tests may write there, too.
    assert {path.name for path in base.glob("facevae-*")} == {own.name, f"{own.name}.lock"}
