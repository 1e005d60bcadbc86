"""Being late is made up for in pauses: while more waits, quiet amid quiet is not sent. Pure.

What is sent goes out at the pace of a clock, so after half a second in which this process could not
run all would be half a second late from then on, and later by the next stall: in a conversation of
hours the agent would answer slower and slower. A pause is where time can be had without a word of
it missing.
"""

from collections import deque

from actors.runtime.meter import rms_dbfs

LATE_S = 0.15
"""Waiting to be sent, from which on we are late: more than scheduling alone brings about."""
IN_STEP_S = 0.06
"""No longer late: with less in hand the client would run dry between two blocks."""
QUIET_DBFS = -40.0
"""Whatever is louder is sent, also if it is as even as a tone or an engine."""
ABOVE_FLOOR_DB = 3.0
"""What stands out of the lowest level by more is not quiet, though it be soft."""
FLOOR_S = 5.0
"""The lowest level is that of so much before; somebody who speaks breathes more often."""
LEARNT_S = 1.0
"""Of being late, before a level counts as the lowest."""
KEPT_S = 0.2
"""Of each pause, at least: an agent's speech recognition tells words and turns by them."""


class Pauses:
    """Asked about each frame before it is sent. ``frame_s``: seconds that one is long."""

    def __init__(self, frame_s: float) -> None:
        self._levels: deque[float] = deque(maxlen=round(FLOOR_S / frame_s))
        self._learnt = round(LEARNT_S / frame_s)
        self._kept = round(KEPT_S / frame_s)
        self._quiet = 0
        self._late = False

    def can_do_without(self, pcm: bytes, late_s: float) -> bool:
        """Whether a frame (int16) that would come ``late_s`` late is better not sent at all."""
        late = late_s > (IN_STEP_S if self._late else LATE_S)
        if late != self._late:
            self._late, self._quiet = late, 0
            self._levels.clear()
        if not late:
            return False
        level = rms_dbfs(pcm)
        self._levels.append(level)
        is_quiet = level <= min(QUIET_DBFS, min(self._levels) + ABOVE_FLOOR_DB)
        self._quiet = self._quiet + 1 if is_quiet else 0
        return self._quiet > self._kept and len(self._levels) > self._learnt
