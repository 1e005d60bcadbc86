"""The microphone's samples at the pace of the machine's clock. Pure.

A card's own clock is off by up to 200 ppm: in a day 17 s, which would become a delay of the agent's
hearing, or holes in it. Whoever is off by more than a little is read a little faster or slower,
between the samples, until it is on time again: nothing is left out and nothing is said twice.
"""

import math

import numpy as np

WINDOW_S = 10.0
"""The block that came least late in so long a time tells how far the card is."""
TOLERATED_S = 0.010
DONE_S = 0.001
CORRECTION = 700e-6
"""Of the speed, and so of the pitch: inaudible, and more than cards are off."""
LOST_S = 0.2
"""More than that no clock drifts between two looks: samples were lost, or the machine slept."""
SAMPLE = 2
_AROUND = 3
"""Samples around a place from which the sound there is computed, beside the one before it."""


class Pace:
    """Of one microphone at ``rate``. ``frame``: what it gives is a whole number of so many samples;
    the rest waits.
    """

    def __init__(self, rate: int, frame: int = 1) -> None:
        self._rate = rate
        self._frame = SAMPLE * frame
        self._kept = bytes(SAMPLE * _AROUND)  # before the first sample it was silent
        self._at = 1.0
        """Place of the next sample in what is kept."""
        self._step = 1.0
        self._rest = b""
        self._given = 0
        """Samples since :attr:`_since`."""
        self._since = 0.0
        self._is_new = True
        self._window_ends = -math.inf
        self._ahead_s = -math.inf
        """The most, in this window."""

    @property
    def held_s(self) -> float:
        """How much older its samples are than without it, in seconds."""
        return (len(self._kept) / SAMPLE - self._at + len(self._rest) / SAMPLE) / self._rate

    @property
    def correction(self) -> float:
        """Of the speed at present; 0.0: none."""
        return self._step - 1.0

    def broke(self) -> None:
        """Samples were lost before the next block."""
        self._window_ends = -math.inf

    def push(self, pcm: bytes, given_at: float) -> bytes:
        """A block of int16 mono, and when the device gave it: seconds of a clock that is right."""
        made = self._made(pcm)
        self._given += len(made) // SAMPLE
        self._look(given_at)
        self._rest += made
        whole = len(self._rest) // self._frame * self._frame
        out, self._rest = self._rest[:whole], self._rest[whole:]
        return out

    def _made(self, pcm: bytes) -> bytes:
        held = self._kept + pcm
        count = len(held) // SAMPLE
        if self._step == 1.0 and self._at.is_integer():  # as it is
            first, last = int(self._at), max(int(self._at), count - _AROUND + 1)
            self._keep(held, float(last))
            return held[SAMPLE * first : SAMPLE * last]
        number = max(0, math.ceil((count - _AROUND + 1 - self._at) / self._step))
        places = self._at + self._step * np.arange(number)
        made = _between(np.frombuffer(held, "<i2").astype(np.float64), places)
        self._keep(held, self._at + self._step * number)
        return made

    def _keep(self, held: bytes, at: float) -> None:
        used = max(0, math.floor(at) - 1)
        self._kept, self._at = held[SAMPLE * used :], at - used

    def _look(self, now: float) -> None:
        if self._window_ends == -math.inf:
            self._begin(now)
        self._ahead_s = max(self._ahead_s, self._given / self._rate - (now - self._since))
        if now < self._window_ends:
            return
        ahead_s, self._ahead_s = self._ahead_s, -math.inf
        self._window_ends = now + WINDOW_S
        if self._is_new:  # its first blocks come as they may
            self._since -= ahead_s
            self._is_new = False
        elif abs(ahead_s) > LOST_S:
            self._begin(now)
        elif abs(ahead_s) > TOLERATED_S:
            self._step = 1.0 + math.copysign(CORRECTION, ahead_s)
        elif self._step != 1.0 and (abs(ahead_s) < DONE_S or ahead_s * (self._step - 1.0) < 0):
            self._stop()

    def _begin(self, now: float) -> None:
        """From now on it is on time."""
        self._since, self._given, self._is_new = now, 0, True
        self._window_ends, self._ahead_s = now + WINDOW_S, -math.inf
        self._stop()

    def _stop(self) -> None:
        self._step = 1.0
        self._at = float(round(self._at))  # less than half a sample


def _between(samples: "np.ndarray", places: "np.ndarray") -> bytes:
    """The sound at places between samples: Catmull and Rom's cubic."""
    whole = np.floor(places).astype(np.int64)
    part = places - whole
    before, here, after, then = (samples[whole + offset] for offset in (-1, 0, 1, 2))
    bent = (3 * (here - after) + then - before) * part + (2 * before - 5 * here + 4 * after - then)
    made = here + 0.5 * part * (after - before + part * bent)
    rounded: bytes = np.clip(np.rint(made), -32768, 32767).astype("<i2").tobytes()
    return rounded
