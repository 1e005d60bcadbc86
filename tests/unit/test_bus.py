"""Lanes in one process: what is taken, what is refused, what a foreign peer may do."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import zmq

from actors.runtime.bus import Bus, Pattern, Sent, endpoint, new_context
from actors.runtime.loop import Loop

pytestmark = pytest.mark.unit

DEADLINE_S = 10.0

Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(params=[Loop, asyncio.SelectorEventLoop], ids=["actor", "program"])
def run(request: pytest.FixtureRequest) -> Run:
    """An actor's loop and that of a program which is attached."""

    def in_loop(scenario: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(scenario)

    return in_loop


def test_a_path_too_long_for_a_socket_is_refused_with_its_limit(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="107 bytes"):
        endpoint(tmp_path / ("x" * 100), "router")


def test_a_socket_that_cannot_be_bound_is_not_left_open(runtime_dir: Path, run: Run) -> None:
    """Who waits for the end of the bus waits for all of its sockets."""
    (runtime_dir / "here.sock").mkdir()
    context = new_context()

    async def scenario() -> None:
        bus = Bus(runtime_dir, context)
        with pytest.raises(OSError, match=r"here\.sock"):
            bus.bind("router", "here", lambda _peer, _frame: None)
        with pytest.raises(ValueError, match="107 bytes"):
            bus.connect("dealer", "x" * 100, lambda _p, _f: None, on_link=lambda _up: None)
        closing = threading.Thread(target=bus.close, daemon=True)
        closing.start()
        closing.join(DEADLINE_S)
        assert not closing.is_alive()

    run(scenario())


def test_frames_arrive_in_order_with_the_name_of_their_sender(runtime_dir: Path, run: Run) -> None:
    async def scenario() -> None:
        got: asyncio.Queue[tuple[bytes, bytes]] = asyncio.Queue()
        bus = Bus(runtime_dir)
        bus.bind("router", "here", lambda peer, frame: got.put_nowait((peer, frame)))
        lane = bus.connect("dealer", "here", lambda _peer, _frame: None, identity="me")
        for number in range(500):  # several bursts: the loop gets its turns and nothing stays
            assert lane.send(b"%d" % number)
        arrived = [await asyncio.wait_for(got.get(), DEADLINE_S) for _ in range(500)]
        assert arrived == [(b"me", b"%d" % number) for number in range(500)]
        bus.close()

    run(scenario())


def test_an_unknown_peer_is_unreachable_and_not_silently_lost(runtime_dir: Path, run: Run) -> None:
    async def scenario() -> None:
        bus = Bus(runtime_dir)
        lane = bus.bind("router", "here", lambda _peer, _frame: None)
        assert lane.send(b"x", to="nobody") is Sent.UNREACHABLE
        bus.close()

    run(scenario())


def test_a_full_queue_is_told_and_not_waited_for(runtime_dir: Path, run: Run) -> None:
    async def scenario() -> None:
        bus = Bus(runtime_dir)
        lane = bus.connect("push", "nobody-binds-this", lambda _peer, _frame: None, queue=3)
        assert [lane.send(b"x") for _ in range(4)] == [Sent.OK] * 3 + [Sent.OVERLOADED]
        bus.close()

    run(scenario())


@pytest.mark.parametrize(("pattern", "taken"), [("router", [b"a"]), ("pull", [b"a", b"b", b"c"])])
def test_parts_of_a_foreign_message_are_frames_or_nothing_but_never_names(
    runtime_dir: Path, run: Run, pattern: Pattern, taken: list[bytes]
) -> None:
    async def scenario() -> None:
        got: asyncio.Queue[tuple[bytes, bytes]] = asyncio.Queue()
        bus = Bus(runtime_dir)
        bus.bind(pattern, "here", lambda peer, frame: got.put_nowait((peer, frame)))
        kind = zmq.DEALER if pattern == "router" else zmq.PUSH
        with zmq.Context() as context, context.socket(kind) as foreign:
            foreign.setsockopt(zmq.IDENTITY, b"me")
            foreign.connect(endpoint(runtime_dir, "here"))
            foreign.send_multipart([b"a", b"b", b"c"])
            foreign.send(b"next")
            for frame in (*taken, b"next"):
                peer = b"me" if pattern == "router" else b""
                assert await asyncio.wait_for(got.get(), DEADLINE_S) == (peer, frame)
        bus.close()

    run(scenario())


def test_a_handler_that_fails_costs_no_other_frame(runtime_dir: Path, run: Run) -> None:
    async def scenario() -> None:
        got: asyncio.Queue[bytes] = asyncio.Queue()

        def on_frame(_peer: bytes, frame: bytes) -> None:
            if frame == b"bad":
                raise RuntimeError("told to")
            got.put_nowait(frame)

        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        bus = Bus(runtime_dir)
        bus.bind("pull", "here", on_frame)
        lane = bus.connect("push", "here", lambda *_: None)
        for frame in (b"bad", b"bad", b"good"):
            lane.send(frame)
        assert await asyncio.wait_for(got.get(), DEADLINE_S) == b"good"
        bus.close()

    run(scenario())


def test_who_answers_while_reading_is_given_all_that_has_come(runtime_dir: Path, run: Run) -> None:
    """Sending uses up the sign of what has come."""

    async def scenario() -> None:
        count, answers = 200, 0
        done = asyncio.Event()

        def on_answer(_peer: bytes, _frame: bytes) -> None:
            nonlocal answers
            answers += 1
            if answers == count:
                done.set()

        bus = Bus(runtime_dir)
        echo = bus.bind("router", "here", lambda peer, frame: echo.send(frame, to=peer.decode()))
        lane = bus.connect("dealer", "here", on_answer, identity="me")
        for number in range(count):
            lane.send(str(number).encode())
            if number % 7 == 0:
                await asyncio.sleep(0)
        await asyncio.wait_for(done.wait(), DEADLINE_S)
        bus.close()

    run(scenario())


def test_a_restarted_peer_takes_over_its_name(runtime_dir: Path, run: Run) -> None:
    async def scenario() -> None:
        got: asyncio.Queue[bytes] = asyncio.Queue()
        bus = Bus(runtime_dir)
        lane = bus.bind("router", "here", lambda _peer, frame: got.put_nowait(frame))
        answers: asyncio.Queue[bytes] = asyncio.Queue()
        first = bus.connect("dealer", "here", lambda _peer, _frame: None, identity="me")
        first.send(b"first")
        assert await asyncio.wait_for(got.get(), DEADLINE_S) == b"first"
        second = bus.connect("dealer", "here", lambda _p, f: answers.put_nowait(f), identity="me")
        second.send(b"second")
        assert await asyncio.wait_for(got.get(), DEADLINE_S) == b"second"
        assert lane.send(b"for the living", to="me")
        assert await asyncio.wait_for(answers.get(), DEADLINE_S) == b"for the living"
        bus.close()

    run(scenario())


def test_a_lane_closed_by_its_own_handler_is_read_no_more(runtime_dir: Path, run: Run) -> None:
    """Also when more has come, and when a look was due."""

    async def scenario() -> None:
        failed: list[object] = []
        got: list[bytes] = []

        def on_frame(_peer: bytes, frame: bytes) -> None:
            got.append(frame)
            if frame == b"2":
                lane.close()
                done.set()

        done = asyncio.Event()
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failed.append(context))
        bus = Bus(runtime_dir)
        lane = bus.bind("pull", "here", on_frame)
        sender = bus.connect("push", "here", lambda *_: None)
        for number in range(5):
            sender.send(b"%d" % number)
        await asyncio.wait_for(done.wait(), DEADLINE_S)
        unread = bus.bind("pull", "there", on_frame)  # has a look due
        unread.close()
        for _ in range(10):
            await asyncio.sleep(0)
        assert got == [b"0", b"1", b"2"]
        assert failed == []
        bus.close()

    run(scenario())
