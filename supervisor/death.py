"""How a process ended, in the words that the status shows."""

import signal
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "normal",
    "asked",
    "code",
    "signal",
    "memory",
    "cpu",
    "hang",
    "unhealthy",
    "start failed",
    "unborn",
    "unknown",
]


@dataclass(frozen=True)
class Death:
    """The end of one process. ``str`` of it is what ``last_exit`` in the status says."""

    kind: Kind
    words: str = ""
    """More than the kind says, for people; without secrets."""

    def __str__(self) -> str:
        return self.words or self.kind


def by_exit(code: int | None) -> Death:
    """From an exit code as :mod:`subprocess` has it; None: nobody could tell it any more."""
    match code:
        case None:
            return Death("unknown")
        case 0:
            return Death("normal", "exit 0")
        case int() if code > 0:
            return Death("code", f"exit {code}")
    try:
        return Death("signal", f"signal {signal.Signals(-code).name}")
    except ValueError:  # a real-time signal has a number only
        return Death("signal", f"signal {-code}")
