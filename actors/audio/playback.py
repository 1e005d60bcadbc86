"""What is still to be played: a bounded queue of samples. Pure."""

import threading

MAX_S = 2.0
"""More than this waits only when the device does not take it: the oldest goes."""
LEAD_S = 0.06
"""Kept in hand before a phrase starts, against the jitter of network and processes."""


class Playback:
    """int16 mono at one rate; ``write`` from the lane, ``read`` from the device's thread.

    The lock is held for a copy of a few kilobytes at the most.
    """

    def __init__(self, sample_rate: int) -> None:
        self._max = 2 * round(MAX_S * sample_rate)
        self._lead = 2 * round(LEAD_S * sample_rate)
        self._lock = threading.Lock()
        self._waiting = b""
        self._playing = False
        self.dropped = 0
        """Samples thrown away because too many waited."""
        self.underruns = 0
        """Times the queue ran dry within a phrase."""

    def write(self, pcm: bytes) -> None:
        """Add to the end."""
        with self._lock:
            waiting = self._waiting + pcm
            excess = max(0, len(waiting) - self._max)
            self.dropped += excess // 2
            self._waiting = waiting[excess:]

    def hush(self) -> None:
        """Throw away all that waits."""
        with self._lock:
            self._waiting = b""
            self._playing = False

    def read(self, count: int) -> bytes:
        """The next ``count`` samples, filled up with silence."""
        wanted = 2 * count
        with self._lock:
            if not self._playing and len(self._waiting) < max(self._lead, wanted):
                return bytes(wanted)
            pcm, self._waiting = self._waiting[:wanted], self._waiting[wanted:]
            self._playing = len(pcm) == wanted
            self.underruns += not self._playing
        return pcm + bytes(wanted - len(pcm))
