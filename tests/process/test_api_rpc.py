"""Calls of methods, to the agent and from it, with a real router and session, a scripted room."""

import asyncio
import logging
import threading
from pathlib import Path

import pytest

from actors import OrderInDoubt, OrderRefused, RpcError, RpcInvocation, Session
from actors.messages import Failed, InvokeRpc, PerformRpc, RpcResult, ServeRpc
from tests.children import DEADLINE_S
from tests.session_bench import Bench

pytestmark = pytest.mark.process


async def _served(bench: Bench, *methods: str) -> str:
    """Wait until just these are offered; returns by whom."""
    while True:
        offer = await bench.room.next(ServeRpc)
        if offer.message == ServeRpc(methods):
            return offer.sender


async def _call(bench: Bench, who: str, method: str, payload: str = "") -> RpcResult:
    answer = await bench.room.post.ask(who, InvokeRpc(method, "agent-1", payload, 2.0), 2.0)
    assert isinstance(answer, RpcResult)
    return answer


def test_a_method_of_the_agent_is_called(runtime_dir: Path) -> None:
    async def play() -> None:
        async with Bench(runtime_dir) as bench, Session.attach(runtime_dir) as session:
            bench.room.held.add(PerformRpc)
            calling = asyncio.create_task(session.perform_rpc("price", "2 tickets", timeout_s=3.0))
            order = await bench.room.next(PerformRpc)
            assert order.message == PerformRpc("price", "2 tickets", 3.0)
            bench.room.post.reply(order, RpcResult("7.40"))
            assert await calling == "7.40"
            for answer, raised in (
                (RpcResult(code=1401, message="Recipient not found"), RpcError),
                (Failed("not-connected", "no conversation is connected"), OrderRefused),
            ):
                calling = asyncio.create_task(session.perform_rpc("price"))
                bench.room.post.reply(await bench.room.next(PerformRpc), answer)
                with pytest.raises(raised) as failed:
                    await calling
                if isinstance(failed.value, RpcError):
                    assert (failed.value.code, failed.value.message) == (
                        1401,
                        "Recipient not found",
                    )

    asyncio.run(play())


def test_a_call_is_not_made_twice_when_the_room_dies(runtime_dir: Path) -> None:
    async def play() -> None:
        async with Bench(runtime_dir) as bench, Session.attach(runtime_dir) as session:
            bench.room.held.add(PerformRpc)
            calling = asyncio.create_task(session.perform_rpc("pay"))
            await bench.room.next(PerformRpc)
            bench.room.die()
            bench.tell_router("room", up=False)
            with pytest.raises(OrderInDoubt, match="room is not running"):
                await calling

    asyncio.run(play())


def test_the_agent_calls_methods_of_the_program(
    runtime_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def plain(call: RpcInvocation) -> str:
        assert threading.current_thread() is not threading.main_thread()
        return f"{call.caller_identity} asks {call.payload}"

    async def later(_call: RpcInvocation) -> str:
        await asyncio.sleep(0)
        return "later"

    async def refuses(_call: RpcInvocation) -> str:
        raise RpcError(7, "not today", "tomorrow")

    async def fails(_call: RpcInvocation) -> str:
        raise KeyError("hush")

    def answers_wrongly(_call: RpcInvocation) -> str:
        return 5  # type: ignore[return-value]

    async def play() -> None:
        async with Bench(runtime_dir) as bench:
            session = Session.attach(runtime_dir)
            session.register_rpc_method("plain", plain)
            async with session:
                who = await _served(bench, "plain")
                assert await _call(bench, who, "plain", "?") == RpcResult("agent-1 asks ?")
                for method in (later, refuses, fails, answers_wrongly):
                    end = session.register_rpc_method("it", method)
                await _served(bench, "plain", "it")
                failed = RpcResult(code=1500, message="Application error in method handler")
                assert await _call(bench, who, "it") == failed
                end()
                await _served(bench, "plain")
                unknown = RpcResult(code=1400, message="Method not supported at destination")
                assert await _call(bench, who, "it") == unknown
                for method, result in (
                    (later, RpcResult("later")),
                    (refuses, RpcResult(code=7, message="not today", data="tomorrow")),
                    (fails, failed),
                ):
                    session.register_rpc_method("it", method)
                    assert await _call(bench, who, "it") == result

    with caplog.at_level(logging.ERROR):
        asyncio.run(play())
    assert {record.message for record in caplog.records} == {"an RPC method failed"}


def test_a_room_that_was_restarted_knows_again_what_is_served(runtime_dir: Path) -> None:
    async def play() -> None:
        async with Bench(runtime_dir) as bench:
            session = Session.attach(runtime_dir)
            session.register_rpc_method("where", lambda _: "here")
            async with session:
                who = await _served(bench, "where")
                bench.room.die()
                bench.tell_router("room", up=False)
                await bench.room.__aenter__()
                bench.tell_router("room", up=True)
                assert await _served(bench, "where") == who
                assert await _call(bench, who, "where") == RpcResult("here")

    asyncio.run(play())


def test_nobody_but_the_room_may_call(runtime_dir: Path) -> None:
    async def play() -> None:
        async with Bench(runtime_dir) as bench:
            session = Session.attach(runtime_dir)
            session.register_rpc_method("where", lambda _: "here")
            async with session:
                who = await _served(bench, "where")
                with pytest.raises(Exception, match="takes no such orders"):
                    await bench.client.ask(who, InvokeRpc("where", "me", "", 2.0), 2.0)

    asyncio.run(play())


def test_both_ways_in_the_practice_room_too(runtime_dir: Path) -> None:
    """Its parrot has the two methods that the agent worker of the tests has."""

    async def refuses(_call: RpcInvocation) -> str:
        raise RpcError(7, "not today", "tomorrow")

    async def play() -> None:
        async with Bench(runtime_dir, practice_room=True) as bench:
            session = Session.attach(runtime_dir)
            session.register_rpc_method("where", lambda call: f"desk 4, {call.caller_identity}")
            session.register_rpc_method("broken", refuses)
            async with session:
                with pytest.raises(OrderRefused, match="no conversation is connected"):
                    await session.perform_rpc("repeat", "too early")
                await session.start()
                agent = await session.agent.wait_until_connected(DEADLINE_S)
                assert await session.perform_rpc("repeat", "two tickets") == "two tickets"
                said = await session.perform_rpc("call back", "where")
                assert said == f"desk 4, {agent.identity}"
                for method, payload, code in (
                    ("call back", "broken", 7),
                    ("call back", "nowhere", 1400),
                    ("fly", "", 1400),
                ):
                    with pytest.raises(RpcError) as failed:
                        await session.perform_rpc(method, payload)
                    assert failed.value.code == code
                await bench.restart("parrot")
                async for now in session.snapshots():
                    if now.agent.is_connected and now.agent.identity != agent.identity:
                        break
                assert await session.perform_rpc("repeat", "again") == "again"

    asyncio.run(play())


def test_what_the_agent_remembers_in_the_practice_room_too(runtime_dir: Path) -> None:
    async def play() -> None:
        async with Bench(runtime_dir, practice_room=True), Session.attach(runtime_dir) as session:
            with pytest.raises(OrderRefused, match="no conversation is connected"):
                await session.get_agent_history()
            await session.start()
            await session.agent.wait_until_connected(DEADLINE_S)
            await session.send("two tickets")
            async with asyncio.timeout(DEADLINE_S):  # it remembers what it has said to the end
                while "two tickets" not in (told := await session.get_agent_history())[-1].text:
                    pass
                while told[-1].kind != "agent_transcript":
                    told = await session.get_agent_history()
            asked, answered = told[-2:]
            assert (asked.kind, asked.text) == ("user_transcript", "two tickets")
            assert answered.text.strip() == "You said: two tickets"

    asyncio.run(play())
