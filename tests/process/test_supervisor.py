"""The supervisor with real processes: start, death, restart, stop, and who may not disturb it."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from actors.messages import (
    ActorStatus,
    Custom,
    Done,
    Failed,
    GetStatus,
    Message,
    RestartActor,
    Status,
    StopTerminal,
)
from actors.messages.codec import decode, encode
from actors.runtime.bus import Bus
from actors.runtime.client import Client
from actors.runtime.errors import OrderFailed
from actors.settings import Settings
from supervisor.rundir import AlreadyRunning, RuntimeDirError
from supervisor.spec import ActorSpec
from supervisor.terminal import Terminal
from supervisor.tree import StartFailedError
from tests.children import DEADLINE_S

pytestmark = pytest.mark.process

ROUTER = ActorSpec("router", "actors.router.process:Router")


def _puppet(name: str = "puppet", **options: Any) -> ActorSpec:
    return ActorSpec(name, "tests.puppet:Puppet", options)


def _terminal(runtime_dir: Path, *specs: ActorSpec, **supervisor: float) -> Terminal:
    settings = Settings.from_plain({"supervisor": supervisor})
    return Terminal(settings, runtime_dir, specs=[ROUTER, *specs])


async def _until(terminal: Terminal, condition: Callable[[dict[str, ActorStatus]], bool]) -> None:
    """Look after every turn of the loop: the terminal under test runs in this very loop."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition(terminal.status().actors):
            await asyncio.sleep(0.002)


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


async def _gone(*pids: int) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while any(_alive(pid) for pid in pids):
            await asyncio.sleep(0.002)


async def _tell(runtime_dir: Path, message: Message, to: str = "puppet") -> None:
    async with Client(runtime_dir) as client:
        with contextlib.suppress(OrderFailed):
            await client.ask(to, message)


# -- start -----------------------------------------------------------------------------------------


def test_all_are_ready_when_it_has_started_and_gone_when_it_has_stopped(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with _terminal(runtime_dir, _puppet("a"), _puppet("b")) as terminal:
            status = terminal.status()
            assert status.state == "running"
            assert list(status.actors) == ["router", "a", "b"]
            assert {row.state for row in status.actors.values()} == {"running"}
            pids = [row.pid for row in status.actors.values() if row.pid]
        assert len(pids) == 3
        assert not any(_alive(pid) for pid in pids)
        assert list(runtime_dir.glob("*.sock")) == []

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("start", "reason"),
    [
        ("fail", "puppet: told to fail"),
        ("hang", "puppet: not ready within 0.5 s"),
        ("exit", r"puppet: ended before it was ready \(exit 9\)"),
    ],
)
def test_a_failed_first_start_is_told_and_leaves_nothing(
    runtime_dir: Path, start: str, reason: str
) -> None:
    async def scenario() -> None:
        with pytest.raises(StartFailedError, match=reason):
            await _terminal(runtime_dir, _puppet(start=start), start_timeout=0.5).__aenter__()
        assert list(runtime_dir.glob("*.sock")) == []

    asyncio.run(scenario())


# -- death -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("victim", ["router", "a", "b"])
def test_a_killed_actor_is_back_and_no_other_is_touched(runtime_dir: Path, victim: str) -> None:
    async def scenario() -> None:
        async with _terminal(runtime_dir, _puppet("a"), _puppet("b")) as terminal:
            before = terminal.status().actors
            pid = before[victim].pid
            assert pid
            os.kill(pid, signal.SIGKILL)
            await _until(
                terminal, lambda now: now[victim].state == "running" and now[victim].pid != pid
            )
            after = terminal.status().actors
            assert (after[victim].restarts, after[victim].last_exit) == (1, "signal SIGKILL")
            for other in before.keys() - {victim}:
                assert (after[other].pid, after[other].restarts) == (before[other].pid, 0)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("order", "exit_"),
    [
        (Custom("exit", {"code": 0}), "exit 0"),
        (Custom("exit", {"code": 7}), "exit 7"),
        (Custom("raise", {}), "exit 1"),
        (Custom("signal", {"number": int(signal.SIGSEGV)}), "signal SIGSEGV"),
        (Custom("signal", {"number": int(signal.SIGABRT)}), "signal SIGABRT"),
    ],
    ids=str,
)
def test_how_it_ended_is_told_apart(runtime_dir: Path, order: Custom, exit_: str) -> None:
    async def scenario() -> None:
        async with _terminal(runtime_dir, _puppet()) as terminal:
            await _tell(runtime_dir, order)
            await _until(terminal, lambda now: now["puppet"].restarts == 1)
            assert terminal.status().actors["puppet"].last_exit == exit_

    asyncio.run(scenario())


def test_a_failed_restart_is_tried_again(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with _terminal(
            runtime_dir, _puppet(start="fail-again"), backoff_initial=0.01
        ) as terminal:
            await _tell(runtime_dir, Custom("exit", {"code": 1}))
            await _until(
                terminal,
                lambda now: now["puppet"].restarts == 2 and now["puppet"].state == "running",
            )
            assert terminal.status().actors["puppet"].last_exit == "start failed"

    asyncio.run(scenario())


def test_an_ask_to_an_actor_that_dies_over_it_is_answered(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with _terminal(runtime_dir, _puppet("a"), _puppet("b")) as terminal:
            await _tell(runtime_dir, Custom("exit", {"code": 1}), to="a")
            await _until(terminal, lambda now: now["a"].restarts == 1)

    asyncio.run(scenario())


def test_the_death_of_the_fork_server_costs_nothing(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with _terminal(runtime_dir, _puppet()) as terminal:
            before = terminal.status().actors["puppet"].pid
            assert before
            fork_server = int(
                Path(f"/proc/{before}/stat").read_text().rpartition(")")[2].split()[1]
            )
            os.kill(fork_server, signal.SIGKILL)
            await _gone(fork_server)
            assert terminal.status().actors["puppet"].pid == before
            os.kill(before, signal.SIGKILL)
            await _until(
                terminal,
                lambda now: now["puppet"].state == "running" and now["puppet"].pid != before,
            )

    asyncio.run(scenario())


# -- stop ------------------------------------------------------------------------------------------


def test_what_ignores_order_and_sigterm_is_killed(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with _terminal(runtime_dir, _puppet(), stop_grace=0.2) as terminal:
            pid = terminal.status().actors["puppet"].pid
            assert pid
            await _tell(runtime_dir, Custom("ignore-term", {}))
        assert not _alive(pid)

    asyncio.run(scenario())


def test_a_stopped_process_is_continued_to_hear_the_order(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with _terminal(runtime_dir, _puppet()) as terminal:
            pid = terminal.status().actors["puppet"].pid
            assert pid
            os.kill(pid, signal.SIGSTOP)
        assert not _alive(pid)

    asyncio.run(scenario())


def test_a_stop_between_death_and_restart_wins(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with _terminal(runtime_dir, _puppet(), backoff_initial=600.0, backoff_max=600.0) as t:
            for restarts in (1, 2):
                await _tell(runtime_dir, Custom("exit", {"code": 1}))
                await _until(t, lambda now, n=restarts: now["puppet"].restarts == n)  # type: ignore[misc]
                if restarts == 1:
                    await _until(t, lambda now: now["puppet"].state == "running")
            assert t.status().actors["puppet"].state == "backing-off"
        assert t.status().actors["puppet"].state == "stopped"

    asyncio.run(scenario())


# -- the operators' socket -------------------------------------------------------------------------


async def _order(runtime_dir: Path, message: Message) -> Message:
    answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
    bus = Bus(runtime_dir)
    lane = bus.connect(
        "dealer",
        "control",
        lambda _peer, frame: answer.set_result(decode(frame).message),
        identity="operator",
    )
    lane.send(encode(message, kind="ask", sender="operator", to="supervisor", id=1))
    try:
        return await asyncio.wait_for(answer, DEADLINE_S)
    finally:
        bus.close()


def test_status_restart_and_stop_can_be_asked_for(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with _terminal(runtime_dir, _puppet()) as terminal:
            status = await _order(runtime_dir, GetStatus())
            assert isinstance(status, Status)
            row = status.actors["puppet"]
            assert (row.state, row.health, row.restarts) == ("running", "ok", 0)
            assert row.rss_mib > 1

            assert await _order(runtime_dir, RestartActor("puppet")) == Done()
            renewed = terminal.status().actors["puppet"]
            assert renewed.pid != row.pid
            assert renewed.restarts == 0, "an asked restart is no crash"

            refused = await _order(runtime_dir, RestartActor("puppy"))
            assert refused == Failed(
                "unknown-actor", "there is no actor puppy", "there are: router, puppet"
            )
            assert await _order(runtime_dir, StopTerminal()) == Done()
            await asyncio.wait_for(terminal.stopped.wait(), DEADLINE_S)

    asyncio.run(scenario())


@pytest.mark.parametrize("name", ["control", "supervisor"])
def test_garbage_changes_nothing(runtime_dir: Path, name: str) -> None:
    async def scenario() -> None:
        async with _terminal(runtime_dir, _puppet()) as terminal:
            with socket.socket(socket.AF_UNIX) as raw:
                raw.connect(str(runtime_dir / f"{name}.sock"))
                raw.sendall(os.urandom(512))
            bus = Bus(runtime_dir)
            lane = bus.connect("dealer", name, lambda _peer, _frame: None, identity="stranger")
            for frame in (b"", b"\xc1", os.urandom(2000), b"\x91" * 3000):
                lane.send(frame)
            assert isinstance(await _order(runtime_dir, GetStatus()), Status)
            bus.close(linger_ms=500)
            assert {row.restarts for row in terminal.status().actors.values()} == {0}

    asyncio.run(scenario())


# -- one terminal in a directory, and no orphan ----------------------------------------------------


def test_a_second_terminal_in_the_same_directory_is_refused(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with _terminal(runtime_dir):
            with pytest.raises(AlreadyRunning, match=rf"pid {os.getpid()}"):
                await _terminal(runtime_dir).__aenter__()

    asyncio.run(scenario())


def test_a_directory_open_to_others_is_refused_with_the_remedy(runtime_dir: Path) -> None:
    runtime_dir.chmod(0o755)
    with pytest.raises(RuntimeDirError) as refused:
        asyncio.run(_terminal(runtime_dir).__aenter__())
    assert refused.value.remedy == f"chmod 700 {runtime_dir}"


_RUN = """
import sys
from pathlib import Path
from actors.settings import Settings
from supervisor.spec import ActorSpec
from supervisor.terminal import run
specs = [ActorSpec("router", "actors.router.process:Router"), ActorSpec("a", "tests.puppet:Puppet")]
sys.exit(run(Settings(), Path(sys.argv[1]), specs=specs))
"""


async def _running(runtime_dir: Path) -> Status:
    async with asyncio.timeout(DEADLINE_S):
        while not (runtime_dir / "control.sock").exists():
            await asyncio.sleep(0.01)
        while True:
            status = await _order(runtime_dir, GetStatus())
            assert isinstance(status, Status)
            if status.state == "running":
                return status
            await asyncio.sleep(0.01)


def _family(pid: int) -> set[int]:
    """All descendants of a process."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {int(child) for child in children}.union(*(_family(int(child)) for child in children))


def test_sigterm_ends_a_terminal_with_0_and_sigkill_leaves_no_orphan(runtime_dir: Path) -> None:
    async def scenario() -> None:
        for number, code in ((signal.SIGTERM, 0), (signal.SIGKILL, -signal.SIGKILL)):
            process = subprocess.Popen(
                [sys.executable, "-c", _RUN, str(runtime_dir)], stderr=subprocess.DEVNULL
            )
            await _running(runtime_dir)
            family = _family(process.pid)
            assert len(family) >= 3  # the fork server and two actors
            process.send_signal(number)
            assert await asyncio.to_thread(process.wait, DEADLINE_S) == code
            await _gone(*family)

    asyncio.run(scenario())


def test_a_directory_left_by_a_killed_terminal_is_taken_over(runtime_dir: Path) -> None:
    (runtime_dir / "lock").write_text("1\n")
    (runtime_dir / "router.sock").touch()
    (runtime_dir / "tape").write_bytes(b"kept")

    async def scenario() -> None:
        async with _terminal(runtime_dir) as terminal:
            assert terminal.status().state == "running"

    asyncio.run(scenario())
    assert (runtime_dir / "tape").read_bytes() == b"kept"
