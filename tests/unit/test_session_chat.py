"""Texts to the agent, in virtual time: what is told of each, and that it is true."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.messages import ChatMessage, Done, Message, RoomState, Said, SendText
from actors.runtime.errors import NoAnswer, OrderFailed, Unreachable
from actors.runtime.insist import ANSWER_S
from actors.session.chat import MAX_CHARACTERS, MAX_KEPT, MAX_KEPT_CHARACTERS, OFFLINE_S, Chat
from actors.session.effects import Effect
from actors.session.machine import Machine
from actors.session.record import Record
from tests.virtual_loop import run

pytestmark = pytest.mark.unit

Sending = Callable[["Scripted", str], Coroutine[Any, Any, None]]
"""What a room does with a text of this id: raises what it answers."""


class Scripted:
    """A session process in a conversation, and a room that does with one text after the other what
    it is told to, and sends each once it has nothing more to do.
    """

    def __init__(self, *plan: Sending, keeps: bool = False) -> None:
        self._plan = list(plan)
        self.sent: list[str] = []
        """Ids, in order, by the room."""
        self.tried: list[str] = []
        self.written = 0
        self._tasks: set[asyncio.Future[None]] = set()
        self.machine = Machine(pre_connect_audio=False, timeout_s=None)
        self.begin("c1")
        self.chat = Chat(self, self.machine, Record(self), keeps=keeps)

    # -- the conversation ------------------------------------------------------------------------

    def begin(self, conversation: str) -> None:
        self.machine.start(conversation)
        self.connection(up=True)

    def connection(self, *, up: bool) -> None:
        now = asyncio.get_running_loop().time()
        if up:
            room = RoomState(self.machine.conversation, "connected", "room", "terminal")
            self.machine.room_changed(room, 0.0, now)
        else:
            self.machine.room_went(now)

    async def away(self, seconds: float) -> None:
        """The connection is lost, for so long at least."""
        self.connection(up=False)
        self.chat.moved()
        await asyncio.sleep(seconds)

    def back(self) -> None:
        self.connection(up=True)
        self.chat.moved()

    def say(self, id_: str) -> "asyncio.Future[Message | None]":
        answer = self.chat.say(f"text {id_}", id_)
        assert isinstance(answer, asyncio.Future)
        return answer

    # -- of the session process ------------------------------------------------------------------

    async def ask(self, to: str, message: Message, timeout_s: float) -> Message:
        assert isinstance(message, SendText)
        self.tried.append(message.id)
        sending = asyncio.ensure_future(self._send(message.id))
        self._tasks.add(sending)
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.shield(sending)  # the room goes on with it
        except TimeoutError:
            raise NoAnswer(to, timeout_s) from None
        return Done()

    async def _send(self, id_: str) -> None:
        if self._plan:
            await self._plan.pop(0)(self, id_)
        self.sent.append(id_)

    def later(self, work: Coroutine[Any, Any, Message | None]) -> "asyncio.Future[Message | None]":
        return asyncio.ensure_future(work)

    def do(self, effects: list[Effect]) -> None:
        self.chat.moved()

    def remember(self) -> bool:
        self.written += 1
        return True

    def remember_soon(self) -> None: ...

    def publish(self, fact: Message) -> None: ...

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> "asyncio.Task[None]":
        return asyncio.ensure_future(work)

    def deliver(self, to: str, message: Message) -> "asyncio.Future[None]":
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        stored.set_result(None)
        return stored

    async def over(self) -> None:
        """Until the room has done all that it will ever do."""
        await asyncio.gather(*self._tasks, return_exceptions=True)


# -- what a room may do with a text ----------------------------------------------------------------


def takes(seconds: float) -> Sending:
    async def sends(_: Scripted, __: str) -> None:
        await asyncio.sleep(seconds)

    return sends


def refuses(seconds: float = 0.0, *, code: str = "broken", in_doubt: bool = False) -> Sending:
    async def refused(_: Scripted, __: str) -> None:
        await asyncio.sleep(seconds)
        raise OrderFailed(code, "the data channel is closed", in_doubt=in_doubt)

    return refused


def dies(seconds: float, *, away_s: float, was_sent: bool) -> Sending:
    """The room's process, before or after it has sent the text, and is back and joined later."""

    async def died(session: Scripted, id_: str) -> None:
        await asyncio.sleep(seconds)
        if was_sent:
            session.sent.append(id_)
        session.connection(up=False)
        asyncio.get_running_loop().call_later(away_s, lambda: session.connection(up=True))
        asyncio.get_running_loop().call_later(away_s, session.chat.moved)
        raise Unreachable("room", in_doubt=True)

    return died


async def failure_of(answer: "asyncio.Future[Message | None]") -> OrderFailed:
    with pytest.raises(OrderFailed) as failed:
        await answer
    return failed.value


# -- what is told ----------------------------------------------------------------------------------


def test_a_text_behind_slow_ones_is_withdrawn_before_whoever_asks_gives_up() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        session = Scripted(takes(10.0), takes(10.0))
        began = loop.time()
        one, two, three = session.say("one"), session.say("two"), session.say("three")
        assert isinstance(await one, Said)
        failed = await failure_of(three)
        assert not failed.in_doubt, "it will not be sent"
        assert loop.time() - began < ANSWER_S
        assert isinstance(await two, Said)
        assert session.tried == session.sent == ["one", "two"]
        assert session.chat.sending == ()
        assert isinstance(await session.say("three"), Said), "and may be said again"
        assert session.sent == ["one", "two", "three"]

    run(scenario())


def test_what_a_room_has_died_over_is_in_doubt_when_it_stays_away() -> None:
    async def scenario() -> None:
        session = Scripted(dies(1.0, away_s=1000.0, was_sent=True))
        failed = await failure_of(session.say("one"))
        assert failed.in_doubt
        assert session.sent == ["one"]

    run(scenario())


def test_a_room_that_is_back_in_time_finishes_what_it_has_died_over() -> None:
    async def scenario() -> None:
        session = Scripted(dies(1.0, away_s=8.0, was_sent=False))
        assert isinstance(await session.say("one"), Said)
        assert session.sent == ["one"]

    run(scenario())


def test_what_a_room_does_not_answer_is_in_doubt_and_what_it_refuses_is_not() -> None:
    async def scenario() -> None:
        session = Scripted(takes(1000.0), refuses(), refuses(in_doubt=True))
        assert (await failure_of(session.say("hangs"))).in_doubt
        assert not (await failure_of(session.say("refused"))).in_doubt
        assert (await failure_of(session.say("perhaps"))).in_doubt

    run(scenario())


def test_what_a_process_before_this_one_has_begun_is_in_doubt_when_it_fails() -> None:
    async def scenario() -> None:
        session = Scripted(refuses(1.0))
        begun = ChatMessage("one", "user_input", "text one", 1.0, conversation="c1")
        session.chat.resume([begun])
        assert (await failure_of(session.say("one"))).in_doubt
        assert session.chat.sending == ()

    run(scenario())


def test_a_text_is_not_sent_into_another_conversation() -> None:
    async def scenario() -> None:
        session = Scripted(takes(2.0), dies(0.0, away_s=5.0, was_sent=False))
        first, second = session.say("first"), session.say("second")
        await asyncio.sleep(1.0)
        session.machine.end()
        session.begin("c2")
        session.chat.moved()
        await first
        assert (await failure_of(second)).code == "not-connected"
        lost = session.say("lost")
        await asyncio.sleep(1.0)
        session.machine.end()
        session.begin("c3")
        session.chat.moved()
        assert (await failure_of(lost)).code == "not-connected"
        assert session.sent == ["first"]

    run(scenario())


# -- while the room is out of reach ----------------------------------------------------------------


def test_out_of_reach_for_a_moment_only_a_text_waits_and_is_sent() -> None:
    async def scenario() -> None:
        session = Scripted()
        await session.away(OFFLINE_S - 1.0)
        said = session.say("one")
        await asyncio.sleep(2.0)
        session.back()
        assert isinstance(await said, Said)

    run(scenario())


def test_out_of_reach_for_longer_a_text_is_refused_at_once_and_never_sent() -> None:
    async def scenario() -> None:
        session = Scripted()
        await session.away(OFFLINE_S + 1.0)
        with pytest.raises(OrderFailed, match="no connection to the room") as failed:
            session.say("one")
        assert not failed.value.in_doubt
        assert session.chat.sending == ()
        session.back()
        assert isinstance(await session.say("two"), Said)
        assert session.sent == ["two"]

    run(scenario())


def test_or_kept_and_sent_in_order_when_it_is_back() -> None:
    async def scenario() -> None:
        session = Scripted(dies(1.0, away_s=3600.0, was_sent=False), keeps=True)
        await session.away(3600.0)
        for id_ in ("one", "two", "one"):  # asked again after a lost answer
            said = session.chat.say(f"text {id_}", id_)
            assert isinstance(said, Said)
            assert said.kept
        assert session.chat.kept == 2
        assert [message.id for message in session.chat.sending] == ["one", "two"], "for a successor"
        session.back()
        await asyncio.sleep(2.0)
        assert session.sent == [], "the room has died over it"
        three = session.chat.say("text three", "three")
        assert isinstance(three, Said)
        assert three.kept, "behind the others"
        await asyncio.sleep(3700.0)
        assert session.sent == ["one", "two", "three"]
        assert (session.chat.kept, session.chat.sending) == (0, ())
        said = session.chat.say("text one", "one")
        assert isinstance(said, Said)
        assert not said.kept

    run(scenario())


def test_what_a_process_before_this_one_has_kept_stays_so() -> None:
    async def scenario() -> None:
        session = Scripted(keeps=True)
        session.connection(up=False)
        session.chat.moved()
        kept = ChatMessage("one", "user_input", "text one", 1.0, conversation="c1")
        session.chat.resume([kept])
        await asyncio.sleep(3600.0)
        assert session.chat.sending == (kept,)
        session.back()
        await asyncio.sleep(1.0)
        assert (session.sent, session.chat.kept) == (["one"], 0)

    run(scenario())


def test_what_is_kept_when_the_conversation_ends_is_said_not_to_be_sent() -> None:
    async def scenario() -> None:
        session = Scripted(keeps=True)
        await session.away(60.0)
        session.chat.say("text one", "one")
        session.machine.end()
        session.chat.moved()
        await asyncio.sleep(1.0)
        assert session.machine.error is not None
        assert session.machine.error.kind == "sender"
        assert "was kept was not sent" in session.machine.error.reason
        assert (session.chat.kept, session.chat.sending) == (0, ())
        session.begin("c2")
        session.chat.moved()
        await asyncio.sleep(1.0)
        assert session.sent == []

    run(scenario())


def test_no_more_is_kept_than_can_be_written_down_quickly() -> None:
    async def scenario() -> None:
        session = Scripted(keeps=True)
        await session.away(60.0)
        for number in range(MAX_KEPT):
            session.chat.say("text", str(number))
        with pytest.raises(OrderFailed, match="too much is kept"):
            session.chat.say("text", "more")
        session.back()
        await asyncio.sleep(60.0)
        assert len(session.sent) == MAX_KEPT
        await session.away(60.0)
        for number in range(MAX_KEPT_CHARACTERS // MAX_CHARACTERS):
            session.chat.say("x" * MAX_CHARACTERS, f"long {number}")
        with pytest.raises(OrderFailed, match="too much is kept"):
            session.chat.say("x", "one more")
        session.back()
        await asyncio.sleep(60.0)

    run(scenario())


SECONDS = st.floats(0.0, 40.0)
SENDINGS = st.one_of(
    st.builds(takes, SECONDS),
    st.builds(refuses, SECONDS, code=st.sampled_from(["broken", "not-connected", "overloaded"])),
    st.builds(refuses, SECONDS, in_doubt=st.just(True)),
    st.builds(dies, SECONDS, away_s=SECONDS, was_sent=st.booleans()),
)


@given(st.lists(SENDINGS, max_size=12), st.lists(st.floats(0.0, 10.0), min_size=1, max_size=6))
def test_whatever_a_room_does_each_text_is_decided_in_time_and_what_is_told_is_true(
    plan: list[Sending], pauses: list[float]
) -> None:
    async def ask(session: Scripted, id_: str) -> tuple[str, OrderFailed | None]:
        began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(ANSWER_S):
                await session.say(id_)
        except OrderFailed as failed:
            return id_, failed
        assert asyncio.get_running_loop().time() - began < ANSWER_S
        return id_, None

    async def scenario() -> None:
        session = Scripted(*plan)
        asked = []
        for number, pause_s in enumerate(pauses):
            await asyncio.sleep(pause_s)
            asked.append(asyncio.ensure_future(ask(session, str(number))))
        told = await asyncio.gather(*asked)
        await session.over()
        for id_, failed in told:
            if failed is None:
                assert id_ in session.sent
            elif not failed.in_doubt:
                assert id_ not in session.sent, "it was said not to be sent"
        assert session.chat.sending == ()

    run(scenario())
