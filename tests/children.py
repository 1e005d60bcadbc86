"""Actors as real child processes in tests, without a supervisor: started, watched, ended."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from actors.messages import Heartbeat, Message, Ready, StartFailed, Stop
from actors.messages.codec import decode, encode
from actors.runtime.bus import Bus
from actors.runtime.host import SUPERVISOR
from actors.runtime.spec import ChildSpec
from actors.settings import Settings

T = TypeVar("T")

DEADLINE_S = 20.0
"""For anything a test waits for: generous, because it is only ever used up by a failure."""

_MAIN = """
import json, sys
from pathlib import Path
from actors.runtime.entry import run_child
from actors.runtime.spec import ChildSpec
plain = json.loads(sys.argv[1])
run_child(ChildSpec(**{**plain, "runtime_dir": Path(plain["runtime_dir"])}))
"""


def _of(incarnation: int) -> Callable[[Message], bool]:
    return lambda message: (
        isinstance(message, Ready | StartFailed) and message.incarnation == incarnation
    )


class Children:
    """Plays the supervisor's side of the control lane for some child processes.

    ``async with Children(runtime_dir) as children: await children.start("router", TARGET)``.
    """

    def __init__(self, runtime_dir: Path, settings: Settings | None = None) -> None:
        self.runtime_dir = runtime_dir
        self._settings = settings or Settings()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._incarnations: dict[str, int] = {}
        self.heard: list[tuple[str, Message]] = []
        """All that children have said on the control lane, with their names."""
        self._news: asyncio.Event

    async def __aenter__(self) -> Self:
        self._news = asyncio.Event()
        self._bus = Bus(self.runtime_dir)
        self._lane = self._bus.bind("router", SUPERVISOR, self._on_frame)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            for name in reversed(list(self._processes)):
                self._processes[name].kill()
                await self.exit_code(name)
        finally:
            self._bus.close()

    async def launch(self, name: str, target: str, **options: Any) -> None:
        """Start a child without waiting for it."""
        incarnation = self._incarnations[name] = self._incarnations.get(name, 0) + 1
        spec = {
            "name": name,
            "target": target,
            "incarnation": incarnation,
            "runtime_dir": str(self.runtime_dir),
            "settings": self._settings.to_plain(),
            "options": options,
            "supervisor_pid": os.getpid(),
        }
        assert set(spec) <= set(ChildSpec.__dataclass_fields__)
        self._processes[name] = subprocess.Popen([sys.executable, "-c", _MAIN, json.dumps(spec)])

    async def start(self, name: str, target: str, **options: Any) -> int:
        """Start a child, wait until it is Ready; returns its pid."""
        await self.launch(name, target, **options)
        incarnation = self._incarnations[name]

        def answered() -> Message | None:
            answers = (message for sender, message in self.heard if sender == name)
            return next(filter(_of(incarnation), answers), None)

        answer = await self.until(answered)
        assert isinstance(answer, Ready), answer
        return self._processes[name].pid

    async def start_failed(self) -> StartFailed:
        """The first word of a child that cannot start, once it has said so."""

        def said() -> StartFailed | None:
            return next((each for _, each in self.heard if isinstance(each, StartFailed)), None)

        return await self.until(said)

    def send(self, name: str, message: Message) -> None:
        """Say something to a child as its supervisor would."""
        assert self._lane.send(encode(message, kind="tell", sender=SUPERVISOR, to=name), to=name)

    async def stop(self, name: str, *, of_terminal: bool = False) -> int:
        """Order a child to stop; returns its exit code."""
        self.send(name, Stop(grace_s=5.0, of_terminal=of_terminal))
        return await self.exit_code(name)

    async def kill(self, name: str) -> None:
        """SIGKILL, and wait for its end."""
        self._processes[name].kill()
        await self.exit_code(name)

    def is_running(self, name: str) -> bool:
        """It was launched and its end has not been waited for."""
        return name in self._processes

    def pid(self, name: str) -> int:
        """Of a child that runs."""
        return self._processes[name].pid

    async def exit_code(self, name: str) -> int:
        """Wait for a child's end; negative: the signal that ended it."""
        process = self._processes.pop(name)
        return await asyncio.wait_for(asyncio.to_thread(process.wait), DEADLINE_S)

    async def until(self, condition: Callable[[], T | None]) -> T:
        """Wait until ``condition`` has a value, looking again whenever a child says something."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                self._news.clear()
                if (value := condition()) is not None:
                    return value
                await self._news.wait()

    def _on_frame(self, peer: bytes, frame: bytes) -> None:
        self.heard.append((peer.decode(), decode(frame).message))
        self._news.set()

    async def is_quiet(self, name: str) -> bool:
        """What the next heartbeat of a child says of being restarted now."""
        heard = len(self.heartbeats(name))
        return (await self.until(lambda: next(iter(self.heartbeats(name)[heard:]), None))).quiet

    def heartbeats(self, name: str) -> list[Heartbeat]:
        """All heartbeats of a child so far."""
        return [
            beat for sender, beat in self.heard if sender == name and isinstance(beat, Heartbeat)
        ]
