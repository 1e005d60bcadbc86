"""The event loop of an actor: asyncio's, which hands on a socket's frames sooner.

asyncio looks up each descriptor that is ready, makes a handle of its callback, queues it and runs
the queue after. Between two frames a process sleeps, and what it then runs comes from memory that
is far away: each call takes 1 to 4 us. :class:`Loop` calls what it was told to watch as soon as it
wakes: 20 us less a hop, in every process that a frame passes through. Where asyncio was given
nothing to do by that, it is not asked before the next wait.
"""

import asyncio
import select
import selectors
from asyncio import Handle, TimerHandle
from collections.abc import Callable
from contextvars import Context
from functools import partial
from time import monotonic
from typing import TypeVarTuple

OnReadable = Callable[[], None]
"""Called in the loop, and not in a task or a context of its own."""

_Ts = TypeVarTuple("_Ts")
_Ready = list[tuple[selectors.SelectorKey, int]]


class Loop(asyncio.SelectorEventLoop):
    """asyncio's own with :meth:`watch` beside ``add_reader``."""

    def __init__(self) -> None:
        self._waiting = _Selector(self._failed)
        super().__init__(self._waiting)

    def watch(self, fd: int, readable: OnReadable) -> None:
        """Call ``readable`` whenever there is something to read, until :meth:`unwatch`. What it
        raises goes to the loop's exception handler.
        """
        self._waiting.watch(fd, readable)

    def unwatch(self, fd: int) -> None:
        """No more; it need not be watched."""
        self._waiting.unwatch(fd)

    def call_soon(
        self, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> Handle:
        """As asyncio's."""
        self._waiting.end()
        return super().call_soon(callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> TimerHandle:
        """As asyncio's, whose ``call_later`` comes through here."""
        self._waiting.end()
        return super().call_at(when, callback, *args, context=context)

    def stop(self) -> None:
        """As asyncio's."""
        self._waiting.end()
        super().stop()

    def _failed(self, error: BaseException) -> None:
        self.call_exception_handler({"message": "a watched descriptor", "exception": error})


def watch(loop: asyncio.AbstractEventLoop, fd: int, readable: OnReadable) -> Callable[[], object]:
    """As :meth:`Loop.watch`, or ``add_reader`` of a loop that is none; returns what ends it."""
    if isinstance(loop, Loop):
        loop.watch(fd, readable)
        return partial(loop.unwatch, fd)
    loop.add_reader(fd, readable)
    return partial(loop.remove_reader, fd)


class _Selector(selectors.EpollSelector):
    """Waits for what is watched and, as for one more descriptor, for all that asyncio waits for."""

    def __init__(self, failed: Callable[[BaseException], None]) -> None:
        super().__init__()
        self._failed = failed
        self._ends = False
        self._watched: dict[int, OnReadable] = {}
        self._all = select.epoll()
        self._all.register(self.fileno(), select.EPOLLIN)

    def watch(self, fd: int, readable: OnReadable) -> None:
        self._all.register(fd, select.EPOLLIN)
        self._watched[fd] = readable

    def unwatch(self, fd: int) -> None:
        if self._watched.pop(fd, None) is not None:
            self._all.unregister(fd)

    def end(self) -> None:
        """Wait no more, asyncio has something to do. Other threads wake it by a descriptor."""
        self._ends = True

    def select(self, timeout: float | None = None) -> _Ready:
        """Call what is watched whenever it is readable, until asyncio has something to do; returns
        what else is readable.

        ``timeout``: seconds; None: for ever. epoll counts in milliseconds: rather one too many.
        """
        self._ends = False
        until = None if timeout is None else monotonic() + timeout
        wait = -1.0 if timeout is None else max(0.0, timeout)
        asyncio_too = False
        while ready := self._all.poll(wait, len(self._watched) + 1):
            for fd, _ in ready:
                readable = self._watched.get(fd)
                if readable is None:  # asyncio's, or no longer watched since the poll
                    asyncio_too = self._ends = True
                    continue
                try:
                    readable()
                except (SystemExit, KeyboardInterrupt):
                    raise
                except BaseException as error:  # as asyncio does with a callback
                    self._failed(error)
            if self._ends:
                break
            if until is not None:
                wait = until - monotonic()
                if wait <= 0.0:  # a flood must not put off what is due
                    break
        # Not sooner: what was called may have changed what asyncio waits for.
        return super().select(0) if asyncio_too else []

    def close(self) -> None:
        self._all.close()
        super().close()
