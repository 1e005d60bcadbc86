"""What is still to be played: a bounded queue of samples. Pure."""

import threading

RATE = 48_000
"""Hz: what the room sends the agent's voice at, and the loudspeaker is opened with, whatever the
rate of the tape."""
MAX_S = 2.0
"""More than this waits only when the device does not take it: the oldest goes."""
LEAD_S = 0.06
"""Kept in hand before a phrase starts, against the jitter of network and processes. A phrase that
is shorter waits as long."""
PAUSE_S = 0.5
"""Silence that is longer is the end of a phrase, not an underrun."""


class Playback:
    """int16 mono at one rate; ``write`` from the lane, ``read`` from the device's thread.

    The lock is held for a copy of a few kilobytes at the most.
    """

    def __init__(self, sample_rate: int) -> None:
        self._max = 2 * round(MAX_S * sample_rate)
        self._lead = 2 * round(LEAD_S * sample_rate)
        self._pause = 2 * round(PAUSE_S * sample_rate)
        self._lock = threading.Lock()
        self._waiting = b""
        self._playing = False
        self._held = 0
        """Silence given out while something waited."""
        self._dry = self._pause
        """Silence given out since the queue ran dry."""
        self.dropped = 0
        """Samples thrown away because too many waited."""
        self.underruns = 0
        """Times the queue ran dry within a phrase."""

    def write(self, pcm: bytes) -> None:
        """Add to the end. An odd byte at the end is no sample, and does not shift the next one."""
        with self._lock:
            waiting = self._waiting + pcm[: len(pcm) // 2 * 2]
            excess = max(0, len(waiting) - self._max)
            self.dropped += excess // 2
            self._waiting = waiting[excess:]

    def hush(self) -> None:
        """Throw away all that waits."""
        with self._lock:
            self._waiting = b""
            self._playing = False
            self._dry = self._pause

    def read(self, count: int) -> bytes:
        """The next ``count`` samples, filled up with silence."""
        wanted = 2 * count
        with self._lock:
            pcm = self._take(wanted)
        return pcm + bytes(wanted - len(pcm))

    def _take(self, wanted: int) -> bytes:
        if not self._playing and not self._may_start(wanted):
            self._dry += wanted
            return b""
        pcm, self._waiting = self._waiting[:wanted], self._waiting[wanted:]
        if len(pcm) < wanted:
            self._playing = False
            self._dry = wanted - len(pcm)
        return pcm

    def _may_start(self, wanted: int) -> bool:
        if not self._waiting:
            self._held = 0
            return False
        if len(self._waiting) < max(self._lead, wanted) and self._held < self._lead:
            self._held += wanted
            return False
        self.underruns += self._dry < self._pause
        self._held = 0
        self._playing = True
        return True
