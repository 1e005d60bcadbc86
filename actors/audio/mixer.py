"""What the loudspeaker plays: the agent's voice at its volume, lower while a cue sounds. Pure."""

import threading

import numpy as np
from numpy.typing import NDArray

from .playback import Playback

DUCKED = 10 ** (-12 / 20)
"""Of the voice, while a cue sounds."""


class Mixer:
    """Over a playback; ``read`` in the device's thread, the rest in the loop."""

    def __init__(self, playback: Playback, volume: int) -> None:
        self._playback = playback
        self._lock = threading.Lock()
        self._cue: NDArray[np.float32] = np.zeros(0, np.float32)
        self._gain = self._loudness = _gain(volume)
        self.reads = 0
        """Times that the device has taken something: it goes on as long as that is alive."""

    def set_volume(self, percent: int) -> None:
        """0 to 100, of the voice and of cues."""
        self._loudness = _gain(percent)

    def sound(self, cue: bytes) -> None:
        """Play this now, int16 mono; one that still sounds ends."""
        with self._lock:
            self._cue = np.frombuffer(cue, "<i2").astype(np.float32)

    def read(self, count: int) -> bytes:
        """The next ``count`` samples."""
        self.reads += 1
        pcm = self._playback.read(count)
        with self._lock:
            cue, self._cue = self._cue[:count], self._cue[count:]
        wanted = self._loudness * (DUCKED if cue.size else 1.0)
        if wanted == self._gain == 1.0 and not cue.size:
            return pcm
        gains = np.linspace(self._gain, wanted, count, dtype=np.float32)  # a step would click
        self._gain = wanted
        mixed = np.frombuffer(pcm, "<i2") * gains
        mixed[: cue.size] += cue * self._loudness
        rounded: bytes = np.clip(np.rint(mixed), -32768, 32767).astype("<i2").tobytes()
        return rounded


def _gain(percent: int) -> float:
    """As loud as it is perceived: half of it is 18 dB less."""
    return float((percent / 100) ** 3)
