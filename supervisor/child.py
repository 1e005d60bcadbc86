"""One child process: given its job, its death seen by the kernel's handle."""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Callable

from actors.runtime.heart import Heart

from . import family
from .begin import Job
from .birth import Birth
from .death import Death, by_exit
from .drain import Drain

log = logging.getLogger(__name__)

_FIRST_WORD_BYTES = 4096


class Child:
    """A process that has a job; it has a pid once the fork server has told it.

    Only then it gets the job: should the server die before, nobody could end what it has forked,
    and the next try would make a second one of it.

    ``on_born`` is called once when it has one, ``on_death`` once with how it ended and when nothing
    of it is left, both in the loop. ``mark``: in the environment of what it starts. ``birth``: of
    the process, which is the child's from now on.
    """

    def __init__(
        self,
        name: str,
        job: Job,
        mark: str,
        birth: Birth,
        on_born: Callable[[], None],
        on_death: Callable[[Death], None],
    ) -> None:
        self.name = name
        self._mark = mark
        self._birth = birth
        self.pid: int | None = None
        """None: not yet known."""
        self.gone = asyncio.Event()
        """It has ended, and nothing of it is left."""
        self.begun = asyncio.Event()
        """It has said its first word, if any: a program runs, an actor has its class."""
        self.first_word = b""
        """A program: why it could not be run. An actor: whether it is essential."""
        self._hears = birth.hears
        self._on_born = on_born
        self._on_death = on_death
        self._loop = asyncio.get_running_loop()
        self._early: list[signal.Signals] = []
        self._loop.add_reader(self._hears, self.hear)
        self._job: Job | None = job
        if birth.pid is not None:  # a spare one
            self._begin()
        self._life = self._loop.create_task(self._live(), name=f"life of {name}")

    @property
    def output(self) -> Drain:
        """What it writes."""
        return self._birth.output

    @property
    def abandoned(self) -> str:
        """Identity of the process, if it could not be ended and lives on; else empty."""
        return self._birth.abandoned

    @property
    def heart(self) -> Heart:
        """An actor's; a program's does not beat."""
        return self._birth.heart

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, as soon as it is born; to this very process or to nobody."""
        if self.pid is None:
            self._early.append(number)
        else:
            self._birth.signal(number)

    def hear(self) -> None:
        """Listen for the first word; at its end, it is known."""
        with contextlib.suppress(BlockingIOError):
            while self._hears >= 0:
                if word := os.read(self._hears, _FIRST_WORD_BYTES):
                    self.first_word += word
                    continue
                self._hear_no_more()
                self.begun.set()

    def _hear_no_more(self) -> None:
        if self._hears >= 0:
            self._loop.remove_reader(self._hears)
            os.close(self._hears)
            self._hears = -1

    # -- life and death --------------------------------------------------------------------------

    async def _live(self) -> None:
        try:
            self.pid = await self._birth.told_pid()
            death = _stillborn() if self.pid is None else await self._live_and_die(self.pid)
        except Exception:
            log.exception("child lost", extra={"actor": self.name})
            death = by_exit(None)
        finally:
            self.hear()
            self._hear_no_more()
            self._birth.close()
        self.gone.set()
        self._on_death(death)

    def _begin(self) -> None:
        job, self._job = self._job, None
        if job is not None:
            self._birth.begin(job)

    async def _live_and_die(self, pid: int) -> Death:
        self._begin()
        for number in self._early:
            self.signal(number)
        self._on_born()
        await self._birth.dead()
        code = await self._birth.exit_code()
        mark = "" if self._is_at_home() else self._mark
        await family.bury(pid, mark, self._birth.leaf)
        return by_exit(code)

    def _is_at_home(self) -> bool:
        """What it leaves behind comes to where we look."""
        if self.abandoned:
            return False
        return family.is_adopting() or not self._birth.server_ended


def _stillborn() -> Death:
    return Death("unborn", "the fork server has ended")
