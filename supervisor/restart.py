"""Whether and when a dead process is started again. Pure: told the time, returns the decision.

Erlang/OTP's semantics: restart types, and the intensity of restarts over a period; beyond it OTP's
supervisor gives up, here :mod:`supervisor.unit` decides what that means. Added to it, a back-off.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from actors.settings.supervision import RestartType

from .death import Death


def wants_restart(type_: RestartType, death: Death) -> bool:
    """Permanent ones are always started again, transient ones unless they ended by themselves
    with exit code 0, temporary ones never; none that was asked to end.
    """
    if death.kind == "asked" or type_ == "temporary":
        return False
    return type_ == "permanent" or death.kind != "normal"


class Window:
    """The restarts of the last ``period`` seconds, of which ``intensity`` are borne."""

    def __init__(self, intensity: int, period: float) -> None:
        self._intensity = intensity
        self._period = period
        self._restarts: deque[float] = deque()

    def add(self, now: float) -> bool:
        """Count a restart at ``now`` (monotonic seconds); False when it is one too many.

        Exactly as OTP's ``add_restart``: the restarts of the period up to and including ``now``
        are counted, and more than the intensity are too many.
        """
        self._restarts.append(now)
        while self._restarts[0] < now - self._period:
            self._restarts.popleft()
        while len(self._restarts) > self._intensity + 1:
            self._restarts.popleft()  # the answer is the same, and memory is bounded
        return len(self._restarts) <= self._intensity

    def clear(self) -> None:
        """Begin anew."""
        self._restarts.clear()


@dataclass(frozen=True)
class Windows:
    """Two, so that what the terminal can do without, however often it dies, does not end it."""

    essential: Window
    dispensable: Window

    @classmethod
    def of(cls, intensity: int, period: float) -> Self:
        """Both alike."""
        return cls(Window(intensity, period), Window(intensity, period))

    def clear(self) -> None:
        """Begin anew."""
        self.essential.clear()
        self.dispensable.clear()


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
    """Counts the crashes in a row of one process; one that ran long enough begins a new row."""

    def __init__(self, back_off: BackOff, chance: Callable[[], float]) -> None:
        self._back_off = back_off
        self._chance = chance
        self._in_a_row = 0

    def died(self, *, ran_s: float) -> float:
        """Count a death after ``ran_s`` seconds that it ran well; returns the delay before the
        next start.
        """
        if ran_s >= self._back_off.reset_after:
            self._in_a_row = 0
        self._in_a_row += 1
        return self._back_off.delay(self._in_a_row, self._chance())

    def clear(self) -> None:
        """Begin a new row."""
        self._in_a_row = 0
