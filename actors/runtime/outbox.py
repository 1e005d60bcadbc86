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
    """One kept message."""

    id: int
    to: str
    message: Message


class Outbox:
    """Kept deliveries in the order of sending. Pure: sends nothing itself.

    ``after``: ids count from here. A sender that is started again under its old name must begin
    elsewhere, or the acknowledgement of its former self's delivery would be taken for its own.
    """

    def __init__(self, capacity: int = CAPACITY, *, after: int = 0) -> None:
        self._capacity = capacity
        self._kept: dict[int, Delivery] = {}
        self._last_id = after

    def put(self, to: str, message: Message) -> Delivery:
        """Keep a message. Raises :class:`OutboxFull`."""
        if len(self._kept) >= self._capacity:
            raise OutboxFull(f"{self._capacity} deliveries to {to} and others are unacknowledged")
        self._last_id += 1
        delivery = Delivery(self._last_id, to, message)
        self._kept[delivery.id] = delivery
        return delivery

    def acknowledge(self, id: int) -> None:  # noqa: A002  # the field's name on the wire
        """Forget a delivery; one not known (acknowledged twice) is no fault."""
        self._kept.pop(id, None)

    def pending(self, to: str = "") -> Iterator[Delivery]:
        """What is to be sent again, oldest first; with ``to`` only what that actor is owed."""
        return iter([kept for kept in self._kept.values() if not to or kept.to == to])

    def __len__(self) -> int:
        return len(self._kept)
