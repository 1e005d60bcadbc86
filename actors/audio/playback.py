"""What is still to be played: a bounded queue of samples that keeps its length. Pure.

What waits is a delay for whoever listens, and no more of it is kept than the jitter of network and
processes needs: more after each underrun, less again when there is none. Two clocks that differ
(the room's and the card's) are reconciled where it is silent, so that nobody hears it.
"""

import threading

import numpy as np

RATE = 48_000
"""Hz: what the room sends the agent's voice at, and the loudspeaker is opened with, whatever the
rate of the tape."""
MAX_S = 5.0
"""More than this waits only when the device does not take it: the oldest goes. On a machine that
stood still for a third of the time 2 s were reached within a phrase, and words were lost."""
LEAD_S = 0.06
"""Kept in hand before a phrase starts, at first. A phrase that is shorter waits as long."""
LEAD_MAX_S = 0.25
"""After many underruns."""
GROWTH = 1.5
"""Of the lead, at an underrun; it shrinks by :data:`LEAD_S` a minute."""
PAUSE_S = 0.5
"""Silence that is longer is the end of a phrase, not an underrun."""
WINDOW_S = 2.0
"""What has waited all that time is more than is needed."""
PATIENT_S = 10.0
"""So long a silence is waited for; then samples are taken out of the voice, softly."""
FADE_S = 0.005
"""Of a voice that is cut: no click."""
_TAIL = 64
"""Bytes, by which it is told whether somebody was speaking."""
SILENT = 64
"""Of an int16 sample: 54 dB below full scale."""


class Playback:
    """int16 mono at one rate; ``write`` from the lane, ``read`` from the device's thread.

    The lock is held for a copy of a few kilobytes at the most. ``fade_s``: of a voice that is cut.
    """

    def __init__(self, sample_rate: int, fade_s: float = FADE_S) -> None:
        self._max = 2 * round(MAX_S * sample_rate)
        self._least = 2 * round(LEAD_S * sample_rate)
        self._most = 2 * round(LEAD_MAX_S * sample_rate)
        self._lead = self._least
        self._pause = 2 * round(PAUSE_S * sample_rate)
        self._window = 2 * round(WINDOW_S * sample_rate)
        self._patience = round(PATIENT_S / WINDOW_S)
        self._fade = round(fade_s * sample_rate)
        self._lock = threading.Lock()
        self._waiting = b""
        self._playing = False
        self._held = 0
        """Silence given out while something waited."""
        self._dry = self._pause
        """Silence given out since the queue ran dry."""
        self._loud = self._broke = False
        """Somebody speaks; somebody did when it ran dry."""
        self._soft = False
        """What comes next begins in the middle of a sound."""
        self._last = 0
        """The sample that was given out last."""
        self._seen = 0
        """Read since the window began."""
        self._low = self._max
        """The least that waited in this window."""
        self._spare = 0
        """To be left out at the next silence; negative: to be added."""
        self._waited = 0
        """Windows in which there was no silence for that."""
        self.dropped = 0
        """Samples thrown away because too many waited."""
        self.underruns = 0
        """Times the queue ran dry within a phrase."""
        self.trimmed = 0
        """Samples left out because more waited than is needed; negative: added."""

    @property
    def lead_s(self) -> float:
        """What is kept in hand at present, as a part of :data:`LEAD_S`."""
        return self._lead / self._least * LEAD_S

    @property
    def waiting_s(self) -> float:
        """Seconds that wait."""
        return len(self._waiting) / self._max * MAX_S

    def write(self, pcm: bytes) -> None:
        """Add to the end. An odd byte at the end is no sample, and does not shift the next one."""
        with self._lock:
            waiting = self._waiting + pcm[: len(pcm) // 2 * 2]
            excess = max(0, len(waiting) - self._max)
            self.dropped += excess // 2
            self._soft = self._soft or excess > 0
            self._waiting = waiting[excess:]

    def hush(self) -> None:
        """Throw away all that waits."""
        with self._lock:
            self._waiting = b""
            self._playing = False
            self._dry = self._pause
            self._begin_window()

    def read(self, count: int) -> bytes:
        """The next ``count`` samples, filled up with silence."""
        wanted = 2 * count
        with self._lock:
            pcm = self._take(wanted)
            if self._soft and pcm:
                pcm, self._soft = _faded_in(pcm, self._fade), False
            if len(pcm) < wanted and (pcm or self._last):
                self._soft = self._soft or abs(self._last) >= SILENT
                pcm += _let_go(pcm, self._last, min(self._fade, count - len(pcm) // 2))
            pcm += bytes(wanted - len(pcm))
            self._last = int.from_bytes(pcm[-2:], "little", signed=True)
        return pcm

    def _take(self, wanted: int) -> bytes:
        if not self._playing and not self._may_start(wanted):
            self._dry += wanted
            return b""
        self._keep_length(wanted)
        if self._spare < 0 and self._is_silent(wanted):
            added = min(-self._spare, wanted)
            self._spare += added
            self.trimmed -= added // 2
            self._waiting = bytes(added) + self._waiting
        pcm, self._waiting = self._waiting[:wanted], self._waiting[wanted:]
        self._loud = not _is_silent(pcm[-_TAIL:]) if pcm else self._loud
        if len(pcm) < wanted:
            self._playing = False
            self._dry = wanted - len(pcm)
            self._broke = self._loud
        return pcm

    def _may_start(self, wanted: int) -> bool:
        if not self._waiting:
            self._held = 0
            return False
        if len(self._waiting) < max(self._lead, wanted) and self._held < self._lead:
            self._held += wanted
            return False
        if self._broke and self._dry < self._pause:
            self.underruns += 1
            self._lead = min(round(self._lead * GROWTH) // 2 * 2, self._most)
        self._held = 0
        self._broke = False
        self._playing = True
        self._begin_window()
        return True

    # -- its length --------------------------------------------------------------------------------

    def _begin_window(self) -> None:
        self._seen, self._low, self._spare, self._waited = 0, self._max, 0, 0

    def _keep_length(self, wanted: int) -> None:
        self._low = min(self._low, max(0, len(self._waiting) - wanted))
        self._seen += wanted
        if self._seen >= self._window:
            self._judge()
        if self._spare <= 0:
            return
        if self._is_silent(wanted):
            out = min(self._spare, wanted)
            self._waiting = self._waiting[out:]
        elif self._waited >= self._patience:
            out = min(self._spare, 4 * self._fade)
            self._waiting = _without(self._waiting, out, self._fade)
        else:
            return
        self._spare -= out
        self.trimmed += out // 2

    def _judge(self) -> None:
        """A window is over: what has waited all the time, beyond the lead, is too much."""
        wanted = (self._low - self._lead) // 2 * 2
        is_off = wanted > self._lead // 2 or wanted < -self._lead // 2
        self._waited = self._waited + 1 if is_off and self._spare else 0
        self._spare = wanted if is_off else 0
        self._seen, self._low = 0, self._max
        shrunk = self._lead - round(self._least * WINDOW_S / 60) // 2 * 2
        self._lead = max(self._least, shrunk)

    def _is_silent(self, wanted: int) -> bool:
        return len(self._waiting) > 0 and _is_silent(self._waiting[:wanted])


def _is_silent(pcm: bytes) -> bool:
    samples = np.frombuffer(pcm, "<i2")
    return not samples.size or bool(samples.max() < SILENT and samples.min() > -SILENT)


def _faded_in(pcm: bytes, fade: int) -> bytes:
    samples = np.frombuffer(pcm, "<i2").astype(np.float32)
    head = samples[:fade]
    head *= (np.arange(len(head)) + 1) / (len(head) + 1)
    return _int16(samples)


def _let_go(pcm: bytes, last: int, count: int) -> bytes:
    """From the last sample down to nothing."""
    begin = int.from_bytes(pcm[-2:], "little", signed=True) if pcm else last
    return _int16(begin * (1 - (np.arange(count) + 1) / (count + 1)))


def _without(pcm: bytes, out: int, fade: int) -> bytes:
    """The first ``out`` bytes taken out, the rest faded in over them."""
    samples = np.frombuffer(pcm, "<i2").astype(np.float32)
    count = out // 2
    fade = min(fade, count, len(samples) - count)
    weight = (np.arange(fade) + 1) / (fade + 1)
    rest = samples[count:].copy()
    rest[:fade] = rest[:fade] * weight + samples[:fade] * (1 - weight)
    return _int16(rest)


def _int16(samples: "np.ndarray") -> bytes:
    rounded: bytes = np.rint(samples).astype("<i2").tobytes()
    return rounded
