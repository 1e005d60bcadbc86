"""Exactly one copy, no orphan: whoever dies, and however it had spread its descendants."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.messages import Custom, GetStatus, RestartActor
from actors.runtime import kin
from actors.runtime.client import Client
from supervisor import family, forks, server_watch
from supervisor.spec import ActorSpec, ProgramSpec, Rules
from tests.children import DEADLINE_S
from tests.supervised import Stage, alive, gone, order, puppet, running, stage, without_cgroups
from tests.terminals import Terminals

pytestmark = pytest.mark.process


@pytest.fixture(params=["cgroups where there are any", "no cgroups"])
def cgroups(request: pytest.FixtureRequest) -> bool:
    """What there is to be, in this and in other processes."""
    if request.param == "no cgroups":
        request.getfixturevalue("without_cgroups")
        return False
    return True


_ = without_cgroups

WITHIN_S = 1.0
"""What the project promises after a SIGKILL of the supervisor."""

# -- a dead child ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("cgroups")
@pytest.mark.parametrize("end", ["crash", "SIGKILL", "stopped and killed", "restart", "stop"])
def test_what_a_child_has_started_ends_with_it(runtime_dir: Path, end: str) -> None:
    """A child of it, one in a session of its own, daemons; all ignoring SIGTERM."""

    async def scenario() -> None:
        async with stage(runtime_dir, puppet("a"), puppet("b")) as on:
            kept = (await on.ask("family", to="b"))["pids"]
            pids = (await on.ask("family", to="a"))["pids"]
            assert len(pids) == 4
            pid = on.pid("a")
            match end:
                case "crash":
                    await on.tell("raise", to="a")
                case "SIGKILL":
                    os.kill(pid, signal.SIGKILL)
                case "stopped and killed":
                    os.kill(pids[-1], signal.SIGSTOP)
                    os.kill(pid, signal.SIGSTOP)
                    os.kill(pid, signal.SIGKILL)
                case "restart":
                    await order(runtime_dir, RestartActor("a"))
                case "stop":
                    pass
            if end != "stop":
                await on.until_back(pid, "a")
                assert not any(map(alive, pids)), "before another copy is there"
                assert all(map(alive, kept)), "those of others are left alone"
        assert not any(map(alive, [*pids, *kept]))

    asyncio.run(scenario())


def _sleep_in_the_kernel(pids: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """As what waits for a driver does: a SIGKILL has no effect."""
    send = signal.pidfd_send_signal

    def sent(pidfd: int, number: int) -> None:
        info = Path(f"/proc/self/fdinfo/{pidfd}").read_text()
        if int(info.partition("Pid:")[2].split()[0]) not in pids:
            send(pidfd, number)

    monkeypatch.setattr(signal, "pidfd_send_signal", sent)


@pytest.mark.usefixtures("without_cgroups")
def test_an_orphan_that_survives_sigkill_is_waited_for_once(
    runtime_dir: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(family, "TRIES", 50)

    async def scenario() -> None:
        async with stage(runtime_dir, puppet("a"), puppet("b")) as on:
            pids = (await on.ask("family", to="a"))["pids"]
            _sleep_in_the_kernel(pids, monkeypatch)
            try:
                for name in "abba":
                    before = on.pid(name)
                    os.kill(before, signal.SIGKILL)
                    assert (await on.until_back(before, name)).last_exit == "signal SIGKILL"
            finally:
                for pid in pids:
                    kin.kill(pid)
        (said,) = [each for each in caplog.records if each.message == "orphans survive SIGKILL"]
        assert sorted(said.__dict__["pids"]) == sorted(pids)

    asyncio.run(scenario())


def test_nobody_is_given_up_who_was_not_killed_because_of_one_that_is_just_being_born(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It looks like an orphan until the fork server has told its pid, which may take long."""
    looks = 0
    marked = kin.marked

    def look(mark: str) -> list[int]:
        nonlocal looks
        looks += 1
        return marked(mark)

    async def scenario() -> None:
        mark = f"{kin.identity(os.getpid())}/dead:1"
        dead = subprocess.Popen(["true"], start_new_session=True)
        dead.wait()
        orphan = subprocess.Popen(["sleep", "600"], env={**os.environ, kin.MARK: mark})
        burial = asyncio.create_task(family.bury(dead.pid, mark))
        try:
            async with asyncio.timeout(DEADLINE_S):
                while looks < 3 * family.TRIES:
                    await asyncio.sleep(0)
                assert orphan.poll() is None
                monkeypatch.setattr(family, "TRIES", 10**6)
                monkeypatch.setattr(family, "unborn", 0)
                await burial
            assert orphan.poll() == -signal.SIGKILL
        finally:
            orphan.kill()
            orphan.wait()
        assert not caplog.records

    monkeypatch.setattr(kin, "marked", look)
    monkeypatch.setattr(family, "TRIES", 50)
    monkeypatch.setattr(family, "unborn", 1)
    asyncio.run(scenario())


def test_children_of_the_embedding_program_are_left_alone(runtime_dir: Path) -> None:
    async def scenario() -> None:
        own = subprocess.Popen(["sleep", "600"])
        try:
            async with stage(runtime_dir, puppet()) as on:
                os.kill(forks.server_pid(), signal.SIGKILL)
                pid = on.pid()
                os.kill(pid, signal.SIGKILL)
                await on.until_back(pid)
            assert own.poll() is None
        finally:
            own.kill()
            own.wait()

    asyncio.run(scenario())


# -- a dead fork server ----------------------------------------------------------------------------


async def _lose_fork_server(on: Stage) -> None:
    server = forks.server_pid()
    os.kill(server, signal.SIGKILL)
    async with asyncio.timeout(DEADLINE_S):
        while forks.server_pid() == server:
            await asyncio.sleep(0.002)


@pytest.mark.usefixtures("cgroups")
def test_the_death_of_the_fork_server_costs_nothing(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with stage(runtime_dir, puppet()) as on:
            before = on.pid()
            await _lose_fork_server(on)
            assert on.pid() == before
            pids = (await on.ask("family"))["pids"]
            os.kill(before, signal.SIGKILL)
            row = await on.until_back(before)
            assert row.last_exit == "unknown", "it was nobody's child any more"
            assert not any(map(alive, pids))

    asyncio.run(scenario())


def test_a_fork_server_that_dies_over_a_start_costs_a_try(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with stage(runtime_dir, puppet(), backoff_initial=0.01) as on:
            before = on.pid()
            os.kill(forks.server_pid(), signal.SIGSTOP)
            os.kill(before, signal.SIGKILL)
            await on.until(lambda now: now["puppet"].state == "starting")
            os.kill(forks.server_pid(), signal.SIGKILL)
            await on.until_back(before)

    asyncio.run(scenario())


@pytest.mark.parametrize("name", ["puppet", "program"])
def test_what_it_has_forked_and_told_nobody_of_comes_to_nothing(
    runtime_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    dies = tmp_path / "dies"
    monkeypatch.setenv("CALLPOINT_TEST_DIES", str(dies))
    kills = ActorSpec("puppet", "tests.dying_server:Puppet", {}, Rules(preload=True))

    async def scenario() -> None:
        sleeper = ProgramSpec("program", ("sleep", "600"))
        async with stage(runtime_dir, kills, sleeper, backoff_initial=0.01) as on:
            spare, before = await on.spare(), on.pid(name)
            os.kill(spare, signal.SIGKILL)
            await on.until(lambda _: on.terminal._tree._spare.pid is None)
            dies.touch()
            os.kill(before, signal.SIGKILL)
            row = await on.until_back(before, name)
            unknown = int(dies.with_suffix(".done").read_text())
            assert unknown not in (0, row.pid)
            await gone(unknown)

    asyncio.run(scenario())


def test_nor_does_it_when_the_terminal_is_only_just_starting(runtime_dir: Path) -> None:
    async def scenario() -> None:
        starting = asyncio.create_task(_up_and_down(runtime_dir))
        async with asyncio.timeout(DEADLINE_S):
            while not forks.server_pid():
                await asyncio.sleep(0.001)
        os.kill(forks.server_pid(), signal.SIGKILL)
        assert await starting == ["running"] * 3

    asyncio.run(scenario())


async def _up_and_down(runtime_dir: Path) -> list[str]:
    async with stage(runtime_dir, puppet("a"), puppet("b")) as on:
        return [row.state for row in on.terminal.status().actors.values()]


def test_a_fork_server_that_hangs_is_replaced(
    runtime_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with stage(runtime_dir, puppet("a"), puppet("b")) as on:
            monkeypatch.setattr(server_watch, "PATIENCE_S", 0.3)
            monkeypatch.setattr(on.terminal._server_watch, "_patience_s", 0.3)
            before = on.pid("a")
            server = forks.server_pid()
            os.kill(server, signal.SIGSTOP)
            os.kill(before, signal.SIGKILL)
            async with asyncio.timeout(DEADLINE_S):
                while forks.server_pid() == server:
                    await asyncio.sleep(0.002)
            monkeypatch.setattr(on.terminal._server_watch, "_patience_s", 60.0)
            await on.until_back(before, "a")
            assert forks.server_pid() != server
            assert on.row("b").restarts == 0

    asyncio.run(scenario())


def test_a_fork_server_that_hangs_does_not_keep_a_terminal_from_stopping(
    runtime_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with stage(runtime_dir, puppet(), stop_grace=0.1) as on:
            monkeypatch.setattr(on.terminal._server_watch, "_patience_s", 0.1)
            os.kill(forks.server_pid(), signal.SIGSTOP)
            os.kill(on.pid(), signal.SIGKILL)
            await on.until(lambda now: now["puppet"].state == "starting")
        assert on.row().state == "stopped"

    asyncio.run(scenario())


# -- a dead supervisor -----------------------------------------------------------------------------


@pytest.fixture
def terminals(runtime_dir: Path, cgroups: bool) -> Iterator[Terminals]:
    made = Terminals(runtime_dir, cgroups=cgroups)
    yield made
    made.end()


def test_sigterm_ends_a_terminal_with_0(terminals: Terminals) -> None:
    async def scenario() -> None:
        await terminals.start()
        await terminals.family("a")
        assert len(terminals.seen) >= 9  # the server, the tracker, three actors, a program, four
        terminals.process.terminate()
        assert await asyncio.to_thread(terminals.process.wait, DEADLINE_S) == 0
        assert not any(map(alive, terminals.seen))

    asyncio.run(scenario())


def test_after_sigkill_of_the_supervisor_nothing_is_left_in_a_second(terminals: Terminals) -> None:
    """Not what is stopped, nor what hangs, nor what has a session of its own."""

    async def scenario() -> None:
        status = await terminals.start()
        for name in ("a", "b"):
            await terminals.family(name)
        os.kill(status.actors["a"].pid or 0, signal.SIGSTOP)
        async with Client(terminals.runtime_dir) as client:
            client.post.tell("b", Custom("hang", {"how": "spin"}))
        await terminals.kill()
        began = time.monotonic()
        await gone(*terminals.seen)
        assert time.monotonic() - began < WITHIN_S

    asyncio.run(scenario())


def test_nor_when_its_fork_server_had_been_replaced(terminals: Terminals) -> None:
    async def scenario() -> None:
        status = await terminals.start()
        await terminals.family("a")
        pid = status.actors["a"].pid or 0
        server = kin.parent_of(pid)
        os.kill(server, signal.SIGKILL)
        await gone(server)
        os.kill(status.actors["b"].pid or 0, signal.SIGKILL)
        async with asyncio.timeout(DEADLINE_S):
            while (
                not (now := await running(terminals.runtime_dir, GetStatus())).actors["b"].restarts
            ):
                await asyncio.sleep(0.01)
        while now.actors["b"].state != "running":
            now = await running(terminals.runtime_dir, GetStatus())
        assert now.actors["b"].last_exit == "signal SIGKILL", "adopted by the supervisor"
        assert now.actors["a"].pid == pid
        terminals.seen |= set(kin.descendants_of(terminals.process.pid))
        os.kill(pid, signal.SIGSTOP)
        await terminals.kill()
        await gone(*terminals.seen, within_s=WITHIN_S)

    asyncio.run(scenario())


def test_what_outlives_supervisor_and_fork_server_ends_when_the_next_one_takes_over(
    terminals: Terminals,
) -> None:
    async def scenario() -> None:
        status = await terminals.start()
        await terminals.family("a")
        stopped = status.actors["a"].pid or 0
        os.kill(stopped, signal.SIGSTOP)
        await terminals.kill_with(kin.parent_of(stopped))
        assert alive(stopped)
        before = set(terminals.seen)
        await terminals.start()
        assert not any(map(alive, before))

    asyncio.run(scenario())


def test_a_supervisor_killed_at_once_leaves_nothing(terminals: Terminals) -> None:
    """While its fork server is still beginning."""

    async def scenario() -> None:
        terminals.launch()
        async with asyncio.timeout(DEADLINE_S):
            while not terminals.seen:
                terminals.seen |= set(kin.descendants_of(terminals.process.pid))
                await asyncio.sleep(0.001)
        await terminals.kill()
        await gone(*terminals.seen)

    asyncio.run(scenario())
