"""The transcript fold: streams in, messages out. Pure.

An agent transcript is one stream of deltas a segment; a user transcript is a new stream with the
whole text for every interim. The room sends the whole text of each stream so far, so that both
are the same here: the newest stream of a segment is its text.
"""

from collections import OrderedDict
from dataclasses import dataclass

from actors.messages import ChatMessage, TextStream

TOPIC = "lk.transcription"
SEGMENT = "lk.segment_id"
FINAL = "lk.transcription_final"
KEPT_SEGMENTS = 512
"""Finished segments remembered, so that a late or repeated end is not a new message."""


@dataclass
class _Segment:
    message: ChatMessage
    participant: str
    stream_id: str


@dataclass(frozen=True)
class Folded:
    """What one stream event has changed."""

    message: ChatMessage | None = None
    """New or changed."""
    purged: tuple[str, ...] = ()
    """Ids of partial messages that will never be final."""


class Transcripts:
    """All segments of a conversation that may still change, and the last ones that may not."""

    def __init__(self) -> None:
        self._segments: OrderedDict[str, _Segment] = OrderedDict()

    def fold(self, stream: TextStream, local_identity: str) -> Folded:
        """Take a stream's state as it is now."""
        id_ = stream.attributes.get(SEGMENT) or stream.stream_id
        known = self._segments.get(id_)
        final = _is_final(stream)
        if known is not None and (known.message.is_final or self._is_older(known, stream)):
            return Folded()
        if not stream.text and not (known and final):
            return Folded()  # an empty chunk; or a segment that never had a word
        purged = self._purge(stream.participant) if known is None else ()
        kind = "user_transcript" if stream.participant == local_identity else "agent_transcript"
        message = ChatMessage(
            id=id_,
            kind=kind,  # type: ignore[arg-type]  # one of two literals
            text=stream.text or (known.message.text if known else ""),
            timestamp=known.message.timestamp if known else stream.opened_at,
            is_final=final,
            conversation=stream.conversation,
        )
        if known is not None and known.message == message:
            known.stream_id = stream.stream_id
            return Folded()
        self._segments[id_] = _Segment(message, stream.participant, stream.stream_id)
        while len(self._segments) > KEPT_SEGMENTS:
            self._segments.popitem(last=False)
        return Folded(message, purged)

    @staticmethod
    def _is_older(known: _Segment, stream: TextStream) -> bool:
        """A chunk that was overtaken: the same stream only ever grows."""
        if stream.ended:
            return False
        return known.stream_id == stream.stream_id and len(stream.text) < len(known.message.text)

    def _purge(self, participant: str) -> tuple[str, ...]:
        """A new segment of a participant: its older partial ones will not be finished."""
        stale = tuple(
            id_
            for id_, segment in self._segments.items()
            if segment.participant == participant and not segment.message.is_final
        )
        for id_ in stale:
            del self._segments[id_]
        return stale


def _is_final(stream: TextStream) -> bool:
    """As header or trailer say; if neither does, a stream that has ended well is final."""
    said = stream.attributes.get(FINAL)
    if said is None:
        return stream.ended and not stream.error
    return said.lower() == "true"
