"""Memory that is free goes back to the system, and what stays is not looked through for garbage."""

import gc
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from facevae.memory import frozen_objects, limit_malloc, trim_malloc

ROOT = Path(__file__).parents[1]
# Ten threads at once, each with 40 MB in small pieces, and a photo that stays between them.
MANY_THREADS = """
import sys, threading
from facevae.memory import trim_malloc, limit_malloc
def resident_mb():
    return next(int(line.split()[1]) / 1024 for line in open("/proc/self/status") if line.startswith("VmRSS"))
def work(barrier, kept):
    pieces = [bytearray(100_000) for _ in range(400)]
    barrier.wait()
    kept.append(pieces[-1])
if sys.argv[1] == "small":
    assert limit_malloc()
before, kept, barrier = resident_mb(), [], threading.Barrier(10)
threads = [threading.Thread(target=work, args=(barrier, kept)) for _ in range(10)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
if sys.argv[1] == "small":
    trim_malloc()
print(resident_mb() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told to keep little")
def test_what_many_threads_had_goes_back():
    left = {
        how: float(subprocess.run([sys.executable, "-c", MANY_THREADS, how], cwd=ROOT, env={}, capture_output=True, check=True).stdout)
        for how in ("plain", "small")
    }
    assert left["small"] < 20 and left["small"] < left["plain"] / 4


def test_what_somebody_else_has_set_stays(monkeypatch):
    monkeypatch.setenv("MALLOC_ARENA_MAX", "4")
    assert not limit_malloc()
    trim_malloc()


def test_what_stays_is_looked_through_no_more_unless_it_ends_in_an_error():
    before = gc.get_freeze_count()
    try:
        with pytest.raises(ValueError), frozen_objects():
            raise ValueError
        assert gc.isenabled() and gc.get_freeze_count() == before
        with frozen_objects():
            assert not gc.isenabled()
        assert gc.isenabled() and gc.get_freeze_count() > before
    finally:
        gc.unfreeze()
