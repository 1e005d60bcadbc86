"""From one sample rate to another while it flows, for a card that does not have ours. Pure.

Not LiveKit's: that one is late by 20 ms, gives its samples in bursts, and would load the native
client into a process that otherwise does without. This one is late by half its filter (0.7 ms
from 44.1 kHz), and where a sample comes from is known exactly, as the tape needs it.
"""

from math import gcd

import numpy as np
from numpy.typing import NDArray

TAPS = 64
"""Of the filter at each output sample, at the lower rate of both."""
_BETA = 8.0
"""Of the Kaiser window: 80 dB less of what would be folded back."""
_PASS = 0.92
"""Of the narrower band, that is kept whole."""

Samples = NDArray[np.float32]


class Resampler:
    """Of one stream; ``source`` and ``wanted`` in Hz."""

    def __init__(self, source: int, wanted: int) -> None:
        shared = gcd(source, wanted)
        self._step, self._phases = source // shared, wanted // shared
        self._bank = _bank(source, wanted, self._phases)
        self._taps = self._bank.shape[1]
        self._kept: Samples = np.zeros(self._taps // 2, np.float32)
        self._at = 0
        """Of the next output sample, in units of a phase from the first sample kept."""

    def push(self, samples: Samples) -> Samples:
        """The next samples of the source, shape (samples,); returns all that can be made now."""
        held = np.concatenate((self._kept, samples))
        last = (len(held) - self._taps + 1) * self._phases
        at = np.arange(self._at, max(self._at, last), self._step)
        whole, phase = np.divmod(at, self._phases)
        if at.size:
            windows = np.lib.stride_tricks.sliding_window_view(held, self._taps)[whole]
            made: Samples = np.einsum("ij,ij->i", windows, self._bank[phase])
        else:
            made = np.zeros(0, np.float32)
        following = self._at + at.size * self._step
        used = min(following // self._phases, len(held))
        self._kept = held[used:]
        self._at = following - used * self._phases
        return made


def _bank(source: int, wanted: int, phases: int) -> Samples:
    """The filter at each phase, shape (phases, taps): a windowed sinc."""
    narrow = min(1.0, wanted / source)
    taps = 2 * round(TAPS / narrow / 2)
    fraction = np.arange(phases)[:, None] / phases
    time = np.arange(taps)[None, :] - taps // 2 - fraction
    band = _PASS * narrow
    window = np.i0(_BETA * np.sqrt(np.maximum(0.0, 1 - (2 * time / taps) ** 2))) / np.i0(_BETA)
    bank = band * np.sinc(band * time) * window
    bank /= bank.sum(axis=1, keepdims=True)
    return bank.astype(np.float32)
