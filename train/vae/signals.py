"""SIGINT and SIGTERM: finish the running step, then save the state."""

import signal
import sys
import threading
from types import FrameType, TracebackType

SIGNALS = (signal.SIGINT, signal.SIGTERM)  # launchers and schedulers send the second


class Stop:
    """While it is open, the first of these signals only asks for a stop; the second stops at once, by `KeyboardInterrupt`.

    Signals belong to the main thread: in any other it hears nothing.
    """

    def __init__(self) -> None:
        self.requested = False

    def __enter__(self) -> "Stop":
        if threading.current_thread() is threading.main_thread():
            self.before = {number: signal.signal(number, self.ask) for number in SIGNALS}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in getattr(self, "before", {}).items():
            signal.signal(number, handler)

    def ask(self, number: int, frame: FrameType | None) -> None:
        """What a signal does."""
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        print("\nstopping after this step; once more stops at once", file=sys.stderr)
