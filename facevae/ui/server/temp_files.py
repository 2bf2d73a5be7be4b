"""The folder of uploads and results: old files are deleted; a full disk is left."""

import atexit
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from facevae.memory import trim_malloc

PREFIX = "facevae-"
SWEEP_SEC, OLDEST_SEC = 60, 3480
"""Gradio's turn comes first, after 55 minutes (see page.py); none lives longer than an hour."""
LOOK_SEC, HURRIED_SEC = 2, 120
"""How often the disk is looked at; files that are older go where it is full."""
LEAST_FREE_BYTES, LEAST_FREE_SHARE, PROBE_BYTES = 64 * 2**20, 0.25, 2**20
"""A disk is full where less is free than both of the first two say."""
IN_MEMORY = Path("/dev/shm")
LOCK_SUFFIX = ".lock"
"""Beside a folder of a process lies a file that it keeps locked for as long as it lives, however it ends."""
FOLLOWERS: list[Callable[[Path], None]] = []
"""Called with the new folder when it changes."""


def own_folder() -> Path:
    """A folder for this process alone, inside the one that Gradio would use, and gone with it. To be called before Gradio is imported.

    Where nothing can be written there, it lies in memory, and standard error says so. `ValueError` where nothing can be written at all.
    """
    refused: list[str] = []
    for base in places():
        try:
            folder = new_folder(base)
        except OSError as error:
            refused.append(f"{base} ({error.strerror or error})")
            continue
        if refused:
            print(f"facevae: cannot write to {', '.join(refused)}: uploads and results go to {base}", file=sys.stderr)
            os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
        os.environ["GRADIO_TEMP_DIR"] = str(folder)
        return folder
    raise ValueError(f"no folder for uploads and results can be written: {', '.join(refused)}; name another one in GRADIO_TEMP_DIR")


def places() -> Iterator[Path]:
    """Where uploads and results may go, the best place first."""
    if given := os.environ.get("GRADIO_TEMP_DIR"):
        yield Path(given)
    else:
        with suppress(FileNotFoundError):  # no temporary folder can be written
            yield Path(tempfile.gettempdir()) / "gradio"
    if IN_MEMORY.is_dir():
        yield IN_MEMORY / "gradio"


def new_folder(base: Path) -> Path:
    """A folder that only this user can read, gone when this process ends; `OSError` where nothing can be written into it."""
    base.mkdir(parents=True, exist_ok=True)
    remove_abandoned(base)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
    lock = lock_of(folder)
    try:
        lock.acquire(blocking=False)
        (folder / "probe").write_bytes(bytes(PROBE_BYTES))
        (folder / "probe").unlink()
    except OSError:
        remove(folder, lock)
        raise
    atexit.register(remove, folder, lock)
    return folder


def lock_of(folder: Path) -> FileLock:
    """The lock of a process's folder; the system lets go of it when the process ends, even if it is killed."""
    return FileLock(f"{folder}{LOCK_SUFFIX}", mode=0o600, thread_local=False)


def remove(folder: Path, lock: FileLock) -> None:
    """Delete a process's folder and its lock."""
    shutil.rmtree(folder, ignore_errors=True)
    lock.release()
    with suppress(OSError):
        Path(lock.lock_file).unlink()


def remove_abandoned(base: Path) -> None:
    """Delete the folders of processes that are gone: those that crashed, were killed or lost power could not do it themselves."""
    for path in base.glob(f"{PREFIX}*{LOCK_SUFFIX}"):
        folder = path.with_suffix("")
        lock = lock_of(folder)
        with suppress(Timeout, OSError):  # somebody has it, or it is another user's
            lock.acquire(blocking=False)
            remove(folder, lock)


def keep_room(folder: Path) -> Path:
    """See to it that this process can write, and give the folder into which it does: where its disk is full, old files go at once, and
    where that is not enough, another folder in memory takes its place.

    Pictures that the page shows are in the browser already, and photos that are open are in the process.
    """
    if not folder.name.startswith(PREFIX) or not full(folder):
        return folder
    sweep(folder, HURRIED_SEC)
    if not full(folder) or folder.is_relative_to(IN_MEMORY) or not IN_MEMORY.is_dir() or full(IN_MEMORY):
        return folder
    try:
        other = new_folder(IN_MEMORY / "gradio")
    except OSError:  # uploads and files are refused, in a sentence
        return folder
    os.environ["GRADIO_TEMP_DIR"] = os.environ["TMPDIR"] = tempfile.tempdir = str(other)
    for follow in list(FOLLOWERS):
        follow(other)
    shutil.rmtree(folder, ignore_errors=True)
    print(f"facevae: {folder.parent} is full or gone: uploads and results go to {other.parent}", file=sys.stderr)
    return other


def full(folder: Path) -> bool:
    """Whether the disk of a folder has hardly any room left, or cannot be asked."""
    try:
        disk = shutil.disk_usage(folder)
    except OSError:
        return True
    return disk.free < min(LEAST_FREE_BYTES, LEAST_FREE_SHARE * disk.total)


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

        nonlocal folder
        swept_sec = time.monotonic()
        while True:
            time.sleep(min(every_sec, LOOK_SEC))
            folder = keep_room(folder)
            if time.monotonic() - swept_sec < every_sec:
                continue
            swept_sec = time.monotonic()
            for one in folder.parent.glob(f"{PREFIX}*") if folder.name.startswith(PREFIX) else [folder]:
                sweep(one, age_sec)  # those of processes that were killed, too
            forget_idle(age_sec)
            trim_malloc()

    thread = threading.Thread(target=run, name="facevae-cleaning", daemon=True)
    thread.start()
    return thread
