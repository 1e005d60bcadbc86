"""``[session] start = "boot"``: a conversation that begins with the terminal."""

import asyncio
import random
from collections.abc import Callable

from .machine import Machine, rejoin_delay


class BootStart:
    """Tries until a connection has stood: a machine that was just switched on may have neither
    microphone nor network yet. Whoever ends it meanwhile ends the trying.
    """

    def __init__(self, *, wanted: bool) -> None:
        self.is_wanted = wanted
        self.audio_is_there = False
        self._timer: asyncio.TimerHandle | None = None
        self._attempts = 0

    def moved(self, machine: Machine, begin: Callable[[], None]) -> None:
        """The machine or what it needs has changed; ``begin`` is called when it is time."""
        if machine.connection_state == "connected":
            self.is_wanted = False
        if (
            not self.is_wanted
            or machine.is_on
            or not self.audio_is_there
            or self._timer is not None
        ):
            return
        delay = rejoin_delay(self._attempts, random.random())  # noqa: S311
        self._attempts += 1
        self._timer = asyncio.get_running_loop().call_later(delay, self._due, machine, begin)

    def _due(self, machine: Machine, begin: Callable[[], None]) -> None:
        self._timer = None
        if self.is_wanted and not machine.is_on:
            begin()

    def close(self) -> None:
        """Let go of the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
