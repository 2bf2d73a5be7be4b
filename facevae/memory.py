"""Settings of glibc's malloc and Python's garbage collector for a long-running server."""

import ctypes
import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager

ARENA_MAX, MMAP_THRESHOLD, TRIM_THRESHOLD = -8, -3, -1
"""Names of glibc's settings, from malloc.h."""
ARENAS = 2
"""Each thread that finds all arenas busy gets a new one, up to eight for each core, and each keeps what was free in it."""
OWN_PAGES_BYTES, KEPT_BYTES = 8 * 2**20, 64 * 2**20
"""Photos get pages of their own, which go back at once; what the nets compute is smaller, and asking for it again costs time."""


def limit_malloc() -> bool:
    """Let glibc keep little free memory; call it before the first thread. False without glibc, or where the user has set it."""
    if any(name.startswith(("MALLOC_", "GLIBC_TUNABLES", "LD_PRELOAD")) for name in os.environ):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return all([mallopt(ARENA_MAX, ARENAS), mallopt(MMAP_THRESHOLD, OWN_PAGES_BYTES), mallopt(TRIM_THRESHOLD, KEPT_BYTES)])


def trim_malloc() -> None:
    """Return free memory to the system, as far as it lies in whole pages; does nothing where there is no glibc."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):
        return


@contextmanager
def frozen_objects() -> Iterator[None]:
    """For objects that live as long as the process: libraries, nets, the page.

    Python would search all of it for garbage, again and again while it grows (a quarter of a cold start), and later in the middle of
    a user's drag. It is excluded from these searches, unless the block ends in an error.
    """
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()
