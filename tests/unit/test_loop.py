"""An actor's loop: what it watches beside all that asyncio's own does."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.runtime.loop import Loop, watch

pytestmark = pytest.mark.unit

DEADLINE_S = 10.0

Pipe = tuple[int, int]
MakePipe = Callable[[], Pipe]


@pytest.fixture
def make_pipe() -> Iterator[MakePipe]:
    made: list[Pipe] = []

    def make() -> Pipe:
        made.append(os.pipe())
        return made[-1]

    yield make
    for pipe in made:
        for end in pipe:
            os.close(end)


def run(scenario: Callable[[Loop], Coroutine[Any, Any, None]]) -> None:
    async def in_it() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, Loop)
        await asyncio.wait_for(scenario(loop), DEADLINE_S)

    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(in_it())


def test_what_is_watched_is_called_for_each_thing_to_read(make_pipe: MakePipe) -> None:
    reads, writes = make_pipe()
    got: list[bytes] = []

    async def scenario(loop: Loop) -> None:
        came = asyncio.Event()

        def readable() -> None:
            got.append(os.read(reads, 100))
            came.set()

        loop.watch(reads, readable)
        for word in (b"one", b"two"):
            os.write(writes, word)
            await came.wait()
            came.clear()
        loop.unwatch(reads)
        loop.unwatch(reads)  # is not watched, and does no harm
        os.write(writes, b"three")
        for _ in range(10):
            await asyncio.sleep(0)

    run(scenario)
    assert got == [b"one", b"two"]


def test_what_it_raises_goes_to_the_exception_handler_and_the_loop_goes_on(
    make_pipe: MakePipe,
) -> None:
    reads, writes = make_pipe()
    told: list[dict[str, Any]] = []

    async def scenario(loop: Loop) -> None:
        came = asyncio.Event()

        def readable() -> None:
            if os.read(reads, 1) == b"b":
                raise RuntimeError("told to")
            came.set()

        loop.set_exception_handler(lambda _loop, context: told.append(context))
        loop.watch(reads, readable)
        os.write(writes, b"bg")
        await came.wait()

    run(scenario)
    assert [str(context["exception"]) for context in told] == ["told to"]


def test_who_never_reads_starves_neither_timers_nor_readers_nor_threads(
    make_pipe: MakePipe,
) -> None:
    flooded, flood = make_pipe()
    reads, writes = make_pipe()

    async def scenario(loop: Loop) -> None:
        calls = 0

        def readable() -> None:
            nonlocal calls
            calls += 1

        loop.watch(flooded, readable)
        os.write(flood, b"x")
        await asyncio.sleep(0.001)
        read: asyncio.Future[bytes] = loop.create_future()
        loop.add_reader(reads, lambda: read.done() or read.set_result(os.read(reads, 10)))
        os.write(writes, b"word")
        assert await read == b"word"
        from_thread = asyncio.Event()
        thread = threading.Thread(target=loop.call_soon_threadsafe, args=(from_thread.set,))
        thread.start()
        await from_thread.wait()
        thread.join()
        assert calls > 1

    run(scenario)


@pytest.mark.parametrize("how", ["call_soon", "call_later", "a task", "stop"])
def test_what_a_callback_asks_of_the_loop_is_done_though_nothing_else_wakes_it(
    make_pipe: MakePipe, how: str
) -> None:
    """The loop waits for ever, and goes on waiting after a callback that asks for nothing."""
    reads, writes = make_pipe()
    done: list[str] = []

    def finish(loop: Loop) -> None:
        done.append(how)
        loop.stop()

    async def task(loop: Loop) -> None:
        finish(loop)

    tasks: list[asyncio.Task[None]] = []

    def ask(loop: Loop) -> None:
        match how:
            case "call_soon":
                loop.call_soon(finish, loop)
            case "call_later":
                loop.call_later(0.001, finish, loop)
            case "a task":
                tasks.append(loop.create_task(task(loop)))
            case _:
                finish(loop)

    loop = Loop()

    def readable() -> None:
        if os.read(reads, 1) == b"!":
            ask(loop)

    loop.watch(reads, readable)
    os.write(writes, b"..!")
    watchdog = threading.Timer(DEADLINE_S, loop.call_soon_threadsafe, (loop.stop,))
    watchdog.start()
    loop.run_forever()
    watchdog.cancel()
    assert done == [how]
    for one in tasks:
        loop.run_until_complete(one)
    loop.close()


def test_a_callback_that_asks_for_nothing_makes_no_timer_late(make_pipe: MakePipe) -> None:
    """Each frame begins the wait anew: with what is left of it."""
    reads, writes = make_pipe()
    until_s, every_s = 0.1, 0.01

    async def scenario(loop: Loop) -> None:
        def readable() -> None:
            os.read(reads, 1)

        loop.watch(reads, readable)
        ended = threading.Event()

        def tick() -> None:
            while not ended.wait(every_s):
                os.write(writes, b".")

        ticks = threading.Thread(target=tick)
        ticks.start()
        try:
            # If each began it whole, it would last as long as there are ticks.
            await asyncio.sleep(until_s)
        finally:
            ended.set()
            ticks.join()

    run(scenario)


def test_signals_arrive() -> None:
    async def scenario(loop: Loop) -> None:
        asked = asyncio.Event()
        loop.add_signal_handler(signal.SIGUSR2, asked.set)
        os.kill(os.getpid(), signal.SIGUSR2)
        await asked.wait()

    run(scenario)


def test_who_is_unwatched_by_another_is_not_called_any_more(make_pipe: MakePipe) -> None:
    """Both were readable when the loop woke."""
    pipes = [make_pipe() for _ in range(2)]
    called: list[int] = []

    async def scenario(loop: Loop) -> None:
        def end_other(number: int) -> Callable[[], None]:
            def readable() -> None:
                called.append(number)
                os.read(pipes[number][0], 1)
                loop.unwatch(pipes[1 - number][0])

            return readable

        for number, (reads, writes) in enumerate(pipes):
            loop.watch(reads, end_other(number))
            os.write(writes, b"x")
        for _ in range(10):
            await asyncio.sleep(0)

    run(scenario)
    assert len(called) == 1


@pytest.mark.parametrize("first", ["reader", "watched"])
def test_a_reader_that_takes_the_place_of_one_that_is_ready_stays(
    make_pipe: MakePipe, first: str
) -> None:
    """The callback of a watched descriptor puts it there when both were readable."""
    (reads, writes), (watched, wakes) = make_pipe(), make_pipe()
    got: list[tuple[str, bytes]] = []

    async def scenario(loop: Loop) -> None:
        came = asyncio.Event()

        def read(name: str) -> None:
            got.append((name, os.read(reads, 100)))
            came.set()

        def replace() -> None:
            os.read(watched, 1)
            loop.add_reader(reads, read, "new")

        loop.add_reader(reads, read, "old")
        loop.watch(watched, replace)
        for end in (writes, wakes) if first == "reader" else (wakes, writes):
            os.write(end, b"x")
        await came.wait()
        came.clear()
        os.write(writes, b"later")
        await came.wait()

    run(scenario)
    assert got[-1] == ("new", b"later")


@pytest.mark.parametrize("seconds", [0.0001, 0.0015, 0.0204])
def test_no_timer_is_early(seconds: float) -> None:
    async def scenario(loop: Loop) -> None:
        began = loop.time()
        await asyncio.sleep(seconds)
        assert loop.time() - began >= seconds - 1e-6  # asyncio's own grain: the clock's resolution

    run(scenario)


@pytest.mark.parametrize("make_loop", [Loop, asyncio.SelectorEventLoop])
def test_any_loop_can_be_told_to_watch(
    make_pipe: MakePipe, make_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    reads, writes = make_pipe()
    calls = 0

    async def scenario() -> None:
        came = asyncio.Event()

        def readable() -> None:
            nonlocal calls
            calls += 1
            os.read(reads, 1)
            came.set()

        end = watch(asyncio.get_running_loop(), reads, readable)
        os.write(writes, b"x")
        await asyncio.wait_for(came.wait(), DEADLINE_S)
        end()
        os.write(writes, b"x")
        for _ in range(10):
            await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=make_loop) as runner:
        runner.run(scenario())
    assert calls == 1


def test_a_closed_loop_leaves_nothing_open() -> None:
    def opened() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = opened()
    Loop().close()
    assert opened() == before
