"""Whether the loops of the actors still turn, judged by their heartbeats. Pure.

Two thresholds: an actor that is silent for longer than the first is slow, which is said once; past
the second it is stuck. Silence counts only while somebody listened: when this very judgement comes
late (the machine was frozen, the supervisor starved) or the machine was suspended, everyone is
heard anew before anyone is judged.
"""

from dataclasses import dataclass

LATE_S = 0.5
"""A look that comes so much later than it was due tells of the machine, not of the actors."""


@dataclass(frozen=True)
class Slow:
    """Silent for ``silent_s`` seconds: worth a word."""

    name: str
    silent_s: float


@dataclass(frozen=True)
class Stuck:
    """Silent for ``silent_s`` seconds: to be replaced."""

    name: str
    silent_s: float


@dataclass
class _Pulse:
    heard: float
    stuck_after: float
    slow: bool = False


class Pulses:
    """The heartbeats of all running actors. Times are seconds of the monotonic clock."""

    def __init__(self, slow_after: float, suspended_s: float) -> None:
        self._slow_after = slow_after
        self._pulses: dict[str, _Pulse] = {}
        self._looked = 0.0
        self._suspended_s = suspended_s

    def ready(self, name: str, now: float, stuck_after: float) -> None:
        """From now on this one is listened to."""
        self._pulses[name] = _Pulse(now, stuck_after)

    def gone(self, name: str) -> None:
        """It has ended or is about to."""
        self._pulses.pop(name, None)

    def beat(self, name: str, at: float) -> bool:
        """Its last known heartbeat; True when it was slow before."""
        pulse = self._pulses.get(name)
        if pulse is None or at <= pulse.heard:
            return False
        was_slow, pulse.slow, pulse.heard = pulse.slow, False, at
        return was_slow

    def silent_s(self, name: str, now: float) -> float:
        """Seconds since it was heard if that is slow, else 0."""
        pulse = self._pulses.get(name)
        return now - pulse.heard if pulse is not None and pulse.slow else 0.0

    def due(self) -> float | None:
        """When to look next; None: there is nobody to look at."""
        return min((self._limit(pulse) for pulse in self._pulses.values()), default=None)

    def _limit(self, pulse: _Pulse) -> float:
        if pulse.slow:  # it may be over any moment, which is worth a word too
            return min(pulse.heard + pulse.stuck_after, self._looked + self._slow_after)
        return pulse.heard + min(self._slow_after, pulse.stuck_after)

    def look(self, now: float, *, late_s: float, suspended_s: float) -> list[Slow | Stuck]:
        """What is to be said and done. ``late_s``: so much later than :meth:`due` has asked for;
        ``suspended_s``: seconds that this machine has slept since it was booted.
        """
        slept_s = suspended_s - self._suspended_s
        self._suspended_s = suspended_s
        self._looked = now
        if late_s > LATE_S or slept_s > LATE_S:
            for pulse in self._pulses.values():
                pulse.heard = now
            return []
        found: list[Slow | Stuck] = []
        for name, pulse in list(self._pulses.items()):
            silent_s = now - pulse.heard
            if silent_s >= pulse.stuck_after:
                del self._pulses[name]
                found.append(Stuck(name, silent_s))
            elif silent_s >= self._slow_after and not pulse.slow:
                pulse.slow = True
                found.append(Slow(name, silent_s))
        return found
