"""Where LiveKit's client takes the microphone from: frames go out as they come, and silence once
nothing comes for a while.
"""

import asyncio
from typing import Any

from livekit import rtc

from .backend import FRAME_S, RoomError

NO_QUEUE = 0
"""Milliseconds that the client may hold. With a queue it would send 10 ms every 10 ms: later by up
to two of them, and whatever once waited there would wait for ever."""
QUIET_S = 0.2
"""A process may be held up for so long. Beyond it (muted, a device gone) the track must go on: a
receiver would take the time without packets for a delay of the line, and keep as much in hand."""


class Source:
    """Of one microphone, for all its tracks. Made in the loop that it is used in."""

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._samples = round(sample_rate * FRAME_S)
        self._loop = asyncio.get_running_loop()
        self._source = rtc.AudioSource(sample_rate, 1, queue_size_ms=NO_QUEUE, loop=self._loop)
        self._captured_at = 0.0
        self._silence: asyncio.Task[None] | None = None

    def track(self) -> Any:
        """A new one."""
        return rtc.LocalAudioTrack.create_audio_track("microphone", self._source)

    async def capture(self, pcm: bytes) -> None:
        """Whole frames of 10 ms, int16 mono. Raises :class:`RoomError`."""
        self._captured_at = self._loop.time()
        if self._silence is None:  # before the first sound there is nothing to go on with
            self._silence = self._loop.create_task(self._go_on(), name="silence")
        size = 2 * self._samples
        for at in range(0, len(pcm), size):
            await self._send(pcm[at : at + size])

    async def close(self) -> None:
        """No more of it."""
        if self._silence is not None:
            self._silence.cancel()
        await self._source.aclose()

    async def _send(self, pcm: bytes) -> None:
        try:
            await self._source.capture_frame(rtc.AudioFrame(pcm, self._rate, 1, self._samples))
        except Exception as error:  # the client raises nothing narrower
            raise RoomError(f"the client takes no audio: {type(error).__name__}") from None

    async def _go_on(self) -> None:
        frame, due = bytes(2 * self._samples), 0.0
        while True:
            now = self._loop.time()
            if (wait_s := max(self._captured_at + QUIET_S, due) - now) > 0:
                await asyncio.sleep(wait_s)
                continue
            due = max(due, now - QUIET_S) + FRAME_S
            try:
                await self._send(frame)
            except RoomError:
                await asyncio.sleep(QUIET_S)  # told to whoever captures
