"""The audio process as the room sees it: a tape that plays a signal in real time, and an ear."""

import asyncio
from contextlib import suppress

from actors.messages import Captured, Follow, Hush, Message, Spoken
from actors.messages.codec import decode_message, encode_message
from actors.runtime.bus import Bus

BLOCK = 960
"""20 ms at 48 kHz."""
RATE = 48_000
WINDOW = 2 * RATE


class FakeAudio:
    """Binds both lanes. The tape begins to run with :meth:`record`, at ``origin``."""

    def __init__(self, bus: Bus, signal: bytes, origin: int = 480_000) -> None:
        self.signal = signal
        self.origin = origin
        self.follows: list[Follow] = []
        self.spoken: list[Spoken | Hush] = []
        self._lane = bus.bind("router", "mic", self._on_follow)
        bus.bind("pull", "speaker", self._on_speaker)
        self._end = origin
        self._served = origin
        self._stream = 0
        self._next = -1
        self._acknowledged = 0
        self._task: asyncio.Task[None] | None = None

    @property
    def served(self) -> int:
        """Relative to the origin."""
        return self._served - self.origin

    @property
    def captured(self) -> int:
        """Samples so far."""
        return self._end - self.origin

    def record(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._record())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _record(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        while self.captured * 2 < len(self.signal):
            await asyncio.sleep(0.005)
            self._end = self.origin + int((loop.time() - began) * RATE) // BLOCK * BLOCK
            self._play()
        while True:  # the tape has ended; what was not taken may still be asked for
            await asyncio.sleep(0.02)
            self._play()

    def _play(self) -> None:
        while self._stream and self._next < min(self._end, self._acknowledged + WINDOW):
            at = (self._next - self.origin) * 2
            # Only the first run of a stream may be short, so that blocks stay aligned.
            size = BLOCK - (self._next - self.origin) % BLOCK
            pcm = self.signal[at : at + 2 * size].ljust(2 * size, b"\0")
            run = Captured(self._stream, self._next, RATE, pcm)
            if not self._lane.send(encode_message(run), to="room"):
                return
            self._next += size

    def _on_follow(self, _peer: bytes, frame: bytes) -> None:
        message = decode_message(frame)
        assert isinstance(message, Follow), message
        self.follows.append(message)
        if message.served >= self.origin:
            self._served = message.served
        if message.stream != self._stream:
            self._stream = message.stream
            self._next = message.next if message.next >= 0 else self._served
        self._acknowledged = max(message.next, self._served)

    def _on_speaker(self, _peer: bytes, frame: bytes) -> None:
        message: Message = decode_message(frame)
        assert isinstance(message, Spoken | Hush), message
        self.spoken.append(message)
