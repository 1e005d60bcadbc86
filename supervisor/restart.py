"""How a process ended, and when it is started again. Pure: told the time, returns a decision."""

import signal
from dataclasses import dataclass
from typing import Literal

Kind = Literal["exit", "signal", "start-failed", "start-timeout", "not-started", "unknown"]


@dataclass(frozen=True)
class Exit:
    """The end of a process.

    ``exit`` and ``signal`` have their ``number``. ``start-failed``: it said itself that it cannot
    start; ``start-timeout``: it was not Ready in time; ``not-started``: there was never a process.
    ``unknown``: it has ended, but whoever could tell how (the fork server) has ended too.
    """

    kind: Kind
    number: int = 0
    detail: str = ""

    @classmethod
    def of_code(cls, code: int) -> "Exit":
        """From an exit code as :mod:`subprocess` gives it: negative means a signal."""
        return cls("exit", code) if code >= 0 else cls("signal", -code)

    def __str__(self) -> str:
        """``exit 3``, ``signal SIGKILL``, ``start failed: no such device``..."""
        match self.kind:
            case "exit":
                return f"exit {self.number}"
            case "signal":
                return f"signal {_signal_name(self.number)}"
        words = self.kind.replace("-", " ")
        return f"{words}: {self.detail}" if self.detail else words


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


@dataclass(frozen=True)
class RestartPolicy:
    """The first crash restarts at once, the next ones wait longer and longer. Seconds.

    ``jitter`` is the part of a delay that is left to chance, so that what died together does not
    come back in step and die together again. It only shortens: ``max_s`` is the longest wait.
    """

    initial_s: float = 0.1
    max_s: float = 10.0
    reset_s: float = 30.0
    """An actor that was Ready for so long begins a new row."""
    jitter: float = 0.2

    def delay_s(self, in_a_row: int, chance: float) -> float:
        """Before the restart after the so-many-th crash in a row (1: the first)."""
        if in_a_row <= 1:
            return 0.0
        return min(self.initial_s * 2.0 ** (in_a_row - 2), self.max_s) * (1 - self.jitter * chance)


_KEPT = 64
"""Crashes remembered: past 2**62 times the initial delay nothing changes, and 2.0**n is finite."""


@dataclass(frozen=True)
class Crashes:
    """The crashes in a row of one actor: monotonic times, oldest first."""

    times: tuple[float, ...] = ()


@dataclass(frozen=True)
class StartAgain:
    """The actor is to be started after ``delay_s``."""

    delay_s: float


Verdict = StartAgain
"""What is to be done. Other ends than a new start become further members of a union."""


def after_crash(
    policy: RestartPolicy,
    crashes: Crashes,
    ended: Exit,  # noqa: ARG001  # how it ended decides as soon as there are restart types
    *,
    ready_at: float | None,
    now: float,
    chance: float,
) -> tuple[Crashes, Verdict]:
    """An actor has ended that should not have: its new record, and what is to be done.

    ``ready_at``: since when it had been Ready; None: it never was, which is no stable time.
    ``chance``: 0 to 1, from the caller's random source. ``ended`` and the times in the record are
    what restart types (permanent, transient, temporary) and intensity decide by.
    """
    stable = ready_at is not None and now - ready_at >= policy.reset_s
    times = (*(() if stable else crashes.times), now)[-_KEPT:]
    return Crashes(times), StartAgain(policy.delay_s(len(times), chance))
