"""The Python API attached to a session in a real process, with scripted room and audio."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors import (
    AgentFailed,
    Change,
    Levels,
    MessageChanged,
    MessagePurged,
    OrderInDoubt,
    OrderRefused,
    ReceivedMessage,
    Refreshed,
    SendInDoubt,
    SentMessage,
    Session,
    SessionClosed,
    SessionFailed,
    StateChanged,
    TerminalError,
    TextSender,
)
from actors.api.observers import Changes
from actors.messages import (
    AudioLevel,
    EndSession,
    Failed,
    GetMessages,
    JoinRoom,
    LeaveRoom,
    Participant,
    SendText,
    StartRecording,
    Track,
)
from tests.children import DEADLINE_S
from tests.session_bench import Bench

pytestmark = pytest.mark.process

Scenario = Callable[[Bench, Session], Awaitable[None]]


def _attached(runtime_dir: Path, scenario: Scenario, **config: dict[str, Any]) -> None:
    async def play() -> None:
        async with (
            Bench(runtime_dir, **config) as bench,
            Session.attach(runtime_dir) as session,
            asyncio.timeout(2 * DEADLINE_S),
        ):
            await scenario(bench, session)

    asyncio.run(play())


async def _until(changes: Changes, wanted: Callable[[Change], object]) -> Change:
    async with asyncio.timeout(DEADLINE_S):
        async for change in changes:
            if wanted(change):
                return change
    raise AssertionError("the session was closed")


async def _talk(bench: Bench, session: Session) -> None:
    await session.start()
    bench.room.agent("listening")
    await session.agent.wait_until_connected(DEADLINE_S)


def _texts(messages: tuple[ReceivedMessage, ...]) -> list[str]:
    return [message.text for message in messages]


def test_a_conversation_from_start_to_end(runtime_dir: Path) -> None:
    async def scenario(bench: Bench, session: Session) -> None:
        assert (session.is_attached, session.is_connected) == (True, False)
        assert session.connection_state == "disconnected"
        assert session.agent.is_finished
        await session.start()
        assert session.is_connected
        assert session.connection_state == "connected"
        assert session.agent.can_listen  # what is said is kept for it
        assert not session.agent.is_connected
        bench.room.agent("listening")
        agent = await session.agent.wait_until_connected(DEADLINE_S)
        assert (agent.state, agent.is_connected, agent.identity) == ("listening", True, "agent-1")
        sent = await session.send("two tickets")
        assert sent is not None
        assert bench.room.sent == {sent.id: "two tickets"}
        (listed,) = session.messages
        assert listed == ReceivedMessage(sent.id, sent.timestamp, "user_input", "two tickets")
        assert session.get_message_history() == session.messages
        await session.end()
        await session.wait_until_disconnected(DEADLINE_S)
        assert session.agent.is_finished
        assert session.messages == (listed,)  # outlives the conversation
        await session.start()
        assert session.messages == (listed,)  # and is there in the next

    _attached(runtime_dir, scenario)


def test_start_does_nothing_when_a_conversation_is_on(runtime_dir: Path) -> None:
    async def scenario(bench: Bench, session: Session) -> None:
        await session.start()
        await session.start()
        assert bench.room.count(JoinRoom) == 1

    _attached(runtime_dir, scenario)


def test_trouble_with_the_network_is_an_error_and_not_raised(runtime_dir: Path) -> None:
    async def scenario(bench: Bench, session: Session) -> None:
        bench.room.failures[JoinRoom] = Failed("not-connected", "no route to the server")
        waiting = asyncio.create_task(session.wait_until_connected(DEADLINE_S))
        await session.start()
        await session.wait_until_disconnected(DEADLINE_S)
        assert session.error is not None
        assert (session.error.kind, session.error.reason) == (
            "connection",
            "no route to the server",
        )
        with pytest.raises(SessionFailed, match="no route"):
            await waiting
        with pytest.raises(SessionFailed, match="no route"):
            await session.agent.wait_until_connected(DEADLINE_S)
        await session.dismiss_error()
        assert session.error is None
        await session.start()
        await session.wait_until_disconnected(DEADLINE_S)
        assert session.error is not None
        del bench.room.failures[JoinRoom]
        await session.start()
        assert (session.connection_state, session.error) == ("connected", None)

    _attached(runtime_dir, scenario)


def test_a_microphone_that_cannot_be_had_is_an_error(runtime_dir: Path) -> None:
    async def scenario(bench: Bench, session: Session) -> None:
        bench.audio.failures[StartRecording] = Failed("media", "no such device")
        await session.start()
        assert not session.is_connected
        assert session.error is not None
        assert session.error.kind == "media"

    _attached(runtime_dir, scenario)


def test_what_was_not_sent_is_none_and_an_error(runtime_dir: Path) -> None:
    async def scenario(bench: Bench, session: Session) -> None:
        assert await session.send("hello") is None
        assert session.error is not None
        assert session.error.kind == "sender"
        await session.dismiss_error()
        await _talk(bench, session)
        bench.room.failures[SendText] = Failed("refused", "no text today")
        assert await session.send("hello") is None
        assert session.error is not None
        assert (session.error.kind, session.error.reason) == ("sender", "no text today")
        assert session.messages == ()

    _attached(runtime_dir, scenario)


def test_a_text_that_may_still_be_sent_is_not_said_not_to_be(runtime_dir: Path) -> None:
    """The session dies over it and is long in coming back; it finishes what it had begun."""

    async def scenario(bench: Bench, session: Session) -> None:
        await _talk(bench, session)
        bench.room.held.add(SendText)
        sending = asyncio.create_task(session.send("two tickets"))
        await bench.room.next(SendText)
        await bench.kill("session")
        bench.tell_router("session", up=False)
        with pytest.raises(SendInDoubt, match="it may have been done") as failed:
            await sending
        assert session.error is not None
        assert session.error.kind == "sender"
        assert session.messages == ()
        bench.room.held.clear()
        changes = session.changes()
        await bench.start("session")
        await _until(changes, lambda _: session.messages)
        (message,) = session.messages
        assert (message.id, message.text) == (failed.value.message.id, "two tickets")
        assert list(bench.room.sent.values()) == ["two tickets"]

    _attached(runtime_dir, scenario)


def test_a_text_that_is_listed_was_sent_whatever_its_sender_knows(runtime_dir: Path) -> None:
    class Doubtful(TextSender):
        async def send(self, message: SentMessage) -> None:
            await super().send(message)
            raise OrderInDoubt("the session did not answer")

    async def play() -> None:
        async with (
            Bench(runtime_dir) as bench,
            Session(runtime_dir=runtime_dir, senders=[Doubtful()]) as session,
        ):
            await _talk(bench, session)
            sent = await session.send("hello")
            assert sent is not None
            assert list(bench.room.sent) == [sent.id]
            assert session.error is None

    asyncio.run(play())


def test_changes_come_in_order_and_begin_with_a_snapshot(runtime_dir: Path) -> None:
    async def scenario(bench: Bench, session: Session) -> None:
        await _talk(bench, session)
        changes, called = session.changes(), list[Change]()
        end = session.on_change(called.append)
        for text in ("one", "one, two", "one, two, three"):
            bench.room.grows("s", text)
        await bench.room.ends("s", "one, two, three.", final=True)
        seen = [await anext(changes) for _ in range(5)]
        assert isinstance(seen[0], Refreshed)
        assert seen[0].snapshot.agent.state == "listening"
        said = [change.message for change in seen[1:] if isinstance(change, MessageChanged)]
        assert _texts(tuple(said)) == ["one", "one, two", "one, two, three", "one, two, three."]
        assert [message.is_final for message in said] == [False, False, False, True]
        assert called == seen[1:]
        end()
        bench.room.agent("speaking")
        change = await _until(changes, lambda change: isinstance(change, StateChanged))
        assert isinstance(change, StateChanged)
        assert change.snapshot.agent.state == "speaking"
        assert called == seen[1:]

    _attached(runtime_dir, scenario)


def test_the_newest_snapshot_is_always_the_next(runtime_dir: Path) -> None:
    async def scenario(bench: Bench, session: Session) -> None:
        await _talk(bench, session)
        snapshots = session.snapshots()
        assert (await anext(snapshots)).agent.state == "listening"
        for state in ("thinking", "speaking", "listening", "thinking"):
            bench.room.agent(state)
        await session._wait_for_agent(lambda agent: agent.state == "thinking", DEADLINE_S)
        sent = await session.send("hello")
        assert sent is not None
        found = await anext(snapshots)
        assert (found.agent.state, _texts(found.messages)) == ("thinking", ["hello"])

    _attached(runtime_dir, scenario)


def test_who_reads_slowly_gets_a_fresh_snapshot_instead_of_all(runtime_dir: Path) -> None:
    async def scenario(bench: Bench, session: Session) -> None:
        await _talk(bench, session)
        slow, quick = session.changes(capacity=5), session.changes()
        for number in range(20):
            bench.room.grows("s", f"{number}")
        await _until(
            quick, lambda change: isinstance(change, MessageChanged) and change.message.text == "19"
        )
        waiting = [slow._feed.take() for _ in range(len(slow._feed))]
        assert len(waiting) <= 5
        first = waiting[0]
        assert isinstance(first, Refreshed)
        texts = [change.message.text for change in waiting if isinstance(change, MessageChanged)]
        # The snapshot and what follows it: nothing is missing between them.
        begin = int(first.snapshot.messages[-1].text)
        assert texts == [f"{number}" for number in range(begin + 1, 20)]

    _attached(runtime_dir, scenario)


def test_a_withdrawn_transcript_leaves_the_list(runtime_dir: Path) -> None:
    async def scenario(bench: Bench, session: Session) -> None:
        await _talk(bench, session)
        changes = session.changes()
        bench.room.grows("s1", "hel", who="terminal-1")
        await _until(changes, lambda change: isinstance(change, MessageChanged))
        bench.room.grows("s2", "hello", who="terminal-1")
        await _until(changes, lambda change: change == MessagePurged("s1"))
        await _until(changes, lambda change: isinstance(change, MessageChanged))
        assert _texts(session.messages) == ["hello"]

    _attached(runtime_dir, scenario)


@pytest.mark.parametrize("name", ["session", "router", "history"])
def test_after_a_kill_it_sees_the_truth_again(runtime_dir: Path, name: str) -> None:
    async def scenario(bench: Bench, session: Session) -> None:
        await _talk(bench, session)
        changes = session.changes()
        await session.send("before")
        await bench.kill(name)
        if name != "history":
            await _until(
                changes,
                lambda change: isinstance(change, StateChanged) and not change.snapshot.is_attached,
            )
            sending = asyncio.create_task(session.send("meanwhile"))
        await bench.start(name)
        if name != "history":
            await _until(
                changes,
                lambda change: isinstance(change, Refreshed) and change.snapshot.is_attached,
            )
            assert await asyncio.wait_for(sending, DEADLINE_S) is not None
        await bench.room.ends("s", "and after", final=True)
        await _until(
            changes,
            lambda change: (
                isinstance(change, MessageChanged) and change.message.text == "and after"
            ),
        )
        between = [] if name == "history" else ["meanwhile"]
        # The scripted room's words have a time of long after.
        assert _texts(session.messages) == ["before", *between, "and after"]
        assert session.agent.state == "listening"
        assert session.connection_state == "connected"

    _attached(runtime_dir, scenario)


def test_nothing_hangs_while_the_session_is_gone(runtime_dir: Path) -> None:
    """Every order gets an error, and an observer waits without one."""

    async def scenario(bench: Bench, session: Session) -> None:
        await _talk(bench, session)
        bench.room.held.add(LeaveRoom)
        ending = asyncio.create_task(session.end())
        await bench.room.next(LeaveRoom)  # the order is in the session's hand
        await bench.kill("session")
        with pytest.raises(OrderInDoubt, match="session is not running; it may have been done"):
            await ending
        assert await session.send("hello") is None
        assert session.error is not None
        assert not session.is_attached

    _attached(runtime_dir, scenario)


def test_waiters_end_when_the_agent_fails_or_time_is_over(runtime_dir: Path) -> None:
    async def scenario(bench: Bench, session: Session) -> None:
        with pytest.raises(TimeoutError):
            await session.agent.wait_until_connected(0.01)
        with pytest.raises(TimeoutError):
            await session.wait_until_connected(0.01)
        await session.start()
        with pytest.raises(AgentFailed) as failed:
            await session.agent.wait_until_connected(DEADLINE_S)
        assert failed.value.error == "timeout"
        assert session.agent.error == "timeout"
        assert (await session.agent.wait_until_finished(DEADLINE_S)).is_finished
        again = asyncio.create_task(session.agent.wait_until_connected(DEADLINE_S))
        await asyncio.sleep(0)
        bench.room.agent("listening")  # late, and welcome
        assert (await again).error is None
        bench.room.empty()
        with pytest.raises(AgentFailed) as failed:
            await session.agent.wait_until_camera(DEADLINE_S)
        assert failed.value.error == "left"

    _attached(runtime_dir, scenario, session={"agent_connect_timeout": 0.1, "redispatch": False})


def test_waiters_return_what_was_waited_for(runtime_dir: Path) -> None:
    async def scenario(bench: Bench, session: Session) -> None:
        agent = session.agent
        could_listen, connected, microphone, camera, finished = (
            asyncio.create_task(waiting)
            for waiting in (
                agent.wait_until_could_be_listening(DEADLINE_S),
                agent.wait_until_connected(DEADLINE_S),
                agent.wait_until_microphone(DEADLINE_S),
                agent.wait_until_camera(DEADLINE_S),
                agent.wait_until_finished(DEADLINE_S),
            )
        )
        assert (await finished).is_finished, "there is none yet"
        await session.start()
        assert (await could_listen).life == "connecting"
        assert not connected.done()
        bench.room.agent("thinking")
        assert (await connected).state == "thinking"
        assert not microphone.done()
        assert not camera.done()
        voice = Track("TR_voice", "audio", "microphone", True)
        face = Track("TR_face", "video", "camera", True)
        (seen,) = bench.room.people
        avatar = Participant(
            "avatar", "PA_w", "agent", True, {"lk.publish_on_behalf": seen.identity}, (face,)
        )
        bench.room.people = (msgspec.structs.replace(seen, tracks=(voice,)), avatar)
        bench.room.state("connected")
        assert (await microphone, await camera) == (voice, face)

    _attached(runtime_dir, scenario)


def test_closing_ends_observers_and_waiters_and_leaves_the_conversation(runtime_dir: Path) -> None:
    async def scenario(bench: Bench, session: Session) -> None:
        async with Session.attach(runtime_dir) as other:
            await _talk(bench, other)
            changes, snapshots = other.changes(), other.snapshots()
            gone = asyncio.create_task(other.wait_until_disconnected())
            finished = asyncio.create_task(other.agent.wait_until_finished())
            await asyncio.sleep(0)
        with pytest.raises(SessionClosed):
            await gone
        with pytest.raises(SessionClosed):
            await finished
        assert isinstance(await anext(changes), Refreshed)
        left = [change async for change in changes]
        assert not any(isinstance(change, Refreshed) for change in left)
        assert [snapshot async for snapshot in snapshots] == []
        with pytest.raises(SessionClosed):
            await other.send("too late")
        await other.close()
        assert session.connection_state == "connected"
        assert not bench.room.count(LeaveRoom)

    _attached(runtime_dir, scenario)


def test_a_restored_list_is_everybodys_and_outlives_the_session(runtime_dir: Path) -> None:
    async def scenario(bench: Bench, session: Session) -> None:
        await _talk(bench, session)
        await session.send("of today")
        saved = [
            ReceivedMessage("b", 2.0, "agent_transcript", "second"),
            ReceivedMessage("a", 1.0, "user_input", "first, as it was"),
            ReceivedMessage("a", 1.0, "user_input", "first"),
        ]
        async with Session.attach(runtime_dir) as other:
            changes = other.changes()
            await session.restore_message_history(saved)
            await _until(
                changes,
                lambda change: (
                    isinstance(change, Refreshed)
                    and _texts(change.snapshot.messages) == ["first", "second"]
                ),
            )
        await session.send("from now on")
        await bench.settled()
        changes = session.changes()
        await bench.restart()
        await _until(changes, lambda change: isinstance(change, StateChanged))
        await _until(changes, lambda change: isinstance(change, Refreshed))
        assert _texts(session.messages) == ["first", "second", "from now on"]

    _attached(runtime_dir, scenario)


def test_what_history_tells_later_stands_before_what_came_since(runtime_dir: Path) -> None:
    async def scenario(bench: Bench, session: Session) -> None:
        await _talk(bench, session)
        await session.send("first")
        await bench.settled()
        await bench.kill("history")
        changes = session.changes()
        await bench.restart()
        await _until(
            changes, lambda change: isinstance(change, Refreshed) and change.snapshot.is_attached
        )
        await session.send("second")
        assert _texts(session.messages) == ["second"]  # there is nobody who knows the first
        await bench.start("history")
        await _until(
            changes,
            lambda change: (
                isinstance(change, Refreshed)
                and _texts(change.snapshot.messages) == ["first", "second"]
            ),
        )

    _attached(runtime_dir, scenario)


def test_a_list_that_is_none_is_refused(runtime_dir: Path) -> None:
    async def scenario(bench: Bench, session: Session) -> None:
        for wrong, why in (
            (ReceivedMessage("", 1.0, "user_input", "x"), "id has 1 to 128"),
            (ReceivedMessage("a", float("nan"), "user_input", "x"), "timestamp"),
        ):
            with pytest.raises(OrderRefused, match=why):
                await session.restore_message_history([wrong])
        many = [ReceivedMessage(f"{n}", float(n), "user_input", "x") for n in range(2001)]
        with pytest.raises(OrderRefused, match="at most 2000"):
            await session.restore_message_history(many)
        assert session.messages == ()

    _attached(runtime_dir, scenario)


class Notes:
    """A sender of one's own: keeps what is written, or refuses it."""

    def __init__(self, *, fails: bool = False) -> None:
        self.kept: list[SentMessage] = []
        self.fails = fails

    async def send(self, message: SentMessage) -> None:
        if self.fails:
            raise ValueError("full")
        self.kept.append(message)


class Delays:
    """Another, which begins when ``is_time``."""

    def __init__(self) -> None:
        self.is_time = asyncio.Event()

    async def messages(self) -> AsyncIterator[ReceivedMessage]:
        await self.is_time.wait()
        yield ReceivedMessage("d", 2.0, "agent_transcript", "By an hour")


class Timetable:
    """A receiver of one's own: one message, then it fails."""

    async def messages(self) -> AsyncIterator[ReceivedMessage]:
        yield ReceivedMessage("t", 1.0, "agent_transcript", "The next train is late")
        raise ValueError("and so is the news of it")


def test_senders_run_in_order_and_the_first_failure_skips_the_rest(runtime_dir: Path) -> None:
    async def play() -> None:
        async with Bench(runtime_dir) as bench:
            first, broken, last = Notes(), Notes(fails=True), Notes()
            chain = [first, TextSender(), broken, last]
            async with Session(runtime_dir=runtime_dir, senders=chain) as session:
                await _talk(bench, session)
                assert await session.send("hello") is None
                assert session.error is not None
                assert session.error.kind == "sender"
                assert [message.text for message in first.kept] == ["hello"]
                assert list(bench.room.sent.values()) == ["hello"]
                assert last.kept == []
            async with Session(runtime_dir=runtime_dir, senders=[last]) as session:
                sent = await session.send("a note")
                assert sent is not None
                assert _texts(session.messages) == ["hello", "a note"]
                assert last.kept == [sent]
                assert "a note" not in bench.room.sent.values()

    asyncio.run(play())


def test_a_receiver_that_fails_is_an_error_and_the_others_go_on(runtime_dir: Path) -> None:
    async def play() -> None:
        delays = Delays()
        async with (
            Bench(runtime_dir) as bench,
            Session(runtime_dir=runtime_dir, receivers=[Timetable(), delays]) as session,
        ):
            changes = session.changes()
            if session.error is None:
                await _until(changes, lambda _: session.error is not None)
            assert session.error is not None
            assert (session.error.kind, session.error.reason) == ("receiver", "ValueError")
            assert _texts(session.messages) == ["The next train is late"]
            await session.dismiss_error()
            delays.is_time.set()
            await _until(changes, lambda _: len(session.messages) == 2)
            await _talk(bench, session)
            await session.send("hello")
            known = ["The next train is late", "By an hour", "hello"]
            assert _texts(session.messages) == known
            await bench.restart()  # and what only this program knows is still there
            await _until(
                changes, lambda change: isinstance(change, Refreshed) and session.is_attached
            )
            assert set(_texts(session.messages)) == set(known)

    asyncio.run(play())


def test_a_stranger_cannot_speak_for_the_session(runtime_dir: Path) -> None:
    async def scenario(bench: Bench, session: Session) -> None:
        await _talk(bench, session)
        state = bench.states[-1]
        bench.client.post.publish_state(
            type(state)("", is_connected=False, connection_state="disconnected", agent=state.agent)
        )
        await bench.ask(GetMessages())  # what was published before has arrived
        assert session.connection_state == "connected"
        await bench.ask(EndSession())
        await session.wait_until_disconnected(DEADLINE_S)

    _attached(runtime_dir, scenario)


def test_where_no_terminal_runs_it_is_said_with_a_remedy(runtime_dir: Path) -> None:
    async def play() -> None:
        session = Session.attach(runtime_dir)
        with pytest.raises(TerminalError, match="no terminal is running") as failed:
            await session.open()
        assert "callpoint run CONFIG" in failed.value.remedy
        await session.close()

    asyncio.run(play())


def test_levels_are_the_newest_and_silence_when_nobody_tells_them(runtime_dir: Path) -> None:
    async def scenario(bench: Bench, session: Session) -> None:
        levels = session.levels()
        assert await anext(levels) == Levels()
        for loud in (-40.0, -30.0, -20.0):
            bench.audio.post.publish_level(AudioLevel(loud, loud + 5))
        async with asyncio.timeout(DEADLINE_S):
            while session.input_dbfs != -20.0:
                await anext(levels)
        assert session.agent_dbfs == -15.0
        bench.tell_router("audio", up=False)
        async with asyncio.timeout(DEADLINE_S):
            assert await anext(levels) == Levels()
        waiting = asyncio.create_task(anext(levels, None))
        await session.close()
        assert await waiting is None

    _attached(runtime_dir, scenario)
