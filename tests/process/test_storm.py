"""Many at once, and deaths at the worst moments."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from actors.messages import RestartActor
from supervisor.spec import ProgramSpec, Rules
from tests.supervised import alive, fork_server, order, puppet, stage

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("fork_server")]
_ = fork_server

HUNDRED = [f"p{number}" for number in range(100)]


def test_a_hundred_children_die_at_once_and_all_are_back(runtime_dir: Path) -> None:
    """Programs, so that the machine and not a hundred interpreters set the pace."""

    async def scenario() -> None:
        programs = [ProgramSpec(name, ("sleep", "600")) for name in HUNDRED]
        async with stage(runtime_dir, *programs) as on:
            router = on.pid("router")
            before = {name: on.pid(name) for name in HUNDRED}
            for pid in before.values():
                os.kill(pid, signal.SIGKILL)
            await on.until(
                lambda now: all(
                    now[name].restarts == 1 and now[name].state == "running" for name in HUNDRED
                )
            )
            pids = {on.pid(name) for name in HUNDRED}
            assert len(pids) == 100
            assert not pids & set(before.values())
            assert {on.row(name).last_exit for name in HUNDRED} == {"signal SIGKILL"}
            assert on.pid("router") == router
        assert not any(map(alive, pids))

    asyncio.run(scenario())


@pytest.mark.parametrize("turns", [0, 1, 2, 4, 8])
def test_a_death_in_the_moment_of_its_ready_message(runtime_dir: Path, turns: int) -> None:
    """Whichever of the two is seen first, it is restarted and nothing believes that it runs."""

    async def scenario() -> None:
        rules = Rules(essential=False)
        doomed = puppet("doomed", start="die-ready", turns=turns, rules=rules)
        async with stage(runtime_dir, doomed, puppet("other"), backoff_initial=0.01) as on:
            await on.until(lambda now: now["doomed"].restarts >= 4)
            row = on.row("doomed")
            assert row.last_exit in ("exit 7", "start failed (exit 7)")
            assert row.state in ("starting", "backing-off", "running")
            assert on.row("other").restarts == 0
        assert on.row("doomed").state == "stopped"

    asyncio.run(scenario())


def test_a_death_in_the_moment_of_its_stop_order(runtime_dir: Path) -> None:
    async def scenario() -> None:
        names = [f"p{number}" for number in range(8)]
        async with stage(runtime_dir, *(puppet(name) for name in names)) as on:
            pids = [on.pid(name) for name in names]
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            # Nobody has had a turn since: the order to stop finds eight that have just died.
        assert {on.row(name).state for name in names} == {"stopped"}
        assert {on.row(name).restarts for name in names} == {0}
        assert not any(map(alive, pids))

    asyncio.run(scenario())


def test_a_death_in_the_moment_of_an_asked_restart_is_no_crash(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with stage(runtime_dir, puppet(), intensity=0) as on:
            for _ in range(5):
                pid = on.pid()
                restarting = asyncio.create_task(on.terminal._tree.restart("puppet"))
                await asyncio.sleep(0)
                os.kill(pid, signal.SIGKILL)
                await restarting
                assert on.pid() != pid
            assert on.row().restarts == 0
            assert not on.terminal.escalation

    asyncio.run(scenario())


def test_orders_that_come_together_are_done_one_after_the_other(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with stage(runtime_dir, puppet("a"), puppet("b")) as on:
            names = ["a", "b", "a", "b", "a"]
            await asyncio.gather(*(on.terminal._tree.restart(name) for name in names))
            assert [on.row(name).state for name in "ab"] == ["running"] * 2
            assert (await on.ask("incarnation", to="a"))["number"] == 4

    asyncio.run(scenario())


def test_many_restarts_leave_no_descriptor_and_no_memory_behind(runtime_dir: Path) -> None:
    async def scenario() -> None:
        program = ProgramSpec("p", ("true",), rules=Rules(essential=False))
        async with stage(
            runtime_dir,
            program,
            puppet(),
            intensity=10**6,
            backoff_initial=0.001,
            backoff_max=0.001,
        ) as on:
            await on.until(lambda now: now["p"].restarts >= 60)
            fds = len(list(Path("/proc/self/fd").iterdir()))
            await on.until(lambda now: now["p"].restarts >= 200)
            assert abs(len(list(Path("/proc/self/fd").iterdir())) - fds) <= 8, "one is always open"
            assert await order(runtime_dir, RestartActor("puppet"))
            assert len(asyncio.all_tasks()) < 12

    asyncio.run(scenario())
