"""The practice room's incoming text streams, ended as those of the real one. Pure."""

from collections.abc import Callable

from actors.messages import PracticeText

from .backend import TextChunk, TextEnded
from .streams import BROKEN_OFF, MAX_STREAM_BYTES, MAX_STREAMS, TOO_LONG, TOO_MANY, TOPICS


class PracticeTexts:
    """Of one room. ``emit`` gets the chunks and ends."""

    def __init__(self, emit: Callable[[TextChunk | TextEnded], None]) -> None:
        self._emit = emit
        self._open: dict[str, tuple[PracticeText, int]] = {}
        self._refused: dict[str, None] = {}

    def part(self, part: PracticeText) -> None:
        """A part of a stream has come."""
        name = part.stream_id
        if part.topic not in TOPICS:
            return
        if name in self._refused:
            if part.ended:
                del self._refused[name]
            return
        first, size = self._open.pop(name, (part, 0))
        size += len(part.content.encode())
        if size > MAX_STREAM_BYTES:
            self._refuse(first, TOO_LONG)
        elif len(self._open) >= MAX_STREAMS:
            self._refuse(first, TOO_MANY)
        else:
            self._take(part, first, size)

    def _take(self, part: PracticeText, first: PracticeText, size: int) -> None:
        if part.content:
            header = (first.stream_id, first.topic, first.participant)
            self._emit(TextChunk(*header, first.attributes, part.content))
        if part.ended:
            self._end(part)
        else:
            self._open[part.stream_id] = first, size

    def gone(self, participant: str) -> None:
        """Nobody of that identity will end a stream any more."""
        for first, _ in list(self._open.values()):
            if first.participant == participant:
                del self._open[first.stream_id]
                self._end(first, BROKEN_OFF)

    def break_off(self) -> None:
        """The connection is lost or left."""
        streams, self._open = list(self._open.values()), {}
        self._refused.clear()
        for first, _ in streams:
            self._end(first, BROKEN_OFF)

    def _refuse(self, first: PracticeText, error: str) -> None:
        """End it here, and take no more of it."""
        if len(self._refused) >= MAX_STREAMS:
            del self._refused[next(iter(self._refused))]
        self._refused[first.stream_id] = None
        self._end(first, error)

    def _end(self, part: PracticeText, error: str = "") -> None:
        self._emit(TextEnded(part.stream_id, part.topic, part.participant, part.attributes, error))
