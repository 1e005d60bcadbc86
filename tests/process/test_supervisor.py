"""The supervisor with real processes: start, stop, the operators' socket, one in a directory."""

import asyncio
import contextlib
import os
import resource
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from actors.messages import Done, Failed, GetStatus, RestartActor, Status, StopTerminal
from actors.runtime import kin
from actors.runtime.bus import Bus
from supervisor.rundir import AlreadyRunning, RuntimeDirError
from supervisor.tree import StartFailedError
from tests.children import DEADLINE_S
from tests.supervised import alive, fork_server, order, puppet, stage

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("fork_server")]
_ = fork_server

# -- start -----------------------------------------------------------------------------------------


def test_all_are_ready_when_it_has_started_and_gone_when_it_has_stopped(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with stage(runtime_dir, puppet("a"), puppet("b")) as on:
            status = on.terminal.status()
            assert status.state == "running"
            assert list(status.actors) == ["router", "a", "b"]
            assert {row.state for row in status.actors.values()} == {"running"}
            pids = [row.pid for row in status.actors.values() if row.pid]
        assert len(pids) == 3
        assert not any(alive(pid) for pid in pids)
        assert list(runtime_dir.glob("*.sock")) == []
        stopped = [line["process"] for line in on.log.lines if line["message"] == "stopped"]
        assert stopped == ["b", "a", "router"], "in reverse, each when the one before was gone"

    asyncio.run(scenario())


def test_children_show_their_names_and_keep_the_mark_of_whose_they_are(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with stage(runtime_dir, puppet("a" * 60), puppet("b")) as on:
            for _ in range(2):
                for name in ("a" * 60, "b"):
                    pid = on.pid(name)
                    title = Path(f"/proc/{pid}/cmdline").read_bytes().strip(b"\0")
                    assert title == f"callpoint: {name}".encode()
                    assert kin.is_marked(pid, kin.identity(os.getpid()))
                os.kill(pid, signal.SIGKILL)
                await on.until_back(pid, "b")

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("start", "reason"),
    [
        ("fail", "puppet: told to fail"),
        ("hang", "puppet: not ready within 0.5 s"),
        ("spin", "puppet: not ready within 0.5 s"),
        ("exit", r"puppet: ended before it was ready \(exit 9\)"),
    ],
)
def test_a_failed_first_start_is_told_and_leaves_nothing(
    runtime_dir: Path, start: str, reason: str
) -> None:
    async def scenario() -> None:
        with pytest.raises(StartFailedError, match=reason):
            async with stage(runtime_dir, puppet(start=start), start_timeout=0.5):
                pass
        assert list(runtime_dir.glob("*.sock")) == []

    asyncio.run(scenario())


@pytest.mark.parametrize("start", ["fail", "exit", "hang"])
def test_a_terminal_runs_without_what_it_can_do_without_and_tries_again(
    runtime_dir: Path, start: str
) -> None:
    """Also when the class never had a chance to say that it is not essential, the config can."""

    async def scenario() -> None:
        spare = puppet(target="Dispensable", start=start)
        async with stage(runtime_dir, spare, puppet("last"), start_timeout=0.5) as on:
            assert on.row("last").state == "running"
            await on.until(lambda now: now["puppet"].restarts >= 2)
            row = on.row()
            assert row.last_exit is not None
            assert row.last_exit.startswith("start failed")
            assert not row.essential
            if row.state == "backing-off":
                assert row.health in (
                    "told to fail",
                    "ended before it was ready (exit 9)",
                    "not ready within 0.5 s",
                )

    asyncio.run(scenario())


def test_what_could_not_start_is_there_once_its_cause_is_mended(runtime_dir: Path) -> None:
    async def scenario() -> None:
        spare = puppet(target="Dispensable", start="fail-until")
        async with stage(runtime_dir, spare, backoff_initial=0.01) as on:
            await on.until(lambda now: now["puppet"].state == "backing-off")
            (runtime_dir / "mended").touch()
            await on.until(lambda now: now["puppet"].state == "running")
            assert on.row().health == "ok"

    asyncio.run(scenario())


def test_children_have_the_environment_of_this_moment(
    runtime_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fork server has that of its own start, which may be long ago."""
    monkeypatch.setenv("CALLPOINT_TEST_WORD", "fresh")

    async def scenario() -> None:
        async with stage(runtime_dir, puppet()) as on:
            assert await on.ask("environ", name="CALLPOINT_TEST_WORD") == {"value": "fresh"}
            monkeypatch.delenv("CALLPOINT_TEST_WORD")
            await order(runtime_dir, RestartActor("puppet"))
            assert await on.ask("environ", name="CALLPOINT_TEST_WORD") == {"value": None}

    asyncio.run(scenario())


# -- stop ------------------------------------------------------------------------------------------


def test_what_ignores_order_and_sigterm_is_killed(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with stage(runtime_dir, puppet(), stop_grace=0.2) as on:
            pid = on.pid()
            await on.tell("ignore-term")
        assert not alive(pid)

    asyncio.run(scenario())


def test_a_stopped_process_is_continued_to_hear_the_order(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with stage(runtime_dir, puppet()) as on:
            pid = on.pid()
            os.kill(pid, signal.SIGSTOP)
        assert not alive(pid)
        assert "stopped" in on.log.messages("puppet"), "in order, and not by force"

    asyncio.run(scenario())


def test_a_stop_between_death_and_restart_wins(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with stage(runtime_dir, puppet(), backoff_initial=600.0, backoff_max=600.0) as on:
            pid = on.pid()
            await on.tell("exit", code=1)
            await on.until_back(pid)
            await on.tell("exit", code=1)
            await on.until(lambda now: now["puppet"].state == "backing-off")
        assert on.row().state == "stopped"

    asyncio.run(scenario())


def test_a_stop_while_one_is_being_started_again_wins(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with stage(runtime_dir, puppet()) as on:
            os.kill(on.pid(), signal.SIGKILL)
            await on.until(lambda now: now["puppet"].state == "starting")
        assert on.row().state == "stopped"
        assert on.row().pid is None

    asyncio.run(scenario())


def test_a_stop_while_the_terminal_starts_wins(runtime_dir: Path) -> None:
    async def scenario() -> None:
        slow = puppet("slow", start="hang")
        stopping = asyncio.create_task(order(runtime_dir, StopTerminal()))
        async with asyncio.timeout(DEADLINE_S), stage(runtime_dir, slow, puppet("never")) as on:
            assert on.terminal.stopped.is_set()
            assert on.row("never").state == "stopped"
        assert await stopping == Done()

    asyncio.run(scenario())


# -- the operators' socket -------------------------------------------------------------------------


def test_status_restart_and_stop_can_be_asked_for(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with stage(runtime_dir, puppet()) as on:
            status = await order(runtime_dir, GetStatus())
            assert isinstance(status, Status)
            row = status.actors["puppet"]
            assert (row.state, row.health, row.restarts) == ("running", "ok", 0)
            assert row.rss_mib > 1

            assert await order(runtime_dir, RestartActor("puppet")) == Done()
            renewed = on.row()
            assert renewed.pid != row.pid
            assert renewed.restarts == 0, "an asked restart is no crash"
            assert renewed.last_exit == "restart asked for"

            refused = await order(runtime_dir, RestartActor("puppy"))
            assert refused == Failed(
                "unknown-actor", "there is no actor puppy", "there are: router, puppet"
            )
            assert await order(runtime_dir, StopTerminal()) == Done()
            await asyncio.wait_for(on.terminal.stopped.wait(), DEADLINE_S)

    asyncio.run(scenario())


def test_a_restart_that_fails_says_why_and_is_tried_again(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with stage(runtime_dir, puppet(start="fail-again"), backoff_initial=0.01) as on:
            answer = await order(runtime_dir, RestartActor("puppet"))
            assert answer == Failed("start-failed", "puppet: told to fail the second time", "")
            await on.until(lambda now: now["puppet"].state == "running")

    asyncio.run(scenario())


@pytest.mark.parametrize("name", ["control", "supervisor"])
def test_garbage_changes_nothing(runtime_dir: Path, name: str) -> None:
    async def scenario() -> None:
        async with stage(runtime_dir, puppet()) as on:
            with socket.socket(socket.AF_UNIX) as raw:
                raw.connect(str(runtime_dir / f"{name}.sock"))
                raw.sendall(os.urandom(512))
            bus = Bus(runtime_dir)
            lane = bus.connect("dealer", name, lambda _peer, _frame: None, identity="stranger")
            for frame in (b"", b"\xc1", os.urandom(2000), b"\x91" * 3000):
                lane.send(frame)
            assert isinstance(await order(runtime_dir, GetStatus()), Status)
            bus.close(linger_ms=500)
            assert {row.restarts for row in on.terminal.status().actors.values()} == {0}

    asyncio.run(scenario())


# -- one terminal in a directory -------------------------------------------------------------------


def test_a_second_terminal_in_the_same_directory_is_refused(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with stage(runtime_dir):
            with pytest.raises(AlreadyRunning, match=rf"pid {os.getpid()}\)"):
                async with stage(runtime_dir):
                    pass

    asyncio.run(scenario())


def test_a_directory_open_to_others_is_refused_with_the_remedy(runtime_dir: Path) -> None:
    runtime_dir.chmod(0o755)

    async def scenario() -> None:
        with pytest.raises(RuntimeDirError) as refused:
            async with stage(runtime_dir):
                pass
        assert refused.value.remedy == f"chmod 700 {runtime_dir}"

    asyncio.run(scenario())


def test_a_directory_left_by_a_killed_terminal_is_taken_over(runtime_dir: Path) -> None:
    (runtime_dir / "lock").write_text("1\n")
    (runtime_dir / "router.sock").touch()
    (runtime_dir / "tape").write_bytes(b"kept")

    async def scenario() -> None:
        async with stage(runtime_dir) as on:
            assert on.terminal.status().state == "running"

    asyncio.run(scenario())
    assert (runtime_dir / "tape").read_bytes() == b"kept"
    assert (runtime_dir / "lock").read_text() == "", "given up, and nobody is looked for"


# -- short of everything ---------------------------------------------------------------------------


def test_without_descriptors_a_start_is_put_off_and_nobody_is_lost(runtime_dir: Path) -> None:
    quick = {"backoff_initial": 0.01, "backoff_max": 0.01}

    async def scenario() -> None:
        async with stage(runtime_dir, puppet("a"), puppet("b"), **quick) as on:
            pid, other = on.pid("a"), on.pid("b")
            for free in range(4):  # each step of a start fails once
                restarts = on.row("a").restarts
                with _few_descriptors(free):
                    os.kill(pid, signal.SIGKILL)
                    await on.until(lambda now, n=restarts: now["a"].restarts >= n + 2)  # type: ignore[misc]
                    exit_ = on.row("a").last_exit
                    assert exit_ == "cannot fork: Too many open files"
                pid = (await on.until_back(pid, "a")).pid or 0
            assert on.pid("b") == other

    asyncio.run(scenario())


def test_a_working_directory_that_was_removed_keeps_nobody_from_coming_back(
    runtime_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)

    async def scenario() -> None:
        async with stage(runtime_dir, puppet()) as on:
            gone.rmdir()
            pid = on.pid()
            os.kill(pid, signal.SIGKILL)
            await on.until_back(pid)

    asyncio.run(scenario())


@contextmanager
def _few_descriptors(free: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = [os.dup(0)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (taken[0] + 40, hard))
    with contextlib.suppress(OSError):
        while True:
            taken.append(os.dup(0))
    for _ in range(free):
        os.close(taken.pop())
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for fd in taken:
            os.close(fd)
