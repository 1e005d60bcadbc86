"""What a sender keeps until the receiver has acknowledged it."""

from collections.abc import Iterator
from dataclasses import dataclass

from actors.messages import Message

CAPACITY = 10_000
"""Undelivered messages: hours of talk with the history down, a few MB."""


class OutboxFull(Exception):
    """More unacknowledged deliveries than the outbox holds: the receiver has been gone too long.

    Whoever delivers decides what that means; nothing is dropped silently.
    """


@dataclass(frozen=True)
class Delivery:
    """One kept message, as it is to be sent now."""

    id: int
    to: str
    message: Message
    after: int
    """As of :class:`actors.messages.Envelope`."""


class Outbox:
    """Kept deliveries in the order of sending. Pure: sends nothing itself; what is received is told
    by :class:`actors.runtime.inbox.Inbox`.

    ``after``: ids count from here. A sender that is started again under its old name must begin
    elsewhere, or the acknowledgement of its former self's delivery would be taken for its own.
    """

    def __init__(self, capacity: int = CAPACITY, *, after: int = 0) -> None:
        self._capacity = capacity
        self._kept: dict[str, dict[int, Message]] = {}
        """By receiver, those that are owed anything; by id, in order."""
        self._count = 0
        self._last_id = after
        self._oldest: dict[str, int] = {}
        """By receiver, when :meth:`stuck` was last called."""

    def put(self, to: str, message: Message) -> Delivery:
        """Keep a message. Raises :class:`OutboxFull`."""
        if self._count >= self._capacity:
            raise OutboxFull(f"{self._capacity} deliveries to {to} and others are unacknowledged")
        self._last_id += 1
        self._count += 1
        kept = self._kept.setdefault(to, {})
        after = next(reversed(kept), 0)
        kept[self._last_id] = message
        return Delivery(self._last_id, to, message, after)

    def acknowledge(self, id: int, by: str) -> None:  # noqa: A002  # the field's name on the wire
        """Forget a delivery; one not known (acknowledged twice) is no fault."""
        kept = self._kept.get(by)
        if kept is None or kept.pop(id, None) is None:
            return
        self._count -= 1
        if not kept:
            del self._kept[by]

    def pending(self, to: str = "") -> Iterator[Delivery]:
        """What is to be sent again, for each receiver oldest first; with ``to`` only what that
        actor is owed.
        """
        for name in (to,) if to else tuple(self._kept):
            after = 0
            for id_, message in tuple(self._kept.get(name, {}).items()):
                yield Delivery(id_, name, message, after)
                after = id_

    def stuck(self) -> list[Delivery]:
        """For each receiver that has acknowledged nothing since the last call, the oldest of what
        it was owed then.
        """
        before = self._oldest
        self._oldest = {to: next(iter(kept)) for to, kept in self._kept.items()}
        return [
            Delivery(id_, to, self._kept[to][id_], after=0)
            for to, id_ in self._oldest.items()
            if before.get(to) == id_
        ]

    def __len__(self) -> int:
        return self._count
