"""A process that was asked for at the fork server, before anybody has said what it is to be."""

import asyncio
import contextlib
import logging
import os
import pickle
import signal

from actors.runtime import kin
from actors.runtime.heart import Heart, new_heart

from . import begin, family, forks
from .drain import Drain
from .leaf import new_leaf

log = logging.getLogger(__name__)

_WORD = forks.SIGNED.size
_STATUS_S = 0.2
"""After the death, for the fork server to tell the exit code; normally it is there already."""


class Birth:
    """It has a pid once the fork server has told it, and begins once it has its job.

    ``output``: takes what it writes. Raises ``OSError`` when there is no fork server. To be closed
    when the process has ended. Made and used in the loop.
    """

    def __init__(self, output: Drain) -> None:
        self.output = output
        self.pid: int | None = None
        """None: not yet known, or never born."""
        self.pidfd = -1
        """-1: not yet known, or dead already."""
        self.server_ended = False
        self.out_of_reach = False
        """It may not be signalled, for it has changed its user."""
        self.abandoned = ""
        """Its :func:`~actors.runtime.kin.identity`, once it was to be killed and could not be: it
        lives on, and counts as dead."""
        self._dead = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._words = bytearray()
        self._told_more = asyncio.Event()
        self._job = -1
        self.leaf = new_leaf()
        """Of it and of all that it starts; None: there are no cgroups."""
        self.heart, self.hears, self._forked = self._ask()
        """What it says of itself: :class:`Heart`, and a descriptor that tells its first word."""
        self._server = forks.server_pid()  # only now: it may have been started for this one
        body = forks.job("callpoint", begin.wait_for_job, os.getpid())
        self._hand_over(self._forked.to_child, memoryview(body))
        family.unborn += 1
        self._unborn = True
        self._loop.add_reader(self._forked.told, self._told)

    def _ask(self) -> tuple[Heart, int, forks.Fork]:
        with contextlib.ExitStack() as ours, contextlib.ExitStack() as childs:
            childs.callback(os.close, self.output.write_fd)
            ours.callback(self._remove_leaf)
            if self.leaf is not None:
                childs.callback(os.close, self.leaf.procs)
            hears, says = _pipe(ours, childs)
            os.set_blocking(hears, False)
            os.set_blocking(says, False)
            childs.callback(os.close, shared := new_heart())
            ours.callback((heart := Heart(shared)).close)
            told, tells = _pipe(childs, ours)
            os.set_blocking(tells, False)
            procs = () if self.leaf is None else (self.leaf.procs,)
            forked = forks.fork((self.output.write_fd, says, shared, told, *procs))
            ours.pop_all()
        self._job = tells
        return heart, hears, forked

    def begin(self, job: begin.Job) -> None:
        """Tell it what it is to be."""
        to_child, self._job = self._job, -1
        self._hand_over(to_child, memoryview(pickle.dumps(job)))

    def _hand_over(self, to_child: int, rest: memoryview) -> None:
        """A pipe normally takes it at once."""
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

    # -- what the fork server tells --------------------------------------------------------------

    async def told_pid(self) -> int | None:
        """Its pid; None when the fork server has ended without telling one."""
        await self._until_told(0)
        return self.pid

    async def told_exit(self) -> int | None:
        """Its exit code, once it has ended; None when the fork server has ended before."""
        await self._until_told(1)
        return self._word(1)

    async def exit_code(self) -> int | None:
        """Of the process, which is known to be dead; None when nobody can tell."""
        if self.abandoned:
            return None
        code = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STATUS_S):
                code = await self.told_exit()
        return family.adopted_exit(self.pid) if code is None and self.pid else code

    async def _until_told(self, index: int) -> None:
        while self._word(index) is None and not self.server_ended:
            self._told_more.clear()
            await self._told_more.wait()

    def _word(self, index: int) -> int | None:
        if len(self._words) < (index + 1) * _WORD:
            return None
        (value,) = forks.SIGNED.unpack_from(self._words, index * _WORD)
        return int(value)

    def _told(self) -> None:
        with contextlib.suppress(BlockingIOError):
            words = os.read(self._forked.told, 2 * _WORD)
            self._words += words
            if not words:
                self._loop.remove_reader(self._forked.told)
                self.server_ended = True
            if self._unborn and (self.server_ended or self._word(0) is not None):
                self._born(self._word(0))
            self._told_more.set()

    def _born(self, pid: int | None) -> None:
        family.unborn -= 1
        self._unborn = False
        if pid is None:
            return
        self.pid = pid
        family.known.add(pid)
        try:
            self.pidfd = os.pidfd_open(pid)
        except ProcessLookupError:  # dead already, and its parent has seen it
            pass
        except OSError:  # no descriptors left: what cannot be watched is not kept
            kin.kill(pid)
        else:
            if not self._is_ours(pid):
                os.close(self.pidfd)  # dead already, and another has its pid
                self.pidfd = -1

    def _is_ours(self, pid: int) -> bool:
        """Known by its parent, or by its mark should the fork server have died meanwhile."""
        return kin.parent_of(pid) == self._server or kin.is_marked(pid, kin.identity(os.getpid()))

    # -- end -------------------------------------------------------------------------------------

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; to this very process or to nobody, never to one that got its pid."""
        if self.pidfd >= 0:
            try:
                signal.pidfd_send_signal(self.pidfd, number)
            except ProcessLookupError:
                pass
            except PermissionError:
                self._refused(to_end=number == signal.SIGKILL)

    def _refused(self, *, to_end: bool) -> None:
        assert self.pid is not None
        if self.leaf is not None and self.leaf.holds(self.pid):
            if to_end:
                self.leaf.kill()  # whatever its user
            return
        if not self.out_of_reach:
            self.out_of_reach = True
            extra = {"actor": self.output.process, "pid": self.pid, "remedy": family.REMEDY}
            log.error("child out of reach", extra=extra)
        if to_end:
            self.abandoned = kin.identity(self.pid)
            family.leave(self.pid)
            self._dead.set()

    async def dead(self) -> None:
        """Wait for its end, as the kernel tells it, or until it is abandoned."""
        if self.pidfd >= 0:
            self._loop.add_reader(self.pidfd, self._dead.set)
            try:
                await self._dead.wait()
            finally:
                self._loop.remove_reader(self.pidfd)

    def close(self) -> None:
        """Let go of everything; what it has still to say is read."""
        if self._unborn:
            family.unborn -= 1
            self._unborn = False
        self._loop.remove_reader(self._forked.told)
        os.close(self._forked.told)
        if self._job >= 0:
            os.close(self._job)
        if self.pidfd >= 0:
            self._loop.remove_reader(self.pidfd)
            os.close(self.pidfd)
            self.pidfd = -1
        self.heart.close()
        self.output.finish()
        self._remove_leaf()

    def _remove_leaf(self) -> None:
        if self.leaf is not None:
            self.leaf.remove()


def _pipe(reads: contextlib.ExitStack, writes: contextlib.ExitStack) -> tuple[int, int]:
    """Its two ends, each to be closed with whom it belongs to."""
    reading, writing = os.pipe2(os.O_CLOEXEC)
    reads.callback(os.close, reading)
    writes.callback(os.close, writing)
    return reading, writing
