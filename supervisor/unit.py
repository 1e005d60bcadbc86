"""What restarts together: one process alone, or the members of a group. Pure.

A unit is told what happens (started, ready, died) and says what is to be done next, one step at a
time; the shell around it (:mod:`supervisor.tree`) does the step and tells the outcome. The unit
never asks the time: it is told.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from actors.settings.supervision import RestartType, Strategy

from .death import Death
from .restart import BackOff, Crashes, Windows, wants_restart
from .strategy import affected

QUARANTINE_MAX_S = 3600.0
"""Longest time between two tries of what is in quarantine."""


class Phase(Enum):
    """Where one member's process is in its life."""

    DOWN = "down"
    STARTING = "starting"
    UP = "up"
    STOPPING = "stopping"


@dataclass(frozen=True)
class Start:
    """Start this member now."""

    name: str


@dataclass(frozen=True)
class Stop:
    """Stop this member now; it is to be started again."""

    name: str
    why: str
    """For the status."""


@dataclass(frozen=True)
class Wait:
    """Nothing until that time (monotonic seconds); ask again then."""

    until: float


Step = Start | Stop | Wait | None
"""None: nothing until the unit is told of something."""


@dataclass(frozen=True)
class Again:
    """It is started again after so many seconds."""

    delay_s: float


class Verdict(Enum):
    """What else can follow from a death."""

    LET_GO = "let go"
    """It is not started again, or not because of this death."""
    ESCALATE = "escalate"
    """Past the intensity, and the terminal is of no use without this unit."""


@dataclass(frozen=True)
class Quarantined:
    """Past the intensity: not tried again for so many seconds, then once."""

    delay_s: float


Outcome = Again | Quarantined | Verdict


class Unit:
    """The members of one group, or one process alone, with the state of their restarts.

    ``members``: restart types by name, in the order of starting. ``essential``: whether the
    terminal is of no use without that member, which may turn out late. ``windows`` may be shared
    with other units. ``chance``: a random source, 0 to 1.
    """

    def __init__(
        self,
        members: Mapping[str, RestartType],
        essential: Callable[[str], bool],
        strategy: Strategy,
        windows: Windows,
        back_off: BackOff,
        quarantine_s: float,
        chance: Callable[[], float],
    ) -> None:
        self._types = dict(members)
        self._order = tuple(members)
        self._essential = essential
        self._strategy = strategy
        self._windows = windows
        self._back_off = back_off
        self._quarantine = BackOff(quarantine_s, max(quarantine_s, QUARANTINE_MAX_S))
        self._chance = chance
        self._crashes = {name: Crashes(back_off, chance) for name in members}
        self._phase: dict[str, Phase] = {}
        self._to_stop: dict[str, str] = {}
        """With the reason."""
        self._to_start: set[str] = set()
        self._due: dict[str, float] = {}
        """Not to be started before, by name."""
        self._quarantines = 0
        """In a row; while there are any, the next start is a trial."""
        self._apart: set[str] = set()
        """What the terminal can do without and cannot start, or is in quarantine or on trial: the
        rest of the group goes on without it."""

    @property
    def members(self) -> tuple[str, ...]:
        """Names, in the order of starting."""
        return self._order

    def will_start(self, name: str) -> bool:
        """It is not up, and this unit means to start it without being asked."""
        return name in self._to_start

    def waits_for(self, name: str) -> str | None:
        """Who is to be started before this one, which is to be started too; None: nobody."""
        if name not in self._to_start or (first := self._first()) == name:
            return None
        return first

    def _first(self) -> str:
        """Of those to be started."""
        return min(self._to_start, key=lambda each: (each in self._apart, self._order.index(each)))

    # -- what happens ----------------------------------------------------------------------------

    def resume(self, name: str, phase: Phase) -> None:
        """It has been under other rules before."""
        self._phase[name] = phase

    def started(self, name: str) -> None:
        """Its process has been started, by a step of this unit or by somebody else."""
        self._phase[name] = Phase.STARTING
        self._to_start.discard(name)
        self._due.pop(name, None)

    def leave(self, name: str) -> None:
        """Somebody else sees to its end: the others go on without it."""
        self._order = tuple(each for each in self._order if each != name)
        self._phase.pop(name, None)
        self._to_stop.pop(name, None)
        self._to_start.discard(name)
        self._apart.discard(name)

    def ready(self, name: str) -> None:
        """It is Ready."""
        self._phase[name] = Phase.UP
        if not self._quarantines:
            self._apart.discard(name)

    def died(self, name: str, death: Death, *, ran_s: float, now: float) -> Outcome:
        """Its process has ended, after it ran well for ``ran_s`` seconds; 0: it was never Ready."""
        self._phase[name] = Phase.DOWN
        if name in self._apart and ran_s >= self._back_off.reset_after:
            self._reunite()
        if not wants_restart(self._types[name], death):
            if death.kind != "asked":
                self._to_start.discard(name)
            return Verdict.LET_GO
        failed = death.kind == "start failed"
        hit = [each for each in affected(self._strategy, self._order, name) if each in self._phase]
        if self._essential(name):
            # What cannot start waits for its cause to be mended, however long.
            if not failed and not self._windows.essential.add(now):
                return Verdict.ESCALATE
            return self._again(name, hit, ran_s, now)
        too_many = not self._windows.dispensable.add(now)
        if failed or name in self._apart:
            hit = self._dispensable(hit)
            self._apart.update(hit)
        if too_many or (self._quarantines and name in self._apart):
            return self._quarantined(name, hit, now)
        return self._again(name, hit, ran_s, now)

    def _dispensable(self, names: Sequence[str]) -> list[str]:
        return [name for name in names if not self._essential(name)]

    def _again(self, name: str, hit: Sequence[str], ran_s: float, now: float) -> Again:
        delay_s = self._crashes[name].died(ran_s=ran_s)
        self._restart(hit, name, now + delay_s)
        return Again(delay_s)

    def _quarantined(self, name: str, hit: Sequence[str], now: float) -> Quarantined:
        """What the terminal cannot do without is started again at once, without the others."""
        self._quarantines += 1
        self._windows.dispensable.clear()
        delay_s = self._quarantine.delay(self._quarantines + 1, self._chance())
        dispensable = self._dispensable(hit)
        self._apart.update(dispensable)
        self._restart(dispensable, name, now + delay_s)
        self._restart([each for each in hit if each not in dispensable], name, now)
        return Quarantined(delay_s)

    def _reunite(self) -> None:
        self._quarantines = 0
        self._apart.clear()

    def restart(self, name: str, now: float) -> None:
        """Somebody wants this one stopped and started: at once, and what was counted is over."""
        self._reunite()
        self._windows.clear()
        self._crashes[name].clear()
        self._phase.setdefault(name, Phase.DOWN)
        self._to_stop[name] = "restart asked for"
        self._to_start.add(name)
        self._due.clear()

    def _restart(self, hit: Sequence[str], dead: str, due: float) -> None:
        for each in hit:
            self._to_stop.setdefault(each, f"stopped with {dead}")
            if each != dead and self._types[each] == "temporary":
                continue  # goes down with its group, and stays there
            waits = self._due.get(each, due) if each in self._to_start and each != dead else due
            self._due[each] = max(waits, due)
            self._to_start.add(each)

    # -- what is to be done ----------------------------------------------------------------------

    def next(self, now: float) -> Step:
        """The next step; it counts as begun. Ask again whenever the unit was told of something."""
        self._to_stop = {
            name: why
            for name, why in self._to_stop.items()
            if self._phase[name] in (Phase.STARTING, Phase.UP)
        }
        if Phase.STOPPING in self._phase.values():
            return None
        if self._to_stop:
            last = max(self._to_stop, key=self._order.index)
            self._phase[last] = Phase.STOPPING
            return Stop(last, self._to_stop.pop(last))
        if not self._to_start:
            return None
        first = self._first()
        if any(self._is_started_before(first, each) for each in self._phase):
            return None
        if now < (due := self._due.get(first, now)):
            return Wait(due)
        self.started(first)
        return Start(first)

    def _is_started_before(self, first: str, other: str) -> bool:
        """One after the other; but what is essential waits for nobody who is set apart."""
        if self._phase[other] is not Phase.STARTING:
            return False
        return other not in self._apart or not self._essential(first)
