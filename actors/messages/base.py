"""The base of every message and the envelope it travels in.

Rules of evolution (a terminal is updated while programs of the last version are still attached):

* a tag, once released, never means something else and is never used again;
* fields are only ever appended, and an appended field has a default: messages are arrays on the
  wire, so that an old reader ignores what follows the fields it knows and a new reader fills in
  the defaults of what an old writer did not send;
* a field keeps its type and its unit.
"""

from typing import Any, Literal

import msgspec

PROTOCOL_VERSION = 1
"""First element of every envelope; raised only when an old reader could misread a new frame."""

Kind = Literal["tell", "ask", "reply", "fact", "state", "level", "deliver", "ack"]
"""How a message is to be delivered.

``tell``     to one actor, no answer, refused to the sender when it cannot be queued.
``ask``      to one actor, answered by one ``reply``, for which nobody waits after ``deadline``.
``reply``    the answer to the ``ask`` whose ``id`` it carries.
``fact``     to all that subscribed to its tag, once, in order per sender.
``state``    a snapshot: the router keeps the last one per sender and tag for those who join later.
``level``    to all that subscribed, newest wins: dropped rather than queued.
``deliver``  to one actor, kept and sent again by the sender until the ``ack`` that has its ``id``;
             handled in order per sender.
``ack``      the receiver has handled the ``deliver`` whose ``id`` it carries.
"""


class Message(msgspec.Struct, frozen=True, array_like=True, kw_only=False):
    """Base of all messages: immutable, and a tagged array on the wire (``[tag, field, ...]``)."""

    @classmethod
    def tag(cls) -> str:
        """The tag this message type has on the wire, by which others subscribe to it."""
        tag = cls.__struct_config__.tag
        assert isinstance(tag, str)
        return tag

    @property
    def lapses(self) -> bool:
        """Asked for, it is not begun once nobody waits for the answer any more: who was told that
        nobody had answered must not be listened to, or spoken for, a minute later. What ends
        something is done however late.
        """
        return False


class Header(msgspec.Struct, frozen=True, array_like=True):
    """The part of an envelope that the router reads: all but the message."""

    version: int
    kind: Kind
    to: str
    """Name of the receiving actor or client; empty: everyone who subscribed to ``topic``."""
    sender: str
    """Name of the sending actor or client."""
    id: int
    """Number of the ask or the delivery, counted by its sender; 0 for kinds without an answer."""
    topic: str
    """Tag of the message."""
    deadline: float
    """CLOCK_MONOTONIC seconds after which nobody waits for the answer to an ask; 0: none. All
    processes of a terminal are on one machine and so on one monotonic clock."""


class Envelope(Header, frozen=True, array_like=True):
    """A message and what the router needs to know of it."""

    message: Any
    """Decoded to one of the catalogue's types by :func:`actors.messages.codec.decode`."""
    after: int = 0
    """Of a delivery: the ``id`` of the one before it to the same actor, if that was not yet
    acknowledged when this was sent; 0: whatever was before it is handled."""

    def has_lapsed(self, now: float) -> bool:
        """``now``: CLOCK_MONOTONIC seconds."""
        is_late = self.kind == "ask" and 0.0 < self.deadline < now
        return is_late and bool(self.message.lapses)
