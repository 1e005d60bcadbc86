"""Timers of the session, by the clock that goes on while the machine sleeps."""

import asyncio
import time
from collections.abc import Callable


def boottime() -> float:
    """Seconds that go on while the machine sleeps, the same in all processes."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Timer:
    """One, armed or not. ``due`` is called once for each arming."""

    def __init__(self, due: Callable[[], None], due_at: float = 0.0) -> None:
        """``due_at``: of a process before this one, which is about to be armed for again."""
        self._due = due
        self._handle: asyncio.TimerHandle | None = None
        self.due_at = due_at
        """Seconds of :func:`boottime`, for a later process; 0: it is not armed."""

    def arm(self, seconds: float) -> None:
        """In place of what it was armed for before; at once if that is over already."""
        self.disarm()
        self.due_at = boottime() + seconds
        loop = asyncio.get_running_loop()
        self._handle = loop.call_later(max(0.0, seconds), self._ring)

    def disarm(self) -> None:
        """Never mind."""
        self.due_at = 0.0
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _ring(self) -> None:
        self.disarm()
        self._due()
