"""What every room must do: the real one against LiveKit's server and agents, and the practice room
against its parrot. LiveKit is the law; where the practice room differs, that is mended.
"""

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest

from actors.messages import InvokeRpc, Participant, RpcResult
from actors.room.backend import (
    AgentAudio,
    ConnectionChanged,
    DataCame,
    MicrophoneRepublished,
    MicrophoneSubscribed,
    ParticipantsChanged,
    RoomError,
    RoomEvent,
    RpcInvoked,
    TextChunk,
    TextEnded,
)
from actors.room.rpc import TIMED_OUT, UNSUPPORTED
from tests.peers.agent_worker import AgentWorker
from tests.peers.livekit_server import LiveKitServer
from tests.rooms.livekit import LiveKitStage, WorkerStage
from tests.rooms.practice import ParrotStage, PracticeStage
from tests.rooms.stage import House, Stage
from tests.rooms.terminal import RATE, Terminal, loud_s, wave

pytestmark = pytest.mark.contract

PRECONNECT = "lk.agent.pre-connect-audio-buffer"
FINAL, SEGMENT, TRACK = (
    "lk.transcription_final",
    "lk.segment_id",
    "lk.transcribed_track_id",
)
LOST_DEADLINE_S = 60.0
"""LiveKit's client goes on for 22 to 33 s before it gives up (measured)."""


@pytest.fixture(scope="module", params=["practice", "livekit"])
def twin(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest) -> None:
    """The check of all tests, but for LiveKit's client, whose native half keeps threads, event
    descriptors and pooled connections for the life of the process.
    """
    if "twin" in request.fixturenames and request.getfixturevalue("twin") == "practice":
        request.getfixturevalue("nothing_left_behind")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Private ones, of names short enough for sockets in them."""
    base, numbers = tmp_path_factory.mktemp("r"), itertools.count()

    def folder() -> Path:
        path = base / str(next(numbers))
        path.mkdir(mode=0o700)
        return path

    return folder


@pytest.fixture(scope="module")
def server(folders: Callable[[], Path], lost: object) -> Iterator[LiveKitServer]:
    """Shared by all tests with it, beside which those of ``lost`` wait."""
    with LiveKitServer(folders()) as server:
        yield server


@pytest.fixture(scope="module")
def house(twin: str, folders: Callable[[], Path], request: pytest.FixtureRequest) -> House:
    """Stages whose other side does what the test says."""
    if twin == "practice":
        return House(lambda: PracticeStage(folders()))
    server = request.getfixturevalue("server")
    return House(lambda: LiveKitStage(server))


@pytest.fixture(scope="module")
def agency(
    twin: str, folders: Callable[[], Path], request: pytest.FixtureRequest
) -> Iterator[House]:
    """Stages with a whole agent on the other side: parrot, or a worker of LiveKit's."""
    if twin == "practice":
        yield House(lambda **wanted: ParrotStage(folders(), **wanted))
        return
    server = request.getfixturevalue("server")
    with AgentWorker(server, folders()) as worker:
        yield House(lambda **wanted: WorkerStage(server, worker, **wanted))


@pytest.fixture
def mortal(twin: str, folders: Callable[[], Path]) -> Iterator[House]:
    """Stages whose server is a process that may be killed."""
    if twin == "practice":
        yield House(lambda: ParrotStage(folders()))
        return
    with LiveKitServer(folders()) as own:
        yield House(lambda: LiveKitStage(own))


@pytest.fixture(scope="module")
def lost(folders: Callable[[], Path]) -> Iterator[dict[str, Future[Terminal]]]:
    """Terminals whose server is gone for good. In threads of their own, because LiveKit's client
    takes half a minute to give up.
    """

    def practice() -> Terminal:
        return asyncio.run(_lose(ParrotStage(folders())))

    def livekit() -> Terminal:
        with LiveKitServer(folders()) as own:
            return asyncio.run(_lose(LiveKitStage(own)))

    with ThreadPoolExecutor() as pool:
        yield {"practice": pool.submit(practice), "livekit": pool.submit(livekit)}


async def _lose(house_of: Stage) -> Terminal:
    async with house_of as stage:
        terminal = await stage.terminal()
        await terminal.backend.publish_microphone(RATE, preconnect=True)
        if peer := await stage.peer():
            writer = await peer.open_text("half")  # held: LiveKit's may else end it
            await writer.write("half")
        await terminal.until(lambda: terminal.of(TextChunk))  # the parrot greets by itself
        await stage.kill()
        await terminal.until(lambda: terminal.states()[-1] == "reconnecting")
        await terminal.until(
            lambda: terminal.states()[-1] == "disconnected" and terminal.of(TextEnded),
            LOST_DEADLINE_S,
        )
        with pytest.raises(RoomError, match="not connected"):
            await terminal.say("too late", "1")
        return terminal


def _sent(terminal: Terminal) -> list[RoomEvent]:
    """All events but the sound."""
    return [event for event in terminal.events if not isinstance(event, AgentAudio)]


# -- connecting ------------------------------------------------------------------------------------


def test_it_connects_as_the_token_says_and_leaves_without_a_reason(house: House) -> None:
    async def scenario(stage: Stage) -> None:
        terminal = stage.stranger()
        assert (terminal.backend.name, terminal.backend.identity) == ("", "")
        await terminal.backend.connect(stage.url, stage.token("me"))
        assert (terminal.backend.name, terminal.backend.identity) == (stage.room, "me")
        await terminal.backend.disconnect()
        assert terminal.backend.identity == ""
        assert terminal.events == [
            ConnectionChanged("connecting"),
            ConnectionChanged("connected"),
            ConnectionChanged("disconnected"),
        ]

    house.play(scenario)


@pytest.mark.parametrize("fault", ["garbage", "empty", "expired", "lets nobody in"])
def test_a_refused_token_is_told_as_such_and_never_shown(house: House, fault: str) -> None:
    async def scenario(stage: Stage) -> None:
        token = {
            "garbage": "garbage",
            "empty": "",
            "expired": stage.token(life_s=-3600.0),
            "lets nobody in": stage.token(join=False),
        }[fault]
        terminal = stage.stranger()
        with pytest.raises(RoomError) as caught:
            await terminal.backend.connect(stage.url, token)
        assert caught.value.code == "refused"
        assert caught.value.__cause__ is None
        assert not token or token not in str(caught.value)
        assert terminal.events == [
            ConnectionChanged("connecting"),
            ConnectionChanged("disconnected", str(caught.value), "lost"),
        ]
        await terminal.backend.disconnect()
        assert len(terminal.events) == 2

    house.play(scenario)


@pytest.mark.parametrize("when", ["before", "after"])
def test_nothing_can_be_sent_without_a_connection(house: House, when: str) -> None:
    async def scenario(stage: Stage) -> None:
        terminal = stage.stranger()
        room = terminal.backend
        if when == "after":
            await room.connect(stage.url, stage.token())
            await room.disconnect()
        at = len(terminal.events)
        to = {"topic": "lk.chat", "attributes": {}}
        for attempt in (
            room.publish_microphone(RATE, preconnect=True),
            room.send_text("x", stream_id="1", **to),
            room.send_bytes(b"x", to="agent", name="x", **to),
            room.capture(bytes(1920)),
        ):
            with pytest.raises(RoomError) as caught:
                await attempt
            assert caught.value.code == "not-connected"
        assert room.queued_s == 0.0
        await room.disconnect()
        assert len(terminal.events) == at

    house.play(scenario)


def test_nothing_is_heard_of_a_room_that_was_left(house: House) -> None:
    async def scenario(stage: Stage) -> None:
        terminal = await stage.terminal("first")
        peer = await stage.peer()
        await terminal.until(terminal.agent)
        await terminal.backend.disconnect()
        at = len(terminal.events)
        other = await stage.terminal("first")
        await peer.set_attributes({"lk.agent.state": "listening"})
        await (await peer.open_text("s")).write("words")
        await other.until(lambda: other.agent_state() and other.of(TextChunk))
        assert len(terminal.events) == at
        assert terminal.events[-2:] == [ConnectionChanged("disconnected"), ParticipantsChanged(())]

    house.play(scenario)


def test_a_second_one_of_its_name_drives_it_out(house: House) -> None:
    async def scenario(stage: Stage) -> None:
        peer = await stage.peer()
        first = await stage.terminal()
        await first.until(first.agent)
        second = await stage.terminal()
        await first.until(lambda: first.states()[-1] == "disconnected" and not first.roster())
        assert "same identity" in first.of(ConnectionChanged)[-1].reason
        with pytest.raises(RoomError) as caught:
            await first.say("x", "1")
        assert caught.value.code == "not-connected"
        await second.say("still here", "2")
        await second.until(lambda: peer.texts == [("2", "terminal", "still here")])

    house.play(scenario)


# -- participants and the voice --------------------------------------------------------------------


def test_participants_are_told_in_the_order_of_their_coming(house: House) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.peer("z-first")
        await stage.peer("a-second", "standard")
        terminal = await stage.terminal()
        await terminal.until(lambda: len(terminal.roster()) == 2)
        third = await stage.peer("m-third")
        await terminal.until(lambda: len(terminal.roster()) == 3)
        assert terminal.identities() == ["z-first", "a-second", "m-third"]
        assert [each.kind for each in terminal.roster()] == ["agent", "standard", "agent"]
        assert len({each.sid for each in terminal.roster()}) == 3
        await third.leave()
        await terminal.until(lambda: terminal.identities() == ["z-first", "a-second"])

    house.play(scenario)


def test_who_is_there_already_is_told_with_all_that_is_known(house: House) -> None:
    async def scenario(stage: Stage) -> None:
        peer = await stage.peer()
        await peer.set_attributes({"lk.agent.state": "idle", "colour": "grün"})
        terminal = await stage.terminal()

        def complete() -> Participant | None:
            agent = terminal.agent()
            if agent is None or not (agent.active and agent.tracks and agent.attributes):
                return None
            return agent if agent.tracks[0].subscribed else None

        agent = await terminal.until(complete)
        assert (agent.identity, agent.kind) == ("agent", "agent")
        assert agent.attributes == {"lk.agent.state": "idle", "colour": "grün"}
        (track,) = agent.tracks
        assert (track.kind, track.source, track.muted) == ("audio", "microphone", False)
        assert track.sid
        assert [type(event) for event in _sent(terminal)[:3]] == [
            ConnectionChanged,
            ConnectionChanged,
            ParticipantsChanged,
        ]

    house.play(scenario)


def test_every_change_of_a_participant_is_told(house: House) -> None:
    async def scenario(stage: Stage) -> None:
        terminal = await stage.terminal()
        peer = await stage.peer()
        for state in ("initializing", "listening", "thinking", "speaking", "listening"):
            await peer.set_attributes({"lk.agent.state": state})
            await terminal.until(lambda state=state: terminal.agent_state() == state)
        await terminal.until(lambda: terminal.roster()[0].tracks)
        await peer.mute()
        await terminal.until(lambda: terminal.roster()[0].tracks[0].muted)
        changes = [change.participants for change in terminal.of(ParticipantsChanged)]
        assert all(before != after for before, after in itertools.pairwise(changes))

    house.play(scenario)


def test_the_voice_of_the_agent_is_heard_and_nobody_elses(house: House) -> None:
    async def scenario(stage: Stage) -> None:
        peer, other = await stage.peer(), await stage.peer("another")
        terminal = await stage.terminal()
        await terminal.until(
            lambda: len([t for each in terminal.roster() for t in each.tracks if t.subscribed]) == 2
        )
        sid = terminal.roster()[0].tracks[0].sid
        await other.speak(wave(0.5))
        await peer.speak(wave(0.5))
        await terminal.until(lambda: loud_s(terminal.heard()) > 0.3)
        frames = terminal.of(AgentAudio)
        assert {(f.track_sid, f.sample_rate, len(f.pcm)) for f in frames} == {(sid, RATE, 1920)}
        await peer.leave()
        await terminal.until(lambda: terminal.identities() == ["another"])
        at = len(terminal.of(AgentAudio))
        await other.speak(wave(0.5))
        await terminal.until(lambda: len(terminal.of(AgentAudio)) > at)
        assert terminal.of(AgentAudio)[-1].track_sid == terminal.roster()[0].tracks[0].sid

    house.play(scenario)


# -- the microphone --------------------------------------------------------------------------------


@pytest.mark.parametrize("preconnect", [True, False])
def test_the_microphone_is_published_subscribed_and_heard(house: House, preconnect: bool) -> None:
    async def scenario(stage: Stage) -> None:
        terminal = await stage.terminal()
        sid = await terminal.backend.publish_microphone(RATE, preconnect=preconnect)
        assert sid
        assert terminal.backend.queued_s == 0.0
        peer = await stage.peer()
        await terminal.until(lambda: terminal.of(MicrophoneSubscribed))
        await terminal.capture(wave(1.0))
        await terminal.until(lambda: loud_s(bytes(peer.heard)) > 0.7)
        assert peer.announced_preconnect is preconnect
        await stage.peer("another")
        await terminal.until(lambda: len(terminal.roster()) == 2)
        assert terminal.of(MicrophoneSubscribed) == [MicrophoneSubscribed(sid)]

    house.play(scenario)


@pytest.mark.parametrize("frame_s", [0.01, 0.02])
def test_captured_samples_are_taken_in_their_own_time(house: House, frame_s: float) -> None:
    async def scenario(stage: Stage) -> None:
        terminal = await stage.terminal()
        await stage.peer()
        await terminal.backend.publish_microphone(RATE, preconnect=True)
        await terminal.until(lambda: terminal.of(MicrophoneSubscribed))
        loop = asyncio.get_running_loop()
        begun, queued = loop.time(), []
        for _ in range(int(0.6 / frame_s)):
            await terminal.capture(bytes(int(2 * RATE * frame_s)), frame_s)
            queued.append(terminal.backend.queued_s)
        assert loop.time() - begun > 0.4
        assert 0.05 < max(queued) < 0.2
        await terminal.until(lambda: terminal.backend.queued_s == 0.0)

    house.play(scenario)


# -- streams that go out ---------------------------------------------------------------------------


def test_bytes_arrive_whole_with_their_attributes_and_at_their_receiver_only(house: House) -> None:
    content = bytes(range(256)) * 2000
    attributes = {"sampleRate": "48000", "channels": "1", "trackId": "TR_x"}

    async def scenario(stage: Stage) -> None:
        peer, other = await stage.peer(), await stage.peer("another")
        terminal = await stage.terminal()
        parts = [("nobody", b"lost"), ("agent", content), ("another", b"short"), ("agent", b"")]
        for to, part in parts:
            await terminal.backend.send_bytes(
                part, topic=PRECONNECT, attributes=attributes, to=to, name="audio"
            )
        await terminal.until(lambda: len(peer.buffers) == 2 and other.buffers)
        assert sorted(peer.buffers, key=lambda each: len(each[1])) == [
            (attributes, b""),
            (attributes, content),
        ]
        assert other.buffers == [(attributes, b"short")]

    house.play(scenario)


def test_it_is_known_whether_what_was_sent_has_arrived(house: House) -> None:
    async def scenario(stage: Stage) -> None:
        with pytest.raises(RoomError, match="not connected"):
            await stage.stranger().backend.has_reached("agent", timeout_s=5.0)
        terminal, peer = await stage.terminal(), await stage.peer()
        await terminal.until(terminal.agent)
        content = bytes(range(256)) * 1000
        await terminal.backend.send_bytes(
            content, topic=PRECONNECT, attributes={}, to="agent", name="buffer"
        )
        assert await terminal.backend.has_reached("agent", timeout_s=5.0)
        await terminal.until(lambda: [got for _, got in peer.buffers] == [content])
        await peer.leave()
        await terminal.until(lambda: not terminal.agent())
        with suppress(RoomError):
            assert await terminal.backend.has_reached("agent", timeout_s=0.5) is False

    house.play(scenario)


def test_texts_arrive_whole_under_their_ids(house: House) -> None:
    texts = ["héllo", "", "a\n\0b", "🦜" * 20_000, "x" * 300_000]

    async def scenario(stage: Stage) -> None:
        peer = await stage.peer()
        terminal = await stage.terminal()
        for number, text in enumerate(texts):
            await terminal.say(text, f"id-{number}")
        await terminal.until(lambda: len(peer.texts) == len(texts))
        assert sorted(peer.texts) == [
            (f"id-{number}", "terminal", text) for number, text in enumerate(texts)
        ]

    house.play(scenario)


# -- streams that come in --------------------------------------------------------------------------


def test_a_transcript_comes_in_chunks_and_may_be_final_in_its_trailer_only(house: House) -> None:
    async def scenario(stage: Stage) -> None:
        terminal, peer = await stage.terminal(), await stage.peer()
        writer = await peer.open_text("s", attributes={SEGMENT: "SG_1", FINAL: "false"})
        await writer.write("grüß ")
        await terminal.until(lambda: terminal.chunks("s") == ["grüß "])
        await writer.write("dich")
        await terminal.until(lambda: terminal.text("s") == "grüß dich")
        assert terminal.end("s") is None
        await writer.aclose(attributes={FINAL: "true"})
        await terminal.until(lambda: terminal.end("s"))
        header = {SEGMENT: "SG_1", FINAL: "false"}
        name = ("s", "lk.transcription", "agent")
        assert [e for e in terminal.events if isinstance(e, TextChunk | TextEnded)] == [
            TextChunk(*name, header, "grüß "),
            TextChunk(*name, header, "dich"),
            TextEnded(*name, {SEGMENT: "SG_1", FINAL: "true"}),
        ]

    house.play(scenario)


def test_a_transcript_of_the_user_comes_in_the_users_own_name(house: House) -> None:
    async def scenario(stage: Stage) -> None:
        terminal, peer = await stage.terminal("me"), await stage.peer()
        for stream_id, text in (("1", "one"), ("2", "one two")):
            writer = await peer.open_text(stream_id, in_name_of="me")
            await writer.write(text)
            await writer.aclose(attributes={FINAL: "false"})
            await terminal.until(lambda stream_id=stream_id: terminal.end(stream_id))
        assert [end.participant for end in terminal.of(TextEnded)] == ["me", "me"]
        assert (terminal.text("1"), terminal.text("2")) == ("one", "one two")

    house.play(scenario)


def test_streams_one_after_the_other_stay_in_order(house: House) -> None:
    async def scenario(stage: Stage) -> None:
        terminal, peer = await stage.terminal(), await stage.peer()
        names = [str(number) for number in range(20)]
        for name in names:
            writer = await peer.open_text(name, "lk.chat")
            await writer.write(name)
            await writer.aclose()
        await terminal.until(lambda: len(terminal.of(TextEnded)) == 20)
        order = [e.stream_id for e in terminal.events if isinstance(e, TextChunk | TextEnded)]
        assert order == [name for name in names for _ in range(2)]

    house.play(scenario)


def test_streams_at_the_same_time_do_not_wait_for_each_other(house: House) -> None:
    async def scenario(stage: Stage) -> None:
        terminal, peer = await stage.terminal(), await stage.peer()
        slow, fast = await peer.open_text("slow"), await peer.open_text("fast", "lk.chat")
        await slow.write("sl")
        await fast.write("fast")
        await fast.aclose()
        await terminal.until(lambda: terminal.end("fast"))
        assert (terminal.text("fast"), terminal.end("slow")) == ("fast", None)
        await slow.write("ow")
        await slow.aclose()
        await terminal.until(lambda: terminal.end("slow"))
        assert terminal.text("slow") == "slow"

    house.play(scenario)


@pytest.mark.parametrize("text", ["", "🦜" * 20_000, "añ" * 30_000])
def test_a_text_of_any_length_comes_in_whole_characters(house: House, text: str) -> None:
    async def scenario(stage: Stage) -> None:
        terminal, peer = await stage.terminal(), await stage.peer()
        writer = await peer.open_text("s")
        if text:
            await writer.write(text)
        await writer.aclose()
        end = await terminal.until(lambda: terminal.end("s"))
        assert (terminal.text("s"), end.error) == (text, "")
        assert all(terminal.chunks("s"))

    house.play(scenario)


def test_streams_on_other_topics_are_not_for_us(house: House) -> None:
    async def scenario(stage: Stage) -> None:
        terminal, peer = await stage.terminal(), await stage.peer()
        for topic in ("lk.something", "lk.chat"):
            writer = await peer.open_text(topic, topic)
            await writer.write("x")
            await writer.aclose()
        await terminal.until(lambda: terminal.end("lk.chat"))
        topics = {e.topic for e in terminal.events if isinstance(e, TextChunk | TextEnded)}
        assert topics == {"lk.chat"}

    house.play(scenario)


def test_a_flood_of_streams_is_refused_and_those_that_were_open_go_on(house: House) -> None:
    async def scenario(stage: Stage) -> None:
        terminal, peer = await stage.terminal(), await stage.peer()
        writers = [await peer.open_text(str(number)) for number in range(129)]
        for writer in writers:
            await writer.write("x")
        end = await terminal.until(lambda: terminal.end("128"))
        assert "too many" in end.error
        for writer in writers:
            await writer.aclose()
        await terminal.until(lambda: len(terminal.of(TextEnded)) == 129)
        assert [e.stream_id for e in terminal.of(TextEnded) if e.error] == ["128"]
        assert {terminal.text(str(number)) for number in range(128)} == {"x"}
        assert terminal.text("128") == ""

    house.play(scenario)


@pytest.mark.parametrize("how", ["its sender leaves", "it is too long", "we leave"])
def test_a_stream_that_breaks_off_ends_with_an_error_and_others_go_on(
    house: House, how: str
) -> None:
    async def scenario(stage: Stage) -> None:
        terminal = await stage.terminal()
        peer, other = await stage.peer(), await stage.peer("another")
        # A participant whose leaving is to be seen must have been seen to come.
        await terminal.until(lambda: len(terminal.roster()) == 2)
        writer = await peer.open_text("broken", attributes={SEGMENT: "SG_1"})
        await writer.write("half")
        await terminal.until(lambda: terminal.text("broken"))
        match how:
            case "its sender leaves":
                await peer.leave()
            case "it is too long":
                for _ in range(11):
                    await writer.write("x" * 100_000)
            case "we leave":
                await terminal.backend.disconnect()
        end = await terminal.until(lambda: terminal.end("broken"))
        assert end.error
        assert end.attributes == {SEGMENT: "SG_1"}
        assert len(terminal.text("broken")) <= 1024 * 1024
        if how == "we leave":
            assert terminal.events.index(end) < terminal.events.index(
                ConnectionChanged("disconnected")
            )
            return
        again = await other.open_text("next")
        await again.write("whole")
        await again.aclose()
        assert (await terminal.until(lambda: terminal.end("next"))).error == ""
        assert terminal.text("next") == "whole"

    house.play(scenario)


# -- a server that dies ----------------------------------------------------------------------------


@pytest.mark.timeout(90)
def test_a_server_that_comes_back_in_time_finds_it_waiting(mortal: House) -> None:
    async def scenario(stage: Stage) -> None:
        terminal = await stage.terminal()
        sid = await terminal.backend.publish_microphone(RATE, preconnect=True)
        await stage.peer()
        await terminal.until(lambda: terminal.of(MicrophoneSubscribed))
        at = len(terminal.events)
        await stage.kill()
        await terminal.until(lambda: terminal.states()[-1] == "reconnecting")
        assert (terminal.backend.name, terminal.backend.identity) == (stage.room, "terminal")
        saying = asyncio.create_task(terminal.say("said meanwhile", "id"))
        await terminal.capture(wave(0.2))
        assert not saying.done()
        await stage.restart()
        await saying
        await terminal.until(lambda: len(terminal.of(MicrophoneSubscribed)) == 2)
        (again,) = (event.sid for event in terminal.of(MicrophoneRepublished))
        assert again not in ("", sid)
        await terminal.until(terminal.agent)
        kinds = ConnectionChanged | MicrophoneRepublished | MicrophoneSubscribed
        assert [event for event in terminal.events[at:] if isinstance(event, kinds)] == [
            ConnectionChanged("reconnecting"),
            MicrophoneRepublished(again),
            ConnectionChanged("connected"),
            MicrophoneSubscribed(again),
        ]

    mortal.play(scenario)


# -- whole agents ----------------------------------------------------------------------------------


async def _join(stage: Stage) -> tuple[Terminal, str]:
    """A terminal with a microphone whose agent listens to it; the sid of its track."""
    terminal = await stage.terminal()
    sid = await terminal.backend.publish_microphone(RATE, preconnect=True)
    await terminal.until(lambda: terminal.of(MicrophoneSubscribed))
    await terminal.until(lambda: terminal.agent_state() == "listening")
    return terminal, sid


async def _send_buffer(terminal: Terminal, sid: str, pcm: bytes) -> None:
    agent = terminal.agent()
    assert agent is not None
    attributes = {"sampleRate": str(RATE), "channels": "1", "trackId": sid}
    await terminal.backend.send_bytes(
        pcm, topic=PRECONNECT, attributes=attributes, to=agent.identity, name="audio"
    )


def test_an_agent_that_comes_late_is_seen_to_get_ready(agency: House) -> None:
    async def scenario(stage: Stage) -> None:
        terminal = await stage.terminal()
        await terminal.backend.publish_microphone(RATE, preconnect=True)
        assert terminal.roster() == ()
        assert terminal.of(MicrophoneSubscribed) == []
        await terminal.until(lambda: terminal.agent_state() == "listening")
        # LiveKit's own agents say nothing before they listen; that others do, they have a word for.
        *before, _ = terminal.agent_states()
        assert before
        assert set(before) <= {"", "initializing"}
        assert len(terminal.roster()) == 1

    # LiveKit's server tells of one who publishes nothing every 3 s only.
    agency.play(scenario, delay_s=0.5, late_s=4.0)


def test_a_written_message_is_answered_aloud_and_in_writing(agency: House) -> None:
    async def scenario(stage: Stage) -> None:
        terminal, _ = await _join(stage)
        agent = terminal.agent()
        assert agent is not None
        await terminal.say("good morning", str(uuid4()))

        def answer() -> TextEnded | None:
            ends = terminal.ended(agent.identity)
            return next((e for e in ends if "good morning" in terminal.text(e.stream_id)), None)

        end = await terminal.until(answer)
        await terminal.until(lambda: terminal.agent_state() == "listening")
        assert terminal.agent_states()[-3:] == ["thinking", "speaking", "listening"]
        assert len(terminal.chunks(end.stream_id)) > 2
        header = next(c for c in terminal.of(TextChunk) if c.stream_id == end.stream_id).attributes
        track = terminal.roster()[0].tracks[0].sid
        assert header[FINAL] == "false"
        assert end.attributes == {**header, FINAL: "true"}
        assert (header[TRACK], end.error) == (track, "")
        assert header[SEGMENT]
        frames = terminal.of(AgentAudio)
        assert {(f.track_sid, f.sample_rate, len(f.pcm)) for f in frames} == {(track, RATE, 1920)}
        assert loud_s(terminal.heard()) > 0.2

    agency.play(scenario)


def test_an_agent_tells_what_was_said(agency: House) -> None:
    async def scenario(stage: Stage) -> None:
        terminal, _ = await _join(stage)
        agent = terminal.agent()
        assert agent is not None
        began = time.time()
        await terminal.say("good morning", str(uuid4()))
        await terminal.until(lambda: "speaking" in terminal.agent_states())
        await terminal.until(lambda: terminal.agent_state() == "listening")
        *_, asked, answer = await terminal.backend.agent_history(of=agent.identity, timeout_s=5.0)
        assert (asked.kind, asked.text) == ("user_transcript", "good morning")
        assert answer.kind == "agent_transcript"
        assert answer.text.strip() == "You said: good morning"
        assert all((asked.id, answer.id))
        assert asked.id != answer.id
        assert began - 1 < asked.timestamp <= answer.timestamp < time.time() + 1
        (end,) = [e for e in terminal.ended(agent.identity) if "good" in terminal.text(e.stream_id)]
        assert terminal.text(end.stream_id).strip() == answer.text.strip()

    agency.play(scenario)


def test_who_is_no_agent_does_not_tell_what_was_said(house: House) -> None:
    async def scenario(stage: Stage) -> None:
        with pytest.raises(RoomError, match="not connected"):
            await stage.stranger().backend.agent_history(of="agent", timeout_s=0.3)
        terminal, _ = await stage.terminal(), await stage.peer()
        await terminal.until(terminal.agent)
        with pytest.raises(RoomError, match="does not tell"):
            await terminal.backend.agent_history(of="agent", timeout_s=0.3)

    house.play(scenario)


def test_the_buffer_is_heard_first_then_the_track_and_both_are_transcribed(agency: House) -> None:
    async def scenario(stage: Stage) -> None:
        terminal, sid = await _join(stage)
        await _send_buffer(terminal, sid, wave(1.0))
        await terminal.until(lambda: terminal.ended("terminal"))  # nothing was sent on the track
        speaking = asyncio.create_task(terminal.speak(wave(0.8)))
        try:
            await terminal.until(lambda: terminal.ended("terminal")[-1].attributes[FINAL] == "true")
            await terminal.until(lambda: terminal.agent_state() == "speaking")
        finally:
            speaking.cancel()
        ends = terminal.ended("terminal")
        understood = [stage.understood_s(terminal.text(end.stream_id)) for end in ends]
        assert understood == sorted(understood)
        assert 1.5 < understood[-1] < 2.2
        assert len({end.stream_id for end in ends}) == len(ends) > 3
        assert {(end.attributes[TRACK], end.error) for end in ends} == {(sid, "")}
        assert len({end.attributes[SEGMENT] for end in ends}) == 1
        assert [end.attributes[FINAL] for end in ends] == ["false"] * (len(ends) - 1) + ["true"]
        headers = [c.attributes for c in terminal.of(TextChunk) if c.participant == "terminal"]
        assert headers == [end.attributes for end in ends]
        assert terminal.agent_states()[-2:] == ["thinking", "speaking"]

    agency.play(scenario)


def test_a_message_interrupts_the_agent(agency: House) -> None:
    async def scenario(stage: Stage) -> None:
        terminal, _ = await _join(stage)
        agent = terminal.agent()
        assert agent is not None
        long = "one two three four five six seven eight nine ten"
        await terminal.say(long, str(uuid4()))
        begun = await terminal.until(
            lambda: next((c.stream_id for c in terminal.of(TextChunk) if "one" in c.content), None)
        )
        await terminal.say("stop", str(uuid4()))
        end = await terminal.until(lambda: terminal.end(begun))
        assert (end.attributes[FINAL], end.error) == ("true", "")
        assert "ten" not in terminal.text(begun)
        await terminal.until(
            lambda: "stop" in terminal.text(terminal.ended(agent.identity)[-1].stream_id)
        )

    agency.play(scenario)


def test_another_terminal_of_its_name_finds_the_same_agent(agency: House) -> None:
    async def scenario(stage: Stage) -> None:
        first, _ = await _join(stage)
        second, sid = await _join(stage)
        assert first.of(ConnectionChanged)[-1].state == "disconnected"
        (before,), (after,) = first.of(ParticipantsChanged)[-2].participants, second.roster()
        assert (after.identity, after.sid) == (before.identity, before.sid)
        assert second.of(MicrophoneSubscribed) == [MicrophoneSubscribed(sid)]
        await _send_buffer(second, sid, wave(1.0))
        await second.until(lambda: second.ended("terminal"))

    agency.play(scenario)


# -- packets of data -------------------------------------------------------------------------------


def test_packets_of_data_go_both_ways_to_whom_they_are_for(house: House) -> None:
    async def scenario(stage: Stage) -> None:
        stranger = stage.stranger()
        with pytest.raises(RoomError, match="not connected"):
            await stranger.backend.send_data(b"x", topic="t", reliable=True, to=())
        terminal = await stage.terminal()
        agent, other = await stage.peer("agent"), await stage.peer("other", "standard")
        await terminal.until(lambda: len(terminal.identities()) == 2)
        for to in ((), ("agent",), ("other",)):
            payload = bytes(range(256)) + "-".join(to).encode()
            await terminal.backend.send_data(payload, topic="t", reliable=True, to=to)
        await terminal.backend.send_data(b"", topic="", reliable=True, to=())
        await terminal.until(lambda: len(agent.data) == len(other.data) == 3)
        for name, peer in (("agent", agent), ("other", other)):
            assert [topic for _, topic, _ in peer.data] == ["t", "t", ""]
            assert {sender for _, _, sender in peer.data} == {"terminal"}
            assert peer.data[1][0] == bytes(range(256)) + name.encode()
        await agent.send_data(b"one", "t")
        await agent.send_data(b"two", "", reliable=False)
        await terminal.until(lambda: len(terminal.of(DataCame)) == 2)
        assert set(terminal.of(DataCame)) == {
            DataCame(b"one", "t", "agent", reliable=True),
            DataCame(b"two", "", "agent", reliable=False),
        }
        with pytest.raises(RoomError, match="more than 15 KiB"):
            await terminal.backend.send_data(bytes(15_361), topic="", reliable=True, to=())

    house.play(scenario)


# -- calls of methods ------------------------------------------------------------------------------


def test_a_method_that_the_agent_does_not_have(house: House) -> None:
    async def scenario(stage: Stage) -> None:
        stranger = stage.stranger()
        with pytest.raises(RoomError, match="not connected"):
            await stranger.backend.perform_rpc("fly", "", to="agent", timeout_s=5.0)
        terminal, _ = await stage.terminal(), await stage.peer()
        await terminal.until(terminal.agent)
        terminal.backend.serve_rpc(frozenset({"where"}))
        result = await terminal.backend.perform_rpc("fly", "", to="agent", timeout_s=5.0)
        assert result == UNSUPPORTED

    house.play(scenario)


async def _call(terminal: Terminal, method: str, payload: str, timeout_s: float = 5.0) -> RpcResult:
    """Of the agent, once it takes calls: it joins first, and then says what can be called."""
    agent = await terminal.until(terminal.agent)
    while True:
        called = await terminal.backend.perform_rpc(
            method, payload, to=agent.identity, timeout_s=timeout_s
        )
        assert isinstance(called, RpcResult)
        if called != UNSUPPORTED or method == "fly":
            return called


async def _answer(terminal: Terminal, *results: RpcResult) -> list[InvokeRpc]:
    """To the next calls of the agent."""
    for number, result in enumerate(results, 1):
        await terminal.until(lambda number=number: len(terminal.of(RpcInvoked)) >= number)  # type: ignore[misc]
        terminal.of(RpcInvoked)[number - 1].answer.set_result(result)
    return [invoked.call for invoked in terminal.of(RpcInvoked)]


def test_methods_of_the_agent_are_called_and_it_calls_those_of_the_terminal(
    agency: House,
) -> None:
    async def scenario(stage: Stage) -> None:
        terminal = await stage.terminal()
        await terminal.until(lambda: terminal.agent_state() == "listening")
        agent = terminal.agent()
        assert agent is not None
        assert await _call(terminal, "repeat", "zwei Plätze") == RpcResult("zwei Plätze")
        assert await _call(terminal, "fly", "") == UNSUPPORTED
        terminal.backend.serve_rpc(frozenset({"where"}))
        answers = RpcResult("desk 4"), RpcResult(code=7, message="not today", data="tomorrow")
        answering = asyncio.create_task(_answer(terminal, *answers))
        assert [await _call(terminal, "call back", "where") for _ in answers] == [*answers]
        calls = await answering
        assert [(each.method, each.caller, each.payload) for each in calls] == [
            ("where", agent.identity, "?")
        ] * 2
        nowhere = await terminal.backend.perform_rpc(
            "call back", "nowhere", to=agent.identity, timeout_s=5.0
        )
        assert nowhere == UNSUPPORTED
        unanswered = await _call(terminal, "call back", "where", timeout_s=1.0)
        assert unanswered.code == TIMED_OUT.code
        long = "x" * 20_000  # more than one packet holds
        assert await _call(terminal, "repeat", long) == RpcResult(long)

    agency.play(scenario)


# -- last, when its time is over -------------------------------------------------------------------


@pytest.mark.timeout(120)
def test_a_server_gone_for_good_is_told_as_reconnecting_and_then_as_lost(
    lost: dict[str, Future[Terminal]],
) -> None:
    for future in lost.values():
        terminal = future.result(LOST_DEADLINE_S)
        states = terminal.of(ConnectionChanged)
        assert [each.state for each in states[1:]] == ["connected", "reconnecting", "disconnected"]
        assert "lost" in states[-1].reason
        assert terminal.roster() == ()
        (broken,) = terminal.of(TextEnded)
        assert broken.error, broken
        assert broken.stream_id == terminal.of(TextChunk)[-1].stream_id
