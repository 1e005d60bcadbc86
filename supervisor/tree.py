"""The tree at work: starts its members in order, sees each death, restarts, stops in reverse.

It only connects: the mechanics of one member are in :mod:`supervisor.member`, the decisions in
:mod:`supervisor.unit`, the judgement of those that run in :mod:`supervisor.watch`.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any

from actors.messages import (
    ActorDown,
    ActorUp,
    Heartbeat,
    Message,
    Ready,
    StartFailed,
)
from actors.runtime.bus import Bus
from actors.settings import Settings

from .death import Death
from .grouping import units_of
from .lane import Lane
from .member import Member
from .reload import Changes, changes
from .spare import Spare
from .spec import Spec
from .unit import Again, Phase, Quarantined, Start, Stop, Unit, Verdict, Wait
from .watch import Watch, heartbeat_of
from .work import Surroundings

log = logging.getLogger(__name__)


class StartFailedError(Exception):
    """A member did not become Ready. For the operator."""

    def __init__(self, name: str, reason: str, remedy: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason
        self.remedy = remedy


class UnknownActor(Exception):
    """There is no member of that name."""


_PHASES = {"running": Phase.UP, "starting": Phase.STARTING, "stopping": Phase.STOPPING}


class Tree:
    """The children of one supervisor. Make and use it in the loop.

    ``offer`` takes their log lines. ``escalate`` is called with the reason when a member that the
    terminal cannot do without keeps dying, ``hung`` when the fork server does not answer.
    ``chance``: a random source, 0 to 1.
    """

    def __init__(
        self,
        bus: Bus,
        settings: Settings,
        specs: Sequence[Spec],
        *,
        offer: Callable[[bytes], None],
        escalate: Callable[[str], None],
        hung: Callable[[], None],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._settings = settings
        self._spare = Spare(offer)
        self._escalate = escalate
        self._hung = hung
        self._chance = chance
        self._loop = asyncio.get_running_loop()
        self._lane = Lane(bus, self._on_word)
        self._surroundings = Surroundings(
            bus.runtime_dir,
            settings.to_plain(),
            self._lane,
            heartbeat_of(settings.supervisor),
        )
        self._watch = Watch(settings.supervisor)
        self.members = {spec.name: self._member(spec) for spec in specs}
        """By name, in the order of starting."""
        self._units = self._grouped()
        """By the names of their members; one that a reload stops is in none any more."""
        self._timers: dict[Unit, asyncio.TimerHandle] = {}
        """To the next step of each."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._starting_up = False
        self._restarts = asyncio.Lock()
        """One that was asked for at a time."""
        self._reloads = asyncio.Lock()
        """One at a time, and no restart is begun in the middle of one."""
        self._stopping = False

    def _member(self, spec: Spec) -> Member:
        return Member(
            spec,
            self._settings.supervisor,
            self._spare.take,
            self._on_ready,
            self._on_death,
            self._hung,
            self._safely,
        )

    def _safely(self, step: Callable[..., None], *args: object) -> None:
        """A fault of our own must not leave anybody unsupervised: the whole terminal is started
        afresh instead.
        """
        try:
            step(*args)
        except Exception:
            log.exception("fault of the supervisor")
            self._escalate("fault of the supervisor")

    def _grouped(self) -> dict[str, Unit]:
        specs = [member.spec for member in self.members.values()]
        return units_of(specs, self._settings.supervisor, self._is_essential, self._chance)

    def _is_essential(self, name: str) -> bool:
        return self.members[name].essential

    def health(self, member: Member) -> str:
        """In a few words, for the status."""
        return self._watch.health(member)

    # -- all of it -------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start all in order, each when the one before is Ready or given up for now.

        Raises :class:`StartFailedError` when the terminal is of no use without one that cannot
        start; what was started by then is left for :meth:`stop`.
        """
        self._starting_up = True
        for member in self.members.values():
            if self._stopping:
                return
            self._launch(member)
            await member.settled.wait()
            while member.state == "starting" or self._is_waited_for(member):
                if member.state != "starting":
                    member.settled.clear()
                await member.settled.wait()
            if member.state == "failed" and not self._stopping:
                raise self._start_failed(member)
        self._starting_up = False

    def _is_waited_for(self, member: Member) -> bool:
        """Nothing of what comes after it could do without it."""
        will_start = not self._stopping and self._units[member.name].will_start(member.name)
        return will_start and member.essential

    async def stop(self) -> None:
        """Stop all in reverse order, each with its own deadline. A restart that is due is not."""
        self._stopping = True
        self._forget_timers()
        await self._spare.close()
        for member in reversed(self.members.values()):
            await member.end("terminal stopped", with_terminal=True)
        self._watch.close()
        for task in list(self._tasks):
            await task

    async def restart(self, name: str) -> None:
        """Stop one member and start it again; returns when it is Ready.

        Raises :class:`UnknownActor`, :class:`StartFailedError`. Never counted as a crash.
        """
        async with self._restarts:
            async with self._reloads:
                if (member := self.members.get(name)) is None:
                    raise UnknownActor(name)
                if self._stopping:
                    raise StartFailedError(name, "the terminal is stopping", "")
                if not member.incarnation:
                    reason = "the terminal has not come to it yet"
                    raise StartFailedError(name, reason, "try again in a moment")
                member.settled.clear()
                self._units[name].restart(name, self._loop.time())
                self._advance(self._units[name])
            await member.settled.wait()
            if member.state != "running":
                raise self._start_failed(member)

    async def change(self, settings: Settings, specs: Sequence[Spec]) -> tuple[Changes, list[str]]:
        """Go over to another config: stop what is gone or changed, start what is new or changed,
        leave the rest alone: whoever dies meanwhile is restarted as ever. Returns what was done and
        who did not become Ready (they are tried again as after a crash).
        """
        async with self._reloads:
            return await self._change(settings, specs)

    async def _change(self, settings: Settings, specs: Sequence[Spec]) -> tuple[Changes, list[str]]:
        before = [member.spec for member in self.members.values()]
        todo = changes(self._settings, settings, before, specs)
        for name in todo.stop:
            self._take_out(name)
            await self.members[name].end("config changed")
        self._settings = settings
        self._surroundings = replace(
            self._surroundings,
            settings=settings.to_plain(),
            heartbeat_s=heartbeat_of(settings.supervisor),
        )
        self._regroup(specs)
        self._watch.change(settings.supervisor)
        failed = []
        for name in todo.start:
            if self._stopping:
                break
            self._launch(self.members[name])
            await self.members[name].settled.wait()
            if self.members[name].state != "running":
                failed.append(name)
        return todo, failed

    def _take_out(self, name: str) -> None:
        """Of its unit, which must neither start it again nor wait for its end."""
        unit = self._units.pop(name)
        unit.leave(name)
        self._advance(unit)

    def _regroup(self, specs: Sequence[Spec]) -> None:
        """Put the members under new rules, and those that wait for their restart on their way."""
        self._forget_timers()
        self.members = {spec.name: self._kept_or_new(spec) for spec in specs}
        before, self._units = self._units, self._grouped()
        for name, unit in before.items():
            phase = _PHASES.get(self.members[name].state, Phase.DOWN)
            self._units[name].resume(name, phase)
            if unit.will_start(name):
                self._units[name].restart(name, self._loop.time())
        for unit in dict.fromkeys(self._units.values()):
            self._advance(unit)

    def _kept_or_new(self, spec: Spec) -> Member:
        member = self.members.get(spec.name)
        if member is None:
            return self._member(spec)
        member.spec, member.policy = spec, self._settings.supervisor
        return member

    def _forget_timers(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _start_failed(self, member: Member) -> StartFailedError:
        unit = self._units.get(member.name)
        if unit is not None and (first := unit.waits_for(member.name)):
            ahead = self._start_failed(self.members[first])
            reason = f"waits for {first} ({self.members[first].state}: {ahead.reason})"
            return StartFailedError(member.name, reason, ahead.remedy)
        if member.failure is not None:
            return StartFailedError(member.name, member.failure.error, member.failure.remedy or "")
        reason = f"did not become ready ({member.last_exit or member.state})"
        return StartFailedError(member.name, reason, "the log says more")

    # -- one member ------------------------------------------------------------------------------

    def _launch(self, member: Member) -> None:
        self._units[member.name].started(member.name)
        member.launch(self._surroundings)

    def _advance(self, unit: Unit) -> None:
        """Do what the unit wants to be done next."""
        if self._stopping:
            return
        if timer := self._timers.pop(unit, None):
            timer.cancel()
        match unit.next(self._loop.time()):
            case Start(name):
                self.members[name].launch(self._surroundings)
            case Stop(name, why):
                self._spawn(self.members[name].end(why))
            case Wait(until):
                again = self._loop.call_at(until, self._safely, self._advance, unit)
                self._timers[unit] = again
                for name in unit.members:  # given up for now, also those that wait for another
                    if self.members[name].state not in _PHASES:
                        self.members[name].settled.set()

    def _on_ready(self, member: Member) -> None:
        self._watch.ready(member)
        if member.is_actor:
            others = self._listeners(member)
            self._lane.say_all(others, ActorUp(member.name, member.incarnation))
            for other in others:
                self._lane.say(member.name, ActorUp(other, self.members[other].incarnation))
        unit = self._units[member.name]
        unit.ready(member.name)
        self._advance(unit)

    def _on_death(self, member: Member, death: Death, ran_s: float) -> None:
        death = self._watch.gone(member, death)
        member.last_exit = str(death)
        if member.is_actor:
            down = ActorDown(member.name, member.incarnation, str(death))
            self._after(self._lane.say_all, self._listeners(member), down)
        if self._stopping or member.name not in self._units:
            member.state = "stopped"
        elif self._fails_the_terminal(member, death):
            member.state = "failed"
        else:
            self._decide(member, death, ran_s)
            return
        member.settled.set()

    def _after(self, work: Callable[..., None], *args: object) -> None:
        """Once what comes next is started: who waits for it waits for nothing else."""
        self._loop.call_soon(self._safely, work, *args)

    def _fails_the_terminal(self, member: Member, death: Death) -> bool:
        """It cannot even start, when all is being started, and is needed."""
        first = self._starting_up and not member.was_ready
        return first and member.essential and death.kind == "start failed"

    def _decide(self, member: Member, death: Death, ran_s: float) -> None:
        name, unit = member.name, self._units[member.name]
        outcome = unit.died(name, death, ran_s=ran_s, now=self._loop.time())
        told: dict[str, object] = {"actor": name, "exit": str(death)}
        if member.failure is not None:
            told["reason"] = member.failure.error
        match outcome:
            case Again(delay_s):
                member.state = "backing-off"
                member.restarts += 1
                told["again_in_s"] = round(delay_s, 3)
                self._after(lambda: log.warning("actor died", extra=told))
            case Quarantined(delay_s):
                member.state = "quarantined"
                member.restarts += 1
                log.error("actor quarantined", extra={**told, "again_in_s": round(delay_s, 1)})
            case Verdict.ESCALATE:
                member.state = "failed"
                log.critical("actor keeps dying", extra=told)
                self._escalate(f"{name} keeps dying ({death})")
            case Verdict.LET_GO:
                member.state = "stopped" if death.kind == "asked" else "ended"
                log.info("actor ended", extra=told)
        # A member that goes down with its group has not settled before it is back.
        if not (death.kind == "asked" and unit.will_start(name)):
            member.settled.set()
        self._advance(unit)

    # -- the lane --------------------------------------------------------------------------------

    def _listeners(self, but: Member) -> list[str]:
        return [
            name
            for name, other in self.members.items()
            if other.state == "running" and other.is_actor and other is not but
        ]

    def _on_word(self, name: str, message: Message) -> None:
        member = self.members.get(name)
        if member is None or getattr(message, "incarnation", None) != member.incarnation:
            return  # a stranger, or the last word of one that is already replaced
        match message:
            case Ready():
                self._safely(member.ready)
            case StartFailed():
                member.start_failed(message)
            case Heartbeat():
                self._watch.beat(member, message)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
