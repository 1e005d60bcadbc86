"""A process that is forked before it is needed: the next child does not wait for a fork."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable

from . import family
from .birth import Birth
from .drain import Drain

CALM_S = 0.2
"""After a start: a fork at once would only take the time of the child that is just beginning."""


class Spare:
    """At most one, for one tree. Made and used in the loop.

    ``offer``: gets the log lines of whatever the processes become.
    """

    def __init__(self, offer: Callable[[bytes], None]) -> None:
        self._offer = offer
        self._loop = asyncio.get_running_loop()
        self._birth: Birth | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._watch: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        """Of the one that waits; None: there is none yet."""
        return self._birth.pid if self._birth is not None else None

    def take(self, name: str) -> Birth:
        """A process that waits for its job, the spare one if there is one. ``name``: what it is
        to be. Raises ``OSError`` when there is no fork server.
        """
        birth, self._birth = self._birth, None
        if birth is None:
            birth = self._fork(name)
        else:
            assert self._watch is not None
            self._watch.cancel()
            birth.output.process = name
        self._prepare_when_calm()
        return birth

    def _fork(self, name: str) -> Birth:
        output = Drain(name, self._offer)
        try:
            return Birth(output)
        except BaseException:
            output.finish()
            raise

    def _prepare_when_calm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if not self._closed:
            self._timer = self._loop.call_later(CALM_S, self._prepare)

    def _prepare(self) -> None:
        self._timer = None
        with contextlib.suppress(OSError):  # no server just now: whoever needs a process says so
            self._birth = birth = self._fork("spare")
            self._watch = self._loop.create_task(self._until_dead(birth), name="spare")

    async def _until_dead(self, birth: Birth) -> None:
        """It has ended unused, or its parent has: then nobody would tell of its end any more. The
        next start does without, and prepares another: what dies at once is not forked for ever.
        """
        await birth.told_exit()
        self._birth = None
        await _end(birth)

    async def close(self) -> None:
        """End it."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        birth, self._birth = self._birth, None
        if self._watch is not None:
            if birth is not None:
                self._watch.cancel()
                await _end(birth)
            await asyncio.gather(self._watch, return_exceptions=True)


async def _end(birth: Birth) -> None:
    try:
        if birth.pid is not None:
            birth.signal(signal.SIGKILL)
            await birth.dead()
            await birth.exit_code()
            await family.bury(birth.pid, leaf=birth.leaf)
    finally:  # one that is not yet born finds that nobody has a job for it
        os.close(birth.hears)
        birth.close()
