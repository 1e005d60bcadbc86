"""Incoming text streams, put together from what comes off the wire. Pure: time is an argument.

LiveKit's client has readers of its own for that. They give up on a character that is split between
two chunks, wait for ever for a stream whose sender fell silent, and now and then take one for whole
that was cut by the loss of the connection.
"""

import codecs
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from .backend import TextChunk, TextEnded

TOPICS = ("lk.transcription", "lk.chat")
MAX_STREAMS = 128
"""Open at a time, before new ones are refused: someone floods the room."""
MAX_STREAM_BYTES = 1024 * 1024
IDLE_S = 60.0
"""Without a chunk, in a stream that has no end yet: longer than an agent is silent in the middle of
what it says, while it asks another service."""

BROKEN_OFF = "the stream was broken off"
TOO_LONG = "the stream was too long"
IDLE = "the stream was not ended"
NO_TEXT = "the stream was not text"
TOO_MANY = "too many streams at a time"


@dataclass(frozen=True)
class Header:
    """The beginning of a stream."""

    stream_id: str
    topic: str
    participant: str
    """Identity in whose name it was sent."""
    attributes: Mapping[str, str]
    total_bytes: int | None = None
    """Of the whole, where it was known."""


@dataclass
class _Open:
    header: Header
    at: float
    next: int = 0
    """Index of the chunk to come."""
    size: int = 0
    decoder: codecs.IncrementalDecoder = field(
        default_factory=codecs.getincrementaldecoder("utf-8")
    )


class TextStreams:
    """All streams of one room. ``emit`` gets their chunks and ends, in the order of the wire."""

    def __init__(self, emit: Callable[[TextChunk | TextEnded], None]) -> None:
        self._emit = emit
        self._open: dict[str, _Open] = {}

    def __len__(self) -> int:
        """How many are open."""
        return len(self._open)

    def header(self, header: Header, at: float) -> None:
        """A stream begins; ``at``: seconds. One that was open under its id is broken off."""
        if header.topic not in TOPICS:
            return
        self._break(header.stream_id, BROKEN_OFF)
        stream = _Open(header, at)
        if len(self._open) >= MAX_STREAMS:
            self._end(stream, TOO_MANY)
        elif (header.total_bytes or 0) > MAX_STREAM_BYTES:
            self._end(stream, TOO_LONG)
        else:
            self._open[header.stream_id] = stream

    def chunk(self, stream_id: str, index: int, content: bytes, at: float) -> None:
        """A stream goes on. One that has come before is not taken again; after a gap, none is."""
        stream = self._open.get(stream_id)
        if stream is None or index < stream.next:
            return
        if index > stream.next:
            self._break(stream_id, BROKEN_OFF)
            return
        stream.next, stream.at = index + 1, at
        stream.size += len(content)
        if stream.size > MAX_STREAM_BYTES:
            self._break(stream_id, TOO_LONG)
            return
        try:
            text = stream.decoder.decode(content)
        except UnicodeDecodeError:
            self._break(stream_id, NO_TEXT)
            return
        if text:
            header = stream.header
            self._emit(
                TextChunk(
                    stream_id, header.topic, header.participant, dict(header.attributes), text
                )
            )

    def trailer(self, stream_id: str, reason: str, attributes: Mapping[str, str]) -> None:
        """A stream ends; with a ``reason`` its sender has given it up."""
        stream = self._open.pop(stream_id, None)
        if stream is None:
            return
        total = stream.header.total_bytes
        is_short = total is not None and total != stream.size
        is_cut = bool(stream.decoder.getstate()[0])
        error = BROKEN_OFF if reason or is_short or is_cut else ""
        self._end(stream, error, attributes)

    def gone(self, participants: frozenset[str]) -> None:
        """They have left, and will end nothing any more."""
        for stream_id, stream in list(self._open.items()):
            if stream.header.participant in participants:
                self._break(stream_id, BROKEN_OFF)

    def lost(self) -> None:
        """The connection is lost or left."""
        for stream_id in list(self._open):
            self._break(stream_id, BROKEN_OFF)

    def look(self, at: float) -> None:
        """End what nobody goes on with."""
        for stream_id, stream in list(self._open.items()):
            if at - stream.at >= IDLE_S:
                self._break(stream_id, IDLE)

    def _break(self, stream_id: str, error: str) -> None:
        if (stream := self._open.pop(stream_id, None)) is not None:
            self._end(stream, error)

    def _end(self, stream: _Open, error: str, attributes: Mapping[str, str] | None = None) -> None:
        header = stream.header
        both = {**header.attributes, **(attributes or {})}
        self._emit(TextEnded(header.stream_id, header.topic, header.participant, both, error))
