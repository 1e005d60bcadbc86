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
        while len(self._messages) > KEPT:
            del self._messages[next(iter(self._messages))]

    def insert(self, message: ChatMessage) -> None:
        """Put one that was here before where its time puts it."""
        if message.id not in self._messages:
            later = []
            for other in reversed(self._messages.values()):
                if other.timestamp <= message.timestamp:
                    break
                later.append(other.id)
            self._messages[message.id] = message
            for id_ in reversed(later):
                self._messages[id_] = self._messages.pop(id_)
        self.put(message)

    def get(self, id_: str) -> ChatMessage | None:
        """The message of that id."""
        return self._messages.get(id_)

    def is_last(self, id_: str) -> bool:
        """It is there, and nothing after it."""
        return next(reversed(self._messages), None) == id_

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

    def newest(self, max_bytes: int) -> tuple[ChatMessage, ...]:
        """In order, as many of the newest as have no more than ``max_bytes`` of text."""
        messages, room = self.all(), max_bytes
        for index in range(len(messages) - 1, -1, -1):
            room -= len(messages[index].text.encode())
            if room < 0:
                return messages[index + 1 :]
        return messages
