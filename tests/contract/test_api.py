"""The Python API over both rooms: with the practice room and its parrot, and with the real server
and a real agent worker. The same program, the same terminal, the same behaviour.
"""

import asyncio
import itertools
import json
import wave
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from actors import (
    AgentFailed,
    Change,
    DataPacket,
    MessageChanged,
    OrderRefused,
    ReceivedMessage,
    Refreshed,
    RpcError,
    Session,
    SessionOptions,
    Snapshot,
    StateChanged,
    TokenSource,
)
from supervisor.drill.coded_signal import generate
from tests.peers.agent_worker import AgentWorker
from tests.peers.livekit_server import LiveKitServer
from tests.rooms.livekit import WorkerStage
from tests.rooms.practice import ParrotStage
from tests.terminal import Terminal

pytestmark = [pytest.mark.contract, pytest.mark.timeout(120)]

RATE = 48_000
SPOKEN_S = 2.0
ANSWER_S = 30.0


class Twin:
    """One of the two rooms, with its agent. ``spoken``: a WAV file with speech."""

    def __init__(self, spoken: Path) -> None:
        self.microphone = f"file:{spoken}"

    def session(self, **options: Any) -> Session:
        """With a terminal of its own."""
        raise NotImplementedError

    def terminal(self, folder: Path, delay_s: float, timeout_s: float) -> Terminal:
        """Whose agent comes so late, and for which so long is waited."""
        raise NotImplementedError

    def understood_s(self, text: str) -> float:
        """Seconds of speech in what the agent has understood."""
        raise NotImplementedError

    def _options(self, **options: Any) -> SessionOptions:
        return SessionOptions(input=self.microphone, output="none", **options)

    def _config(self, timeout_s: float) -> dict[str, dict[str, object]]:
        return {
            "audio": {"input": self.microphone, "output": "none"},
            "session": {"agent_connect_timeout": timeout_s, "redispatch": False},
            "kiosk": {"enabled": False},
        }


class Practice(Twin):
    understood_s = staticmethod(ParrotStage.understood_s)

    def session(self, **options: Any) -> Session:
        return Session.with_agent(
            "parrot", token_source=TokenSource.practice(), options=self._options(**options)
        )

    def terminal(self, folder: Path, delay_s: float, timeout_s: float) -> Terminal:
        return Terminal(
            folder,
            livekit={"backend": "practice"},
            actors={"parrot": {"options": {"agent_delay_s": delay_s}}},
            **self._config(timeout_s),
        )


class LiveKit(Twin):
    understood_s = staticmethod(WorkerStage.understood_s)

    def __init__(self, spoken: Path, server: LiveKitServer, worker: AgentWorker) -> None:
        super().__init__(spoken)
        self._server, self._worker = server, worker

    def session(self, **options: Any) -> Session:
        server = self._server
        return Session.with_agent(
            self._worker.name,
            token_source=TokenSource.local(server.url, server.api_key, server.api_secret),
            options=self._options(**options),
        )

    def terminal(self, folder: Path, delay_s: float, timeout_s: float) -> Terminal:
        orders = json.dumps({"delay_s": delay_s})
        return Terminal(
            folder,
            environment=self._server.environment,
            livekit={"agent_name": self._worker.name, "agent_metadata": orders},
            **self._config(timeout_s),
        )


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("spoken") / "speech.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(generate(round(10 * SPOKEN_S), RATE).tobytes())
    return path


@pytest.fixture(scope="module", params=["practice", "livekit"])
def twin(
    request: pytest.FixtureRequest, spoken: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Twin]:
    if request.param == "practice":
        yield Practice(spoken)
        return
    folder = tmp_path_factory.mktemp("peers")
    with (
        LiveKitServer(folder) as server,
        AgentWorker(server, folder, auto_gain=False) as worker,
    ):
        yield LiveKit(spoken, server, worker)


class Watch:
    """All that one observer was told of a session, in order."""

    def __init__(self) -> None:
        self.changes: list[Change] = []

    async def follow(self, session: Session) -> None:
        async for change in session.changes():
            self.changes.append(change)

    @property
    def snapshots(self) -> list[Snapshot]:
        return [each.snapshot for each in self.changes if isinstance(each, StateChanged)]

    def of(self, id_: str) -> list[ReceivedMessage]:
        """All forms of one message."""
        told = [each.message for each in self.changes if isinstance(each, MessageChanged)]
        return [message for message in told if message.id == id_]


@asynccontextmanager
async def opened(twin: Twin, **options: Any) -> AsyncIterator[tuple[Session, Watch]]:
    watch = Watch()
    async with twin.session(**options) as session, asyncio.timeout(100):
        following = asyncio.create_task(watch.follow(session))
        try:
            yield session, watch
        finally:
            following.cancel()


Scenario = Callable[[Session, Watch], Awaitable[None]]


def play(twin: Twin, scenario: Scenario, **options: Any) -> None:
    async def run() -> None:
        async with opened(twin, **options) as (session, watch):
            await scenario(session, watch)

    asyncio.run(run())


async def until(session: Session, condition: Callable[[Snapshot], object]) -> Snapshot:
    async with asyncio.timeout(ANSWER_S):
        async for now in session.snapshots():
            if condition(now):
                return now
    raise AssertionError("the session was closed")


async def answered(session: Session, question: str) -> ReceivedMessage:
    """What the agent says after it has heard or read ``question``, whole."""

    def answer(now: Snapshot) -> ReceivedMessage | None:
        ids = [message.id for message in now.messages]
        if question not in ids:
            return None
        later = now.messages[ids.index(question) + 1 :]
        return next((m for m in later if m.kind == "agent_transcript" and m.is_final), None)

    found = answer(await until(session, answer))
    assert found is not None
    return found


async def understood(session: Session) -> ReceivedMessage:
    """The first final transcript of the user's speech."""

    def heard(now: Snapshot) -> ReceivedMessage | None:
        return next((m for m in now.messages if m.kind == "user_transcript" and m.is_final), None)

    found = heard(await until(session, heard))
    assert found is not None
    return found


# -- what a conversation is ------------------------------------------------------------------------


def test_a_conversation_is_connecting_connected_and_over(twin: Twin) -> None:
    async def scenario(session: Session, watch: Watch) -> None:
        await session.prepare_connection()
        assert not session.is_connected
        assert session.agent.is_finished
        await session.start()
        assert session.is_connected
        assert session.connection_state == "connected"
        agent = await session.agent.wait_until_connected(ANSWER_S)
        assert agent.identity
        assert agent.state in ("listening", "thinking", "speaking")
        track = await session.agent.wait_until_microphone(ANSWER_S)
        assert (track.kind, track.source) == ("audio", "microphone")
        assert session.agent.avatar_video_track is None
        states = list(dict.fromkeys(now.connection_state for now in watch.snapshots))
        assert states == ["connecting", "connected"]
        early = [now.agent for now in watch.snapshots if not now.agent.is_connected]
        assert any(each.can_listen for each in early), "what is said is kept for the agent"
        assert all(each.is_pending or each.can_listen for each in early)
        room = session.snapshot.room_name
        assert room
        await session.start()
        assert session.snapshot.room_name == room, "a conversation is on already"
        await session.end()
        await session.wait_until_disconnected(ANSWER_S)
        assert (session.is_connected, session.agent.is_finished) == (False, True)
        assert (session.error, session.agent.error) == (None, None)
        await session.start()
        await session.agent.wait_until_connected(ANSWER_S)
        assert session.snapshot.room_name != room

    play(twin, scenario)


def test_what_is_said_at_once_is_understood_and_each_transcript_is_there_once(twin: Twin) -> None:
    async def scenario(session: Session, watch: Watch) -> None:
        await session.start()
        heard = await understood(session)
        assert twin.understood_s(heard.text) == pytest.approx(SPOKEN_S, abs=0.25)
        answer = await answered(session, heard.id)
        for message, least in ((heard, 2), (answer, 3)):
            forms = watch.of(message.id)
            assert len(forms) >= least, "it came bit by bit"
            assert {each.timestamp for each in forms} == {message.timestamp}
            assert {each.kind for each in forms} == {message.kind}
            assert [each.is_final for each in forms] == [False] * (len(forms) - 1) + [True]
        said = [each.text for each in watch.of(answer.id)]
        assert all(after.startswith(before) for before, after in itertools.pairwise(said))
        ids = [message.id for message in session.messages]
        assert len(ids) == len(set(ids))
        assert [message.kind for message in session.messages].count("user_transcript") == 1

    play(twin, scenario)


def test_a_text_is_listed_once_answered_and_outlives_the_conversation(twin: Twin) -> None:
    async def scenario(session: Session, watch: Watch) -> None:
        await session.start()
        await session.agent.wait_until_connected(ANSWER_S)
        heard = await understood(session)
        await answered(session, heard.id)
        sent = await session.send("two tickets")
        assert sent is not None
        (listed,) = (message for message in session.messages if message.id == sent.id)
        assert listed == ReceivedMessage(sent.id, sent.timestamp, "user_input", "two tickets")
        answer = await answered(session, sent.id)
        assert answer.text.strip() == "You said: two tickets"
        assert watch.of(sent.id) == [listed]
        await session.end()
        before = session.messages
        assert await session.send("to nobody") is None
        assert session.error is not None
        assert session.error.kind == "sender"
        await session.start()
        assert session.error is None
        assert session.messages[: len(before)] == before
        await session.restore_message_history([listed, heard, listed])
        ids = [message.id for message in session.messages]
        assert ids[:2] == [heard.id, listed.id]

    play(twin, scenario)


def test_methods_are_called_both_ways_and_levels_are_told(twin: Twin) -> None:
    async def scenario(session: Session, _: Watch) -> None:
        session.register_rpc_method("where", lambda call: f"desk 4, {call.payload}")
        await session.start()
        async for levels in session.levels():
            if levels.input_dbfs > -40.0:
                break
        agent = await session.agent.wait_until_connected(ANSWER_S)
        assert await session.perform_rpc("repeat", "two tickets") == "two tickets"
        assert await session.perform_rpc("call back", "where") == "desk 4, ?"
        for method, payload in (("fly", ""), ("call back", "nowhere")):
            with pytest.raises(RpcError) as failed:
                await session.perform_rpc(method, payload)
            assert failed.value.code == 1400
        assert session.agent.identity == agent.identity
        async for levels in session.levels():
            if levels.agent_dbfs > -50.0:
                break

    play(twin, scenario)


def test_without_preconnect_nothing_is_kept_for_the_agent(twin: Twin) -> None:
    async def scenario(session: Session, watch: Watch) -> None:
        await session.start()
        agent = await session.agent.wait_until_connected(ANSWER_S)
        assert agent.can_listen
        early = [now.agent for now in watch.snapshots if not now.agent.is_connected]
        connecting = [each for each in early if each.life == "connecting"]
        assert connecting
        assert all(each.is_pending and not each.can_listen for each in connecting)
        async for levels in session.levels():  # the microphone is on
            if levels.input_dbfs > -40.0:
                break

    play(twin, scenario, pre_connect_audio=False)


def test_muted_nothing_is_heard_of_what_is_said(twin: Twin) -> None:
    async def scenario(session: Session, _: Watch) -> None:
        await session.mute()
        await session.start()
        assert session.is_muted
        await session.agent.wait_until_connected(ANSWER_S)
        sent = await session.send("two tickets")
        assert sent is not None
        async with asyncio.timeout(ANSWER_S):
            meter = session.levels()
            told = [await anext(meter) for _ in range(round(SPOKEN_S / 0.2))]
        assert {levels.input_dbfs for levels in told} == {-120.0}
        await answered(session, sent.id)
        assert "user_transcript" not in {message.kind for message in session.messages}
        await session.unmute()
        assert not session.is_muted

    play(twin, scenario)


def test_packets_of_data_go_there_and_come_back(twin: Twin) -> None:
    async def scenario(session: Session, _: Watch) -> None:
        with pytest.raises(OrderRefused, match="no conversation is connected"):
            await session.publish_data("too early")
        await session.start()
        agent = await session.agent.wait_until_connected(ANSWER_S)
        came: asyncio.Queue[DataPacket] = asyncio.Queue()
        end = session.on_data(came.put_nowait, "echo")
        session.on_data(lambda _: 1 / 0)  # it harms nobody
        await session.publish_data(b"\x00\xff", topic="echo", to=[agent.identity])
        packet = await asyncio.wait_for(came.get(), ANSWER_S)
        assert packet == DataPacket(b"\x00\xff", "echo", agent.identity)
        await session.publish_data("to nobody", topic="echo", to=["nobody"])
        for text in ("one", "two"):
            await session.publish_data(text, topic="echo")
        told = [await asyncio.wait_for(came.get(), ANSWER_S) for _ in range(2)]
        assert [packet.payload for packet in told] == [b"one", b"two"]
        with pytest.raises(OrderRefused, match="more than 15 KiB"):
            await session.publish_data(bytes(20_000))
        end()
        await session.publish_data("three", topic="echo")
        assert await session.perform_rpc("repeat", "after it") == "after it"
        assert came.empty()

    play(twin, scenario)


# -- what goes wrong -------------------------------------------------------------------------------


def test_an_agent_that_does_not_come_in_time_has_failed_until_it_is_there(
    twin: Twin, tmp_path: Path
) -> None:
    async def run(terminal: Terminal) -> None:
        async with Session.attach(terminal.runtime_dir) as session, asyncio.timeout(100):
            await session.start()
            with pytest.raises(AgentFailed, match="did not come in time"):
                await session.agent.wait_until_connected(ANSWER_S)
            assert (session.agent.error, session.agent.life) == ("timeout", "failed")
            assert session.agent.is_finished
            assert session.connection_state == "connected"
            await session.dismiss_error()
            assert session.agent.error == "timeout"
            agent = await session.agent.wait_until_connected(ANSWER_S)
            assert (agent.error, agent.is_finished) == (None, False)
            assert session.error is None

    with twin.terminal(tmp_path, delay_s=5.0, timeout_s=1.0) as terminal:
        asyncio.run(run(terminal))


def test_after_a_kill_of_the_room_agent_and_list_are_the_same(twin: Twin, tmp_path: Path) -> None:
    async def run(terminal: Terminal) -> None:
        async with Session.attach(terminal.runtime_dir) as session, asyncio.timeout(100):
            await session.start()
            agent = await session.agent.wait_until_connected(ANSWER_S)
            heard = await understood(session)
            await answered(session, heard.id)
            before = session.messages
            changes = session.changes()
            pid = await asyncio.to_thread(terminal.kill_actor, "room")
            await asyncio.to_thread(terminal.wait_for_restart, "room", pid)
            async for change in changes:
                now = change.snapshot if isinstance(change, Refreshed | StateChanged) else None
                if now and now.connection_state == "connected" and now.agent.is_connected:
                    break
            await session.wait_until_connected(ANSWER_S)
            now_there = await session.agent.wait_until_connected(ANSWER_S)
            assert now_there.identity == agent.identity
            assert session.messages[: len(before)] == before
            sent = await session.send("still there?")
            assert sent is not None
            assert (await answered(session, sent.id)).text.strip() == "You said: still there?"

    with twin.terminal(tmp_path, delay_s=0.3, timeout_s=20.0) as terminal:
        asyncio.run(run(terminal))
