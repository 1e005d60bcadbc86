"""Those who follow a session, each at a pace of its own."""

import asyncio
import contextlib
import logging
import weakref
from collections.abc import Callable
from typing import Generic, Self, TypeVar

from actors.runtime.feed import CAPACITY, Feed

from .data import DataPacket, OnData
from .errors import SessionClosed, SessionFailed
from .snapshot import Change, Levels, Refreshed, Snapshot

log = logging.getLogger(__name__)


class Changes:
    """``async for change in session.changes()``: every change in order, the first a
    :class:`Refreshed`.

    Who falls behind by more than ``capacity`` changes is given a fresh snapshot instead of them.
    It ends when the session is closed.
    """

    def __init__(self, snapshot: Snapshot, capacity: int = CAPACITY) -> None:
        self._feed = Feed[Change](capacity)
        self._last = 0
        self._news = asyncio.Event()
        self._is_closed = False
        self.refresh(snapshot)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Change:
        while (change := self._feed.take()) is None:
            if self._is_closed:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        return change

    def put(self, change: Change, snapshot: Callable[[], Snapshot]) -> None:
        """One more, or, if there is no room for it, all anew."""
        self._last += 1
        if not self._feed.put(f"{self._last}", change):
            self.refresh(snapshot())
        self._news.set()

    def refresh(self, snapshot: Snapshot) -> None:
        """All anew."""
        self._feed.restart(Refreshed(snapshot))
        self._news.set()

    def close(self) -> None:
        """What waits can still be read."""
        self._is_closed = True
        self._news.set()


T = TypeVar("T")


class Newest(Generic[T]):
    """``async for snapshot in session.snapshots()``: the newest whenever it is asked for, beginning
    with that of now. It ends when the session is closed.
    """

    def __init__(self, now: Callable[[], T]) -> None:
        self._now = now
        self._news = asyncio.Event()
        self._news.set()
        self._is_closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        await self._news.wait()
        if self._is_closed:
            raise StopAsyncIteration
        self._news.clear()
        return self._now()

    def changed(self) -> None:
        """There is a newer one."""
        self._news.set()

    def close(self) -> None:
        """There will be no other."""
        self._is_closed = True
        self._news.set()


OnChange = Callable[[Change], None]


class Observers:
    """All of one session. Whoever is not referred to any more is forgotten.

    ``now``: makes the snapshot, only when somebody wants it.
    """

    def __init__(self, now: Callable[[], Snapshot]) -> None:
        self._now = now
        self._changes: weakref.WeakSet[Changes] = weakref.WeakSet()
        self._snapshots: weakref.WeakSet[Newest[Snapshot]] = weakref.WeakSet()
        self._meters: weakref.WeakSet[Newest[Levels]] = weakref.WeakSet()
        self.loudness = Levels()
        self._callbacks: list[OnChange] = []
        self._data: list[tuple[OnData, str | None]] = []
        self._waiting: dict[asyncio.Future[Snapshot], Callable[[Snapshot], bool]] = {}
        self._is_closed = False

    def changes(self, capacity: int) -> Changes:
        """A new one."""
        observer = Changes(self._now(), capacity)
        if self._is_closed:
            observer.close()
        self._changes.add(observer)
        return observer

    def snapshots(self) -> Newest[Snapshot]:
        """A new one."""
        observer = Newest(self._now)
        if self._is_closed:
            observer.close()
        self._snapshots.add(observer)
        return observer

    def levels(self) -> Newest[Levels]:
        """A new one."""
        observer = Newest(lambda: self.loudness)
        if self._is_closed:
            observer.close()
        self._meters.add(observer)
        return observer

    def hear(self, levels: Levels) -> None:
        """It is so loud now."""
        self.loudness = levels
        for meter in list(self._meters):
            meter.changed()

    def call(self, on_change: OnChange) -> Callable[[], None]:
        """Call it with each change from now on; returns what ends that."""
        self._callbacks.append(on_change)

        def end() -> None:
            with contextlib.suppress(ValueError):
                self._callbacks.remove(on_change)

        return end

    def call_with_data(self, on_data: OnData, topic: str | None) -> Callable[[], None]:
        """Call it with each packet from now on, of that topic if one is given; returns what ends
        that.
        """
        entry = on_data, topic
        self._data.append(entry)

        def end() -> None:
            with contextlib.suppress(ValueError):
                self._data.remove(entry)

        return end

    def data(self, packet: DataPacket) -> None:
        """One has come."""
        for on_data, topic in list(self._data):
            if topic is None or topic == packet.topic:
                try:
                    on_data(packet)
                except Exception:
                    log.exception("an observer's callback failed")

    def tell(self, change: Change | None) -> None:
        """Something has changed; None: nothing has."""
        if change is None:
            return
        for observer in list(self._changes):
            if isinstance(change, Refreshed):
                observer.refresh(change.snapshot)
            else:
                observer.put(change, self._now)
        for newest in list(self._snapshots):
            newest.changed()
        self._look()
        for callback in list(self._callbacks):
            try:
                callback(change)
            except Exception:
                log.exception("an observer's callback failed")

    async def until(
        self, condition: Callable[[Snapshot], bool], timeout_s: float | None
    ) -> Snapshot:
        """The first snapshot, from that of now on, that fulfils ``condition``, be it the last or
        not. Raises TimeoutError and :class:`SessionClosed`.
        """
        if self._is_closed:
            raise SessionClosed
        if condition(now := self._now()):
            return now
        met: asyncio.Future[Snapshot] = asyncio.get_running_loop().create_future()
        self._waiting[met] = condition
        try:
            async with asyncio.timeout(timeout_s):
                return await met
        finally:
            del self._waiting[met]

    async def unless_failed(
        self, condition: Callable[[Snapshot], bool], timeout_s: float | None
    ) -> Snapshot:
        """As :meth:`until`; raises :class:`SessionFailed` when no conversation is on, and there is
        a reason for it.
        """

        def decided(now: Snapshot) -> bool:
            return condition(now) or _has_failed(now)

        found = await self.until(decided, timeout_s)
        if not condition(found):
            assert found.error is not None
            raise SessionFailed(found.error.reason)
        return found

    def _look(self) -> None:
        if not self._waiting:
            return
        now = self._now()
        for met, condition in self._waiting.items():
            if not met.done() and condition(now):
                met.set_result(now)

    def close(self) -> None:
        """The session is."""
        self._is_closed = True
        for observer in list(self._changes):
            observer.close()
        for newest in list(self._snapshots):
            newest.close()
        for meter in list(self._meters):
            meter.close()
        for met in self._waiting:
            if not met.done():
                met.set_exception(SessionClosed())


def _has_failed(now: Snapshot) -> bool:
    return now.connection_state == "disconnected" and now.error is not None
