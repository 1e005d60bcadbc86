"""How much memory and processor time a process may use. Pure.

Past the lower ceiling it is said once, and the process is restarted at the next quiet moment; past
the upper one at once.
"""

from collections import deque
from enum import Enum

CPU_OVER_S = 60.0
"""Processor time is judged by its mean over a minute: a start or a burst of work is no fault."""

_BELOW_AGAIN = 0.9
"""Of the lower ceiling: what swings around it is said once, not at every swing."""


class Measure(Enum):
    """What a measurement asks for."""

    NOTHING = "nothing"
    WARNING = "warning"
    AT_A_QUIET_MOMENT = "at a quiet moment"
    AT_ONCE = "at once"


class Ceiling:
    """Both ceilings for one quantity; None: there is none."""

    def __init__(self, lower: float | None, upper: float | None) -> None:
        self._lower = lower
        self._upper = upper
        self._said = False

    def __bool__(self) -> bool:
        return self._lower is not None or self._upper is not None

    def judge(self, value: float) -> Measure:
        """What is to be done at this value. A warning comes first, on its own."""
        if self._upper is not None and value > self._upper:
            return Measure.AT_ONCE
        if self._lower is None or value <= self._lower:
            self._said &= self._lower is not None and value > self._lower * _BELOW_AGAIN
            return Measure.NOTHING
        if not self._said:
            self._said = True
            return Measure.WARNING
        return Measure.AT_A_QUIET_MOMENT

    def restarted(self) -> None:
        """A new process begins."""
        self._said = False


class Load:
    """The share of a core that a process had over the last minute."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, float]] = deque()

    def sample(self, now: float, cpu_s: float) -> float | None:
        """Percent, from the processor time used so far; None until a whole minute is known."""
        self._samples.append((now, cpu_s))
        while len(self._samples) > 1 and self._samples[1][0] <= now - CPU_OVER_S:
            self._samples.popleft()
        began, used = self._samples[0]
        if now - began < CPU_OVER_S:
            return None
        return 100.0 * (cpu_s - used) / (now - began)

    def restarted(self) -> None:
        """A new process begins."""
        self._samples.clear()
