"""Whether a microphone that is open hears anything. Pure: told blocks, says what is wrong.

A room is never quite silent and no voice is always at its loudest: a converter that works gives
other samples all the time.
"""

from typing import Literal

import numpy as np

Deafness = Literal["silence", "stuck", "clipping", "stopped"]
"""Only zeros; the same value all the time; all the time at full scale; no samples at all."""

WORDS: dict[Deafness, str] = {
    "silence": "gives nothing but silence: muted at its switch, or not connected?",
    "stuck": "gives the same value all the time",
    "clipping": "is at full scale all the time: turn its gain down",
    "stopped": "gives no samples",
}
"""For people, after its name."""

DEAF_S = 1.8
"""So long without one good block, and it is deaf: found within 2 s, with a block to come."""
GATED_S = 30.0
"""For a microphone that has been seen to give zeros and to come back by itself: it has a switch,
or a noise gate before it."""
_RAIL = 32_700
"""Of an int16 sample, from where it counts as clipped: some converters stop short of 32767."""
_CLIPPED = 0.1
"""Of a block's samples. Loud speech clips in its peaks, and pauses between them."""


class Ear:
    """Over the blocks of one microphone, in order."""

    def __init__(self) -> None:
        self._kind: Deafness | None = None
        self._for_s = 0.0
        self.gated = False
        """Zeros are nothing unusual for this one."""

    def block(self, pcm: bytes, seconds: float) -> None:
        """A block of int16 samples, and how long it lasts."""
        kind = judge(pcm)
        self._for_s = self._for_s + seconds if kind is not None and kind == self._kind else seconds
        self._kind = kind

    @property
    def deaf(self) -> Deafness | None:
        """What is wrong with it; None: it hears."""
        patience = GATED_S if self.gated and self._kind == "silence" else DEAF_S
        return self._kind if round(self._for_s, 6) >= patience else None

    @property
    def hears(self) -> bool:
        """The last block was good."""
        return self._kind is None and self._for_s > 0


def judge(pcm: bytes) -> Deafness | None:
    """What is wrong with one block of int16 samples; None: nothing."""
    samples = np.frombuffer(pcm, "<i2", count=len(pcm) // 2)
    if not samples.size:
        return None
    low, high = int(samples.min()), int(samples.max())
    if low == high:
        return "silence" if low == 0 else "stuck"
    if high < _RAIL and low > -_RAIL:
        return None
    clipped = np.count_nonzero((samples >= _RAIL) | (samples <= -_RAIL))
    return "clipping" if clipped >= _CLIPPED * samples.size else None
