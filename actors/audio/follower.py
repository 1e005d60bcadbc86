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
        if follow.stream != self._stream:
            self._stream = follow.stream
            self._next = self._acknowledged = self._place(follow.next)
        else:
            self._acknowledged = max(self._acknowledged, min(follow.next, self._next))

    def _place(self, wanted: int) -> int:
        """Where a stream begins. A position that this conversation does not have is of another
        one, or of a tape that is gone: then it is what nobody has heard.
        """
        header = self._tape.header
        return wanted if header.start <= wanted <= header.end else header.served

    def due(self) -> Iterator[Captured]:
        """What can be sent now, in order. A run counts as sent once the next one is asked for."""
        if not self._stream:
            return
        header = self._tape.header
        if self._next < header.start:  # another conversation has begun
            self._next = self._acknowledged = header.start
        while self._next - self._acknowledged < self._window:
            run = self._tape.read(self._next, self._chunk)
            if run is None:
                return
            behind = header.end - run.end
            yield Captured(
                self._stream, run.position, header.sample_rate, run.pcm, run.gap, max(0, behind)
            )
            self._next = run.end
            if run.gap:  # a gap takes no room in any queue
                self._acknowledged += run.gap
