"""A store kept going through its troubles: what is refused, tried again, set aside.

Blocking, like the store: history is a process of its own so that it may block.
"""

import logging
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from actors.messages import ChatMessage, ListHistory

from .store import (
    Page,
    Store,
    StoreCorrupt,
    StoreUnavailable,
    StoreUnopenable,
    dated,
    newest_that_fit,
)

log = logging.getLogger(__name__)
T = TypeVar("T")


class Archive:
    """One store and what is known of it. ``clock``: Unix seconds."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock
        self._refused: tuple[ChatMessage, ...] = ()
        self.stored = 0
        """Messages in the store, as of the last success."""
        self.error = ""
        """Why writing does not succeed at present; empty: it does."""
        self.remedy = ""
        """What the operator can do about ``error``."""
        self.set_aside = ""
        """Where a corrupt store was put since this process began."""

    def open(self) -> None:
        """Begin. Trouble that may pass goes to ``error``; raises :class:`StoreUnopenable`."""
        try:
            self._sound(self._reopen)
        except StoreUnavailable as failure:
            self.trouble(failure)

    def close(self) -> None:
        """Let go of the store."""
        self._store.close()

    def keep(self, messages: Sequence[ChatMessage]) -> None:
        """Store all of them, or raise :class:`StoreUnavailable` and store none.

        In trouble it refuses at once; :meth:`retry` finds out when that is over.
        """
        if self.error:
            raise StoreUnavailable(self.error, self.remedy)
        now = self._clock()
        self._refused = tuple(dated(message, now) for message in messages)
        try:
            self._sound(self._write)
        except StoreUnopenable as failure:
            self.trouble(failure)
            raise StoreUnavailable(failure.reason, failure.remedy) from failure
        except StoreUnavailable as failure:
            self.trouble(failure)
            raise

    def retry(self) -> bool:
        """Try to write what was refused first; True when writing succeeds again.

        Its sender will deliver it again, and then it is known by its id.
        """
        try:
            self._sound(self._reopen)
            self._sound(self._write)
        except (StoreUnavailable, StoreUnopenable) as failure:
            self.trouble(failure)
            return False
        log.info("history is written again")
        self.error = self.remedy = ""
        return True

    def page(self, order: ListHistory) -> tuple[ChatMessage, ...]:
        """The answer to ``order``. Raises ValueError for a wrong one, and store errors."""
        wanted = Page.of(order)
        messages = self._sound(
            lambda: self._store.page(wanted.limit, wanted.conversation, wanted.before)
        )
        if self.damaged:
            log.error("history has damaged messages", extra={"messages": self.damaged})
        return newest_that_fit(messages)

    @property
    def damaged(self) -> int:
        """Messages that the last page leaves out: the disk has changed them."""
        return self._store.damaged

    def _reopen(self) -> None:
        self._store.open()
        self.stored = self._store.count()

    def _write(self) -> None:
        self.stored += self._store.keep(self._refused)
        self._refused = ()

    def trouble(self, failure: StoreUnavailable | StoreUnopenable) -> None:
        """Refuse from now on, until :meth:`retry` succeeds."""
        if failure.reason != self.error:
            log.error("history cannot be written", extra={"reason": failure.reason})
        self.error, self.remedy = failure.reason, failure.remedy

    def _sound(self, work: Callable[[], T]) -> T:
        """Do it; on a store that proves corrupt, set that aside and do it on a fresh one."""
        try:
            return work()
        except StoreCorrupt as corrupt:
            stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._clock()))
            self.set_aside = self._store.set_aside(stamp)
            log.error(
                "corrupt history set aside, a new one begun",
                extra={"reason": corrupt.reason, "set_aside": self.set_aside},
            )
            try:
                self._reopen()
                return work()
            except StoreCorrupt as again:  # the disk itself, then
                raise StoreUnavailable(again.reason, "look at the disk") from again
