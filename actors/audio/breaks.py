"""Where the sound of a microphone is broken off. Pure.

Only what is sure: a block that comes late may have all its samples, and a gap in a word that is
whole would do harm.
"""

import math

SLEPT_S = 0.5
"""More than a busy machine puts between two looks at the clock."""


class Breaks:
    """Of one microphone."""

    def __init__(self) -> None:
        self._slept_s = math.inf

    def block(self, now: float, awake: float, *, overflowed: bool) -> bool:
        """Samples before this block were lost: the device says so, or the machine has slept. The
        time by a clock that goes on meanwhile, and by one that stands still.
        """
        before, self._slept_s = self._slept_s, now - awake
        return overflowed or self._slept_s - before > SLEPT_S
