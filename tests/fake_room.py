"""The room as the audio process sees it: both lanes, and a careful listener."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from actors.messages import Captured, Follow, Message
from actors.messages.codec import decode_message, encode_message
from actors.room.mic import ACK_S, MicLane
from actors.runtime.bus import Bus
from tests.children import DEADLINE_S

T = TypeVar("T")


class FakeRoom:
    """Follows the tape over the real lane, as the room does, and speaks on the other one."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._lane = bus.connect("dealer", "mic", self._on_frame, identity="room")
        self._speaker = bus.connect("push", "speaker", lambda *_: None)
        self.mic = MicLane(self._follow)
        self.served = -1
        self.runs: list[Captured] = []
        """Since :meth:`follow`, each one continuing the one before."""
        self._news = asyncio.Event()
        self._ticking = asyncio.get_running_loop().create_task(self._tick())

    async def close(self) -> None:
        """Follow no longer."""
        self._ticking.cancel()
        with suppress(asyncio.CancelledError):
            await self._ticking

    def follow(self, position: int = -1) -> None:
        """Listen from there; -1: from what was not yet served."""
        self.runs = []
        self.mic.follow(position, time.monotonic())

    def audio_up(self) -> None:
        """The audio process has been restarted."""
        self.mic.audio_up(time.monotonic())

    def speak(self, message: Message) -> None:
        """On the speaker lane."""
        assert self._speaker.send(encode_message(message))

    def speak_raw(self, frame: bytes) -> None:
        """Whatever, on the speaker lane."""
        assert self._speaker.send(frame)

    @property
    def end(self) -> int:
        """One past the last position that was received."""
        return self.mic.next

    @property
    def gaps(self) -> list[tuple[int, int]]:
        """(position, length), neighbours put together."""
        found: list[tuple[int, int]] = []
        for run in self.runs:
            if run.gap and found and sum(found[-1]) == run.position:
                found[-1] = (found[-1][0], found[-1][1] + run.gap)
            elif run.gap:
                found.append((run.position, run.gap))
        return found

    def samples(self) -> tuple[NDArray[np.int64], NDArray[np.int16]]:
        """Positions, and the samples there; shapes (samples,)."""
        positions = [np.arange(run.position, run.position + len(run.pcm) // 2) for run in self.runs]
        pcm = b"".join(run.pcm for run in self.runs)
        return np.concatenate([np.zeros(0, np.int64), *positions]), np.frombuffer(pcm, "<i2")

    async def until(self, condition: Callable[[], T | None]) -> T:
        """Wait until it has a value, looking again whenever something was received."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                self._news.clear()
                if (value := condition()) is not None:
                    return value
                await self._news.wait()

    async def receive(self, position: int) -> None:
        """Wait until everything before it has been received."""
        await self.until(lambda: True if self.end >= position else None)

    def _follow(self, follow: Follow) -> None:
        self._lane.send(encode_message(follow))

    def _on_frame(self, _peer: bytes, frame: bytes) -> None:
        message = decode_message(frame)
        assert isinstance(message, Captured), message
        before = self.mic.next
        run = self.mic.received(message, time.monotonic())
        if run is None:
            return
        assert not self.runs or run.position == before, "a hole, or something twice"
        self.runs.append(run)
        self._news.set()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(ACK_S)
            self.mic.tick(self.served, time.monotonic())
