"""When a dead actor is started again. Pure: told the time, returns the delay."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class BackOff:
    """The first crash restarts at once, the next ones wait longer and longer.

    All times in seconds. ``jitter`` is the part of a delay that is left to chance, so that what
    died together does not come back in step and die together again.
    """

    initial: float = 0.1
    maximum: float = 10.0
    reset_after: float = 30.0
    jitter: float = 0.2

    def delay(self, crashes: int, chance: float) -> float:
        """Before the restart after the ``crashes``-th crash in a row (1: the first).

        ``chance``: 0 to 1, from the caller's random source.
        """
        if crashes <= 1:
            return 0.0
        # The exponent is bounded: a terminal may crash for years, a float may not.
        full = min(self.initial * 2.0 ** min(crashes - 2, 64), self.maximum)
        return full * (1.0 - self.jitter * chance)


class Crashes:
    """Counts the crashes in a row of one actor; one that ran long enough begins a new row."""

    def __init__(self, back_off: BackOff, chance: Callable[[], float]) -> None:
        self._back_off = back_off
        self._chance = chance
        self._in_a_row = 0

    def died(self, *, ran_s: float) -> float:
        """Count a death after ``ran_s`` seconds; returns the delay before the next start."""
        if ran_s >= self._back_off.reset_after:
            self._in_a_row = 0
        self._in_a_row += 1
        return self._back_off.delay(self._in_a_row, self._chance())
