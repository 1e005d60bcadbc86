"""When an actor that says it is unwell is replaced. Pure.

Its own word is the only one there is on whether its data flows (:meth:`Actor.health`). It is given
time to get well by itself, and twice as much after each replacement that has not helped: the fault
may be outside, and a restart every minute would be one more.
"""

PATIENCE_MAX_S = 3600.0


class Complaint:
    """What one actor has said of its health. ``patience_s`` 0: it may say what it likes."""

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._in_vain = 0
        self._ill_since: float | None = None
        self._well_since: float | None = None

    def heard(self, health: str, now: float) -> bool:
        """A heartbeat has come; True when it is time to replace the actor."""
        if not self._patience_s:
            return False
        if health == "ok":
            self._ill_since = None
            if self._well_since is None:
                self._well_since = now
            if now - self._well_since >= self._patience_s:
                self._in_vain = 0
            return False
        self._well_since = None
        if self._ill_since is None:
            self._ill_since = now
        if now - self._ill_since < self._patience():
            return False
        self._in_vain += 1
        self._ill_since = None
        return True

    def _patience(self) -> float:
        longest = max(self._patience_s, PATIENCE_MAX_S)
        return min(self._patience_s * 2.0 ** min(self._in_vain, 64), longest)

    def started(self) -> None:
        """A new process speaks; what its predecessor said last is over."""
        self._ill_since = self._well_since = None
