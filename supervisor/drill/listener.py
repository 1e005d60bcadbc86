"""The agent of a drill in a LiveKit room: it joins as an agent does, hears as an agent does, and
writes down what it hears. A process of its own:
``python -m supervisor.drill.listener ROOM FILE URL PIPE``.

As livekit-agents does it: a track that announces a pre-connect buffer is not listened to until the
buffer is there or 3.0 s are over; what comes live meanwhile waits.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import jwt

from actors.settings import Settings
from actors.settings.credentials import URL, CredentialsError, load_credentials

from .staging import HEARD_RATE

IDENTITY = "drill-agent"
READY = "ready"
"""Written to the pipe when it is in the room."""
_BUFFER_TOPIC = "lk.agent.pre-connect-audio-buffer"
_TF_PRECONNECT_BUFFER = 6
"""LiveKit's AudioTrackFeature, of which the SDK exports no name."""
_WAIT_S = 3.0
_OPEN_S = 15.0
_TOKEN_S = 600


class Listener:
    """In one room. ``ear``: file descriptor of what it hears."""

    def __init__(self, ear: int) -> None:
        from livekit import rtc

        self._rtc = rtc
        self._ear = ear
        self._buffers: dict[str, asyncio.Future[bytes]] = {}
        self._listening: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._room = rtc.Room()
        self._room.register_byte_stream_handler(_BUFFER_TOPIC, self._on_bytes)
        self._room.on("track_subscribed", self._on_track)

    async def join(self, url: str, token: str) -> None:
        """Come in, and say that it listens."""
        async with asyncio.timeout(_OPEN_S):
            await self._room.connect(url, token)
        await self._room.local_participant.set_attributes({"lk.agent.state": "listening"})

    async def leave(self) -> None:
        """Go."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        async with asyncio.timeout(_OPEN_S):
            await self._room.disconnect()

    def _on_bytes(self, reader: Any, _sender: str) -> None:
        self._spawn(self._read(reader))

    async def _read(self, reader: Any) -> None:
        attributes = dict(reader.info.attributes)
        content = b"".join([part async for part in reader])
        from_rate = int(attributes["sampleRate"])
        buffer = self._buffer_of(attributes["trackId"])
        if not buffer.done():
            buffer.set_result(as_heard(content, from_rate))

    def _buffer_of(self, sid: str) -> "asyncio.Future[bytes]":
        return self._buffers.setdefault(sid, asyncio.get_running_loop().create_future())

    def _on_track(self, track: Any, publication: Any, _participant: Any) -> None:
        if publication.kind != self._rtc.TrackKind.KIND_AUDIO:
            return
        waits = _TF_PRECONNECT_BUFFER in publication.audio_features
        stream = self._rtc.AudioStream(track, sample_rate=HEARD_RATE, num_channels=1)
        before, self._listening = self._listening, None
        self._listening = self._spawn(self._listen(stream, publication.sid, before, waits=waits))

    async def _listen(
        self, stream: Any, sid: str, before: asyncio.Task[None] | None, *, waits: bool
    ) -> None:
        if before is not None:
            before.cancel()
        try:
            if waits:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_WAIT_S):
                        os.write(self._ear, await self._buffer_of(sid))
            async for event in stream:
                os.write(self._ear, bytes(event.frame.data))
        finally:
            await stream.aclose()

    def _spawn(self, work: Any) -> "asyncio.Task[None]":
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def as_heard(content: bytes, rate: int) -> bytes:
    """A buffer of int16 samples at :data:`HEARD_RATE`."""
    from livekit import rtc

    if rate == HEARD_RATE:
        return content
    resampler = rtc.AudioResampler(rate, HEARD_RATE)
    frames = [*resampler.push(bytearray(content)), *resampler.flush()]
    return b"".join(bytes(frame.data) for frame in frames)


def check_keys(settings: Settings, environ: Mapping[str, str]) -> None:
    """Whether the drill can be the agent; raises ``CredentialsError`` when it cannot. Nobody has to
    in the practice room.
    """
    if settings.livekit.backend == "practice":
        return
    keys = load_credentials(environ)
    missing = [*keys.missing, *([] if settings.livekit.url or keys.url else [URL])]
    if missing:
        raise CredentialsError(
            f"the drill cannot be the agent without {' and '.join(missing)}",
            "set them in the environment, or drill a config of the practice room",
        )


def token_for(room: str, api_key: str, api_secret: str) -> str:
    """Of an agent."""
    now = int(time.time())
    claims = {
        "iss": api_key,
        "sub": IDENTITY,
        "kind": "agent",
        "nbf": now,
        "exp": now + _TOKEN_S,
        "video": {"roomJoin": True, "room": room, "agent": True, "canUpdateOwnMetadata": True},
    }
    return jwt.encode(claims, api_secret, algorithm="HS256")


async def _run(room: str, path: Path, url: str, pipe: int) -> None:
    from livekit.rtc import ConnectError

    keys = load_credentials(os.environ)
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    ear = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    listener = Listener(ear)
    url = url or keys.url
    try:
        await listener.join(url, token_for(room, keys.api_key, keys.api_secret))
    except (ConnectError, TimeoutError) as error:
        sys.exit(f"it cannot join room {room} at {url}: {error or 'no answer'}")
    os.write(pipe, f"{READY}\n".encode())
    await over.wait()
    await listener.leave()
    os.close(ear)


if __name__ == "__main__":
    asyncio.run(_run(sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])))
