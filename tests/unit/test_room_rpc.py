"""Who is asked when somebody in the room calls a method."""

import asyncio
from collections.abc import Callable

import pytest

from actors.messages import Done, InvokeRpc, Message, RpcResult
from actors.room.rpc import (
    APPLICATION_ERROR,
    MAX_METHODS,
    MAX_PROGRAMS,
    TIMED_OUT,
    UNSUPPORTED,
    RpcDesk,
)
from actors.runtime.errors import NoAnswer, OrderFailed, Unreachable

pytestmark = pytest.mark.unit

CALL = InvokeRpc("where", "agent-1", "?", 5.0)


def _raises(error: OrderFailed) -> Callable[[], Message]:
    def answer() -> Message:
        raise error

    return answer


def _invoke(programs: dict[str, Callable[[], Message]], call: InvokeRpc = CALL) -> RpcResult:
    async def ask(to: str, message: Message, timeout_s: float) -> Message:
        assert (message, timeout_s) == (call, call.timeout_s)
        return programs[to]()

    desk = RpcDesk(ask)
    for name in programs:
        desk.serve(name, ("where",))
    return asyncio.run(desk.invoke(call))


def test_the_one_that_came_last_is_asked() -> None:
    programs = {"one": lambda: RpcResult("1"), "two": lambda: RpcResult("2")}
    assert _invoke(programs) == RpcResult("2")


def test_one_that_is_gone_is_passed_over_and_forgotten() -> None:
    programs = {"one": lambda: RpcResult("1"), "two": _raises(Unreachable("two"))}
    assert _invoke(programs) == RpcResult("1")
    assert _invoke({"two": _raises(Unreachable("two"))}) == UNSUPPORTED


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        (_raises(NoAnswer("one", 5.0)), TIMED_OUT),
        (_raises(OrderFailed("overloaded", "busy")), APPLICATION_ERROR),
        (Done, APPLICATION_ERROR),
        (
            lambda: RpcResult(code=7, message="no", data="x"),
            RpcResult(code=7, message="no", data="x"),
        ),
    ],
)
def test_whatever_goes_wrong_is_told_to_the_caller(
    answer: Callable[[], Message], result: RpcResult
) -> None:
    assert _invoke({"one": answer}) == result


def test_a_method_that_nobody_serves() -> None:
    other = InvokeRpc("other", "agent-1", "", 5.0)
    assert _invoke({"one": lambda: RpcResult("1")}, other) == UNSUPPORTED


def test_methods_are_those_of_all_and_bounded() -> None:
    async def ask(*_: object) -> Message:
        raise AssertionError

    desk = RpcDesk(ask)
    desk.serve("one", ("a", "b"))
    desk.serve("two", ("b", "c"))
    assert desk.methods == {"a", "b", "c"}
    desk.serve("two", ())
    assert desk.methods == {"a", "b"}
    desk.serve("one", tuple(f"{number}" for number in range(10 * MAX_METHODS)))
    assert len(desk.methods) == MAX_METHODS
    for number in range(10 * MAX_PROGRAMS):
        desk.serve(f"p{number}", (f"m{number}",))
    assert len(desk.methods) == MAX_PROGRAMS
