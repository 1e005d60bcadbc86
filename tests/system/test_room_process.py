"""The room process with a real server: orders, state, texts, both lanes, and its death."""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import uuid4

import numpy as np
import pytest
from livekit import api, rtc

from actors.messages import (
    Done,
    JoinRoom,
    LeaveRoom,
    Message,
    RoomState,
    SendText,
    Spoken,
    TextStream,
)
from actors.runtime.bus import Bus
from actors.runtime.client import Client
from actors.runtime.errors import OrderFailed
from actors.settings import Settings
from supervisor.drill.coded_signal import decode, generate
from tests.children import DEADLINE_S, Children
from tests.peers.livekit_server import LiveKitServer

from .fake_audio import RATE, FakeAudio
from .room_peer import Peer, token_of

pytestmark = pytest.mark.system

T = TypeVar("T")
BLOCKS = 60
"""Of 100 ms of coded speech."""
SIGNAL = generate(BLOCKS, RATE).astype("<i2").tobytes()


@pytest.fixture(autouse=True)
def nothing_left_behind() -> None:
    """Instead of the check of all tests: the peer's native client keeps threads, event
    descriptors and pooled connections for the life of this process.
    """


class Terminal:
    """Router and room as children; this process is session and audio."""

    def __init__(self, runtime_dir: Path, server: LiveKitServer) -> None:
        self.server = server
        self.room_name = f"room-{uuid4()}"
        self.conversation = str(uuid4())
        self._dir = runtime_dir
        self.children = Children(runtime_dir, Settings())
        self.client = Client(
            runtime_dir, subscribes=(RoomState, TextStream), on_message=self._on_message
        )
        self.client.name = "session"
        self.heard: list[Message] = []
        self._news = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self.children.__aenter__()
        self._bus = Bus(self._dir)
        self.audio = FakeAudio(self._bus, SIGNAL)
        await self.children.start("router", "actors.router.process:Router")
        await self.start_room()
        await self.client.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.audio.stop()
        await self.client.__aexit__(None, None, None)
        await self.children.__aexit__(kind, error, traceback)
        self._bus.close()

    async def start_room(self) -> int:
        return await self.children.start("room", "actors.room.process:RoomActor")

    def order(self, **changes: object) -> JoinRoom:
        token = token_of(self.server, self.room_name, "terminal")
        order = JoinRoom(self.conversation, self.server.url, token, True, True)
        return JoinRoom(**{**_fields(order), **changes})  # type: ignore[arg-type]

    async def join(self, **changes: object) -> Message:
        return await self.client.ask("room", self.order(**changes), timeout_s=DEADLINE_S)

    def state(self) -> RoomState:
        states = [each for each in self.heard if isinstance(each, RoomState)]
        return states[-1] if states else RoomState("", "disconnected")

    def published(self) -> RoomState | None:
        return self.state() if self.state().microphone_sid else None

    def failed(self) -> RoomState | None:
        return self.state() if self.state().error else None

    def texts(self) -> list[TextStream]:
        return [each for each in self.heard if isinstance(each, TextStream)]

    def _on_message(self, message: Message, sender: str) -> None:
        assert sender == "room"
        self.heard.append(message)
        self._news.set()

    async def until(self, condition: Callable[[], T | None]) -> T:
        """Also looks every 50 ms, for what only a peer or the fake audio sees."""
        async with asyncio.timeout(DEADLINE_S):
            while not (value := condition()):
                self._news.clear()
                try:
                    await asyncio.wait_for(self._news.wait(), 0.05)
                except TimeoutError:
                    continue
        return value


def _fields(order: JoinRoom) -> dict[str, object]:
    return {name: getattr(order, name) for name in JoinRoom.__struct_fields__}


async def _heard_to_the_end(terminal: Terminal, peer: Peer) -> None:
    """Wait for the last block; on a busy machine jitter buffers grow, and it comes late."""
    heard = 0

    def more() -> bool:
        return len(peer.heard) > heard + RATE

    while True:
        await terminal.until(more)
        heard = len(peer.heard)
        end = _pcm(bytes(peer.heard[-8 * RATE :]))
        if not (await asyncio.to_thread(decode, end, RATE)).missing([BLOCKS - 1]):
            return


def _heard_by(peer: Peer) -> bytes:
    """What an agent makes of it: the buffers as they came, then the track."""
    return b"".join(content for _, content in peer.buffers) + bytes(peer.heard)


# -- orders ----------------------------------------------------------------------------------------


def test_join_connects_publishes_and_shows_it(runtime_dir: Path, server: LiveKitServer) -> None:
    async def scenario() -> None:
        async with Terminal(runtime_dir, server) as terminal:
            assert terminal.state() == RoomState("", "disconnected")
            assert await terminal.join() == Done()
            state = await terminal.until(terminal.published)
            assert (state.conversation, state.connection_state) == (
                terminal.conversation,
                "connected",
            )
            assert (state.room_name, state.identity) == (terminal.room_name, "terminal")
            assert (state.uplink, state.error) == ("buffering", "")
            follows = len(terminal.audio.follows)
            assert await terminal.join() == Done()  # the same again: nothing happens
            streams = {follow.stream for follow in terminal.audio.follows[:follows]}
            assert terminal.audio.follows[-1].stream in streams or not follows

    asyncio.run(scenario())


def test_leave_is_seen_by_the_agent_and_forgets_the_conversation(
    runtime_dir: Path, server: LiveKitServer
) -> None:
    async def scenario() -> None:
        async with (
            Terminal(runtime_dir, server) as terminal,
            Peer(server, terminal.room_name) as peer,
        ):
            await terminal.join()
            await terminal.until(lambda: peer.room.remote_participants)
            assert not await terminal.children.is_quiet("room")
            assert await terminal.client.ask("room", LeaveRoom()) == Done()
            await terminal.until(lambda: not peer.room.remote_participants)
            await terminal.until(lambda: not terminal.state().conversation)
            assert await terminal.children.is_quiet("room")
            assert terminal.state() == RoomState("", "disconnected")

    asyncio.run(scenario())


def test_a_refused_token_is_answered_and_the_next_join_works(
    runtime_dir: Path, server: LiveKitServer
) -> None:
    async def scenario() -> None:
        async with Terminal(runtime_dir, server) as terminal:
            with pytest.raises(OrderFailed, match="refused the token") as caught:
                await terminal.join(token="garbage")
            assert caught.value.code == "refused"
            state = await terminal.until(terminal.failed)
            assert (state.conversation, state.connection_state) == ("", "disconnected")
            assert await terminal.join() == Done()
            await terminal.until(lambda: terminal.state().connection_state == "connected")
            assert terminal.state().error == ""

    asyncio.run(scenario())


def test_another_conversation_takes_the_room_over(runtime_dir: Path, server: LiveKitServer) -> None:
    async def scenario() -> None:
        async with Terminal(runtime_dir, server) as terminal:
            await terminal.join()
            elsewhere = f"room-{uuid4()}"
            token = token_of(server, elsewhere, "terminal")
            assert await terminal.join(conversation="next", token=token) == Done()
            await terminal.until(lambda: terminal.state().microphone_sid)
            assert (terminal.state().conversation, terminal.state().room_name) == (
                "next",
                elsewhere,
            )

    asyncio.run(scenario())


def test_the_same_conversation_moves_to_another_room(
    runtime_dir: Path, server: LiveKitServer
) -> None:
    async def scenario() -> None:
        async with (
            Terminal(runtime_dir, server) as terminal,
            Peer(server, terminal.room_name) as peer,
        ):
            await terminal.join(room_name=terminal.room_name)
            await terminal.until(lambda: peer.room.remote_participants)
            elsewhere = f"room-{uuid4()}"
            token = token_of(server, elsewhere, "terminal")
            assert await terminal.join(room_name=elsewhere, token=token) == Done()
            await terminal.until(lambda: terminal.state().room_name == elsewhere)
            assert terminal.state().conversation == terminal.conversation
            await terminal.until(lambda: not peer.room.remote_participants)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("how", "ended", "sentence"),
    [
        ("deleted", "closed", "the room was deleted"),
        ("removed", "closed", "this terminal was removed from the room"),
        ("replaced", "replaced", "another participant has joined with the same identity"),
    ],
)
def test_an_end_made_by_others_is_told_apart_from_a_loss(
    runtime_dir: Path, server: LiveKitServer, how: str, ended: str, sentence: str
) -> None:
    async def scenario() -> None:
        async with (
            Terminal(runtime_dir, server) as terminal,
            api.LiveKitAPI(server.url, server.api_key, server.api_secret) as admin,
            contextlib.AsyncExitStack() as others,
            Peer(server, terminal.room_name) as peer,
        ):
            await terminal.join()
            # In the first moments of a connection the client takes any end of it for a loss.
            await terminal.until(lambda: peer.features)
            room = terminal.room_name
            match how:
                case "deleted":
                    await admin.room.delete_room(api.DeleteRoomRequest(room=room))
                case "removed":
                    who = api.RoomParticipantIdentity(room=room, identity="terminal")
                    await admin.room.remove_participant(who)
                case "replaced":
                    await others.enter_async_context(Peer(server, room, "terminal", "standard"))
            state = await terminal.until(terminal.failed)
            assert (state.ended, state.error) == (ended, sentence)
            assert state.connection_state == "disconnected"

    asyncio.run(scenario())


def test_an_agent_that_leaves_is_not_lost(runtime_dir: Path, server: LiveKitServer) -> None:
    async def scenario() -> None:
        async with Terminal(runtime_dir, server) as terminal:
            await terminal.join()
            async with Peer(server, terminal.room_name):
                await terminal.until(lambda: terminal.state().participants)
            state = await terminal.until(
                lambda: None if terminal.state().participants else terminal.state()
            )
            assert not state.agent_lost

    asyncio.run(scenario())


def test_leaving_before_the_room_is_joined_leaves_it(
    runtime_dir: Path, server: LiveKitServer
) -> None:
    """Start and end pressed quickly: no reason to start the process anew, nor to back off."""

    async def scenario() -> None:
        async with (
            Terminal(runtime_dir, server) as terminal,
            Peer(server, terminal.room_name) as peer,
        ):
            joining = asyncio.ensure_future(terminal.join())
            await terminal.until(lambda: terminal.state().connection_state == "connecting")
            assert await terminal.client.ask("room", LeaveRoom()) == Done()
            assert await joining == Done()
            await terminal.until(lambda: terminal.state() == RoomState("", "disconnected"))
            await terminal.until(lambda: not peer.room.remote_participants)
            assert await terminal.join() == Done()
            await terminal.until(terminal.published)

    asyncio.run(scenario())


def test_leaving_while_connecting_ends_the_process_cleanly(
    runtime_dir: Path, server: LiveKitServer
) -> None:
    async def scenario(url: str) -> None:
        async with Terminal(runtime_dir, server) as terminal:
            joining = asyncio.ensure_future(terminal.join(url=url))
            await terminal.until(lambda: terminal.state().connection_state == "connecting")
            with pytest.raises(OrderFailed, match="being joined"):
                await terminal.join(conversation="another")
            assert await terminal.client.ask("room", LeaveRoom()) == Done()
            assert await terminal.children.exit_code("room") == 0
            terminal.client.post.peer_down("room")
            with pytest.raises(OrderFailed):
                await joining
            assert terminal.state() == RoomState("", "disconnected")

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        asyncio.run(scenario(f"ws://127.0.0.1:{silent.getsockname()[1]}"))


def test_a_stop_does_not_leave_the_room(runtime_dir: Path, server: LiveKitServer) -> None:
    async def scenario() -> None:
        async with (
            Terminal(runtime_dir, server) as terminal,
            Peer(server, terminal.room_name) as peer,
        ):
            left: list[str] = []

            def note(participant: Any) -> None:
                left.append(rtc.DisconnectReason.Name(participant.disconnect_reason or 0))

            peer.room.on("participant_disconnected", note)
            await terminal.join()
            await terminal.until(lambda: peer.room.remote_participants)
            assert await terminal.children.stop("room") == 0
            await terminal.start_room()
            await terminal.join()
            await terminal.until(lambda: terminal.state().microphone_sid)
            reasons = [each.disconnect_reason for each in peer.room.remote_participants.values()]
            assert reasons == [None]
            # That another has come under its name is all that it has heard of it, if anything.
            assert set(left) <= {"DUPLICATE_IDENTITY", "UNKNOWN_REASON"}, left

    asyncio.run(scenario())


# -- texts -----------------------------------------------------------------------------------------


def test_texts_go_both_ways(runtime_dir: Path, server: LiveKitServer) -> None:
    async def scenario() -> None:
        async with (
            Terminal(runtime_dir, server) as terminal,
            Peer(server, terminal.room_name) as peer,
        ):
            with pytest.raises(OrderFailed, match="no room"):
                await terminal.client.ask("room", SendText("1", "too early"))
            await terminal.join()
            assert await terminal.client.ask("room", SendText("id-1", "hello")) == Done()
            await terminal.until(lambda: peer.texts)
            assert peer.texts == [("id-1", "terminal", "hello")]
            writer = await peer.me.stream_text(topic="lk.transcription", stream_id="s")
            await writer.write("good ")
            await terminal.until(lambda: [t for t in terminal.texts() if t.text == "good "])
            await writer.write("morning")
            await writer.aclose(attributes={"lk.transcription_final": "true"})
            last = await terminal.until(
                lambda: next((t for t in terminal.texts() if t.ended), None)
            )
            assert (last.text, last.participant, last.error) == ("good morning", "agent", "")
            assert last.attributes == {"lk.transcription_final": "true"}
            assert last.conversation == terminal.conversation

    asyncio.run(scenario())


# -- the lanes -------------------------------------------------------------------------------------


def test_the_voice_of_the_agent_goes_to_the_speaker(
    runtime_dir: Path, server: LiveKitServer
) -> None:
    wave = (8000 * np.sin(np.arange(RATE) * 2 * np.pi * 440 / RATE)).astype("<i2").tobytes()

    def spoken(terminal: Terminal) -> list[Spoken]:
        return [each for each in terminal.audio.spoken if isinstance(each, Spoken)]

    async def scenario() -> None:
        async with Terminal(runtime_dir, server) as terminal:
            async with Peer(server, terminal.room_name) as peer:
                await terminal.join()
                await terminal.until(lambda: spoken(terminal))
                await peer.speak(wave)

                def loud() -> bool:
                    pcm = np.frombuffer(b"".join(s.pcm for s in spoken(terminal)), "<i2")
                    return int(np.count_nonzero(np.abs(pcm) > 4000)) > RATE // 4

                await terminal.until(loud)
                numbers = [each.sequence for each in spoken(terminal)]
                assert numbers == list(range(1, len(numbers) + 1))
            await terminal.until(lambda: not isinstance(terminal.audio.spoken[-1], Spoken))

    asyncio.run(scenario())


@pytest.mark.timeout(120)
def test_speech_before_the_agent_and_after_arrives_complete(
    runtime_dir: Path, server: LiveKitServer
) -> None:
    async def scenario() -> None:
        async with Terminal(runtime_dir, server) as terminal:
            terminal.audio.record()
            await terminal.join()
            await terminal.until(lambda: terminal.audio.captured > 2 * RATE)
            async with Peer(server, terminal.room_name) as peer:
                await peer.me.set_attributes({"lk.agent.state": "listening"})
                await terminal.until(lambda: terminal.state().uplink == "live")
                await terminal.until(lambda: terminal.audio.served * 2 >= len(SIGNAL))
                await _heard_to_the_end(terminal, peer)
                ((attributes, content),) = peer.buffers
                assert attributes == {
                    "sampleRate": "48000",
                    "channels": "1",
                    "trackId": terminal.state().microphone_sid,
                }
                assert content == SIGNAL[: len(content)]
                heard = decode(_pcm(_heard_by(peer)), RATE)
                assert heard.missing(BLOCKS) == ()
                assert heard.in_order

    asyncio.run(scenario())


@pytest.mark.timeout(120)
def test_a_killed_room_comes_back_and_the_agent_hears_every_word(
    runtime_dir: Path, server: LiveKitServer
) -> None:
    async def scenario() -> None:
        async with (
            Terminal(runtime_dir, server) as terminal,
            Peer(server, terminal.room_name) as peer,
        ):
            await peer.me.set_attributes({"lk.agent.state": "listening"})
            terminal.audio.record()
            await terminal.join()
            await terminal.until(lambda: terminal.state().uplink == "live")
            await terminal.until(lambda: terminal.audio.served > 2 * RATE)
            await terminal.children.kill("room")
            before = len(peer.heard)
            served = terminal.audio.served
            await terminal.start_room()
            await terminal.join()
            await terminal.until(lambda: terminal.audio.served * 2 >= len(SIGNAL))
            await terminal.until(lambda: len(peer.buffers) == 2)
            (_, first), (attributes, second) = peer.buffers
            assert attributes["trackId"] == terminal.state().microphone_sid
            assert SIGNAL[served * 2 :].startswith(second)
            await _heard_to_the_end(terminal, peer)
            whole = first + bytes(peer.heard[:before]) + second + bytes(peer.heard[before:])
            heard = decode(_pcm(whole), RATE)
            assert heard.missing(BLOCKS) == ()

    asyncio.run(scenario())


def test_garbage_on_the_microphone_lane_is_dropped(
    runtime_dir: Path, server: LiveKitServer
) -> None:
    async def scenario() -> None:
        async with Terminal(runtime_dir, server) as terminal:
            await terminal.join()
            await terminal.until(lambda: terminal.audio.follows)
            for garbage in (b"", b"\xc1" * 100, b"\x93\x01\x02\x03"):
                assert terminal.audio._lane.send(garbage, to="room")
            follows = len(terminal.audio.follows)
            await terminal.until(lambda: len(terminal.audio.follows) > follows)
            assert await terminal.join() == Done()

    asyncio.run(scenario())


def _pcm(raw: bytes) -> "np.ndarray[tuple[int], np.dtype[np.int16]]":
    return np.frombuffer(raw, "<i2")
