"""What a store of messages must be able to do, and the rules that hold in every one of them.

The rules are pure; a store applies them inside its own transaction.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from actors.messages import ChatMessage, ListHistory

MAX_LIMIT = 1000
"""Most messages in a page; the catalogue's promise."""

MAX_PAGE_BYTES = 8 * 1024 * 1024
"""Most text in a page, half of what a frame may hold: a longer answer would never arrive."""


class StoreError(Exception):
    """A store did not do it. ``reason`` and ``remedy`` are sentences for the operator."""

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy


class StoreUnavailable(StoreError):
    """Not now (disk full, locked, read-only, server gone): the same may succeed later."""


class StoreUnopenable(StoreError):
    """Never, unless the operator changes something: a wrong path, another program's file."""


class StoreCorrupt(StoreError):
    """The stored bytes cannot be read; the store can only be set aside."""


class Store(Protocol):
    """Messages by id. Not thread-safe; every method blocks until done.

    All methods raise :class:`StoreUnavailable` and :class:`StoreCorrupt`.
    """

    damaged: int
    """Messages that the last page leaves out, as what is stored of them is none any more."""

    def open(self) -> None:
        """Connect, creating or migrating what is needed. Raises :class:`StoreUnopenable` too.

        Again after :meth:`close` or a failure.
        """

    def close(self) -> None:
        """Let go of everything; no fault if it is not open. Raises nothing."""

    def count(self) -> int:
        """Messages in the store."""

    def keep(self, messages: Sequence[ChatMessage]) -> int:
        """Store all, each once, in one commit; returns how many ids were new.

        When it returns they survive the end of this process and of the power; when it raises
        none of them was stored. Which of two messages of one id stays: :func:`supersedes`.
        """

    def page(self, limit: int, conversation: str, before: float) -> tuple[ChatMessage, ...]:
        """As :class:`ListHistory`: the newest, oldest first, by timestamp, then by arrival."""

    def set_aside(self, stamp: str) -> str:
        """Put a corrupt store out of the way, complete; returns where it is now.

        ``stamp``: for its new name. The store is closed afterwards; :meth:`open` begins a new one.
        """


def supersedes(new: ChatMessage, kept: ChatMessage) -> bool:
    """Whether a message takes the place of one kept with the same id.

    A final text never changes, so whatever comes again for it, in whichever order deliveries are
    repeated, leaves it alone; an interim one gives way to anything.
    """
    return not kept.is_final and (new.text, new.is_final) != (kept.text, False)


@dataclass(frozen=True)
class Page:
    """A checked :class:`ListHistory`. Raises ValueError with a sentence for the asker."""

    limit: int
    conversation: str
    before: float

    @classmethod
    def of(cls, order: ListHistory) -> "Page":
        """Check what came from another process."""
        if not 1 <= order.limit <= MAX_LIMIT:
            raise ValueError(f"limit must be 1 to {MAX_LIMIT}")
        if not math.isfinite(order.before):
            raise ValueError("before must be a time")
        return cls(order.limit, order.conversation, order.before)


def dated(message: ChatMessage, now: float) -> ChatMessage:
    """The message with a time that can be ordered: that of its arrival if it came without one."""
    if math.isfinite(message.timestamp):
        return message
    return ChatMessage(
        id=message.id,
        kind=message.kind,
        text=message.text,
        timestamp=now,
        is_final=message.is_final,
        conversation=message.conversation,
    )


def newest_that_fit(
    messages: Sequence[ChatMessage], max_bytes: int = MAX_PAGE_BYTES
) -> tuple[ChatMessage, ...]:
    """The end of a page whose texts fit into ``max_bytes``; at least its last message."""
    room = max_bytes
    for index in range(len(messages) - 1, -1, -1):
        room -= len(messages[index].text.encode())
        if room < 0:
            return tuple(messages[min(index + 1, len(messages) - 1) :])
    return tuple(messages)
