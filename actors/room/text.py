"""Chunks of text streams to the whole text so far. Pure."""

from dataclasses import dataclass, field

from actors.messages import TextStream

from .backend import TextChunk, TextEnded

MAX_CHARACTERS = 256 * 1024
"""Of one stream. A transcript has some hundred; all of it is in each message about it."""
MAX_OPEN = 64
"""Streams at a time. A conversation has two or three."""


@dataclass
class _Open:
    first: TextChunk
    opened_at: float
    parts: list[str] = field(default_factory=list)
    size: int = 0


class TextFold:
    """Folds the streams of one conversation."""

    def __init__(self, conversation: str) -> None:
        self._conversation = conversation
        self._open: dict[str, _Open] = {}
        self._refused: dict[str, None] = {}

    def chunk(self, chunk: TextChunk, at: float) -> TextStream | None:
        """A stream has grown; ``at``: Unix seconds. None: it was ended here before (too long)."""
        if chunk.stream_id in self._refused:
            return None
        stream = self._open.get(chunk.stream_id)
        if stream is None:
            if len(self._open) >= MAX_OPEN:
                return self._refuse(chunk, at, f"more than {MAX_OPEN} streams at a time")
            stream = self._open[chunk.stream_id] = _Open(chunk, at)
        stream.size += len(chunk.content)
        if stream.size > MAX_CHARACTERS:
            return self._refuse(chunk, at, f"longer than {MAX_CHARACTERS} characters")
        stream.parts.append(chunk.content)
        return self._message(stream)

    def ended(self, ended: TextEnded, at: float) -> TextStream | None:
        """A stream has ended. None: it was ended here before."""
        if ended.stream_id in self._refused:
            del self._refused[ended.stream_id]
            return None
        stream = self._open.pop(ended.stream_id, None)
        if stream is None:
            stream = _Open(
                TextChunk(ended.stream_id, ended.topic, ended.participant, ended.attributes, ""), at
            )
        return self._message(stream, ended.attributes, ended=True, error=ended.error)

    def close(self, error: str) -> list[TextStream]:
        """The room is gone: everything still open ends here."""
        streams, self._open = list(self._open.values()), {}
        return [self._message(stream, ended=True, error=error) for stream in streams]

    def _refuse(self, chunk: TextChunk, at: float, error: str) -> TextStream:
        if len(self._refused) >= MAX_OPEN:
            del self._refused[next(iter(self._refused))]
        self._refused[chunk.stream_id] = None
        stream = self._open.pop(chunk.stream_id, None) or _Open(chunk, at)
        return self._message(stream, ended=True, error=error)

    def _message(
        self,
        stream: _Open,
        attributes: dict[str, str] | None = None,
        *,
        ended: bool = False,
        error: str = "",
    ) -> TextStream:
        return TextStream(
            stream_id=stream.first.stream_id,
            topic=stream.first.topic,
            participant=stream.first.participant,
            attributes={**stream.first.attributes, **(attributes or {})},
            text="".join(stream.parts),
            opened_at=stream.opened_at,
            ended=ended,
            error=error,
            conversation=self._conversation,
        )
