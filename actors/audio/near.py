"""Whether somebody speaks here, by the level alone. Pure.

Only where there are no better means just then: for what becomes of a few hundredths of a second of
the agent's voice, which has found out itself already, and for whether somebody still talks to a
room that is away.
"""

LEAST_DBFS = -45.0
ABOVE_DB = 12.0
"""Above the noise of the place."""
RISE_DB_S = 1.0
"""The noise is followed upwards so slowly, that speech does not count as noise."""


class Near:
    """Told the level of each block of the microphone."""

    def __init__(self) -> None:
        self._noise = LEAST_DBFS - ABOVE_DB
        self._spoke_at = float("-inf")
        self._at = float("-inf")

    def block(self, dbfs: float, now: float) -> None:
        """A block, and when it came; monotonic seconds."""
        rise = RISE_DB_S * min(1.0, now - self._at)
        self._at = now
        self._noise = min(dbfs, self._noise + rise)
        if dbfs > max(LEAST_DBFS, self._noise + ABOVE_DB):
            self._spoke_at = now

    def spoke(self, within_s: float, now: float) -> bool:
        """Somebody did, so short a time ago."""
        return now - self._spoke_at < within_s
