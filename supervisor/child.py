"""One child process: asked for at the fork server, its death seen by the kernel's handle."""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Callable

from actors.runtime import kin
from actors.runtime.heart import Heart, new_heart
from actors.runtime.spec import ChildSpec

from . import begin, family, forks
from .death import Death, by_exit
from .drain import Drain

log = logging.getLogger(__name__)

_STATUS_S = 0.2
"""After the death, for the fork server to tell the exit code; normally it is there already."""
_FIRST_WORD_BYTES = 4096
_WORD = forks.SIGNED.size


class Child:
    """A process that was asked for; it has a pid once the fork server has told it.

    ``on_born`` is called once when it has one, ``on_death`` once with how it ended and when nothing
    of it is left, both in the loop. ``mark``: in the environment of what it starts. Raises
    ``OSError`` when there is no fork server.
    """

    def __init__(
        self,
        name: str,
        job: ChildSpec | begin.ProgramJob,
        mark: str,
        output: Drain,
        on_born: Callable[[], None],
        on_death: Callable[[Death], None],
    ) -> None:
        self.name = name
        self._mark = mark
        self.pid: int | None = None
        """None: not yet known."""
        self.output = output
        self.gone = asyncio.Event()
        """It has ended, and nothing of it is left."""
        self.begun = asyncio.Event()
        """It has said its first word, if any: a program runs, an actor has its class."""
        self.first_word = b""
        """A program: why it could not be run. An actor: whether it is essential."""
        self.heart: Heart | None = None
        """An actor's."""
        self._on_born = on_born
        self._on_death = on_death
        self._loop = asyncio.get_running_loop()
        self._pidfd = -1
        self._early: list[signal.Signals] = []
        self._words = bytearray()
        self._told_more = asyncio.Event()
        self._server_ended = False
        self._birth = self._ask(job)
        self._server = forks.server_pid()
        family.unborn += 1
        self._unborn = True
        self._loop.add_reader(self._birth.told, self._told)
        self._life = self._loop.create_task(self._live(), name=f"life of {name}")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; to this very process or to nobody, never to one that got its pid."""
        if self._unborn:
            self._early.append(number)
        elif self._pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    # -- birth -----------------------------------------------------------------------------------

    def _ask(self, job: ChildSpec | begin.ProgramJob) -> forks.Birth:
        body: Callable[..., None] = begin.program
        if isinstance(job, ChildSpec):
            body = begin.actor
        fds = [self.output.write_fd]
        try:
            self._hears, says = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
            fds.append(says)
            self._loop.add_reader(self._hears, self.hear)
            if isinstance(job, ChildSpec):
                fds.append(new_heart())
                self.heart = Heart(fds[-1])
            birth = forks.fork(self.name, body, job, fds=tuple(fds))
        except BaseException:
            self._close_heart()
            raise
        finally:
            for fd in fds:
                os.close(fd)
        self._hand_over(birth.to_child, memoryview(birth.payload))
        return birth

    def _hand_over(self, to_child: int, rest: memoryview) -> None:
        """Write what the child needs to begin; a pipe normally takes it at once."""
        try:
            while rest:
                rest = rest[os.write(to_child, rest) :]
        except BlockingIOError:
            self._loop.add_writer(to_child, self._hand_over, to_child, rest)
            return
        except OSError:  # it has ended, which is seen elsewhere
            pass
        self._loop.remove_writer(to_child)
        os.close(to_child)

    def hear(self) -> None:
        """Listen for the first word; at its end, it is known."""
        with contextlib.suppress(BlockingIOError):
            while self._hears >= 0:
                if word := os.read(self._hears, _FIRST_WORD_BYTES):
                    self.first_word += word
                    continue
                self._loop.remove_reader(self._hears)
                os.close(self._hears)
                self._hears = -1
                self.begun.set()

    def _told(self) -> None:
        with contextlib.suppress(BlockingIOError):
            words = os.read(self._birth.told, 2 * _WORD)
            self._words += words
            if not words:
                self._loop.remove_reader(self._birth.told)
                self._server_ended = True
            self._told_more.set()

    # -- life and death --------------------------------------------------------------------------

    async def _live(self) -> None:
        try:
            await self._until_told(0)
            self._born(self._word(0))
            death = await self._end() if self.pid else _stillborn()
        except Exception:
            log.exception("child lost", extra={"actor": self.name})
            death = by_exit(None)
        finally:
            self._forget()
        self.gone.set()
        self._on_death(death)

    async def _until_told(self, index: int) -> None:
        while len(self._words) < (index + 1) * _WORD and not self._server_ended:
            self._told_more.clear()
            await self._told_more.wait()

    def _word(self, index: int) -> int | None:
        if len(self._words) < (index + 1) * _WORD:
            return None
        (value,) = forks.SIGNED.unpack_from(self._words, index * _WORD)
        return int(value)

    def _born(self, pid: int | None) -> None:
        family.unborn -= 1
        self._unborn = False
        if pid is None:
            return
        self.pid = pid
        family.known.add(pid)
        try:
            self._pidfd = os.pidfd_open(pid)
        except ProcessLookupError:  # dead already, and its parent has seen it
            pass
        except OSError:  # no descriptors left: what cannot be watched is not kept
            kin.kill(pid)
        else:
            if not self._is_ours(pid):
                os.close(self._pidfd)  # dead already, and another has its pid
                self._pidfd = -1
        for number in self._early:
            self.signal(number)
        self._on_born()

    def _is_ours(self, pid: int) -> bool:
        """Known by its parent, or by its mark should the fork server have died meanwhile."""
        by_mark = self._mark.partition("/")[0]
        return kin.parent_of(pid) == self._server or kin.is_marked(pid, by_mark)

    async def _end(self) -> Death:
        """Wait for it."""
        assert self.pid is not None
        if self._pidfd >= 0:
            dead = asyncio.Event()
            self._loop.add_reader(self._pidfd, dead.set)
            await dead.wait()
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
        code = await self._code()
        await family.bury(self.pid, "" if self._is_at_home() else self._mark)
        return by_exit(code)

    def _is_at_home(self) -> bool:
        """What it leaves behind comes to where we look."""
        return family.is_adopting() or not self._server_ended

    async def _code(self) -> int | None:
        assert self.pid is not None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STATUS_S):
                await self._until_told(1)
        code = self._word(1)
        return family.adopted_exit(self.pid) if code is None else code

    def _forget(self) -> None:
        if self._unborn:
            family.unborn -= 1
            self._unborn = False
        self._loop.remove_reader(self._birth.told)
        os.close(self._birth.told)
        if self._pidfd >= 0:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
        self.hear()
        if self._hears >= 0:
            self._loop.remove_reader(self._hears)
            os.close(self._hears)
            self._hears = -1
        self._close_heart()
        self.output.finish()

    def _close_heart(self) -> None:
        if self.heart is not None:
            self.heart.close()
            self.heart = None


def _stillborn() -> Death:
    return Death("unborn", "the fork server has ended")
