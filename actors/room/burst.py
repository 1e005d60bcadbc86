"""How fast may be sent what has waited: all at once if it is little, else ahead of its time. Pure.

A process that stood still for half a second, or a machine that was busy, makes no delay that stays:
what waited is sent without waiting any longer, and whoever hears it plays it a little faster until
it is on time again. More than a receiver can keep comes at a pace that it can follow.
"""

BURST_S = 1.0
"""WebRTC's receivers keep 4 s, and forget all of it when there is more."""
PACE = 1.2
"""Of real time, beyond that; they play up to a third faster."""

_EXACT_S = 1e-6


class Burst:
    """Of one track. Times are monotonic seconds."""

    def __init__(self, now: float) -> None:
        self._left_s = BURST_S
        self._ahead_s = 0.0
        self._at = now

    def ahead_s(self, now: float) -> float:
        """So much has been sent that nobody can have heard yet, because its time has not come."""
        return max(0.0, self._ahead_s - (now - self._at))

    def wait_s(self, now: float, seconds: float) -> float:
        """Until so much may be sent; 0.0: now."""
        self._ahead_s = self.ahead_s(now)
        self._left_s = min(BURST_S, self._left_s + PACE * (now - self._at))
        self._at = now
        lacking_s = seconds - self._left_s
        return lacking_s / PACE if lacking_s > _EXACT_S else 0.0

    def sent(self, seconds: float) -> None:
        """So much has been."""
        self._left_s -= seconds
        self._ahead_s += seconds
