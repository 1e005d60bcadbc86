"""The LiveKit backend against a real server, beside what the contract suite holds it to."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self, TypeVar
from uuid import uuid4

import numpy as np
import pytest
from livekit import rtc

from actors.messages import Participant
from actors.room.backend import (
    AgentAudio,
    ConnectionChanged,
    MicrophoneRepublished,
    MicrophoneSubscribed,
    ParticipantsChanged,
    RoomError,
    RoomEvent,
    TextChunk,
    TextEnded,
)
from actors.room.livekit_room import LiveKitRoom
from tests.children import DEADLINE_S
from tests.peers.livekit_server import LiveKitServer

from .room_peer import PRECONNECT, Peer, token_of

pytestmark = pytest.mark.system

T = TypeVar("T")
RATE = 48_000
PRECONNECT_FEATURE = 6
"""TF_PRECONNECT_BUFFER of livekit_models.proto."""


@pytest.fixture(autouse=True)
def nothing_left_behind() -> None:
    """Instead of the check of all tests: the client's native half keeps threads, event
    descriptors and pooled connections for the life of the process.
    """


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveKitServer]:
    with LiveKitServer(tmp_path_factory.mktemp("server")) as server:
        yield server


class Terminal:
    """The backend under test, and all it has said."""

    def __init__(self, server: LiveKitServer, room: str = "") -> None:
        self.server = server
        self.room_name = room or f"room-{uuid4()}"
        self.events: list[RoomEvent] = []
        self._news = asyncio.Event()
        self.backend = LiveKitRoom(self._on_event)

    def _on_event(self, event: RoomEvent) -> None:
        self.events.append(event)
        self._news.set()

    async def __aenter__(self) -> Self:
        await self.backend.connect(
            self.server.url, token_of(self.server, self.room_name, "terminal")
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.backend.disconnect()

    async def until(self, condition: Callable[[], T | None], deadline_s: float = DEADLINE_S) -> T:
        """Also looks every 50 ms, for what only the peer sees."""
        async with asyncio.timeout(deadline_s):
            while not (value := condition()):
                self._news.clear()
                try:
                    await asyncio.wait_for(self._news.wait(), 0.05)
                except TimeoutError:
                    continue
        return value

    def of(self, kind: type[T]) -> list[T]:
        return [event for event in self.events if isinstance(event, kind)]

    def states(self) -> list[str]:
        return [event.state for event in self.of(ConnectionChanged)]

    def roster(self) -> tuple[Participant, ...]:
        changes = self.of(ParticipantsChanged)
        return changes[-1].participants if changes else ()

    def agent(self) -> Participant | None:
        return next((each for each in self.roster() if each.kind == "agent"), None)


# -- connecting ------------------------------------------------------------------------------------


def test_it_connects_and_leaves(server: LiveKitServer) -> None:
    async def scenario() -> None:
        async with Terminal(server) as terminal:
            assert terminal.backend.name == terminal.room_name
            assert terminal.backend.identity == "terminal"
        assert terminal.states() == ["connecting", "connected", "disconnected"]
        assert terminal.of(ConnectionChanged)[-1].reason == ""
        with pytest.raises(RoomError, match="not connected"):
            await terminal.backend.send_text("x", topic="lk.chat", stream_id="1", attributes={})

    asyncio.run(scenario())


@pytest.mark.parametrize("case", ["forged", "garbage", "nobody there", "no address"])
def test_a_failed_connect_says_why_and_not_the_token(server: LiveKitServer, case: str) -> None:
    token = token_of(server, "room", "terminal")
    url, token, code = {
        "forged": (server.url, f"{token}x", "refused"),
        "garbage": (server.url, "garbage", "refused"),
        "nobody there": ("ws://127.0.0.1:9", token, "unreachable"),
        "no address": ("nonsense", token, "invalid"),
    }[case]

    async def scenario() -> None:
        terminal = Terminal(server)
        with pytest.raises(RoomError) as caught:
            await terminal.backend.connect(url, token)
        assert caught.value.code == code
        last = terminal.of(ConnectionChanged)[-1]
        assert (last.state, last.reason) == ("disconnected", str(caught.value))
        assert token not in str(caught.value)
        assert caught.value.__cause__ is None
        await terminal.backend.disconnect()

    asyncio.run(scenario())


def test_a_second_one_of_its_name_drives_it_out(server: LiveKitServer) -> None:
    async def scenario() -> None:
        async with Terminal(server) as first, Terminal(server, first.room_name):
            await first.until(lambda: "disconnected" in first.states())
            assert "same identity" in first.of(ConnectionChanged)[-1].reason

    asyncio.run(scenario())


# -- participants and the voice --------------------------------------------------------------------


def test_an_agent_is_seen_with_its_track_and_its_state_and_heard(server: LiveKitServer) -> None:
    wave = (8000 * np.sin(np.arange(RATE) * 2 * np.pi * 440 / RATE)).astype("<i2")

    async def scenario() -> None:
        async with Terminal(server) as terminal:
            async with Peer(server, terminal.room_name) as peer:
                await peer.me.set_attributes({"lk.agent.state": "speaking"})

                def ready() -> Participant | None:
                    agent = terminal.agent()
                    if agent is None or not agent.active or not agent.tracks:
                        return None
                    return agent if agent.attributes and agent.tracks[0].subscribed else None

                agent = await terminal.until(ready)
                assert agent.attributes == {"lk.agent.state": "speaking"}
                (track,) = agent.tracks
                assert (track.kind, track.source) == ("audio", "microphone")
                await peer.speak(wave.tobytes())

                def loudest() -> bool:
                    frames = terminal.of(AgentAudio)
                    pcm = np.frombuffer(b"".join(f.pcm for f in frames), "<i2")
                    return int(np.count_nonzero(np.abs(pcm) > 4000)) > RATE // 4

                await terminal.until(loudest)
                frame = terminal.of(AgentAudio)[-1]
                assert (frame.track_sid, frame.sample_rate, len(frame.pcm)) == (
                    track.sid,
                    RATE,
                    1920,
                )
            await terminal.until(lambda: not terminal.roster())

    asyncio.run(scenario())


def test_who_was_there_before_is_known_when_it_connects(server: LiveKitServer) -> None:
    async def scenario() -> None:
        terminal = Terminal(server)
        async with Peer(server, terminal.room_name), terminal:
            assert [each.identity for each in terminal.roster()] == ["agent"]

    asyncio.run(scenario())


# -- the microphone --------------------------------------------------------------------------------


def test_the_microphone_is_published_announced_and_heard(server: LiveKitServer) -> None:
    wave = (8000 * np.sin(np.arange(2 * RATE) * 2 * np.pi * 440 / RATE)).astype("<i2").tobytes()

    async def scenario() -> None:
        async with Terminal(server) as terminal:
            sid = await terminal.backend.publish_microphone(RATE, preconnect=True)
            assert sid.startswith("TR_")
            assert terminal.backend.queued_s == 0.0
            async with Peer(server, terminal.room_name) as peer:
                await terminal.until(lambda: terminal.of(MicrophoneSubscribed))
                assert terminal.of(MicrophoneSubscribed)[0].sid == sid
                for start in range(0, len(wave), 1920):
                    await terminal.backend.capture(wave[start : start + 1920])
                    assert terminal.backend.queued_s < 0.25
                await terminal.until(lambda: terminal.backend.queued_s == 0.0)

                def heard() -> bool:
                    pcm = np.frombuffer(bytes(peer.heard), "<i2")
                    return int(np.count_nonzero(np.abs(pcm) > 4000)) > RATE

                await terminal.until(heard)
                assert PRECONNECT_FEATURE in peer.features

    asyncio.run(scenario())


def test_a_full_reconnect_is_told_with_the_new_sid_and_nobody_seems_to_leave(
    server: LiveKitServer,
) -> None:
    async def scenario() -> None:
        async with Terminal(server) as terminal:
            sid = await terminal.backend.publish_microphone(RATE, preconnect=True)
            async with Peer(server, terminal.room_name):
                await terminal.until(lambda: terminal.of(MicrophoneSubscribed))
                await terminal.until(terminal.agent)
                at = len(terminal.events)
                await terminal.backend._room.simulate_scenario(
                    rtc.SimulateScenarioKind.SIMULATE_FULL_RECONNECT
                )
                await terminal.until(lambda: len(terminal.of(MicrophoneSubscribed)) == 2)
                news = terminal.events[at:]
                (again,) = (e for e in news if isinstance(e, MicrophoneRepublished))
                assert again.sid not in ("", sid)
                assert terminal.of(MicrophoneSubscribed)[-1].sid == again.sid
                states = [e.state for e in news if isinstance(e, ConnectionChanged)]
                assert states == ["reconnecting", "connected"]
                assert all(e.participants for e in news if isinstance(e, ParticipantsChanged))

    asyncio.run(scenario())


# -- streams ---------------------------------------------------------------------------------------


def test_bytes_arrive_whole_with_their_attributes(server: LiveKitServer) -> None:
    content = bytes(range(256)) * 4000
    attributes = {"sampleRate": "48000", "channels": "1", "trackId": "TR_x"}

    async def scenario() -> None:
        terminal = Terminal(server)
        async with Peer(server, terminal.room_name) as peer, terminal:
            for part in (content, b""):
                await terminal.backend.send_bytes(
                    part, topic=PRECONNECT, attributes=attributes, to="agent", name="audio"
                )
            await terminal.until(lambda: len(peer.buffers) == 2)
            assert sorted(peer.buffers, key=lambda each: len(each[1])) == [
                (attributes, b""),
                (attributes, content),
            ]

    asyncio.run(scenario())


def test_texts_arrive_under_their_ids_in_order(server: LiveKitServer) -> None:
    async def scenario() -> None:
        terminal = Terminal(server)
        async with Peer(server, terminal.room_name) as peer, terminal:
            for number in range(5):
                await terminal.backend.send_text(
                    f"héllo {number}", topic="lk.chat", stream_id=f"id-{number}", attributes={}
                )
            await terminal.until(lambda: len(peer.texts) == 5)
            assert sorted(peer.texts) == [
                (f"id-{number}", "terminal", f"héllo {number}") for number in range(5)
            ]

    asyncio.run(scenario())


def _stream(terminal: Terminal, stream_id: str) -> tuple[str, list[TextEnded]]:
    chunks = [e.content for e in terminal.of(TextChunk) if e.stream_id == stream_id]
    return "".join(chunks), [e for e in terminal.of(TextEnded) if e.stream_id == stream_id]


def test_a_transcript_comes_in_chunks_with_its_trailer(server: LiveKitServer) -> None:
    async def scenario() -> None:
        terminal = Terminal(server)
        async with Peer(server, terminal.room_name) as peer, terminal:
            writer = await peer.me.stream_text(
                topic="lk.transcription", stream_id="s", attributes={"lk.segment_id": "SG_1"}
            )
            await writer.write("grüß ")
            await terminal.until(lambda: terminal.of(TextChunk))
            await writer.write("dich")
            await writer.aclose(attributes={"lk.transcription_final": "true"})
            await terminal.until(lambda: terminal.of(TextEnded))
            text, (end,) = _stream(terminal, "s")
            assert (text, end.error, end.participant) == ("grüß dich", "", "agent")
            assert end.attributes == {"lk.segment_id": "SG_1", "lk.transcription_final": "true"}
            assert terminal.of(TextChunk)[0].attributes == {"lk.segment_id": "SG_1"}

    asyncio.run(scenario())


def test_streams_one_after_the_other_stay_in_order(server: LiveKitServer) -> None:
    async def scenario() -> None:
        terminal = Terminal(server)
        async with Peer(server, terminal.room_name) as peer, terminal:
            for number in range(20):
                writer = await peer.me.stream_text(topic="lk.chat", stream_id=str(number))
                await writer.write(f"{number}")
                await writer.aclose()
            await terminal.until(lambda: len(terminal.of(TextEnded)) == 20)
            order = [e.stream_id for e in terminal.events if isinstance(e, TextChunk | TextEnded)]
            assert order == [str(number) for number in range(20) for _ in range(2)]

    asyncio.run(scenario())


@pytest.mark.parametrize("how", ["aborted", "left", "too long"])
def test_a_stream_that_breaks_off_ends_with_an_error_and_others_go_on(
    server: LiveKitServer, how: str
) -> None:
    async def scenario() -> None:
        terminal = Terminal(server)
        other = Peer(server, terminal.room_name, "other")
        async with other, terminal, Peer(server, terminal.room_name) as peer:
            # A participant whose leaving is to be seen must have been seen to come.
            await terminal.until(lambda: len(terminal.roster()) == 2)
            writer = await peer.me.stream_text(topic="lk.chat", stream_id="broken")
            await writer.write("half")
            await terminal.until(lambda: terminal.of(TextChunk))
            match how:
                case "aborted":
                    await writer.aclose(reason="broken")
                case "left":
                    await peer.leave()
                case "too long":
                    await writer.write("x" * 1_100_000)
            await terminal.until(lambda: _stream(terminal, "broken")[1])
            assert _stream(terminal, "broken")[1][0].error
            again = await other.me.stream_text(topic="lk.chat", stream_id="next")
            await again.write("whole")
            await again.aclose()
            await terminal.until(lambda: _stream(terminal, "next")[1])
            text, (end,) = _stream(terminal, "next")
            assert (text, end.error) == ("whole", "")

    asyncio.run(scenario())


# -- a server that dies ----------------------------------------------------------------------------


@pytest.mark.timeout(120)
def test_a_killed_server_is_told_as_reconnecting_and_then_as_lost(tmp_path: Path) -> None:
    async def scenario(own: LiveKitServer) -> None:
        terminal = Terminal(own)
        await terminal.__aenter__()
        await terminal.backend.publish_microphone(RATE, preconnect=True)
        own.kill()
        await terminal.until(lambda: terminal.states()[-1] == "reconnecting")
        await terminal.until(lambda: terminal.states()[-1] == "disconnected", 45.0)
        assert "lost" in terminal.of(ConnectionChanged)[-1].reason
        with pytest.raises(RoomError):
            await terminal.backend.send_text("x", topic="lk.chat", stream_id="1", attributes={})
        await terminal.backend.disconnect()

    with LiveKitServer(tmp_path) as own:
        asyncio.run(scenario(own))


@pytest.mark.timeout(120)
def test_connecting_gives_up_on_a_server_that_never_answers(server: LiveKitServer) -> None:
    async def scenario(url: str) -> None:
        terminal = Terminal(server)
        with pytest.raises(RoomError) as caught:
            await terminal.backend.connect(url, "token")
        assert caught.value.code == "unreachable"

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()  # the kernel accepts for it, and nobody speaks
        asyncio.run(scenario(f"ws://127.0.0.1:{silent.getsockname()[1]}"))
