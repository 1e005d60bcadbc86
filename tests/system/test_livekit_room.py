"""What is LiveKit's alone, beside the contract that both rooms are held to."""

import socket
from collections.abc import Iterator

import pytest
from livekit import rtc

from actors.messages import AgentView
from actors.room import livekit_room, streams
from actors.room.backend import (
    ConnectionChanged,
    MicrophoneBarred,
    MicrophoneRepublished,
    MicrophoneSubscribed,
    ParticipantsChanged,
    RoomError,
)
from actors.session.agent import ON_BEHALF_ATTRIBUTE, STATE_ATTRIBUTE, view_of
from tests.peers.livekit_server import LiveKitServer
from tests.rooms.livekit import LiveKitStage
from tests.rooms.stage import House
from tests.rooms.terminal import RATE, loud_s, wave
from tests.system.raw_stream import RawStream

pytestmark = pytest.mark.system


@pytest.fixture(autouse=True)
def nothing_left_behind() -> None:
    """Instead of the check of all tests: the client's native half keeps threads, event
    descriptors and pooled connections for the life of the process.
    """


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with LiveKitServer(tmp_path_factory.mktemp("server")) as server:
        yield House(lambda: LiveKitStage(server))


@pytest.mark.parametrize("case", ["forged", "nobody there", "no address"])
def test_a_failed_connect_says_why_and_not_the_token(house: House, case: str) -> None:
    async def scenario(stage: LiveKitStage) -> None:
        token = stage.token()
        url, token, code = {
            "forged": (stage.url, f"{token}x", "refused"),
            "nobody there": ("ws://127.0.0.1:9", token, "unreachable"),
            "no address": ("nonsense", token, "invalid"),
        }[case]
        terminal = stage.stranger()
        with pytest.raises(RoomError) as caught:
            await terminal.backend.connect(url, token)
        assert caught.value.code == code
        assert terminal.events[-1] == ConnectionChanged("disconnected", str(caught.value), "lost")
        assert token not in str(caught.value)
        assert caught.value.__cause__ is None

    house.play(scenario)


def test_a_full_reconnect_is_told_with_the_new_sid_and_nobody_seems_to_leave(house: House) -> None:
    async def scenario(stage: LiveKitStage) -> None:
        terminal, _ = await stage.terminal(), await stage.peer()
        sid = await terminal.backend.publish_microphone(RATE, preconnect=True)
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

    house.play(scenario)


def test_a_microphone_that_could_not_be_published_again_can_be_later(house: House) -> None:
    async def scenario(stage: LiveKitStage) -> None:
        terminal, _ = await stage.terminal(), await stage.peer()
        sid = await terminal.backend.publish_microphone(RATE, preconnect=True)
        await terminal.until(lambda: terminal.of(MicrophoneSubscribed))
        await stage.moderator.permit(publish=False)
        await terminal.until(lambda: terminal.of(MicrophoneBarred))
        for _ in range(2):
            with pytest.raises(RoomError, match="lets this terminal publish no microphone"):
                await terminal.backend.republish_microphone()
        await stage.moderator.permit(publish=True)
        await terminal.until(lambda: not terminal.of(MicrophoneBarred)[-1].reason)
        await terminal.backend.republish_microphone()
        (again,) = terminal.of(MicrophoneRepublished)
        assert again.sid not in ("", sid)
        await terminal.until(lambda: terminal.of(MicrophoneSubscribed)[-1].sid == again.sid)

    house.play(scenario)


def test_a_stream_that_its_sender_breaks_off_ends_with_an_error(house: House) -> None:
    async def scenario(stage: LiveKitStage) -> None:
        terminal, peer = await stage.terminal(), await stage.peer()
        writer = await peer.open_text("broken")
        await writer.write("half")
        await writer.aclose(reason="broken")
        end = await terminal.until(lambda: terminal.end("broken"))
        assert (terminal.text("broken"), bool(end.error)) == ("half", True)

    house.play(scenario)


BIRD = "grüß 🦜!".encode()


@pytest.mark.parametrize(
    ("chunks", "total", "reason", "text", "is_whole"),
    [
        ([(0, BIRD[:3]), (1, BIRD[3:8]), (2, BIRD[8:])], len(BIRD), "", "grüß 🦜!", True),
        ([(0, b"a"), (0, b"a"), (1, b"b")], None, "", "ab", True),
        ([(0, b"a"), (2, b"c")], None, "", "a", False),
        ([(0, b"a\xff"), (1, b"b")], None, "", "", False),
        ([(0, BIRD[:-2])], None, "", "grüß ", False),
        ([(0, b"abc")], 10, "", "abc", False),
        ([(0, b"abc")], None, "given up", "abc", False),
        ([], None, "", "", True),
    ],
    ids=["split", "doubled", "gap", "no text", "cut", "short", "given up", "empty"],
)
def test_a_stream_off_the_wire_is_whole_or_ends_with_an_error_and_others_go_on(
    house: House,
    chunks: list[tuple[int, bytes]],
    total: int | None,
    reason: str,
    text: str,
    is_whole: bool,
) -> None:
    async def scenario(stage: LiveKitStage) -> None:
        terminal, peer = await stage.terminal(), await stage.peer()
        stream, other = RawStream(peer.me, "s"), RawStream(peer.me, "other")
        await other.open()
        await stream.open(total)
        for index, content in chunks:
            await stream.chunk(index, content)
        await stream.close(reason)
        await other.chunk(0, b"whole")
        await other.close()
        end = await terminal.until(lambda: terminal.end("s"))
        assert (terminal.text("s"), end.error == "") == (text, is_whole)
        assert (await terminal.until(lambda: terminal.end("other"))).error == ""
        assert terminal.text("other") == "whole"

    house.play(scenario)


def test_a_stream_that_nobody_goes_on_with_is_ended(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "IDLE_S", 0.2)
    monkeypatch.setattr(livekit_room, "LOOK_S", 0.05)

    async def scenario(stage: LiveKitStage) -> None:
        terminal, peer = await stage.terminal(), await stage.peer()
        stream = RawStream(peer.me, "s")
        await stream.open()
        await stream.chunk(0, b"half")
        assert (await terminal.until(lambda: terminal.end("s"))).error == streams.IDLE
        assert terminal.text("s") == "half"

    house.play(scenario)


def test_an_avatar_worker_speaks_for_its_agent_and_shows_its_face(house: House) -> None:
    async def scenario(stage: LiveKitStage) -> None:
        terminal, agent = await stage.terminal(), await stage.peer("agent")
        (own,) = agent.me.track_publications
        await agent.me.unpublish_track(own)
        await agent.set_attributes({STATE_ATTRIBUTE: "listening"})
        worker = await stage.peer("worker")
        await worker.set_attributes({ON_BEHALF_ATTRIBUTE: "agent"})
        face = rtc.LocalVideoTrack.create_video_track("face", rtc.VideoSource(64, 64))
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_CAMERA)
        camera = await worker.me.publish_track(face, options)

        def seen() -> AgentView | None:
            view = view_of(terminal.roster(), on=True, buffering=False, failure=None)
            return view if view.is_connected and view.avatar_video_track else None

        view = await terminal.until(seen)
        assert (view.identity, view.state) == ("agent", "listening")
        assert view.avatar_video_track is not None
        assert view.avatar_video_track.sid == camera.sid
        assert view.audio_track is not None
        assert view.audio_track.sid in worker.me.track_publications
        await worker.speak(wave(1.0))
        await terminal.until(lambda: loud_s(terminal.heard()) > 0.5)
        await worker.leave()
        await terminal.until(lambda: terminal.identities() == ["agent"])

    house.play(scenario)


@pytest.mark.timeout(120)
def test_connecting_gives_up_on_a_server_that_never_answers(house: House) -> None:
    async def scenario(stage: LiveKitStage) -> None:
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()  # the kernel accepts for it, and nobody speaks
            url = f"ws://127.0.0.1:{silent.getsockname()[1]}"
            with pytest.raises(RoomError) as caught:
                await stage.stranger().backend.connect(url, "token")
        assert caught.value.code == "unreachable"

    house.play(scenario)
