"""Voice activity by energy alone: is there sound, from when to when. Pure; counts in samples.

It cannot tell a voice from any other sound of the same loudness, and does not pretend to.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from actors.runtime.meter import rms_dbfs

Samples = npt.NDArray[np.int16]
"""Mono, at :data:`RATE`."""

RATE = 48_000
FRAME_S = 0.02
FRAME = int(RATE * FRAME_S)

QUIETEST_DBFS = -50.0
"""Below it nothing counts as speech, however quiet the room is."""
ABOVE_FLOOR_DB = 12.0
FLOOR_AT_FIRST_DBFS = -70.0
FLOOR_HIGHEST_DBFS = -25.0
FLOOR_RISE_DB = 0.06
"""A frame, so 3 dB a second: a fan that was switched on is background after a few seconds."""
HYSTERESIS_DB = 4.0

ONSET_FRAMES = 10
"""Loud ones (0.2 s) among the last 15: a click or a cough is no speech."""
ONSET_WINDOW = 15
PREROLL_FRAMES = 25
"""Kept from before speech was certain, so that its first sound is heard too."""
HANGOVER_FRAMES = 30
"""0.6 s of silence end an utterance."""
LONGEST_S = 30.0
"""Then an utterance ends, silence or not: nobody is to wait longer for an answer."""


@dataclass(frozen=True)
class SpeechStarted:
    """Somebody is certainly speaking."""


@dataclass(frozen=True)
class SpeechGoesOn:
    """Another half second of it; ``seconds`` so far."""

    seconds: float


@dataclass(frozen=True)
class SpeechEnded:
    """``frames`` hold all of it, with a little silence around; ``seconds`` are without that."""

    frames: tuple[Samples, ...]
    seconds: float


SpeechEvent = SpeechStarted | SpeechGoesOn | SpeechEnded


def dbfs(samples: Samples) -> float:
    """RMS in dB of full scale; -120.0 for digital silence."""
    return rms_dbfs(samples.tobytes())


class EnergyVad:
    """Push samples as they come, in pieces of any length."""

    def __init__(self) -> None:
        self._rest: Samples = np.zeros(0, np.int16)
        self._floor = FLOOR_AT_FIRST_DBFS
        self._before: deque[Samples] = deque(maxlen=PREROLL_FRAMES)
        self._loud: deque[bool] = deque(maxlen=ONSET_WINDOW)
        self._spoken: list[Samples] = []
        self._levels: list[float] = []
        self._lead = 0
        self._silent = 0
        self._told = 0

    @property
    def speaking(self) -> bool:
        """An utterance has begun and not ended."""
        return bool(self._spoken)

    def push(self, samples: Samples, guard_db: float = 0.0) -> list[SpeechEvent]:
        """``guard_db``: how much louder than usual speech must begin (we are speaking ourselves,
        and may hear it).
        """
        events: list[SpeechEvent] = []
        samples = np.concatenate((self._rest, samples))
        whole = len(samples) // FRAME * FRAME
        self._rest = samples[whole:]
        for start in range(0, whole, FRAME):
            events += self._frame(samples[start : start + FRAME], guard_db)
        return events

    def end(self) -> list[SpeechEvent]:
        """There will be no more of this for now: an open utterance ends here."""
        return [self._ended()] if self._spoken else []

    def _frame(self, frame: Samples, guard_db: float) -> list[SpeechEvent]:
        level = dbfs(frame)
        threshold = max(QUIETEST_DBFS, self._floor + ABOVE_FLOOR_DB)
        if self._spoken:
            return self._within(frame, level, level > threshold - HYSTERESIS_DB)
        self._follow_floor(level)
        self._before.append(frame)
        self._loud.append(level > threshold + guard_db)
        if sum(self._loud) < ONSET_FRAMES:
            return []
        self._spoken = list(self._before)
        self._lead = max(0, len(self._spoken) - len(self._loud)) + self._loud.index(True)
        return [SpeechStarted()]

    def _within(self, frame: Samples, level: float, loud: bool) -> list[SpeechEvent]:
        self._spoken.append(frame)
        self._levels.append(level)
        self._silent = 0 if loud else self._silent + 1
        if self._silent >= HANGOVER_FRAMES:
            return [self._ended()]
        if len(self._spoken) * FRAME_S >= LONGEST_S:
            # What never falls silent is background: from here on it counts as such.
            self._floor = min(float(np.percentile(self._levels, 10)), FLOOR_HIGHEST_DBFS)
            return [self._ended()]
        halves = int(self._seconds() / 0.5)
        if halves > self._told and not self._silent:
            self._told = halves
            return [SpeechGoesOn(self._seconds())]
        return []

    def _seconds(self) -> float:
        return (len(self._spoken) - self._lead - self._silent) * FRAME_S

    def _ended(self) -> SpeechEnded:
        kept = len(self._spoken) - max(0, self._silent - 5)
        ended = SpeechEnded(tuple(self._spoken[:kept]), self._seconds())
        self._spoken, self._levels = [], []
        self._before.clear()
        self._loud.clear()
        self._silent = self._told = self._lead = 0
        return ended

    def _follow_floor(self, level: float) -> None:
        if level < self._floor:
            self._floor = max(level, FLOOR_AT_FIRST_DBFS, self._floor - 2.0)
        else:
            self._floor = min(self._floor + FLOOR_RISE_DB, level, FLOOR_HIGHEST_DBFS)
