"""The audio actor as a real process, with the session's orders and a room's ears."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec

from actors.audio.header import SLOTS, Header, newest
from actors.messages import (
    AudioLevel,
    AudioState,
    Message,
    RecordingStarted,
    StartFailed,
    StartRecording,
    Woken,
)
from actors.runtime.bus import Bus
from actors.runtime.client import Client
from actors.settings import Settings
from tests.children import DEADLINE_S, Children
from tests.fake_room import FakeRoom

ROUTER = "actors.router.process:Router"
AUDIO = "actors.audio.process:Audio"

T = TypeVar("T")


class Bench:
    """Router and audio as processes, the session's orders and a room's ears."""

    def __init__(
        self, runtime_dir: Path, *, session: dict[str, Any] | None = None, **audio: Any
    ) -> None:
        plain = {"audio": {"tape_seconds": 10} | audio, "session": session or {}}
        settings = msgspec.convert(plain, Settings)
        self.runtime_dir = runtime_dir
        self.sample_rate = settings.audio.sample_rate
        self.children = Children(runtime_dir, settings)
        self.client = Client(
            runtime_dir, subscribes=(AudioState, AudioLevel, Woken), on_message=self._on_message
        )
        self.states: list[AudioState] = []
        self.levels: list[AudioLevel] = []
        self.woken = 0
        """Times that it was said."""
        self._news = asyncio.Event()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.children)
            await self.children.start("router", ROUTER)
            await stack.enter_async_context(self.client)
            bus = Bus(self.runtime_dir)
            stack.callback(bus.close)
            self.room = FakeRoom(bus)
            stack.push_async_callback(self.room.close)
            self.bus = bus
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._stack.__aexit__(kind, error, traceback)

    def _on_message(self, message: Message, _sender: str) -> None:
        match message:
            case AudioState():
                self.states.append(message)
            case AudioLevel():
                self.levels.append(message)
            case Woken():
                self.woken += 1
        self._news.set()

    async def until(self, condition: Callable[[], T | None]) -> T:
        async with asyncio.timeout(DEADLINE_S):
            while True:
                self._news.clear()
                if (value := condition()) is not None:
                    return value
                await self._news.wait()

    async def start(self, target: str = AUDIO) -> int:
        """Audio, for the first time or again; the room is told as its host would tell it."""
        self.states.clear()
        pid = await self.children.start("audio", target)
        self.room.audio_up()
        return pid

    async def renewed(self, code: int) -> AudioState:
        """Audio ends by itself with this code and is started again; its first state."""
        assert await self.children.exit_code("audio") == code
        await self.start()
        return await self.state()

    async def until_state(self, condition: Callable[[AudioState], bool]) -> AudioState:
        """Wait for one of this process."""
        return await self.until(lambda: next(filter(condition, self.states), None))

    async def refused(self) -> StartFailed:
        """Audio, which cannot start."""
        self.children.heard.clear()
        await self.children.launch("audio", AUDIO)
        failed = await self.children.start_failed()
        assert await self.children.exit_code("audio") == 3
        return failed

    async def state(self) -> AudioState:
        """The last one that was published by this process."""
        return await self.until(lambda: self.states[-1] if self.states else None)

    async def order(self, message: Message) -> Message:
        return await self.client.ask("audio", message, timeout_s=DEADLINE_S)

    async def record(self, conversation: str = "c1", *, resume: bool = False) -> int:
        """Start; returns the first position."""
        answer = await self.order(StartRecording(conversation, resume))
        assert isinstance(answer, RecordingStarted)
        assert answer.sample_rate == self.sample_rate
        return answer.position

    @property
    def tape(self) -> Header:
        header = newest((self.runtime_dir / "tape").read_bytes()[:SLOTS])
        assert header is not None
        return header

    def words_on_tape(self) -> bool:
        return any((self.runtime_dir / "tape").read_bytes()[SLOTS:])
