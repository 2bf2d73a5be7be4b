"""No file of a visitor outlives its time, whoever has forgotten it."""

import os
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
