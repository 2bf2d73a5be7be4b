"""Memory that was freed goes back to the system."""

import ctypes
import sys


def give_back() -> bool:
    """Let glibc return what it keeps for later: about 110 MB once a checkpoint has been read. False where there is no glibc."""
    if not sys.platform.startswith("linux"):
        return False
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is None:  # musl
        return False
    trim(0)
    return True
