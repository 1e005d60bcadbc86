"""An agent that speaks clicks, and notes when what it hears has reached it."""

import asyncio
import time
from types import TracebackType
from typing import Any, Self

import numpy as np
from livekit import rtc

from supervisor.drill.listener import token_for
from tests.peers.livekit_server import LiveKitServer

from .clicks import RATE, Click, Pcm, find

FRAME = RATE // 50
DEADLINE_S = 20.0


class Agent:
    """``async with Agent(server, room) as agent``: joined, and its voice published."""

    def __init__(self, server: LiveKitServer, room: str) -> None:
        self._server = server
        self._name = room
        self._frames: list[tuple[float, bytes]] = []
        """Of the terminal's voice: when each had come, and what it was."""
        self._spoken_at: list[float] = []
        self._said = np.zeros(0, np.int16)
        self._track: Any = None
        self._subscribed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._room = rtc.Room()
        self._room.on("track_subscribed", self._on_track)
        await self._room.connect(
            self._server.url, token_for(self._name, self._server.api_key, self._server.api_secret)
        )
        self._source = rtc.AudioSource(RATE, 1, queue_size_ms=100)
        track = rtc.LocalAudioTrack.create_audio_track("voice", self._source)
        options = rtc.TrackPublishOptions(
            source=rtc.TrackSource.SOURCE_MICROPHONE, dtx=False, red=True
        )
        await self._room.local_participant.publish_track(track, options)
        await self._room.local_participant.set_attributes({"lk.agent.state": "listening"})
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._room.disconnect()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._source.aclose()

    async def hears(self) -> None:
        """Wait until there is a terminal with a microphone."""
        await asyncio.wait_for(self._subscribed.wait(), DEADLINE_S)

    async def speak(self, pcm: Pcm) -> None:
        """In real time, 20 ms at a time."""
        self._said, self._spoken_at = pcm, []
        began = time.monotonic()
        for number, start in enumerate(range(0, len(pcm) - FRAME + 1, FRAME)):
            await asyncio.sleep(began + number * FRAME / RATE - time.monotonic())
            self._spoken_at.append(time.monotonic())
            part = pcm[start : start + FRAME].tobytes()
            await self._source.capture_frame(rtc.AudioFrame(part, RATE, 1, FRAME))

    async def buffered(self) -> tuple[float, int]:
        """Seconds that all samples together have waited in its jitter buffer, and how many."""
        for each in await self._track.get_stats():
            if each.WhichOneof("stats") == "inbound_rtp":
                told = each.inbound_rtp.inbound
                return told.jitter_buffer_delay, told.jitter_buffer_emitted_count
        return 0.0, 0

    @property
    def spoken(self) -> list[Click]:
        """When the frame was given to the client in which each of its clicks begins."""
        return [
            Click(click.pitch, self._spoken_at[int(click.at) // FRAME])
            for click in find(self._said)
            if int(click.at) // FRAME < len(self._spoken_at)
        ]

    @property
    def heard(self) -> list[Click]:
        """When the frame had come in which each click of the terminal begins."""
        ends = np.cumsum([len(pcm) // 2 for _, pcm in self._frames])
        whole = np.frombuffer(b"".join(pcm for _, pcm in self._frames), np.int16)
        places = ((click, np.searchsorted(ends, click.at, side="right")) for click in find(whole))
        return [Click(click.pitch, self._frames[place][0]) for click, place in places]

    def _on_track(self, track: Any, _publication: Any, _participant: Any) -> None:
        self._track = track
        self._tasks.add(asyncio.get_running_loop().create_task(self._hear(track)))
        self._subscribed.set()

    async def _hear(self, track: Any) -> None:
        async for event in rtc.AudioStream(track, sample_rate=RATE, num_channels=1):
            self._frames.append((time.monotonic(), bytes(event.frame.data)))
