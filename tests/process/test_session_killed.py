"""SIGKILL of the session at every stage of a conversation, while room and audio go on."""

import asyncio
import os
import random
import resource
import signal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.messages import (
    ChatMessage,
    DiscardBuffer,
    DismissError,
    Done,
    EndSession,
    Failed,
    JoinRoom,
    LeaveRoom,
    MessageChanged,
    Said,
    Say,
    SendText,
    SessionError,
    StartRecording,
    StartSession,
    StopRecording,
)
from actors.runtime.errors import Unreachable
from tests.children import DEADLINE_S
from tests.session_bench import SESSION, Bench, failure_of, texts_of, token_endpoint

pytestmark = pytest.mark.process


def test_killed_before_the_recorder_answered(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            bench.audio.held.add(StartRecording)
            started = bench.asking(StartSession())
            order = (await bench.audio.next(StartRecording)).message
            await bench.kill("session")
            assert isinstance(await failure_of(started), Unreachable)
            bench.audio.held.clear()
            await bench.start("session")
            assert await bench.ask(StartSession()) == Done()
            again = (await bench.audio.next(StartRecording)).message
            assert (again.conversation, again.resume) == (order.conversation, True)
            join = (await bench.room.next(JoinRoom)).message
            assert join.conversation == order.conversation
            await bench.state(lambda state: state.connection_state == "connected")

    asyncio.run(scenario())


def test_killed_after_the_start_and_before_the_join(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with token_endpoint() as endpoint:
            livekit = {"token_endpoint": endpoint.address}
            async with Bench(runtime_dir, livekit=livekit) as bench:
                endpoint.holds.clear()
                await bench.ask(StartSession())
                first = await endpoint.asked.get()
                recorded = bench.audio.recording
                await bench.restart()
                endpoint.holds.set()
                join = (await bench.room.next(JoinRoom)).message
                assert join.conversation == recorded == bench.audio.recording
                assert join.room_name == first["room_name"]
                await bench.state(lambda state: state.connection_state == "connected")
                assert bench.audio.count(StopRecording) == 0

    asyncio.run(scenario())


def test_killed_while_the_room_is_joining(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            room = bench.room
            room.held.add(JoinRoom)
            await bench.ask(StartSession())
            join = await room.next(JoinRoom)
            room.conversation = join.message.conversation
            room.room_name = join.message.room_name
            room.state("connecting")
            await bench.restart()
            state = await bench.state(lambda state: state.is_connected)
            assert state.connection_state == "connecting"
            room.answer(join)  # to one who is dead
            state = await bench.state(lambda state: state.connection_state == "connected")
            assert (state.conversation, state.room_name) == (room.conversation, room.room_name)
            assert room.count(JoinRoom) == 1
            assert room.count(LeaveRoom) == 0
            assert bench.audio.recording == state.conversation

    asyncio.run(scenario())


def test_killed_while_the_room_is_joining_which_fails(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            room = bench.room
            room.held.add(JoinRoom)
            await bench.ask(StartSession())
            room.conversation = (await room.next(JoinRoom)).message.conversation
            room.state("connecting")
            await bench.restart()
            await bench.state(lambda state: state.is_connected)
            room.held.clear()
            room.failures[JoinRoom] = Failed("refused", "the token is refused")
            room.conversation = ""
            room.state("disconnected")
            state = await bench.state(lambda state: state.error)
            assert state.error == SessionError("connection", "the token is refused")
            assert not state.is_connected
            await bench.audio.next(StopRecording)

    asyncio.run(scenario())


def test_killed_in_a_conversation_it_is_as_if_nothing_had_happened(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            await bench.talk("thinking")
            said = await bench.say("hello", "m1")
            before = bench.states[-1]
            await bench.restart()
            assert await bench.state(lambda state: True) == before, "its first word"
            assert await bench.listed() == [said]
            assert await bench.say("hello", "m1") == said
            resumed = [o for o in bench.audio.asked if isinstance(o, StartRecording)]
            assert resumed[1:] == [StartRecording(before.conversation, resume=True)]
            assert bench.room.count(JoinRoom) == 1
            assert bench.room.count(LeaveRoom) == 0
            assert bench.room.count(SendText) == 1
            await bench.ask(EndSession())
            assert bench.room.count(LeaveRoom) == 1
            assert bench.audio.recording == ""

    asyncio.run(scenario())


def test_killed_while_the_agent_speaks_its_message_keeps_id_time_and_place(
    runtime_dir: Path,
) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            await bench.talk("speaking")
            bench.room.grows("s1", "Once upon", at=1000.0)
            await bench.until(lambda: bench.changes)
            said = await bench.say("and then?", "m1")
            await bench.restart()
            assert [message.id for message in await bench.listed()] == ["s1", "m1"]
            bench.room.grows("s1", "Once upon a time", at=1000.0)
            await bench.until(lambda: len(bench.changes) == 3)
            await bench.room.ends("s1", "Once upon a time.", at=1000.0)
            await bench.room.ends("s1", "Once upon a time.", at=1000.0)
            story = ChatMessage(
                "s1", "agent_transcript", "Once upon a time.", 1000.0, True, said.conversation
            )
            assert await bench.listed() == [story, said]
            assert await bench.stored(2) == [story, said]
            assert len(bench.changes) == 4, "the repeated end has changed nothing"

    asyncio.run(scenario())


def test_killed_while_the_user_speaks_his_message_keeps_id_and_time(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            await bench.talk()
            user: dict[str, Any] = {"who": "terminal-1"}
            await bench.room.ends("u1", "Two", stream_id="a", at=1000.0, **user)
            await bench.restart()
            await bench.room.ends("u1", "Two tick", stream_id="b", at=1001.0, **user)
            final = "Two tickets, please."
            await bench.room.ends("u1", final, stream_id="c", at=1002.0, final=True, **user)
            (stored,) = await bench.stored(1)
            assert (stored.text, stored.kind, stored.timestamp) == (
                final,
                "user_transcript",
                1000.0,
            )
            assert await bench.listed() == [stored]

    asyncio.run(scenario())


def test_a_finished_transcript_is_not_put_again_after_a_kill(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            await bench.talk()
            await bench.room.ends("s1", "Good morning")
            await bench.settled()
            await bench.restart()
            bench.changes.clear()
            await bench.room.ends("s1", "Good morning")
            assert texts_of(await bench.listed()) == [("s1", "Good morning")]
            assert bench.changes == []

    asyncio.run(scenario())


@pytest.mark.parametrize("was_sent", [True, False])
def test_killed_while_a_text_is_being_sent_it_is_finished_by_the_next(
    runtime_dir: Path, was_sent: bool
) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            await bench.talk()
            bench.room.held.add(SendText)
            asked = bench.asking(Say("hello", "m1"))
            order = await bench.room.next(SendText)
            await bench.kill("session")
            assert isinstance(await failure_of(asked), Unreachable)
            bench.room.held.clear()
            if was_sent:
                bench.room.answer(order)
            await bench.start("session")
            again = (await bench.room.next(SendText)).message
            assert again == SendText("m1", "hello")
            (stored,) = await bench.stored(1)
            assert (stored.id, stored.text, stored.kind) == ("m1", "hello", "user_input")
            assert await bench.say("hello", "m1") == stored, "the asker asks again"
            assert bench.room.sent == {"m1": "hello"}
            assert bench.room.count(SendText) == 2
            assert await bench.listed() == [stored]

    asyncio.run(scenario())


@pytest.mark.parametrize("kind", ["text", "transcript"])
def test_killed_between_its_word_and_historys_nothing_is_lost(runtime_dir: Path, kind: str) -> None:
    """The asker has Said, the room its acknowledgement: both have forgotten it by now."""

    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            await bench.talk()
            await bench.kill("history")
            if kind == "text":
                await bench.say("hello", "x1")
            else:
                await asyncio.wait_for(bench.room.ends("x1", "hello"), DEADLINE_S)
            await bench.restart()
            assert texts_of(await bench.listed()) == [("x1", "hello")]
            await bench.start("history")
            (stored,) = await bench.stored(1)
            assert (stored.id, stored.text) == ("x1", "hello")
            await bench.restart()
            assert await bench.listed() == [stored]

    asyncio.run(scenario())


def test_a_text_that_ended_while_it_was_dead_comes_before_those_after_it(
    runtime_dir: Path,
) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            await bench.talk()
            await bench.kill("session")
            asked = bench.room.ends("s1", "what time is it?", at=1_900_000_000.0)
            # It is there, and the room has not yet been told.
            await bench.children.start("session", SESSION)
            answered = bench.room.ends("s2", "it is noon", at=1_900_000_001.0)
            bench.room.post.peer_up("session")
            await asyncio.wait_for(asyncio.gather(asked, answered), DEADLINE_S)
            expected = [("s1", "what time is it?"), ("s2", "it is noon")]
            assert texts_of(await bench.listed()) == expected
            await bench.until(lambda: len(bench.changes) == 2)
            shown = [each.message for each in bench.changes if isinstance(each, MessageChanged)]
            assert texts_of(shown) == expected

    asyncio.run(scenario())


def test_a_text_that_ended_while_it_was_dead_comes_before_one_that_is_being_spoken(
    runtime_dir: Path,
) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            await bench.talk()
            await bench.kill("session")
            asked = bench.room.ends("s1", "what time is it?", at=1_900_000_000.0)
            await bench.children.start("session", SESSION)
            bench.room.grows("s2", "it is", at=1_900_000_001.0)
            await bench.until(lambda: bench.changes)
            bench.room.post.peer_up("session")
            await asyncio.wait_for(asked, DEADLINE_S)
            expected = [("s1", "what time is it?"), ("s2", "it is")]
            assert texts_of(await bench.listed()) == expected

    asyncio.run(scenario())


def test_a_text_that_died_with_the_router_comes_before_those_after_it(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            await bench.talk()
            os.kill(bench.children.pid("router"), signal.SIGSTOP)
            asked = bench.room.ends("s1", "what time is it?", at=1_900_000_000.0)
            await bench.kill("router")
            answered = bench.room.ends("s2", "it is noon", at=1_900_000_001.0)
            await bench.start("router")
            await asyncio.wait_for(asyncio.gather(asked, answered), DEADLINE_S)
            expected = [("s1", "what time is it?"), ("s2", "it is noon")]
            assert texts_of(await bench.listed()) == expected

    asyncio.run(scenario())


def test_what_cannot_be_written_down_stays_with_whom_it_came_from_until_history_has_it(
    runtime_dir: Path,
) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            await bench.talk()
            _, hard = resource.prlimit(bench.children.pid("session"), resource.RLIMIT_FSIZE)
            resource.prlimit(bench.children.pid("session"), resource.RLIMIT_FSIZE, (0, hard))
            await bench.kill("history")
            said = bench.asking(Say("hello", "m1"))
            await bench.until(lambda: bench.changes)
            taken = bench.room.ends("s1", "hello to you")
            await bench.until(lambda: len(bench.changes) == 2)
            bench.room.post.redeliver("session")
            await bench.listed()
            assert not taken.done()
            assert not said.done()
            await bench.children.until(
                lambda: next(
                    (b for b in bench.children.heartbeats("session") if "cannot" in b.health),
                    None,
                )
            )
            await bench.kill("session")
            await failure_of(said)
            await bench.start("session")
            assert (await bench.say("hello", "m1")).text == "hello"
            await bench.start("history")
            expected = [("m1", "hello"), ("s1", "hello to you")]
            assert sorted(texts_of(await bench.stored(2))) == expected
            await asyncio.wait_for(taken, DEADLINE_S)
            assert bench.room.sent == {"m1": "hello"}

    asyncio.run(scenario())


def test_killed_while_the_agent_was_waited_for_its_time_runs_on(runtime_dir: Path) -> None:
    async def scenario() -> None:
        session = {"agent_connect_timeout": 1.5, "redispatch": False}
        async with Bench(runtime_dir, session=session) as bench:
            await bench.ask(StartSession())
            await bench.state(lambda state: state.connection_state == "connected")
            await bench.restart()
            state = await bench.state(lambda state: state.agent.life == "failed")
            assert state.agent.error == "timeout"
            await bench.room.next(DiscardBuffer)

    asyncio.run(scenario())


def test_a_failure_and_an_error_are_still_there_after_a_kill(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            await bench.talk()
            bench.room.failures[SendText] = Failed("broken", "not sent")
            await failure_of(bench.asking(Say("hello")))
            bench.room.empty()
            before = await bench.state(lambda state: state.agent.error == "left")
            assert before.error == SessionError("sender", "not sent")
            await bench.restart()
            assert await bench.state(lambda state: state.connection_state == "connected") == before

    asyncio.run(scenario())


def test_an_agent_that_left_while_there_was_no_session_has_left(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            await bench.talk()
            await bench.kill("session")
            bench.room.empty()
            await bench.start("session")
            state = await bench.state(lambda state: state.agent.life == "failed")
            assert state.agent.error == "left"

    asyncio.run(scenario())


def test_killed_together_with_the_room_the_conversation_goes_on(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            await bench.talk()
            before = bench.states[-1]
            await bench.kill("session")
            bench.room.die()
            await bench.start("session")
            await bench.room_is_back()
            join = (await bench.room.next(JoinRoom)).message
            assert (join.conversation, join.room_name) == (before.conversation, before.room_name)
            await bench.state(lambda state: state.connection_state == "connected")

    asyncio.run(scenario())


def test_killed_in_the_middle_of_an_end_the_next_finishes_it(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            await bench.talk()
            bench.room.held.add(LeaveRoom)
            ended = bench.asking(EndSession())
            await bench.room.next(LeaveRoom)
            await bench.kill("session")
            await failure_of(ended)
            bench.room.held.clear()
            await bench.start("session")
            await bench.room.next(LeaveRoom)
            await bench.audio.next(StopRecording)
            state = await bench.state(lambda state: True)
            assert not state.is_connected
            assert (bench.room.conversation, bench.audio.recording) == ("", "")

    asyncio.run(scenario())


def test_a_recording_that_nobody_owns_is_stopped(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            bench.audio.recording = "of-some-former-life"
            bench.audio.state()
            await bench.audio.next(StopRecording)
            assert bench.audio.recording == ""
            assert not bench.states[-1].is_connected

    asyncio.run(scenario())


@pytest.mark.parametrize("content", [None, b"garbage"])
def test_without_its_memory_it_takes_over_the_room_that_is_joined(
    runtime_dir: Path, content: bytes | None
) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            await bench.talk()
            before = bench.states[-1]
            await bench.kill("session")
            (runtime_dir / "session.json").unlink()
            if content is not None:
                (runtime_dir / "session.json").write_bytes(content)
            await bench.start("session")
            assert await bench.state(lambda state: state.agent.is_connected) == before
            assert bench.audio.recording == before.conversation

    asyncio.run(scenario())


def test_a_conversation_of_long_ago_is_not_taken_up(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            await bench.talk()
            await bench.kill("session")
            path = runtime_dir / "session.json"
            plain = msgspec.json.decode(path.read_bytes())
            plain["alive_at"] -= 3600.0
            path.write_bytes(msgspec.json.encode(plain))
            await bench.start("session")
            await bench.room.next(LeaveRoom)
            await bench.audio.next(StopRecording)
            assert not (await bench.state(lambda state: True)).is_connected

    asyncio.run(scenario())


def test_what_is_kept_until_the_room_is_back_outlives_the_session(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir, session={"offline_messages": "keep"}) as bench:
            await bench.talk()
            bench.room_dies()
            failed = await failure_of(bench.asking(Say("at first", "0")))  # it may be back soon
            assert failed.code == "not-connected"
            for number in range(1, 4):
                said = await bench.ask(Say(f"kept {number}", str(number)))
                assert isinstance(said, Said)
                assert said.kept
            await bench.state(lambda state: state.kept == 3)
            await bench.restart("session")
            await bench.state(lambda state: state.kept == 3)
            await bench.room_is_back()
            await bench.state(lambda state: state.connection_state == "connected")
            await bench.state(lambda state: not state.kept)
            texts = [(str(number), f"kept {number}") for number in range(1, 4)]
            assert list(bench.room.sent.items()) == texts
            assert texts_of(await bench.stored(3)) == texts
            assert texts_of(await bench.listed()) == texts

    asyncio.run(scenario())


def test_a_stop_of_the_session_alone_does_not_end_the_conversation(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            await bench.talk()
            before = bench.states[-1]
            assert await bench.children.stop("session") == 0
            await bench.start("session")
            assert await bench.state(lambda state: True) == before

    asyncio.run(scenario())


@pytest.mark.parametrize("of_terminal", [True, False])
def test_who_stops_with_room_and_audio_ends_the_conversation_if_the_terminal_stops(
    runtime_dir: Path, of_terminal: bool
) -> None:
    """And not when all three are restarted, as a reload does and the strategy of a group."""

    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            await bench.talk()
            bench.room_dies()
            bench.audio.die()
            bench.tell_session("audio", up=False)
            await bench.state(lambda state: state.connection_state == "reconnecting")
            assert await bench.children.stop("session", of_terminal=of_terminal) == 0
            await bench.audio.__aenter__()
            bench.audio.state()
            await bench.start("session")
            assert (await bench.state(lambda state: True)).is_connected is not of_terminal
            await bench.audio.next(StopRecording if of_terminal else StartRecording)

    asyncio.run(scenario())


def test_messages_of_earlier_conversations_are_listed_after_a_restart(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            said = []
            for text in ("first", "second"):
                await bench.talk()
                said.append(await bench.say(text))
                await bench.ask(EndSession())
            await bench.settled()
            await bench.restart()
            assert await bench.listed() == said

    asyncio.run(scenario())


def test_a_history_that_comes_late_gives_its_messages_their_places(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            await bench.talk()
            old = await bench.say("old")
            await bench.settled()
            await bench.kill("history")
            await bench.restart()
            new = await bench.say("new")
            assert await bench.listed() == [new]
            bench.changes.clear()
            await bench.start("history")
            await bench.until(lambda: MessageChanged(old) in bench.changes)
            assert await bench.listed() == [old, new]
            assert await bench.stored(2) == [old, new]

    asyncio.run(scenario())


# -- beginning with the terminal -------------------------------------------------------------------


def test_start_at_boot_waits_for_audio_and_network(runtime_dir: Path) -> None:
    async def scenario() -> None:
        session = {"start": "boot"}
        async with Bench(runtime_dir, audio_is_there=False, session=session) as bench:
            bench.room.failures[JoinRoom] = Failed("unreachable", "no network yet")
            assert not (await bench.state(lambda state: True)).is_connected
            async with bench.audio:
                bench.audio.state()
                await bench.sees(lambda state: state.error)
                await bench.sees(lambda state: state.is_connected)
                await bench.sees(lambda state: state.error)
                bench.room.failures.clear()
                await bench.state(lambda state: state.connection_state == "connected")
                assert not bench.memory()["boot_start"]
                await bench.ask(EndSession())
                await bench.restart()
                assert not (await bench.state(lambda state: True)).is_connected

    asyncio.run(scenario())


def test_who_ends_it_ends_the_start_at_boot(runtime_dir: Path) -> None:
    async def scenario() -> None:
        session = {"start": "boot"}
        async with Bench(runtime_dir, session=session) as bench:
            bench.room.failures[JoinRoom] = Failed("unreachable", "no network yet")
            await bench.sees(lambda state: state.error)
            assert bench.memory()["boot_start"]
            await bench.ask(EndSession())
            assert not bench.memory()["boot_start"]
            joins = bench.room.count(JoinRoom)
            await bench.restart()
            assert not (await bench.state(lambda state: True)).is_connected
            await bench.ask(DismissError())
            assert bench.room.count(JoinRoom) == joins

    asyncio.run(scenario())


def test_without_a_way_to_a_token_it_does_not_start(
    runtime_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"):
        monkeypatch.delenv(name, raising=False)

    async def scenario() -> None:
        starts = ("router",)
        async with Bench(runtime_dir, starts=starts, livekit={}) as bench:
            await bench.children.launch("session", SESSION)
            failed = await bench.children.start_failed()
            assert failed.error == "there is no way to get a token"
            assert "token_endpoint" in failed.remedy
            assert failed.mistake
            await bench.children.exit_code("session")

    asyncio.run(scenario())


# -- again and again -------------------------------------------------------------------------------


def test_texts_and_transcripts_through_kills_of_everything_are_there_once_and_in_order(
    runtime_dir: Path,
) -> None:
    async def scenario() -> None:
        chance = random.Random(7)
        async with Bench(runtime_dir) as bench:
            await bench.talk()
            done = asyncio.Event()

            async def speak() -> None:
                for number in range(80):
                    said = await bench.patiently(Say(f"question {number}", f"m{number:03}"))
                    assert isinstance(said, Said)
                    bench.room.ends(f"s{number:03}", f"answer {number}", at=_after(said))
                done.set()

            speaking = asyncio.create_task(speak())
            kills = 0
            while not done.is_set() and not speaking.done():
                await asyncio.sleep(chance.uniform(0.0, 0.1))
                victim = chance.choice(("session", "session", "history", "router"))
                await bench.kill(victim)
                await asyncio.sleep(chance.uniform(0.0, 0.05))
                await bench.start(victim)
                kills += 1
            await speaking
            async with asyncio.timeout(DEADLINE_S):
                while bench.room.post.undelivered:
                    bench.room.post.redeliver("session")
                    await asyncio.sleep(0.05)
            wanted = [
                each
                for number in range(80)
                for each in (
                    (f"m{number:03}", f"question {number}"),
                    (f"s{number:03}", f"answer {number}"),
                )
            ]
            stored = await bench.stored(len(wanted))
            assert texts_of(stored) == wanted
            assert bench.room.sent == dict(wanted[::2])
            assert list(bench.room.sent) == [id_ for id_, _ in wanted[::2]]
            # What was held up by a dead router has its place where it came.
            assert sorted(texts_of(await bench.listed())) == sorted(wanted)
            assert kills > 3

    asyncio.run(scenario())


def _after(said: Said) -> float:
    return said.message.timestamp + 1e-6


# -- with the practice room ------------------------------------------------------------------------


def test_killed_over_each_text_the_agent_gets_it_once_and_its_answer_is_stored_once(
    runtime_dir: Path,
) -> None:
    async def scenario() -> None:
        chance = random.Random(5)
        async with Bench(runtime_dir, practice_room=True) as bench:
            await bench.ask(StartSession())
            await bench.state(lambda state: state.agent.is_connected)
            before = bench.states[-1]
            texts = [f"word{number}" for number in range(8)]
            for text in texts:
                said = asyncio.create_task(bench.patiently(Say(text, text)))
                await asyncio.sleep(chance.uniform(0.0, 0.02))
                await bench.restart()
                await said
                answered = await _answered(bench, text)
                assert [message.text.strip() for message in answered] == [f"You said: {text}"]
            state = await bench.state(lambda state: state.agent.is_connected)
            assert (state.conversation, state.agent.identity) == (
                before.conversation,
                before.agent.identity,
            )
            stored = await bench.stored(0)
            assert [each.id for each in stored if each.kind == "user_input"] == texts
            answers = [each.text for each in stored if each.kind == "agent_transcript"]
            for text in texts:
                assert sum(text in answer for answer in answers) == 1
            assert await bench.listed() == stored

    asyncio.run(scenario())


async def _answered(bench: Bench, text: str) -> list[ChatMessage]:
    """All the agent's messages in history that say ``text``, once there are any."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            stored = await bench.stored(0)
            agents = [each for each in stored if each.kind == "agent_transcript"]
            if found := [each for each in agents if text in each.text]:
                return found
            await asyncio.sleep(0.02)
