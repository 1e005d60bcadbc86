"""What operators' programs may ask of the supervisor, on a socket of its own."""

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path

from actors.messages import (
    ActorStatus,
    Done,
    Envelope,
    Failed,
    GetStatus,
    Message,
    RestartActor,
    Status,
    StopTerminal,
)
from actors.messages.codec import CorruptMessage, decode, encode
from actors.runtime.bus import Bus
from actors.runtime.corrupt import CorruptFrames
from actors.runtime.host import SUPERVISOR

from .tree import Actor, StartFailedError, Tree, UnknownActor, uptime_s

log = logging.getLogger(__name__)

CONTROL = "control"
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Control:
    """Answers on ``control.sock``. ``stop`` is called for StopTerminal, after its answer."""

    def __init__(self, bus: Bus, tree: Tree, stop: Callable[[], None]) -> None:
        self._tree = tree
        self._stop = stop
        self._corrupt = CorruptFrames(CONTROL)
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._tasks: set[asyncio.Task[None]] = set()
        self.state = "starting"
        self._lane = bus.bind("router", CONTROL, self._on_frame)

    async def close(self) -> None:
        """Give up what is still being done for somebody."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _on_frame(self, peer: bytes, frame: bytes) -> None:
        try:
            envelope = decode(frame)
            if envelope.sender.encode() != peer:
                raise CorruptMessage(frame, ValueError("in another's name"))
        except CorruptMessage as corrupt:
            self._corrupt.note(corrupt, peer)
            return
        match envelope.message:
            case GetStatus():
                self._answer(envelope, self.status())
            case StopTerminal():
                self._answer(envelope, Done())
                self._loop.call_soon(self._stop)
            case RestartActor(name=name):
                task = self._loop.create_task(self._restart(envelope, name))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            case _:
                self._answer(envelope, Failed("invalid", "the supervisor takes no such order"))

    async def _restart(self, envelope: Envelope, name: str) -> None:
        answer: Message
        try:
            await self._tree.restart(name)
            answer = Done()
        except UnknownActor:
            known = ", ".join(self._tree.actors)
            answer = Failed("unknown-actor", f"there is no actor {name}", f"there are: {known}")
        except StartFailedError as failed:
            answer = Failed("start-failed", str(failed), failed.remedy)
        self._answer(envelope, answer)

    def _answer(self, envelope: Envelope, message: Message) -> None:
        frame = encode(message, kind="reply", sender=SUPERVISOR, to=envelope.sender, id=envelope.id)
        self._lane.send(frame, to=envelope.sender)

    def status(self) -> Status:
        """The terminal as it is now."""
        now = self._loop.time()
        actors = {name: _row(actor, now) for name, actor in self._tree.actors.items()}
        return Status(self.state, os.getpid(), now - self._began, actors)


def _row(actor: Actor, now: float) -> ActorStatus:
    pid = actor.child.pid if actor.child else None
    uptime = uptime_s(actor)
    rss_mib, cpu_s = _usage(pid) if pid else (0.0, 0.0)
    return ActorStatus(
        pid=pid,
        state=actor.state,
        restarts=actor.restarts,
        last_exit=actor.last_exit,
        uptime_s=round(uptime, 3),
        rss_mib=round(rss_mib, 1),
        cpu_percent=round(100 * cpu_s / uptime, 1) if uptime else 0.0,
        health=actor.unhealthy(now),
    )


def _usage(pid: int) -> tuple[float, float]:
    """Resident memory in MiB and CPU seconds so far, from proc(5); zeros when it is just gone."""
    try:
        # The name in parentheses may hold spaces: what counts comes after the last one.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0, 0.0
    utime, stime, rss = int(fields[11]), int(fields[12]), int(fields[21])
    return rss * _PAGE / 2**20, (utime + stime) / _TICKS
