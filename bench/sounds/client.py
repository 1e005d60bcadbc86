"""The smallest honest client: `python -m bench.sounds.client URL TOKEN`, one process.

The microphone's callback straight into LiveKit's source, the agent's track straight to the
loudspeaker's callback; nothing is watched, kept, or made good.
"""

import asyncio
import sys
import threading
from typing import Any

import sounddevice
from livekit import rtc

RATE = 48_000
BLOCK = RATE // 50
"""20 ms: as callpoint's."""
QUEUE_MS = 100
"""As callpoint's."""


class Speaker:
    """Plays what has come, and silence when nothing has."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting = bytearray()
        self._stream = sounddevice.RawOutputStream(
            RATE, BLOCK, channels=1, dtype="int16", latency="low", callback=self._callback
        )
        self._stream.start()

    async def play(self, track: Any) -> None:
        """Until the track ends."""
        stream = rtc.AudioStream(track, sample_rate=RATE, num_channels=1, frame_size_ms=20)
        async for event in stream:
            with self._lock:
                self._waiting += event.frame.data.tobytes()

    def _callback(self, block: Any, _frames: int, _times: Any, _status: Any) -> None:
        with self._lock:
            pcm = bytes(self._waiting[: len(block)])
            del self._waiting[: len(block)]
        block[:] = pcm + bytes(len(block) - len(pcm))


async def talk(url: str, token: str) -> None:
    """Until the process is ended."""
    loop = asyncio.get_running_loop()
    captured: asyncio.Queue[bytes] = asyncio.Queue()
    speaker, playing = Speaker(), set()

    def hear(track: Any, _publication: Any, _participant: Any) -> None:
        if track.kind == rtc.TrackKind.KIND_AUDIO:
            playing.add(asyncio.create_task(speaker.play(track)))

    room = rtc.Room()
    room.on("track_subscribed", hear)
    await room.connect(url, token)
    source = rtc.AudioSource(RATE, 1, QUEUE_MS)
    track = rtc.LocalAudioTrack.create_audio_track("microphone", source)
    options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE, dtx=False, red=True)
    await room.local_participant.publish_track(track, options)

    def callback(block: Any, _frames: int, _times: Any, _status: Any) -> None:
        loop.call_soon_threadsafe(captured.put_nowait, bytes(block))

    with sounddevice.RawInputStream(
        RATE, BLOCK, channels=1, dtype="int16", latency="low", callback=callback
    ):
        while True:
            await source.capture_frame(rtc.AudioFrame(await captured.get(), RATE, 1, BLOCK))


if __name__ == "__main__":
    asyncio.run(talk(*sys.argv[1:]))
