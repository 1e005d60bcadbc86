"""Chat messages from their parts. Pure."""

from actors.messages import PracticeText

TOPIC = "lk.chat"
MAX_STREAMS = 16
MAX_CHARACTERS = 64 * 1024
"""Of a message; what is longer is cut."""


class Chat:
    """Of one client."""

    def __init__(self) -> None:
        self._open: dict[str, str] = {}

    def part(self, part: PracticeText) -> str | None:
        """The whole text, once it has ended."""
        if part.topic != TOPIC:
            return None
        if part.stream_id not in self._open and len(self._open) >= MAX_STREAMS:
            del self._open[next(iter(self._open))]  # the oldest will never end
        text = (self._open.pop(part.stream_id, "") + part.content)[:MAX_CHARACTERS]
        if part.ended:
            return text
        self._open[part.stream_id] = text
        return None
