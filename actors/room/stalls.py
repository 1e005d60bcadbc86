"""Time in which this process could not send, and for how long the agent is late by it. Pure.

A process that was stopped, or a machine that stood still, sends nothing, and then much in one go.
The agent's jitter buffer has played on meanwhile (with what it makes up), holds all that comes
late, and gets back in step only slowly: 0.4 s of standing still made it late by 0.4 s for 3 s, and
by nothing after 6 when measured. What is in it is never heard if the track ends.
"""

from collections import deque

SETTLED_S = 6.0
"""Until a jitter buffer is in step again."""
MOST_S = 5.0
"""Counted of one stall: a jitter buffer holds 4 s (200 packets of 20 ms in WebRTC's) and begins
anew beyond it; a second more is on the safe side."""
BETWEEN_S = 0.02
"""Between two looks in quiet times: a block of sound."""


class Stalls:
    """Told of every moment in which we run; times are monotonic seconds."""

    def __init__(self) -> None:
        self._last_at: float | None = None
        self._late: deque[tuple[float, float]] = deque()
        """When, and by how much; none before one that is greater."""

    def running(self, now: float) -> None:
        """We run."""
        late_s = 0.0 if self._last_at is None else now - self._last_at - BETWEEN_S
        self._last_at = now
        while self._late and self._late[-1][1] <= late_s:
            self._late.pop()
        self._late.append((now, late_s))
        while self._late[0][0] < now - SETTLED_S:
            self._late.popleft()

    @property
    def worst_s(self) -> float:
        """The longest of the last :data:`SETTLED_S`."""
        return min(max(0.0, self._late[0][1]), MOST_S) if self._late else 0.0
