"""Between any process and the router, and the answers that every actor can give."""

from typing import Any

from .base import Message


class Join(Message, tag="join", frozen=True):
    """A process tells the router that it is there and which tags it wants: the last time, none.
    Repeated freely.
    """

    subscriptions: tuple[str, ...]


class Welcome(Message, tag="welcome", frozen=True):
    """The router's answer to :class:`Join`: from now on nothing passes the joiner by. Said again
    to see whether it is still there.
    """

    epoch: int
    """Another number for each start of the router: on a new one, senders say again what the old
    one may have lost (unacknowledged deliveries, last snapshots)."""


class Done(Message, tag="done", frozen=True):
    """The order was carried out; there is nothing more to tell."""


class Failed(Message, tag="failed", frozen=True):
    """The order could not be carried out."""

    code: str
    """A short word for programs: ``unreachable``, ``busy``, ``not-connected``, ``invalid``..."""
    reason: str
    """A sentence for people, without secrets or personal data."""
    remedy: str = ""
    """What can be done about it, when that is known."""
    in_doubt: bool = False
    """It may have been carried out all the same, or may still be."""


class Peer(Message, tag="peer", frozen=True):
    """The router passes on what the supervisor tells every actor: to attached programs, which are
    nobody's children.
    """

    name: str
    """Of the actor."""
    up: bool
    """It is Ready (again), or has died."""


class Missed(Message, tag="missed", frozen=True):
    """The router to one of its peers: a queue was full, and facts have passed you by. Ask anew
    for what you keep a copy of; states come again by themselves. Also a peer to the router: my
    queue to you was full.
    """


class Custom(Message, tag="custom", frozen=True):
    """A message of an integrator's own actors: callpoint carries it and does not look inside."""

    topic: str
    """Whatever the actors agreed on."""
    payload: dict[str, Any]
