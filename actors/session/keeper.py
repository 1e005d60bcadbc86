"""Keeps the memory's file up to date."""

import asyncio
from collections.abc import Callable

from .memory import Memory, MemoryFile

SOON_S = 0.2
ALIVE_S = 5.0
"""How often it is written that the process is alive, while that matters."""


class Keeper:
    """Of one session process. ``snapshot``: how things stand."""

    def __init__(self, file: MemoryFile, snapshot: Callable[[], Memory]) -> None:
        self._file = file
        self._snapshot = snapshot
        self._timer: asyncio.TimerHandle | None = None

    def keep(self) -> bool:
        """Write it now; whether that is done."""
        self.close()
        return self._file.write(self._snapshot())

    def keep_soon(self) -> None:
        """Write it when there is time: nothing is lost if there is none."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SOON_S, self.keep)

    async def run(self) -> None:
        """Runs for the life of the process."""
        while True:
            await asyncio.sleep(ALIVE_S)
            if self._snapshot().standing.is_on:
                self.keep()

    def close(self) -> None:
        """Let go of the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
