"""Calls of methods in the practice room: both ends, their bounds, and whoever is gone."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable

import pytest

from actors.messages import Message, PracticeAnswer, PracticeCall, RpcResult
from actors.parrot.methods import MAX_WAITING, Methods
from actors.room.backend import RpcInvoked
from actors.room.practice_rpc import DISCONNECTED, MAX_CALLS, PracticeCalls, new_call
from actors.room.rpc import TIMED_OUT, UNSUPPORTED

pytestmark = pytest.mark.unit

CALL = PracticeCall("1", "where", "agent", "?", 5.0)


class Room:
    """The terminal's end, and what it has said and was asked."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.invoked: list[RpcInvoked] = []
        self.takes = True
        self.calls = PracticeCalls(self._send, self.invoked.append)
        self.calls.served = frozenset({"where"})

    def _send(self, message: Message) -> bool:
        self.sent.append(message)
        return self.takes


def play(scenario: Callable[[Room], Awaitable[None]]) -> None:
    async def run() -> None:
        await scenario(Room())

    asyncio.run(run())


def test_a_call_gets_its_own_answer_once() -> None:
    async def scenario(room: Room) -> None:
        calls = [new_call("repeat", "me", payload, 5.0) for payload in "ab"]
        asked = [asyncio.create_task(room.calls.perform(call)) for call in calls]
        await asyncio.sleep(0)
        assert room.sent == calls
        for answer in ("nobody's", calls[1].id, calls[1].id, calls[0].id):
            room.calls.take(PracticeAnswer(answer, RpcResult(answer)))
        assert [result.payload for result in await asyncio.gather(*asked)] == [
            call.id for call in calls
        ]

    play(scenario)


def test_a_call_that_nobody_answers_ends() -> None:
    async def scenario(room: Room) -> None:
        assert await room.calls.perform(new_call("repeat", "me", "", 0.01)) == TIMED_OUT
        asked = asyncio.create_task(room.calls.perform(new_call("repeat", "me", "", 5.0)))
        await asyncio.sleep(0)
        room.calls.break_off()
        assert await asked == DISCONNECTED
        room.takes = False
        assert await room.calls.perform(new_call("repeat", "me", "", 5.0)) == DISCONNECTED

    play(scenario)


def test_what_is_served_is_asked_for_and_nothing_else() -> None:
    async def scenario(room: Room) -> None:
        room.calls.take(CALL)
        room.invoked[0].answer.set_result(RpcResult("desk 4"))
        room.calls.take(PracticeCall("2", "fly", "agent", "", 5.0))
        await asyncio.sleep(0)
        assert len(room.invoked) == 1
        assert room.sent == [
            PracticeAnswer("2", UNSUPPORTED),
            PracticeAnswer("1", RpcResult("desk 4")),
        ]

    play(scenario)


def test_calls_that_wait_are_bounded_and_end_with_the_connection() -> None:
    async def scenario(room: Room) -> None:
        for number in range(MAX_CALLS + 3):
            room.calls.take(PracticeCall(f"{number}", "where", "agent", "", 5.0))
            await asyncio.sleep(0)
        assert [call.answer.cancelled() for call in room.invoked[:4]] == [True] * 3 + [False]
        room.calls.break_off()
        await asyncio.sleep(0)
        assert all(call.answer.cancelled() for call in room.invoked)
        assert room.sent == [], "nobody is there to be answered"

    play(scenario)


# -- the parrot's end ------------------------------------------------------------------------------


def parrot() -> Methods:
    numbers = itertools.count(1)
    return Methods("agent", lambda prefix: f"{prefix}{next(numbers)}")


def test_a_parrot_repeats_calls_back_and_has_nothing_else() -> None:
    methods = parrot()
    repeat = PracticeCall("1", "repeat", "me", "two tickets", 5.0)
    assert methods.call(repeat) == [PracticeAnswer("1", RpcResult("two tickets"))]
    call_back = PracticeCall("2", "call back", "me", "where", 5.0)
    assert methods.call(call_back) == [PracticeCall("RPC_1", "where", "agent", "?", 5.0)]
    answer = PracticeAnswer("RPC_1", RpcResult(code=7, message="not today"))
    assert methods.answer(answer) == [PracticeAnswer("2", answer.result)]
    assert methods.answer(answer) == []
    assert methods.call(PracticeCall("3", "fly", "me", "", 5.0)) == [
        PracticeAnswer("3", UNSUPPORTED)
    ]


def test_calls_back_that_wait_are_bounded() -> None:
    methods = parrot()
    for number in range(MAX_WAITING + 1):
        methods.call(PracticeCall(f"{number}", "call back", "me", "where", 5.0))
    assert methods.answer(PracticeAnswer("RPC_1", RpcResult("too late"))) == []
    assert methods.answer(PracticeAnswer("RPC_2", RpcResult("in time")))
    methods.client_gone()
    assert methods.answer(PracticeAnswer("RPC_3", RpcResult("to nobody"))) == []
