"""FairLock: a reentrant lock that is granted in order of arrival."""

import threading
from collections import deque
from types import TracebackType


class FairLock:
    """A reentrant lock, first come, first served.

    `threading.RLock` may be taken again by the thread that has just released it: guidance, which takes it step by step, would block
    all previews until it ends.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[tuple[int, threading.Lock]] = deque()
        self._owner, self._depth = 0, 0

    def __enter__(self) -> "FairLock":
        me = threading.get_ident()
        with self._guard:
            if self._owner == me or not self._owner:  # without an owner, no thread waits either
                self._owner, self._depth = me, self._depth + 1
                return self
            gate = threading.Lock()
            gate.acquire()
            self._waiting.append((me, gate))
        try:
            gate.acquire()  # opened by the one before, who hands the lock over
        except BaseException:  # Ctrl-C while waiting: the turn goes to the next one
            with self._guard:
                if (me, gate) in self._waiting:
                    self._waiting.remove((me, gate))
                else:
                    self._hand_over()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._guard:
            self._depth -= 1
            if not self._depth:
                self._hand_over()

    def _hand_over(self) -> None:
        """Pass the lock to the thread that has waited longest. Call it with `_guard` held."""
        self._owner, self._depth = 0, 0
        if self._waiting:
            self._owner, gate = self._waiting.popleft()
            self._depth = 1
            gate.release()
