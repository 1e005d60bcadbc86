"""Hears what restarted processes tell, and sees what they publish in a LiveKit room."""

import asyncio
import os
import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from livekit import rtc

from tests.peers.livekit_server import LiveKitServer

DEADLINE_S = 20.0


@dataclass
class Life:
    """One incarnation of a process, by the moments it told; CLOCK_MONOTONIC seconds, 0: not yet."""

    pid: int = 0
    first: float = 0.0
    ready: float = 0.0


class Ear:
    """``async with Ear(path, server, room) as ear``: a datagram socket and a participant."""

    def __init__(self, path: Path, server: LiveKitServer, room: str) -> None:
        self.path = path
        self.url = server.url
        self._token = server.token(room=room, identity="observer")
        self.lives: dict[str, Life] = {}
        """The last of each, by name."""
        self.published: dict[str, float] = {}
        """When a participant's last track was published, by identity."""
        self._news = asyncio.Event()
        self._room = rtc.Room()

    async def __aenter__(self) -> Self:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(str(self.path))
        asyncio.get_running_loop().add_reader(self._socket, self._hear)
        self._room.on("track_published", self._see)
        await self._room.connect(self.url, self._token)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._room.disconnect()
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def _hear(self) -> None:
        match self._socket.recv(1024).decode().split():
            case ["first", name, pid, at]:
                self.lives[name] = Life(int(pid), int(at) / 1e9)
            case ["up", name, _, at]:
                self.lives.setdefault(name, Life()).ready = int(at) / 1e9
            case [name, pid, first, ready]:
                self.lives[name] = Life(int(pid), int(first) / 1e9, int(ready) / 1e9)
        self._news.set()

    def _see(self, _publication: Any, participant: Any) -> None:
        self.published[participant.identity] = time.monotonic()
        self._news.set()

    async def kill(self, name: str) -> tuple[float, float]:
        """SIGKILL a process; milliseconds until its next self's first code, and until ready."""
        old = await self.alive(name)
        began = time.monotonic()
        os.kill(old.pid, signal.SIGKILL)
        new = await self._until(
            f"{name} again after its death",
            lambda: (now := self.lives[name]).pid != old.pid and now.ready > began and now,
        )
        return 1000 * (new.first - began), 1000 * (new.ready - began)

    async def kill_participant(self, identity: str, pid: int) -> float:
        """SIGKILL a room process; milliseconds until we see its microphone published again."""
        await self._until(f"{identity} in the room", lambda: identity in self.published)
        began = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        at = await self._until(
            f"{identity} again in the room", lambda: (at := self.published[identity]) > began and at
        )
        return 1000 * (at - began)

    async def alive(self, name: str) -> Life:
        """The present one, once it is ready."""
        life: Life = await self._until(
            f"{name} for the first time",
            lambda: (now := self.lives.get(name)) and now.pid and now.ready >= now.first and now,
        )
        return life

    async def _until(self, what: str, condition: Any) -> Any:
        try:
            async with asyncio.timeout(DEADLINE_S):
                while not (found := condition()):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise TimeoutError(f"{what}: not within {DEADLINE_S:g} s") from None
        return found
