"""What was said, as an agent keeps it for its language model. Pure."""

from collections import deque
from collections.abc import Callable

from actors.messages import ChatMessage, MessageKind

from .transcripts import NewId

KEPT = 200


class Remembrance:
    """The newest messages. ``clock``: Unix seconds."""

    def __init__(self, ids: NewId, clock: Callable[[], float]) -> None:
        self._ids = ids
        self._clock = clock
        self._messages: deque[ChatMessage] = deque(maxlen=KEPT)

    def add(self, kind: MessageKind, text: str) -> None:
        """It was said, as far as it was not cut off."""
        if text.strip():
            self._messages.append(ChatMessage(self._ids("item_"), kind, text, self._clock()))

    @property
    def messages(self) -> tuple[ChatMessage, ...]:
        """Oldest first."""
        return tuple(self._messages)
