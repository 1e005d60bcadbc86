"""Listening for a voice or a word, with nothing kept but a few seconds in memory. Pure, but for
what the detector does.
"""

from collections import deque
from typing import NamedTuple

import numpy as np

from actors.settings.model import Session

from .detectors import RATE, Detector, VoiceDetector, WakeWordDetector
from .resampler import Resampler

KEPT_S = 3.0
"""In memory, while it listens."""
BEFORE_S = 0.4
"""Kept from before what was heard began: the breath, and what the detector took to notice."""
WAITS_S = 10.0
"""For the conversation to begin, then what was kept is forgotten."""
REST_S = 2.0
"""After a conversation: its last word does not begin the next one."""


def waiting_for(session: Session, rate: int) -> "Wake | None":
    """What begins a conversation, as the config says. Raises :class:`.source.DeviceError`."""
    match session.start:
        case "voice":
            return Wake(VoiceDetector(), rate)
        case "wake-word":
            return Wake(WakeWordDetector(session.wake_word), rate)
    return None


class Kept(NamedTuple):
    """A block."""

    pcm: bytes
    given_at: float
    """When the device gave it; seconds of :func:`.source.clock`."""


class Wake:
    """``rate``: Hz of the blocks."""

    def __init__(self, detector: Detector, rate: int) -> None:
        self._detector = detector
        self._rate = rate
        self._resampler = Resampler(rate, RATE) if rate != RATE else None
        self._kept: deque[Kept] = deque()
        self._woken_at: float | None = None
        self._not_before = float("-inf")

    def block(self, pcm: bytes, given_at: float) -> bool:
        """A block, while there is no conversation; True: what it waits for was just heard."""
        self._kept.append(Kept(pcm, given_at))
        if self._woken_at is not None:
            if given_at - self._woken_at > WAITS_S:
                self.forget()
            return False
        self._forget_before(given_at - KEPT_S)
        ago = self._detector.heard(self._at_16_khz(pcm))
        if ago is None or given_at < self._not_before:
            return False
        self._woken_at = given_at
        self._forget_before(given_at - ago - BEFORE_S)
        return True

    @property
    def is_woken(self) -> bool:
        """It has heard what it waits for, and no conversation has begun yet."""
        return self._woken_at is not None

    def take(self) -> list[Kept]:
        """A conversation begins: all of it since shortly before it was heard; nothing is left."""
        kept = list(self._kept) if self._woken_at is not None else []
        self.forget()
        return kept

    def forget(self) -> None:
        """The microphone is off, or nobody wants it."""
        if not self._kept:
            return  # a detector is not made anew with every block
        self._kept.clear()
        self._woken_at = None
        self._detector.reset()

    def rest(self, now: float) -> None:
        """A conversation has ended; seconds of :func:`.source.clock`."""
        self.forget()
        self._not_before = now + REST_S

    def _forget_before(self, when: float) -> None:
        while self._kept and self._kept[0].given_at < when:
            self._kept.popleft()

    def _at_16_khz(self, pcm: bytes) -> bytes:
        if self._resampler is None:
            return pcm
        samples = self._resampler.push(np.frombuffer(pcm, "<i2").astype(np.float32))
        lowered: bytes = np.clip(np.rint(samples), -32768, 32767).astype("<i2").tobytes()
        return lowered
