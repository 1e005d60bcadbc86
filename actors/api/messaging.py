"""Senders and receivers of messages: protocols for one's own, and the default sender."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

from actors.messages import Message, Say

from .errors import OrderRefused
from .message import ReceivedMessage, SentMessage


class MessageSender(Protocol):
    """Sends what the user writes."""

    async def send(self, message: SentMessage) -> None:
        """Raise anything to say that it was not sent, but :class:`OrderInDoubt` when it may have
        been.
        """


class MessageReceiver(Protocol):
    """Brings messages from elsewhere into the list."""

    def messages(self) -> AsyncIterator[ReceivedMessage]:
        """Called once, when the session is opened. Raise anything to say that it has failed."""


class TextSender:
    """To the agent, as LiveKit's text streams on ``lk.chat``; the sender there is by default."""

    def __init__(self) -> None:
        self._order: Callable[[Message], Awaitable[None]] | None = None

    def bind(self, order: Callable[[Message], Awaitable[None]]) -> None:
        """Its session calls this: the terminal is reached through it."""
        self._order = order

    async def send(self, message: SentMessage) -> None:
        """Raises :class:`OrderRefused` and :class:`OrderInDoubt`."""
        if self._order is None:
            raise OrderRefused("this sender belongs to no session", "give it to Session(senders=)")
        await self._order(Say(message.text, message.id))
