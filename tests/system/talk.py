"""A joined call in the process of the test, with a tape that plays, and what is heard of it."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import numpy as np
from livekit import rtc

from actors.messages import Captured, JoinRoom, TextStream
from actors.messages.codec import decode_message, encode_message
from actors.room.call import Call
from actors.room.livekit_room import LiveKitRoom
from actors.room.mic import MicLane
from actors.room.microphone import Microphone
from actors.room.speaker import SpeakerLane
from actors.room.uplink import Uplink
from actors.runtime.bus import Bus
from supervisor.drill.coded_signal import Heard, decode, generate
from supervisor.drill.listener import as_heard
from tests.children import DEADLINE_S
from tests.peers.livekit_server import LiveKitServer

from .fake_audio import RATE, FakeAudio
from .room_peer import Peer, token_of

BLOCKS = 80
SIGNAL = generate(BLOCKS, RATE).astype("<i2").tobytes()


class Talk:
    """Its client can be told to fail; the tape is fake."""

    def __init__(self, runtime_dir: Path, server: LiveKitServer, signal: bytes = SIGNAL) -> None:
        self._server = server
        self._signal = signal
        self._dir = runtime_dir
        self.room_name = f"room-{uuid4()}"
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._bus = Bus(self._dir)
        self.audio = FakeAudio(self._bus, self._signal)
        self._lane = self._bus.connect("dealer", "mic", self._on_mic, identity="room")
        token = token_of(self._server, self.room_name, "terminal")
        order = JoinRoom("conversation", self._server.url, token, True, True)
        self.call = Call(order, LiveKitRoom, self, SpeakerLane(lambda _: True))
        lane = MicLane(lambda follow: self._lane.send(encode_message(follow)))
        self.microphone = Microphone(
            self.call.backend, Uplink(RATE), lane, RATE, self._spawn, self.call_changed
        )
        self.call.microphone = self.microphone
        await self.call.join(order, RATE)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.audio.stop()
        self.call.close("")
        await self.call.leave()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._bus.close()

    def _spawn(self, work: Coroutine[Any, Any, None], _name: str) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _on_mic(self, _peer: bytes, frame: bytes) -> None:
        run = decode_message(frame)
        assert isinstance(run, Captured)
        self.microphone.captured(run)

    def call_changed(self) -> None:
        """As an outlet."""

    def text(self, stream: TextStream) -> None:
        """As an outlet."""

    async def simulate(self, scenario: "rtc.SimulateScenarioKind.ValueType") -> None:
        assert isinstance(self.call.backend, LiveKitRoom)
        await self.call.backend._room.simulate_scenario(scenario)


async def until(condition: Callable[[], object], deadline_s: float = DEADLINE_S) -> None:
    """Looks again and again: what is waited for happens in native threads, without an event."""
    async with asyncio.timeout(deadline_s):
        while not condition():
            await asyncio.sleep(0.02)


def heard_by(peer: Peer) -> Heard:
    """What an agent makes of it: each track's buffer goes ahead of the track."""
    buffers = {
        attributes["trackId"]: as_heard(content, int(attributes["sampleRate"]))
        for attributes, content in peer.buffers
    }
    tracks = peer.tracks.items()
    pcm = b"".join(buffers.get(sid, b"") + bytes(heard) for sid, heard in tracks)
    return decode(np.frombuffer(pcm, "<i2"), RATE)
