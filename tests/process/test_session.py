"""The session in a real process, with the real router and history: orders, the agent, texts,
transcripts, and a room that dies.
"""

import asyncio
import time
import uuid
from pathlib import Path

import msgspec
import pytest

from actors.messages import (
    AgentHistory,
    ChatMessage,
    DiscardBuffer,
    DismissError,
    Done,
    EndSession,
    Failed,
    JoinRoom,
    LeaveRoom,
    MessageChanged,
    MessagePurged,
    RecallHistory,
    RestoreMessages,
    Said,
    Say,
    SendText,
    SessionError,
    SetMuted,
    StartRecording,
    StartSession,
    StopRecording,
    Woken,
)
from tests.session_bench import SESSION, Bench, failure_of, texts_of, token_endpoint

pytestmark = pytest.mark.process


# -- orders ----------------------------------------------------------------------------------------


def test_start_answers_when_the_recorder_really_runs(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            bench.audio.held.add(StartRecording)
            started = bench.asking(StartSession())
            order = await bench.audio.next(StartRecording)
            assert not order.message.resume
            state = await bench.state(lambda state: state.is_connected)
            assert (state.connection_state, state.agent.can_listen) == ("connecting", False)
            assert bench.room.count(JoinRoom) == 0
            assert not started.done()
            bench.audio.answer(order)
            assert await started == Done()
            join = (await bench.room.next(JoinRoom)).message
            assert join.conversation == order.message.conversation
            assert (join.microphone, join.preconnect) == (True, True)
            await bench.state(lambda state: state.connection_state == "connected")

    asyncio.run(scenario())


def test_start_when_one_is_on_does_nothing(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            both = [bench.asking(StartSession()) for _ in range(2)]
            assert await asyncio.gather(*both) == [Done(), Done()]
            await bench.state(lambda state: state.connection_state == "connected")
            assert await bench.ask(StartSession()) == Done()
            assert bench.audio.count(StartRecording) == 1
            assert bench.room.count(JoinRoom) == 1

    asyncio.run(scenario())


def test_it_may_be_replaced_quietly_only_while_there_is_no_conversation(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            assert await bench.children.is_quiet("session")
            assert await bench.children.is_quiet("history")
            await bench.talk()
            assert not await bench.children.is_quiet("session")
            await bench.ask(EndSession())
            assert await bench.children.is_quiet("session")

    asyncio.run(scenario())


def test_without_a_microphone_start_fails_with_a_remedy(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            nothing = Failed("no-microphone", "there is no microphone", "set [audio] input")
            bench.audio.failures[StartRecording] = nothing
            failed = await failure_of(bench.asking(StartSession()))
            assert (failed.code, failed.reason) == ("media", "there is no microphone")
            assert failed.remedy == "set [audio] input"
            state = await bench.state(lambda state: state.error)
            assert state.error == SessionError("media", "there is no microphone")
            assert not state.is_connected
            assert bench.room.count(JoinRoom) == 0
            del bench.audio.failures[StartRecording]
            await bench.talk()
            assert bench.states[-1].error is None

    asyncio.run(scenario())


def test_a_room_that_cannot_be_joined_is_error_connection_and_ends_the_session(
    runtime_dir: Path,
) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            bench.room.failures[JoinRoom] = Failed("unreachable", "no server answers")
            assert await bench.ask(StartSession()) == Done()
            state = await bench.state(lambda state: state.error)
            assert state.error == SessionError("connection", "no server answers")
            assert (state.connection_state, state.agent.life) == ("disconnected", "disconnected")
            await bench.audio.next(StopRecording)
            await bench.ask(DismissError())
            await bench.state(lambda state: not state.error)

    asyncio.run(scenario())


def test_end_answers_when_the_room_has_been_left(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            await bench.talk()
            bench.room.held.add(LeaveRoom)
            ended = bench.asking(EndSession())
            leave = await bench.room.next(LeaveRoom)
            state = await bench.state(lambda state: not state.is_connected)
            assert state.agent.is_finished
            assert bench.audio.recording == "", "at once, however long the room takes"
            assert not ended.done()
            bench.room.answer(leave)
            assert await ended == Done()
            assert bench.audio.recording == ""
            assert await bench.ask(EndSession()) == Done()

    asyncio.run(scenario())


def test_a_start_right_after_an_end_is_not_undone_by_it(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            await bench.talk()
            bench.room.held.add(LeaveRoom)
            ended = bench.asking(EndSession())
            leave = await bench.room.next(LeaveRoom)
            started = bench.asking(StartSession())
            second = await bench.state(lambda state: state.connection_state == "connecting")
            bench.room.held.clear()
            bench.room.answer(leave)
            await asyncio.gather(ended, started)
            await bench.state(lambda state: state.connection_state == "connected")
            assert bench.audio.recording == second.conversation
            assert bench.room.conversation == second.conversation

    asyncio.run(scenario())


def test_muting_is_passed_on_to_audio(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            assert await bench.ask(SetMuted(True)) == Done()
            assert (await bench.audio.next(SetMuted)).message == SetMuted(True)

    asyncio.run(scenario())


def test_muting_waits_for_an_audio_process_that_is_being_restarted(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir, audio_is_there=False) as bench:
            muting = bench.asking(SetMuted(True))
            done, _ = await asyncio.wait({muting}, timeout=0.3)
            assert not done, muting
            async with bench.audio:
                assert (await bench.audio.next(SetMuted)).message == SetMuted(True)
                assert await muting == Done()

    asyncio.run(scenario())


# -- by itself -------------------------------------------------------------------------------------


def test_a_voice_begins_a_conversation_with_what_was_said_first(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir, session={"start": "voice"}) as bench:
            bench.audio.post.publish(Woken())
            started = (await bench.audio.next(StartRecording)).message
            assert isinstance(started, StartRecording)
            assert started.woken
            await bench.state(lambda state: state.connection_state == "connected")
            bench.audio.post.publish(Woken())  # said again, until it was heard
            bench.audio.state(muted=True)  # comes behind it, as another sender's order need not
            await bench.state(lambda state: state.muted)
            await bench.ask(EndSession())
            assert bench.audio.count(StartRecording) == 1
            await bench.ask(StartSession())
            started = (await bench.audio.next(StartRecording)).message
            assert isinstance(started, StartRecording)
            assert not started.woken, "begun by hand"

    asyncio.run(scenario())


def test_a_voice_begins_nothing_where_that_is_not_wanted(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            bench.audio.post.publish(Woken())
            await bench.ask(DismissError())
            assert bench.audio.count(StartRecording) == 0

    asyncio.run(scenario())


def test_an_agent_that_leaves_ends_the_conversation_if_that_is_wanted(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir, session={"end_when_agent_leaves": True}) as bench:
            await bench.talk()
            bench.room.empty()
            await bench.room.next(LeaveRoom)
            await bench.state(lambda state: not state.is_connected)
            assert bench.audio.recording == ""

    asyncio.run(scenario())


@pytest.mark.parametrize("seen", ["speaking", "thinking", "idle"])
def test_silence_ends_a_conversation_whose_room_is_away_however_the_agent_was_last_seen(
    runtime_dir: Path, seen: str
) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir, session={"end_after_silence": 0.5}) as bench:
            await bench.talk(seen)
            bench.room_dies()
            await bench.sees(lambda state: state.connection_state == "reconnecting")
            await bench.sees(lambda state: not state.is_connected)
            await bench.audio.next(StopRecording)

    asyncio.run(scenario())


def test_a_conversation_lasts_as_long_as_it_may_also_over_a_restart(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir, session={"end_after": 2.0}) as bench:
            loop = asyncio.get_running_loop()
            began = loop.time()
            await bench.talk()
            await asyncio.sleep(1.0)
            await bench.children.kill("session")
            await bench.children.start("session", SESSION)
            await bench.room.next(LeaveRoom)
            assert 1.9 < loop.time() - began < 2.9, "counted anew"

    asyncio.run(scenario())


# -- the agent -------------------------------------------------------------------------------------


def test_no_agent_in_time_is_failed_timeout_and_a_late_one_recovers(runtime_dir: Path) -> None:
    async def scenario() -> None:
        session = {"agent_connect_timeout": 0.2, "redispatch": False}
        async with Bench(runtime_dir, session=session) as bench:
            await bench.ask(StartSession())
            state = await bench.state(lambda state: state.agent.error)
            assert (state.agent.error, state.connection_state) == ("timeout", "connected")
            await bench.room.next(DiscardBuffer)
            await bench.ask(DismissError())
            assert bench.states[-1].agent.error == "timeout"
            bench.room.agent("listening")
            state = await bench.state(lambda state: state.agent.is_connected)
            assert state.agent.error is None

    asyncio.run(scenario())


def test_a_room_whose_agent_has_gone_is_not_joined_again(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            await bench.talk()
            first = bench.states[-1].room_name
            bench.room.state("disconnected")
            again = (await bench.room.next(JoinRoom)).message
            assert again.room_name == first, "its agent has only been out of sight"
            bench.room.agent("listening")
            await bench.state(lambda state: state.connection_state == "connected")
            bench.room.empty()
            await bench.state(lambda state: state.agent.error == "left")
            bench.room.state("disconnected")
            another = (await bench.room.next(JoinRoom)).message
            assert another.room_name != first
            assert another.conversation == again.conversation

    asyncio.run(scenario())


@pytest.mark.parametrize(("named", "same"), [("", False), ("lobby", True)])
def test_each_conversation_has_a_room_of_its_own_unless_one_is_named(
    runtime_dir: Path, named: str, same: bool
) -> None:
    async def scenario() -> None:
        livekit = {"backend": "practice", "room_name": named}
        async with Bench(runtime_dir, livekit=livekit) as bench:
            names = []
            for _ in range(2):
                await bench.ask(StartSession())
                names.append((await bench.room.next(JoinRoom)).message.room_name)
                await bench.ask(EndSession())
            assert (names[0] == names[1]) is same
            assert all(names)
            assert not named or names[0] == named

    asyncio.run(scenario())


# -- texts -----------------------------------------------------------------------------------------


def test_a_text_is_sent_under_its_id_listed_and_stored_once(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            await bench.talk()
            id_ = str(uuid.uuid4())
            said = await bench.say("two tickets", id_)
            assert (said.id, said.text, said.kind) == (id_, "two tickets", "user_input")
            assert said.conversation == bench.states[-1].conversation
            assert await bench.say("two tickets", id_) == said, "asked again, said once"
            nameless = await bench.say("to the sea")
            assert await bench.listed() == [said, nameless]
            assert await bench.stored(2) == [said, nameless]
            assert bench.room.sent == {id_: "two tickets", nameless.id: "to the sea"}
            assert bench.room.count(SendText) == 2

    asyncio.run(scenario())


def test_a_text_asked_for_again_while_it_is_being_sent_is_sent_once(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            await bench.talk()
            bench.room.held.add(SendText)
            both = [bench.asking(Say("hello", "m1")) for _ in range(2)]
            order = await bench.room.next(SendText)
            assert await bench.listed() == [], "only when it was sent"
            bench.room.answer(order)
            first, second = await asyncio.gather(*both)
            assert first == second
            assert bench.room.count(SendText) == 1

    asyncio.run(scenario())


def test_texts_are_sent_in_the_order_in_which_they_were_asked_for(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            await bench.talk()
            wanted = [f"text {number}" for number in range(50)]
            said = await asyncio.gather(*(bench.say(text) for text in wanted))
            assert [message.text for message in said] == wanted
            assert list(bench.room.sent.values()) == wanted
            assert [message.text for message in await bench.listed()] == wanted
            assert [message.text for message in await bench.stored(50)] == wanted

    asyncio.run(scenario())


def test_an_answer_never_stands_above_its_question(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            await bench.talk()
            bench.room.held.add(SendText)
            asked = bench.asking(Say("hello", "m1"))
            order = await bench.room.next(SendText)
            # The reply overtakes the room's own word that it has sent the question.
            bench.room.grows("s1", "hello to you")
            bench.room.answer(order)
            await asked
            await bench.until(lambda: len(bench.changes) == 2)
            assert [message.id for message in await bench.listed()] == ["m1", "s1"]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("order", "code"),
    [
        (Say(""), "invalid"),
        (Say(" \n"), "invalid"),
        (Say("x" * 100_000), "invalid"),
        (Say("hello", "i" * 1000), "invalid"),
        (Say("hello"), "not-connected"),
    ],
)
def test_a_text_that_cannot_be_sent_is_refused_at_once(
    runtime_dir: Path, order: Say, code: str
) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            assert (await failure_of(bench.asking(order))).code == code
            assert bench.room.count(SendText) == 0
            assert not any(state.error for state in bench.states)

    asyncio.run(scenario())


def test_a_sender_that_fails_is_told_and_the_text_is_not_listed(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            await bench.talk()
            bench.room.failures[SendText] = Failed("broken", "the data channel is closed")
            failed = await failure_of(bench.asking(Say("hello", "m1")))
            assert (failed.code, failed.reason) == ("sender", "the data channel is closed")
            state = await bench.state(lambda state: state.error)
            assert state.error == SessionError("sender", "the data channel is closed")
            assert state.connection_state == "connected"
            assert await bench.listed() == []
            bench.room.failures.clear()
            assert (await bench.say("hello", "m1")).id == "m1", "another try of the same text"
            assert [message.id for message in await bench.stored(1)] == ["m1"]

    asyncio.run(scenario())


def test_a_server_that_lets_nobody_hear_us_is_error_media_and_told_once(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            await bench.talk()
            bench.room.barred = "the server has muted the microphone"
            bench.room.state("connected")
            state = await bench.state(lambda state: state.error)
            assert state.error == SessionError("media", "the server has muted the microphone")
            assert state.connection_state == "connected"
            await bench.ask(DismissError())
            await bench.state(lambda state: not state.error)
            bench.room.agent("speaking")
            await bench.state(lambda state: state.agent.state == "speaking")
            assert bench.states[-1].error is None

    asyncio.run(scenario())


def test_a_text_waits_for_a_connection_that_is_being_made(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            bench.room.held.add(JoinRoom)
            await bench.ask(StartSession())
            join = await bench.room.next(JoinRoom)
            said = bench.asking(Say("early", "m1"))
            await bench.listed()
            assert not said.done()
            bench.room.answer(join)
            assert isinstance(await said, Said)

    asyncio.run(scenario())


def test_a_text_is_sent_though_the_rooms_process_dies_over_it(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            await bench.talk()
            bench.room.held.add(SendText)
            said = bench.asking(Say("hello", "m1"))
            await bench.room.next(SendText)
            bench.room_dies()
            bench.room.held.clear()
            await bench.room_is_back()
            assert isinstance(await said, Said)
            assert bench.room.sent == {"m1": "hello"}
            assert texts_of(await bench.stored(1)) == [("m1", "hello")]
            assert bench.states[-1].error is None

    asyncio.run(scenario())


def test_history_that_is_down_keeps_nobody_from_talking(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            await bench.talk()
            await bench.kill("history")
            said = await bench.say("hello", "m1")
            await bench.room.ends("s1", "hello to you", at=said.timestamp + 1)
            assert texts_of(await bench.listed()) == [("m1", "hello"), ("s1", "hello to you")]
            await bench.start("history")
            assert texts_of(await bench.stored(2)) == [("m1", "hello"), ("s1", "hello to you")]

    asyncio.run(scenario())


# -- transcripts -----------------------------------------------------------------------------------


def test_transcripts_stream_into_the_list_and_final_ones_are_stored(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            await bench.talk("speaking")
            room = bench.room
            for number, text in enumerate(("Hel", "Hello", "Hello!")):
                final = text == "Hello!"
                await room.ends(
                    "u1",
                    text,
                    stream_id=f"u{number}",
                    who="terminal-1",
                    final=final,
                    at=1.0 + number,
                )
            room.grows("s1", "How can", at=5.0)
            room.grows("s1", "How can I help?", at=5.0)
            await room.ends("s1", "How can I help?", at=5.0)
            user, agent = await bench.stored(2)
            assert (user.id, user.kind, user.text) == ("u1", "user_transcript", "Hello!")
            assert (agent.id, agent.kind, agent.text) == (
                "s1",
                "agent_transcript",
                "How can I help?",
            )
            assert (user.timestamp, agent.timestamp) == (1.0, 5.0)
            assert await bench.listed() == [user, agent]
            said = [each.message for each in bench.changes if isinstance(each, MessageChanged)]
            assert [(message.text, message.is_final) for message in said] == [
                ("Hel", False),
                ("Hello", False),
                ("Hello!", True),
                ("How can", False),
                ("How can I help?", False),
                ("How can I help?", True),
            ]

    asyncio.run(scenario())


def test_another_persons_interims_are_not_final_each(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            await bench.talk()
            visitor = msgspec.structs.replace(
                bench.room.people[0], identity="visitor", kind="standard", attributes={}
            )
            bench.room.people += (visitor,)
            bench.room.state("connected")
            for number, (text, final) in enumerate((("Goo", False), ("Good day", True))):
                await bench.room.ends(
                    "v1", text, stream_id=f"v{number}", who="visitor", final=final, at=1.0 + number
                )
            assert texts_of(await bench.stored(1)) == [("v1", "Good day")]

    asyncio.run(scenario())


def test_an_interim_that_is_never_final_is_withdrawn(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            await bench.talk()
            user = {"who": "terminal-1"}
            await bench.room.ends("u1", "uh", at=1.0, **user)
            await bench.room.ends("u2", "Hello", at=2.0, final=True, **user)
            await bench.room.ends("u3", "and", at=3.0, **user)
            await bench.ask(EndSession())
            purged = await bench.until(
                lambda: [c.id for c in bench.changes if isinstance(c, MessagePurged)][1:]
            )
            assert purged == ["u3"]
            assert texts_of(await bench.listed()) == [("u2", "Hello")]

    asyncio.run(scenario())


def test_a_text_that_is_broken_off_is_kept_and_told_while_the_session_is_on(
    runtime_dir: Path,
) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            await bench.talk()
            error = "the stream was broken off"
            await bench.room.ends("s1", "I was just abo", error=error)
            state = await bench.state(lambda state: state.error)
            assert state.error == SessionError("receiver", error)
            await bench.ask(DismissError())
            await bench.room.ends("s1", "I was just abo", error=error)
            await bench.room.ends("s2", "I go on", at=1_900_000_001.0)
            assert texts_of(await bench.stored(2)) == [
                ("s1", "I was just abo"),
                ("s2", "I go on"),
            ]
            assert bench.states[-1].error is None, "told once"

    asyncio.run(scenario())


def test_what_the_end_breaks_off_is_kept_and_no_error(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            await bench.talk()
            bench.room.grows("s1", "As I was say")
            await bench.until(lambda: bench.changes)
            broken = bench.room.stream("s1", "As I was say", ended=True, error="the room was left")
            await bench.ask(EndSession())
            await bench.room.post.deliver("session", broken)
            (stored,) = await bench.stored(1)
            assert (stored.id, stored.text, stored.is_final) == ("s1", "As I was say", True)
            assert bench.states[-1].error is None

    asyncio.run(scenario())


def test_when_all_is_over_and_stored_nothing_that_was_said_is_kept_in_the_file(
    runtime_dir: Path,
) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            await bench.talk()
            await bench.say("typed words")
            await bench.room.ends("u1", "interim words", who="terminal-1", at=1.0)
            await bench.room.ends("u2", "spoken words", who="terminal-1", at=2.0, final=True)
            await bench.ask(EndSession())
            await bench.settled()
            kept = (runtime_dir / "session.json").read_text()
            assert "words" not in kept
            assert not bench.memory()["standing"]["is_on"]

    asyncio.run(scenario())


# -- the room's process dies -----------------------------------------------------------------------


def test_the_room_process_dies_while_first_connecting(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            bench.room.held.add(JoinRoom)
            await bench.ask(StartSession())
            first = (await bench.room.next(JoinRoom)).message
            bench.room_dies()
            await bench.room_is_back()
            again = await bench.room.next(JoinRoom)
            assert (again.message.conversation, again.message.room_name) == (
                first.conversation,
                first.room_name,
            )
            bench.room.answer(again)
            await bench.state(lambda state: state.connection_state == "connected")

    asyncio.run(scenario())


def test_the_room_process_dies_while_a_token_is_being_fetched(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with token_endpoint() as endpoint:
            livekit = {"token_endpoint": endpoint.address}
            async with Bench(runtime_dir, livekit=livekit) as bench:
                endpoint.holds.clear()
                await bench.ask(StartSession())
                await endpoint.asked.get()
                bench.room_dies()
                await bench.room_is_back()
                endpoint.holds.set()
                join = (await bench.room.next(JoinRoom)).message
                assert join.url == "ws://127.0.0.1:1"
                await bench.state(lambda state: state.connection_state == "connected")
                # Word of the death may come so late that it is taken for that of the next process.
                joins = [order for order in bench.room.asked if isinstance(order, JoinRoom)]
                assert joins in ([join], [join, join])

    asyncio.run(scenario())


def test_the_room_process_dies_in_a_conversation_which_goes_on(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            await bench.talk("speaking")
            before = bench.states[-1]
            bench.room.grows("s1", "As I was say")
            await bench.until(lambda: bench.changes)
            bench.room_dies()
            state = await bench.state(lambda state: state.connection_state == "reconnecting")
            assert (state.is_connected, state.agent.state) == (True, "speaking")
            await bench.room_is_back()
            join = (await bench.room.next(JoinRoom)).message
            assert (join.conversation, join.room_name) == (before.conversation, before.room_name)
            bench.room.agent("listening")
            state = await bench.state(lambda state: state.connection_state == "connected")
            assert bench.audio.count(StartRecording) == 1
            (cut,) = await bench.stored(1)
            assert (cut.id, cut.text, cut.is_final) == ("s1", "As I was say", True)

    asyncio.run(scenario())


def test_what_was_said_while_the_room_was_away_is_asked_of_the_agent(runtime_dir: Path) -> None:
    """Once it is met again, and when what it was just saying is said."""

    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            await bench.talk("speaking")
            room = bench.room
            await room.ends("u1", "Two tickets", who="terminal-1", final=True, at=time.time())
            room.grows("s1", "To where w", at=time.time())
            await bench.until(lambda: len(bench.changes) > 1)
            bench.room_dies()
            await bench.state(lambda state: state.connection_state == "reconnecting")
            await bench.room_is_back()
            await room.next(JoinRoom)
            room.agent("speaking")
            await room.next(RecallHistory)
            conversation = room.conversation
            known = (
                ChatMessage("i1", "user_transcript", "Two tickets", time.time()),
                ChatMessage(
                    "i2", "agent_transcript", "To where would you like to go?", time.time()
                ),
            )
            await room.post.deliver("session", AgentHistory(conversation, known))
            room.agent("listening")
            await room.next(RecallHistory)
            said = (*known, ChatMessage("i3", "user_transcript", "To Bern", time.time()))
            for conversation_, items in (("another", said), (conversation, said)):
                await room.post.deliver("session", AgentHistory(conversation_, items))
            want = [
                ("u1", "Two tickets"),
                ("s1", "To where w"),
                ("i2.0", "ould you like to go?"),
                ("i3", "To Bern"),
            ]
            assert texts_of(await bench.stored(4)) == want
            assert texts_of(await bench.listed()) == want
            # Each state is looked at once: nobody is asked a third time.
            room.agent("thinking")
            room.agent("listening")
            await bench.sees(lambda state: state.agent.state == "listening")
            await bench.ask(EndSession())
            assert room.count(RecallHistory) == 2

    asyncio.run(scenario())


def test_what_was_taken_out_of_the_list_does_not_come_back_from_the_agent(
    runtime_dir: Path,
) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            await bench.talk()
            room = bench.room
            await room.ends("u1", "a secret", who="terminal-1", final=True, at=time.time())
            before = time.time()
            await bench.ask(RestoreMessages(()))
            bench.room_dies()
            await bench.state(lambda state: state.connection_state == "reconnecting")
            await bench.room_is_back()
            await room.next(JoinRoom)
            room.agent("listening")
            await room.next(RecallHistory)
            said = (
                ChatMessage("i1", "user_transcript", "a secret", before),
                ChatMessage("i2", "agent_transcript", "I see", time.time()),
            )
            await room.post.deliver("session", AgentHistory(room.conversation, said))
            assert texts_of(await bench.listed()) == [("i2", "I see")]

    asyncio.run(scenario())


def test_an_end_while_the_rooms_process_is_dead_is_an_end(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            await bench.talk()
            bench.room_dies()
            await bench.state(lambda state: state.connection_state == "reconnecting")
            assert await bench.ask(EndSession()) == Done()
            assert bench.audio.recording == ""
            await bench.room_is_back()
            assert await bench.ask(EndSession()) == Done()
            assert bench.room.count(JoinRoom) == 1
            assert not bench.states[-1].is_connected

    asyncio.run(scenario())


def test_a_room_that_is_lost_is_joined_again_with_a_fresh_token(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with token_endpoint() as endpoint:
            livekit = {"token_endpoint": endpoint.address, "identity": "desk-4"}
            async with Bench(runtime_dir, livekit=livekit) as bench:
                await bench.talk()
                endpoint.fails = 2
                bench.room.state("disconnected")
                await bench.room.next(JoinRoom)
                await bench.state(lambda state: state.connection_state == "connected")
                assert bench.states[-1].error is None
                asked = [endpoint.asked.get_nowait() for _ in range(endpoint.asked.qsize())]
                assert len(asked) == 4
                assert len({body["room_name"] for body in asked}) == 1
                assert {body["participant_identity"] for body in asked} == {"desk-4"}
                tokens = [o.token for o in bench.room.asked if isinstance(o, JoinRoom)]
                assert tokens == ["token-1", "token-4"]

    asyncio.run(scenario())
