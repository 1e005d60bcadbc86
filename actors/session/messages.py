"""The session's list of messages: each once, in the place where it first appeared. Pure."""

from collections.abc import Iterable

from actors.messages import ChatMessage

KEPT = 2000
"""Messages held in memory; the store has them all."""


class MessageList:
    """Ordered by first appearance, unique by id, bounded."""

    def __init__(self) -> None:
        self._messages: dict[str, ChatMessage] = {}

    def put(self, message: ChatMessage) -> None:
        """Append, or replace the one of the same id in its place."""
        self._messages[message.id] = message
        if len(self._messages) > KEPT:
            del self._messages[next(iter(self._messages))]

    def get(self, id_: str) -> ChatMessage | None:
        """The message of that id."""
        return self._messages.get(id_)

    def purge(self, id_: str) -> None:
        """Remove; not having it is no fault."""
        self._messages.pop(id_, None)

    def restore(self, messages: Iterable[ChatMessage]) -> None:
        """Replace all, sorted by timestamp; of two with one id the last wins."""
        unique = {message.id: message for message in messages}
        ordered = sorted(unique.values(), key=lambda message: message.timestamp)
        self._messages = {message.id: message for message in ordered[-KEPT:]}

    def all(self) -> tuple[ChatMessage, ...]:
        """In order."""
        return tuple(self._messages.values())
