"""What is done about a microphone that is deaf, or a loudspeaker that takes nothing. Told the time;
what it knows outlives the process, in a file.

First the process is renewed, because what hangs in a driver or in PortAudio goes with it. Is it
deaf again, the next device of the config takes its place. Is there none, it is renewed ever more
rarely: it may well be muted at its own switch, and the loudspeaker beside it works.
"""

import contextlib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from .bequest import bequeath

AGAIN_S = 60.0
"""Until the second renewal that nothing else can take the place of; doubled each time."""
AGAIN_MAX_S = 3600.0
FORGET_S = 2 * AGAIN_MAX_S
"""After so long without a renewal, what happened before counts no longer."""
TRY_S = 2.0
"""Until a device that is not used is tried; doubled each time."""
TRY_MAX_S = 60.0


class Case(msgspec.Struct, frozen=True):
    """Of one device, under the name that the config gives it."""

    renewals: int = 0
    renewed_at: float = 0.0
    """Seconds of :func:`.source.clock`."""
    left: bool = False
    """Deaf also in a new process: it is used only when there is nothing else."""
    lefts: int = 0
    """Times it was left, so that one that comes and goes is tried ever more rarely."""
    gated: bool = False
    """It has given zeros and come back by itself."""


class Cures:
    """Of the devices in ``wanted``, the preferred one first; known from ``memory``, a file."""

    def __init__(self, wanted: Sequence[str], memory: Path, now: float) -> None:
        self._wanted = tuple(dict.fromkeys(wanted))
        self._memory = memory
        self._cases = {
            name: case
            for name, case in read(memory).items()
            if name in self._wanted
            and case.renewed_at <= now  # else it is of another start of the machine
            and (case.left or now - case.renewed_at < FORGET_S)
        }

    def case(self, name: str) -> Case:
        """What is known of it."""
        return self._cases.get(name, Case())

    def order(self) -> tuple[str, ...]:
        """In which the devices are to be opened."""
        return tuple(sorted(self._wanted, key=lambda name: self.case(name).left))

    def better(self, used: str) -> tuple[str, ...]:
        """Those that would be preferred to the one in use, if they were well."""
        return self._wanted[: self._wanted.index(used)]

    def deaf(self, name: str, now: float) -> bool:
        """The one in use is deaf; whether the process is to be renewed now."""
        case = self.case(name)
        others = any(not self.case(each).left for each in self._wanted if each != name)
        if case.renewals and others and not case.left:
            self._note(name, left=True, lefts=case.lefts + 1)
            return True
        wait = AGAIN_S * 2.0 ** min(case.renewals - 1, 16) if case.renewals else 0.0
        if now - case.renewed_at < min(wait, AGAIN_MAX_S):
            return False
        self._note(name, renewals=case.renewals + 1, renewed_at=now)
        return True

    def came_back(self, name: str, now: float) -> None:
        """It was deaf and hears again, and nobody has done anything."""
        self._note(name, gated=True, renewed_at=self.case(name).renewed_at or now)

    def worked(self, name: str) -> None:
        """A new process has heard it for long: the next time, a renewal is the first again."""
        if name in self._cases:
            self._note(name, renewals=0)

    def well(self, name: str) -> None:
        """It was tried, and hears."""
        if name in self._cases:
            self._note(name, left=False)

    def forget(self, name: str) -> None:
        """Somebody wants it: what is known of it counts no longer."""
        self._cases.pop(name, None)
        known = read(self._memory)
        if known.pop(name, None) is not None:
            with contextlib.suppress(OSError):
                bequeath(self._memory, known)

    def try_after_s(self, name: str, tries: int) -> float:
        """How long to wait before it is tried, after so many tries of this process."""
        doubled = min(tries + max(0, self.case(name).lefts - 1), 16)
        return min(TRY_S * 2.0**doubled, TRY_MAX_S)

    def _note(self, name: str, **changes: object) -> None:
        self._cases[name] = msgspec.structs.replace(self.case(name), **changes)
        with contextlib.suppress(OSError):  # then the next process tries the same once more
            bequeath(self._memory, self._cases)


def read(path: Path) -> dict[str, Case]:
    """What an earlier process has written; nothing if it cannot be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Case])
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return {}
