"""Freed memory leaves the process."""

import sys
from pathlib import Path

import pytest

from facevae.memory import give_back


def resident_mb() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells, and only glibc gives back")
def test_freed_memory_goes_back() -> None:
    blocks = [bytearray(b"x" * 65_536) for _ in range(1_600)]  # too small to be mapped each by itself
    lid = bytearray(b"x" * 65_536)  # what lies above is in use, so that the heap cannot shrink by itself
    del blocks
    before = resident_mb()
    if not give_back():
        pytest.skip("no glibc here")
    assert resident_mb() < before - 50 and lid
