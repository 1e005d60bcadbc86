"""The transcript fold: streams in, messages out. Pure.

An agent transcript is one stream of deltas a segment; a user transcript is a new stream with the
whole text for every interim. The room sends the whole text of each stream so far, so that both
are the same here: the newest stream of a segment is its text.

What arrives may be late, twice or overtaken (a delivery is repeated until it was handled, and a
killed router loses what it held), and the list must come out the same.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from actors.messages import ChatMessage, TextStream

TOPIC = "lk.transcription"
SEGMENT = "lk.segment_id"
FINAL = "lk.transcription_final"
KEPT_SEGMENTS = 512
"""Finished segments remembered, so that a late or repeated end is not a new message."""
KEPT_WITHDRAWN = 16
"""Of those that another process is told of."""
OVERTAKEN_S = 30.0
"""A stream that was opened up to so long before a known one was overtaken by it. If it says that
it is older than that, the clock was set back, and it is new."""


class Segment(msgspec.Struct, frozen=True):
    """A message in the making, and what it was made from."""

    message: ChatMessage
    participant: str
    stream_id: str
    """Of its newest stream."""
    opened_at: float
    """Unix seconds, of that stream."""
    has_interims: bool
    """It comes as a new stream for every interim, as of a user; False: as one stream."""
    is_ended: bool = False
    """That stream is; whatever else comes of it is late."""
    is_withdrawn: bool = False
    """It has left the list, for a newer one; only its final text brings it back."""

    @property
    def is_open(self) -> bool:
        """It is in the list and may still change."""
        return not (self.message.is_final or self.is_withdrawn)


@dataclass(frozen=True)
class Folded:
    """What one stream event has changed."""

    message: ChatMessage | None = None
    """New or changed."""
    purged: tuple[str, ...] = ()
    """Ids of partial messages that will never be final."""
    is_late: bool = False
    """It belongs where its time puts it: the message had been purged, or all before its end has
    passed by this process, and others after it may not have."""
    is_news: bool = False
    """Not something already known, nor an empty chunk."""


class Transcripts:
    """The segments that may still change, and the last ones that may not."""

    def __init__(self) -> None:
        self._segments: dict[str, Segment] = {}

    def recall(
        self, finished: Iterable[ChatMessage], unfinished: Iterable[Segment], own: str
    ) -> None:
        """What a process before this one had folded; ``own``: identity of the local participant."""
        for message in finished:
            is_transcript = message.is_final and message.kind != "user_input"
            if is_transcript and message.id not in self._segments:
                is_own = message.kind == "user_transcript"
                who = own if is_own else ""
                self._keep(Segment(message, who, "", message.timestamp, has_interims=is_own))
        for segment in unfinished:
            if segment.message.id not in self._segments:
                self._keep(segment)

    @property
    def open(self) -> tuple[Segment, ...]:
        """All that are in the list and may still change."""
        return tuple(segment for segment in self._segments.values() if segment.is_open)

    @property
    def unfinished(self) -> tuple[Segment, ...]:
        """For :meth:`recall`: the open ones, and the last that were withdrawn."""
        gone = [segment for segment in self._segments.values() if segment.is_withdrawn]
        return (*gone[-KEPT_WITHDRAWN:], *self.open)

    def fold(self, stream: TextStream, *, is_own: bool, has_interims: bool) -> Folded:
        """Take a stream's state as it is now.

        ``is_own``: its participant is the local one; ``has_interims``: each of its interim texts
        is a stream, whose end is not that of the segment.
        """
        id_ = stream.attributes.get(SEGMENT) or stream.stream_id
        known = self._segments.get(id_)
        final = _is_final(stream, has_interims)
        if known is not None and not _is_news(known, stream, final):
            return Folded()
        if not stream.text and not (known and final):
            return Folded()  # an empty chunk; or a segment that never had a word
        message = ChatMessage(
            id=id_,
            kind="user_transcript" if is_own else "agent_transcript",
            text=stream.text or (known.message.text if known else ""),
            timestamp=known.message.timestamp if known else stream.opened_at,
            is_final=final,
            conversation=known.message.conversation if known else stream.conversation,
        )
        segment = Segment(
            message=message,
            participant=stream.participant,
            stream_id=stream.stream_id,
            opened_at=stream.opened_at,
            has_interims=has_interims,
            is_ended=stream.ended,
        )
        purged: tuple[str, ...] = ()
        if known is None and has_interims:
            if not final and self._was_overtaken(stream):
                self._keep(msgspec.structs.replace(segment, is_withdrawn=True))
                return Folded()
            purged = self._withdraw(stream.participant, before=stream.opened_at)
        self._keep(segment)
        changed = known is None or known.message != message or known.is_withdrawn
        late = stream.ended if known is None else known.is_withdrawn
        return Folded(message if changed else None, purged, late, is_news=True)

    def break_off(self) -> tuple[ChatMessage, ...]:
        """Whoever received the streams is gone: those that were one stream will not go on. What
        was said of them is final; interims go on in streams of their own.
        """
        ended = []
        for segment in self.open:
            if not segment.has_interims:
                message = msgspec.structs.replace(segment.message, is_final=True)
                self._keep(msgspec.structs.replace(segment, message=message))
                ended.append(message)
        return tuple(ended)

    def withdraw_all(self) -> tuple[str, ...]:
        """The conversation is over: ids of what will never be final."""
        return tuple(self._withdrawn(segment) for segment in self.open)

    # -- inside ----------------------------------------------------------------------------------

    def _keep(self, segment: Segment) -> None:
        self._segments[segment.message.id] = segment
        while len(self._segments) > KEPT_SEGMENTS:
            over = (id_ for id_, kept in self._segments.items() if not kept.is_open)
            del self._segments[next(over, next(iter(self._segments)))]

    def _withdrawn(self, segment: Segment) -> str:
        self._keep(msgspec.structs.replace(segment, is_withdrawn=True))
        return segment.message.id

    def _withdraw(self, participant: str, *, before: float) -> tuple[str, ...]:
        """A new segment of a participant: its older partial ones will not be finished."""
        return tuple(
            self._withdrawn(segment)
            for segment in self.open
            if segment.has_interims
            and segment.participant == participant
            and not _is_overtaken(before, by=segment.opened_at)
        )

    def _was_overtaken(self, stream: TextStream) -> bool:
        return any(
            segment.participant == stream.participant
            and _is_overtaken(stream.opened_at, by=segment.opened_at)
            for segment in self._segments.values()
            if segment.has_interims
        )


def _is_overtaken(opened_at: float, *, by: float) -> bool:
    return 0.0 < by - opened_at < OVERTAKEN_S


def _is_news(known: Segment, stream: TextStream, final: bool) -> bool:
    """Whether a stream's state can change a segment that is known."""
    if known.message.is_final:
        return False
    if final:
        return True
    if known.is_withdrawn:
        return False
    if known.stream_id != stream.stream_id:
        return not _is_overtaken(stream.opened_at, by=known.opened_at)
    if known.is_ended:
        return False
    return stream.ended or len(stream.text) >= len(known.message.text)  # it only ever grows


def _is_final(stream: TextStream, has_interims: bool) -> bool:
    """A segment is finished when a stream that said so, in header or trailer, has ended; a segment
    that is one stream is finished with that, however it ended.
    """
    if not stream.ended:
        return False
    said = stream.attributes.get(FINAL)
    if said is not None and said.lower() == "true":
        return True
    return not has_interims or (said is None and not stream.error)
