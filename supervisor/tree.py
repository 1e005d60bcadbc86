"""The tree at work: starts the actors in order, sees each death, restarts, stops in reverse."""

import asyncio
import logging
import os
import random
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from actors.messages import ActorDown, ActorUp, Heartbeat, Message, Ready, StartFailed, Stop
from actors.messages.codec import CorruptMessage, decode, encode
from actors.runtime.bus import Bus
from actors.runtime.corrupt import CorruptFrames
from actors.runtime.host import HEARTBEAT_S, SUPERVISOR
from actors.runtime.spec import ChildSpec
from actors.settings import Settings

from .child import Child
from .restart import BackOff, Crashes
from .spec import ActorSpec

log = logging.getLogger(__name__)

_LATE_BEATS = 3
"""So many heartbeats missing are worth a word in the status."""


class StartFailedError(Exception):
    """An actor did not become Ready at the first start. For the operator."""

    def __init__(self, name: str, reason: str, remedy: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason
        self.remedy = remedy


class UnknownActor(Exception):
    """There is no actor of that name."""


@dataclass
class Actor:
    """What the supervisor knows of one actor. Times are seconds of the monotonic clock."""

    spec: ActorSpec
    crashes: Crashes
    state: str = "stopped"
    child: Child | None = None
    incarnation: int = 0
    restarts: int = 0
    last_exit: str | None = None
    started_at: float = 0.0
    last_beat: float = 0.0
    health: str = "ok"
    failure: StartFailed | None = None
    """Why the last start failed, when the actor itself could say it."""
    asked: bool = False
    """Its next death was asked for."""
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while it is neither starting nor stopping."""
    timer: asyncio.TimerHandle | None = None
    """To the restart, or to the end of its patience with a start."""

    def unhealthy(self, now: float) -> str:
        """Its own word on its health, or that its loop has not been heard of."""
        silent = now - self.last_beat
        if self.state == "running" and silent > _LATE_BEATS * HEARTBEAT_S:
            return f"no heartbeat for {silent:.0f} s"
        return self.health if self.state == "running" else self.state


class Tree:
    """The children of one supervisor. Make and use it in the loop."""

    def __init__(
        self,
        bus: Bus,
        settings: Settings,
        specs: Sequence[ActorSpec],
        *,
        log_file: Path | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._bus = bus
        self._settings = settings
        self._plain = settings.to_plain()
        self._log_file = log_file
        policy = settings.supervisor
        back_off = BackOff(policy.backoff_initial, policy.backoff_max, policy.backoff_reset)
        self.actors = {spec.name: Actor(spec, Crashes(back_off, chance)) for spec in specs}
        """By name, in the order of starting."""
        self._corrupt = CorruptFrames(SUPERVISOR)
        self._loop = asyncio.get_running_loop()
        self._lane = bus.bind("router", SUPERVISOR, self._on_frame)
        self._stopping = False

    async def start(self) -> None:
        """Start all in order, each when the one before is Ready.

        Raises :class:`StartFailedError`; what was started by then is left for :meth:`stop`.
        """
        for actor in self.actors.values():
            if self._stopping:
                return
            self._launch(actor)
            await actor.settled.wait()
            if actor.state != "running" and not self._stopping:
                failure = actor.failure
                raise StartFailedError(
                    actor.spec.name,
                    failure.error if failure else f"ended before it was ready ({actor.last_exit})",
                    failure.remedy if failure else "the log says more",
                )

    async def stop(self) -> None:
        """Stop all in reverse order, each with its own deadline. A restart that is due is not."""
        self._stopping = True
        for actor in reversed(self.actors.values()):
            await self._end(actor)

    async def restart(self, name: str) -> None:
        """Stop one actor and start it again; returns when it is Ready.

        Raises :class:`UnknownActor`, :class:`StartFailedError`. Not counted as a crash.
        """
        actor = self.actors.get(name)
        if actor is None:
            raise UnknownActor(name)
        await self._end(actor)
        self._launch(actor)
        await actor.settled.wait()
        if actor.state != "running":
            failure = actor.failure
            raise StartFailedError(
                name, failure.error if failure else "did not become ready", "the log says more"
            )

    # -- one actor -------------------------------------------------------------------------------

    def _launch(self, actor: Actor) -> None:
        actor.incarnation += 1
        actor.state, actor.failure, actor.asked = "starting", None, False
        actor.settled.clear()
        actor.started_at = actor.last_beat = self._loop.time()
        spec = ChildSpec(
            name=actor.spec.name,
            target=actor.spec.target,
            incarnation=actor.incarnation,
            runtime_dir=self._bus.runtime_dir,
            settings=self._plain,
            options=actor.spec.options,
            supervisor_pid=os.getpid(),
            log_file=self._log_file,
        )
        incarnation = actor.incarnation
        actor.child = Child(spec, lambda reason: self._on_death(actor, incarnation, reason))
        patience = self._settings.supervisor.start_timeout
        actor.timer = self._loop.call_later(patience, self._start_took_too_long, actor)

    def _start_took_too_long(self, actor: Actor) -> None:
        patience = self._settings.supervisor.start_timeout
        actor.failure = StartFailed(actor.incarnation, f"not ready within {patience:g} s")
        log.error("start timed out", extra={"actor": actor.spec.name, "seconds": patience})
        if actor.child is not None:
            actor.child.signal(signal.SIGKILL)

    def _on_ready(self, actor: Actor) -> None:
        _cancel(actor)
        actor.state = "running"
        actor.health = "ok"
        actor.last_beat = self._loop.time()
        actor.settled.set()
        name = actor.spec.name
        for other in self._running():
            if other is not actor:
                self._say(other, ActorUp(name, actor.incarnation))
                self._say(actor, ActorUp(other.spec.name, other.incarnation))

    def _on_death(self, actor: Actor, incarnation: int, reason: str) -> None:
        if incarnation != actor.incarnation:
            return
        _cancel(actor)
        ran_s = self._loop.time() - actor.started_at
        asked, failed = actor.asked, actor.failure
        actor.child = None
        actor.last_exit = "start failed" if failed and not asked else reason
        name = actor.spec.name
        for other in self._running():
            if other is not actor:
                self._say(other, ActorDown(name, incarnation, actor.last_exit))
        first_start = actor.state == "starting" and actor.restarts == 0
        if asked or self._stopping:
            actor.state = "stopped"
        elif first_start:
            actor.state = "failed"
        else:
            self._schedule_restart(actor, ran_s)
        actor.settled.set()

    def _schedule_restart(self, actor: Actor, ran_s: float) -> None:
        delay = actor.crashes.died(ran_s=ran_s)
        actor.state = "backing-off"
        actor.restarts += 1
        log.warning(
            "actor died",
            extra={
                "actor": actor.spec.name,
                "exit": actor.last_exit,
                "again_in_s": round(delay, 3),
            },
        )
        actor.timer = self._loop.call_later(delay, self._launch, actor)

    async def _end(self, actor: Actor) -> None:
        """Ask, then SIGTERM, then SIGKILL; a restart that is due is called off."""
        _cancel(actor)
        actor.asked = True
        child = actor.child
        if child is None:
            actor.state = "stopped"
            actor.settled.set()
            return
        grace = self._settings.supervisor.stop_grace
        ready = actor.state == "running"
        actor.state = "stopping"
        child.signal(signal.SIGCONT)  # a stopped process could obey neither order nor SIGTERM
        if ready:
            self._say(actor, Stop(grace))
            if await child.wait(grace):
                return
            log.warning("stop order ignored", extra={"actor": actor.spec.name})
        child.signal(signal.SIGTERM)
        if await child.wait(grace / 2):
            return
        log.warning("SIGTERM ignored", extra={"actor": actor.spec.name})
        child.signal(signal.SIGKILL)
        while not await child.wait(grace):
            log.error("SIGKILL not yet obeyed", extra={"actor": actor.spec.name})

    # -- the lane --------------------------------------------------------------------------------

    def _running(self) -> list[Actor]:
        return [actor for actor in self.actors.values() if actor.state == "running"]

    def _say(self, actor: Actor, message: Message) -> None:
        name = actor.spec.name
        self._lane.send(encode(message, kind="tell", sender=SUPERVISOR, to=name), to=name)

    def _on_frame(self, peer: bytes, frame: bytes) -> None:
        try:
            message = decode(frame).message
        except CorruptMessage as corrupt:
            self._corrupt.note(corrupt, peer)
            return
        actor = self.actors.get(peer.decode(errors="replace"))
        incarnation = getattr(message, "incarnation", None)
        if actor is None or incarnation != actor.incarnation:
            return  # a stranger, or the last word of one that is already replaced
        match message:
            case Ready() if actor.state == "starting":
                self._on_ready(actor)
            case StartFailed():
                actor.failure = message
            case Heartbeat():
                actor.last_beat = self._loop.time()
                actor.health = message.health


def _cancel(actor: Actor) -> None:
    if actor.timer is not None:
        actor.timer.cancel()
        actor.timer = None


def uptime_s(actor: Actor) -> float:
    """Seconds since its process was started; 0 when there is none."""
    return time.monotonic() - actor.started_at if actor.child is not None else 0.0
