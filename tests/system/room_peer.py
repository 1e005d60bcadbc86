"""An agent in a real room that does what it is told and writes down what it gets."""

import asyncio
from types import TracebackType
from typing import Any, Self

from livekit import api, rtc

from tests.children import DEADLINE_S
from tests.peers.livekit_server import LiveKitServer

PRECONNECT = "lk.agent.pre-connect-audio-buffer"


def token_of(server: LiveKitServer, room: str, identity: str, kind: str = "standard") -> str:
    token = (
        api.AccessToken(server.api_key, server.api_secret)
        .with_identity(identity)
        .with_kind(kind)
        .with_grants(api.VideoGrants(room_join=True, room=room, can_update_own_metadata=True))
    )
    return str(token.to_jwt())


class Peer:
    """A participant. As ``kind`` agent it publishes a microphone track, as LiveKit's agents do."""

    def __init__(
        self,
        server: LiveKitServer,
        room: str,
        identity: str = "agent",
        kind: str = "agent",
        e2ee_key: str = "",
    ) -> None:
        self._e2ee_key = e2ee_key
        self._server, self._room_name, self._identity, self._kind = server, room, identity, kind
        self.buffers: list[tuple[dict[str, str], bytes]] = []
        self.texts: list[tuple[str, str, str]] = []
        """Stream id, sender, whole text."""
        self.data: list[tuple[bytes, str, str]] = []
        """Payload, topic, sender."""
        self.tracks: dict[str, bytearray] = {}
        """PCM at 48 kHz by the sid of its track, in the order of subscription."""
        self.features: list[int] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self.room = rtc.Room()
        self.room.register_byte_stream_handler(PRECONNECT, self._on_bytes)
        self.room.register_text_stream_handler("lk.chat", self._on_text)
        self.room.on("track_subscribed", self._on_track)
        self.room.on("data_received", self._on_data)
        token = token_of(self._server, self._room_name, self._identity, self._kind)
        await self.room.connect(self._server.url, token, rtc.RoomOptions(encryption=self._e2ee()))
        if self._kind == "agent":
            self.source = rtc.AudioSource(48_000, 1, queue_size_ms=1000)
            track = rtc.LocalAudioTrack.create_audio_track("voice", self.source)
            options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
            await self.me.publish_track(track, options)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.leave()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._kind == "agent":
            await self.source.aclose()

    def _e2ee(self) -> rtc.E2EEOptions | None:
        if not self._e2ee_key:
            return None
        provider = rtc.KeyProviderOptions(shared_key=self._e2ee_key.encode())
        return rtc.E2EEOptions(key_provider_options=provider)

    @property
    def heard(self) -> bytes:
        """PCM at 48 kHz of all audio tracks, one after the other."""
        return b"".join(bytes(pcm) for pcm in self.tracks.values())

    @property
    def me(self) -> Any:
        return self.room.local_participant

    async def leave(self) -> None:
        await asyncio.wait_for(self.room.disconnect(), DEADLINE_S)

    async def speak(self, pcm: bytes) -> None:
        """48 kHz mono, in frames of 20 ms."""
        for start in range(0, len(pcm), 1920):
            part = pcm[start : start + 1920]
            await self.source.capture_frame(rtc.AudioFrame(part, 48_000, 1, len(part) // 2))

    async def send_data(self, payload: bytes, topic: str, *, reliable: bool = True) -> None:
        await self.me.publish_data(payload, topic=topic, reliable=reliable)

    def _on_data(self, packet: Any) -> None:
        self.data.append((bytes(packet.data), packet.topic, packet.participant.identity))

    def _run(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _on_bytes(self, reader: Any, _sender: str) -> None:
        async def read() -> None:
            content = b"".join([part async for part in reader])
            self.buffers.append((dict(reader.info.attributes), content))

        self._run(read())

    def _on_text(self, reader: Any, sender: str) -> None:
        async def read() -> None:
            self.texts.append((reader.info.stream_id, sender, await reader.read_all()))

        self._run(read())

    def _on_track(self, track: Any, publication: Any, _participant: Any) -> None:
        self.features = list(publication.audio_features)

        async def read() -> None:
            stream = rtc.AudioStream(track, sample_rate=48_000, num_channels=1)
            heard = self.tracks[publication.sid] = bytearray()
            try:
                async for event in stream:
                    heard += bytes(event.frame.data)
            finally:
                await stream.aclose()

        if publication.kind == rtc.TrackKind.KIND_AUDIO:
            self._run(read())
