"""LiveKit's client, with data streams as they come off the wire.

It tells of each header, chunk and trailer beside handing out readers, and does not document that:
:func:`lacks` says when another version does not.
"""

import time
from typing import Any

from livekit import rtc
from livekit.rtc._proto import room_pb2

from .streams import Header, TextStreams

_HEADER, _CHUNK, _TRAILER = (
    "stream_header_received",
    "stream_chunk_received",
    "stream_trailer_received",
)


def lacks() -> bool:
    """The client cannot do what is relied on here."""
    told = {field.name for field in room_pb2.RoomEvent.DESCRIPTOR.fields}
    return not {_HEADER, _CHUNK, _TRAILER} <= told or not hasattr(rtc.Room, "_on_room_event")


class RawRoom(rtc.Room):  # type: ignore[misc]  # it has no types of its own here
    """``streams`` gets the text streams."""

    def __init__(self, loop: Any, streams: TextStreams) -> None:
        super().__init__(loop)
        self._streams = streams

    def _on_room_event(self, event: Any) -> None:
        match event.WhichOneof("message"):
            case "stream_header_received":
                self._begun(event.stream_header_received)
            case "stream_chunk_received":
                chunk = event.stream_chunk_received.chunk
                self._streams.chunk(
                    chunk.stream_id, chunk.chunk_index, chunk.content, time.monotonic()
                )
            case "stream_trailer_received":
                trailer = event.stream_trailer_received.trailer
                self._streams.trailer(trailer.stream_id, trailer.reason, dict(trailer.attributes))
        super()._on_room_event(event)

    def _begun(self, received: Any) -> None:
        header = received.header
        if not header.HasField("text_header"):
            return
        total = header.total_length if header.HasField("total_length") else None
        self._streams.header(
            Header(
                header.stream_id,
                header.topic,
                received.participant_identity,
                dict(header.attributes),
                total,
            ),
            time.monotonic(),
        )
