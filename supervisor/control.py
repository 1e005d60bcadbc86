"""What operators' programs may ask of the supervisor, on a socket of its own."""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from actors.messages import (
    ActorStatus,
    Done,
    Envelope,
    Failed,
    GetStatus,
    Message,
    Reload,
    RestartActor,
    Status,
    StopTerminal,
)
from actors.messages.codec import CorruptMessage, decode, encode
from actors.runtime.bus import Bus
from actors.runtime.control import CONTROL
from actors.runtime.corrupt import CorruptFrames
from actors.runtime.host import SUPERVISOR

from .member import Member
from .tree import StartFailedError, Tree, UnknownActor
from .usage import usage_of

log = logging.getLogger(__name__)


class Control:
    """Answers on ``control.sock``. ``stop`` is called for StopTerminal, after its answer;
    ``reload`` for Reload, and returns the answer.
    """

    def __init__(
        self,
        bus: Bus,
        tree: Tree,
        stop: Callable[[], None],
        reload: Callable[[], Awaitable[Message]],
    ) -> None:
        self._tree = tree
        self._stop = stop
        self._reload = reload
        self._corrupt = CorruptFrames(CONTROL)
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._tasks: set[asyncio.Task[None]] = set()
        self.state = "starting"
        self._lane = bus.bind("router", CONTROL, self._on_frame)

    async def close(self) -> None:
        """Give up what is still being done for somebody, and take no more orders but for status."""
        self.state = "stopping"
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
            case RestartActor() | Reload() if self.state == "stopping":
                self._answer(envelope, Failed("stopping", "the terminal is stopping"))
            case RestartActor(name=name):
                self._spawn(self._answer_later(envelope, self._restart(name)))
            case Reload():
                self._spawn(self._answer_later(envelope, self._reload()))
            case _:
                self._answer(envelope, Failed("invalid", "the supervisor takes no such order"))

    async def _restart(self, name: str) -> Message:
        try:
            await self._tree.restart(name)
        except UnknownActor:
            known = ", ".join(self._tree.members)
            return Failed("unknown-actor", f"there is no actor {name}", f"there are: {known}")
        except StartFailedError as failed:
            return Failed("start-failed", str(failed), failed.remedy)
        return Done()

    async def _answer_later(self, envelope: Envelope, answer: Awaitable[Message]) -> None:
        try:
            message = await answer
        except Exception:
            log.exception("fault of the supervisor")
            message = Failed("fault", "a fault of callpoint itself", "the log says more")
        self._answer(envelope, message)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _answer(self, envelope: Envelope, message: Message) -> None:
        frame = encode(message, kind="reply", sender=SUPERVISOR, to=envelope.sender, id=envelope.id)
        self._lane.send(frame, to=envelope.sender)

    def status(self) -> Status:
        """The terminal as it is now."""
        members = self._tree.members.items()
        rows = {name: self._row(member) for name, member in members}
        return Status(self.state, os.getpid(), self._loop.time() - self._began, rows)

    def _row(self, member: Member) -> ActorStatus:
        pid = member.child.pid if member.child else None
        uptime = member.uptime_s()
        usage = usage_of(pid)
        return ActorStatus(
            pid=pid,
            state=member.state,
            restarts=member.restarts,
            last_exit=member.last_exit,
            uptime_s=round(uptime, 3),
            rss_mib=round(usage.rss_mib, 1),
            cpu_percent=round(100 * usage.cpu_s / uptime, 1) if uptime else 0.0,
            health=self._tree.health(member),
            essential=member.essential,
            kind="actor" if member.is_actor else "program",
        )
