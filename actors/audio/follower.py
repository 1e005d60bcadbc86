"""The cursor of the room over the tape. Pure: it is told what was said and yields what to send."""

from collections.abc import Iterator

from actors.messages import Captured, Follow

from .tape import Tape

WINDOW_S = 2.0
"""Sent beyond what is acknowledged: what may lie in queues on the way."""
CHUNK_S = 0.1
"""Of one message while catching up."""


class Follower:
    """At most one at a time: a new stream takes the place of the old."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._stream = 0
        self._next = 0
        self._acknowledged = 0
        rate = tape.header.sample_rate
        self._window = round(WINDOW_S * rate)
        self._chunk = round(CHUNK_S * rate)

    def follow(self, follow: Follow) -> None:
        """A word of the room: a new stream, or how far it has got."""
        self._tape.serve(follow.served)
        start = follow.next if follow.next >= 0 else self._tape.header.served
        if follow.stream != self._stream:
            self._stream = follow.stream
            self._next = self._acknowledged = max(start, self._tape.header.start)
        else:
            self._acknowledged = max(self._acknowledged, follow.next)

    def due(self) -> Iterator[Captured]:
        """What can be sent now, in order."""
        if not self._stream:
            return
        if self._next < self._tape.header.start:  # another conversation has begun
            self._next = self._acknowledged = self._tape.header.start
        while self._next - self._acknowledged < self._window:
            run = self._tape.read(self._next, self._chunk)
            if run is None:
                return
            yield Captured(
                self._stream, run.position, self._tape.header.sample_rate, run.pcm, run.gap
            )
            self._next = run.end
            if run.gap:  # a gap takes no room in any queue
                self._acknowledged += run.gap
