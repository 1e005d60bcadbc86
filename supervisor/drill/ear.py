"""What the agent has heard so far, from the file into which it writes."""

from pathlib import Path

import numpy as np

from .chords import Pcm
from .coded_signal import Heard, decode, unrolled
from .staging import HEARD_RATE

_TAIL_S = 2.0


class Ear:
    """Reads ``path``: int16 mono at 48 kHz, growing."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def heard(self) -> Heard:
        """All of it, decoded: a second of work for a minute of sound."""
        return decode(self._pcm(), HEARD_RATE, looped=True)

    def has_reached(self, block: int) -> bool:
        """Whether this block, or a later one, was heard last."""
        last = decode(self._pcm()[-round(_TAIL_S * HEARD_RATE) :], HEARD_RATE).blocks
        return any(unrolled(each, block) >= block for each in last)

    def _pcm(self) -> Pcm:
        if self._path.stat().st_size < 2:
            return np.zeros(0, np.int16)
        size = self._path.stat().st_size // 2
        # Mapped: an hour of it is 346 MB.
        return np.memmap(self._path, "<i2", "r", shape=(size,))
