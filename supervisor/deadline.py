"""Deadlines that a frozen machine or a starved supervisor does not make others miss."""

import asyncio
from collections.abc import Callable

from .pulse import LATE_S


class Deadline:
    """Calls back after so many seconds in which the loop has really run.

    A timer that fires late means that nobody had a turn, not that somebody was too slow: then the
    whole time is given once more.
    """

    def __init__(self, seconds: float, missed: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._seconds = seconds
        self._missed = missed
        self._arm()

    def _arm(self) -> None:
        self._due = self._loop.time() + self._seconds
        self._timer = self._loop.call_at(self._due, self._fired)

    def _fired(self) -> None:
        if self._loop.time() - self._due > LATE_S:
            self._arm()
        else:
            self._missed()

    def cancel(self) -> None:
        """Met."""
        self._timer.cancel()


async def within(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event; False when it has not come within so many seconds of a running loop."""
    if event.is_set():
        return True
    over = asyncio.Event()
    deadline = Deadline(seconds, over.set)
    waits = [asyncio.ensure_future(each.wait()) for each in (event, over)]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        deadline.cancel()
        for wait in waits:
            wait.cancel()
    return event.is_set()
