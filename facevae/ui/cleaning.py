"""Pictures of visitors are deleted on schedule. Gradio does so for the files that it knows; this sees to it that none is forgotten."""

import atexit
import os
import shutil
import tempfile
import threading
import time
from pathlib import Path

from facevae.ui.memory import give_back

PREFIX = "facevae-"
SWEEP_SEC, OLDEST_SEC = 60, 3480
"""Gradio's turn comes first, after 55 minutes (see page.py); none lives longer than an hour."""


def own_folder() -> Path:
    """A folder for this process alone, inside the one that Gradio would use, and gone with it. To be called before Gradio is imported."""
    base = Path(os.environ.get("GRADIO_TEMP_DIR") or Path(tempfile.gettempdir()) / "gradio")
    base.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def sweep(folder: Path, age_sec: float) -> int:
    """Delete all files below a folder that are older than `age_sec`, and folders that are empty then; gives how many files went."""
    gone, oldest = 0, time.time() - age_sec
    try:
        found = sorted(folder.rglob("*"), reverse=True)  # what is inside a folder before the folder
    except OSError:  # a folder went while it was listed: next time
        return 0
    for path in found:
        try:
            if path.is_dir() and not path.is_symlink():
                if path.stat().st_mtime < oldest:
                    path.rmdir()
            elif path.lstat().st_ctime < oldest:
                path.unlink()
                gone += 1
        except OSError:  # somebody else deletes here, too, or writes into the folder
            continue
    return gone


def keep_clean(folder: Path, every_sec: float | None = None, age_sec: float | None = None) -> threading.Thread:
    """Sweep for as long as the process lives; every SWEEP_SEC what is older than OLDEST_SEC."""
    every_sec, age_sec = every_sec or SWEEP_SEC, age_sec or OLDEST_SEC

    def run() -> None:
        from facevae.ui.session import forget_idle  # brings torch along: not before the page has its time

        while True:
            time.sleep(every_sec)
            for one in folder.parent.glob(f"{PREFIX}*") if folder.name.startswith(PREFIX) else [folder]:
                sweep(one, age_sec)  # those of processes that were killed, too
            forget_idle(age_sec)
            give_back()

    thread = threading.Thread(target=run, name="facevae-cleaning", daemon=True)
    thread.start()
    return thread
