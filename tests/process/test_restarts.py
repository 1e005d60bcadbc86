"""Restarts with real processes: restart type x exit kind x strategy, quarantine, escalation."""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from actors.messages import Done, Failed, GetStatus, RestartActor, Status
from supervisor import exits
from supervisor.spec import Rules
from tests.children import DEADLINE_S
from tests.supervised import Stage, alive, fork_server, order, puppet, running, stage

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("fork_server")]
_ = fork_server

Exit = tuple[str, dict[str, Any], str]
EXITS: list[Exit] = [
    ("end", {}, "exit 0"),
    ("exit", {"code": 0}, "exit 0"),
    ("exit", {"code": 7}, "exit 7"),
    ("raise", {}, "exit 1"),
    ("signal", {"number": int(signal.SIGKILL)}, "signal SIGKILL"),
    ("signal", {"number": int(signal.SIGSEGV)}, "signal SIGSEGV"),
    ("signal", {"number": int(signal.SIGABRT)}, "signal SIGABRT"),
    ("signal", {"number": int(signal.SIGTERM)}, "exit 0"),
]

# -- one for one -----------------------------------------------------------------------------------


def test_a_permanent_actor_is_back_after_any_end_and_how_it_ended_is_told_apart(
    runtime_dir: Path,
) -> None:
    async def scenario() -> None:
        async with stage(runtime_dir, puppet(), backoff_max=0.1) as on:
            for times, (topic, payload, exit_) in enumerate(EXITS, start=1):
                pid = on.pid()
                await on.tell(topic, **payload)
                row = await on.until_back(pid)
                assert (row.last_exit, row.restarts) == (exit_, times)

    asyncio.run(scenario())


@pytest.mark.parametrize("type_", ["transient", "temporary"])
def test_a_transient_or_temporary_actor_may_end(runtime_dir: Path, type_: Any) -> None:
    async def scenario() -> None:
        async with stage(runtime_dir, puppet(rules=Rules(restart=type_))) as on:
            pid = on.pid()
            if type_ == "transient":
                await on.tell("exit", code=1)
                pid = (await on.until_back(pid)).pid or 0
            await on.tell("exit", code=0 if type_ == "transient" else 1)
            await on.until(lambda now: now["puppet"].state == "ended")
            assert on.row().pid is None
            assert on.terminal.status().state == "running"

    asyncio.run(scenario())


@pytest.mark.parametrize("victim", ["router", "a", "b"])
def test_a_killed_actor_is_back_and_no_other_is_touched(runtime_dir: Path, victim: str) -> None:
    async def scenario() -> None:
        async with stage(runtime_dir, puppet("a"), puppet("b")) as on:
            before = on.terminal.status().actors
            os.kill(on.pid(victim), signal.SIGKILL)
            row = await on.until_back(before[victim].pid or 0, victim)
            assert (row.restarts, row.last_exit) == (1, "signal SIGKILL")
            for other in before.keys() - {victim}:
                assert (on.pid(other), on.row(other).restarts) == (before[other].pid, 0)

    asyncio.run(scenario())


def test_an_ask_to_an_actor_that_dies_over_it_is_answered(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with stage(runtime_dir, puppet("a"), puppet("b")) as on:
            await on.tell("exit", to="a", code=1)
            await on.until(lambda now: now["a"].restarts == 1)

    asyncio.run(scenario())


@pytest.mark.parametrize("start", ["hang", "hang-ready"])
def test_the_time_that_it_takes_to_give_one_up_is_none_that_it_ran_well(
    runtime_dir: Path, start: str, caplog: pytest.LogCaptureFixture
) -> None:
    given = puppet(start=start, rules=Rules(essential=False, start_timeout=0.5, stuck_after=0.5))

    def is_backing_off() -> bool:
        return any(getattr(record, "again_in_s", 0.0) > 0.0 for record in caplog.records)

    async def scenario() -> None:
        async with stage(runtime_dir, given, backoff_reset=0.4, intensity=1000) as on:
            await on.until(lambda _: is_backing_off())

    asyncio.run(scenario())


# -- groups ----------------------------------------------------------------------------------------


def _grouped(*names: str, **types: Any) -> list[Any]:
    return [
        puppet(name, rules=Rules(group="g", restart=types.get(name, "permanent"))) for name in names
    ]


async def _all_up(on: Stage, *names: str) -> None:
    await on.until(lambda now: all(now[name].state == "running" for name in names))


@pytest.mark.parametrize(
    ("strategy", "fresh"),
    [("one_for_one", "b"), ("rest_for_one", "bc"), ("one_for_all", "abc")],
)
@pytest.mark.parametrize("exit_", [EXITS[0], EXITS[2], EXITS[4]], ids=lambda value: value[2])
def test_who_shares_the_fate_of_the_dead(
    runtime_dir: Path, strategy: str, fresh: str, exit_: Exit
) -> None:
    async def scenario() -> None:
        async with stage(runtime_dir, *_grouped("a", "b", "c"), groups={"g": strategy}) as on:
            before = {name: on.pid(name) for name in "abc"}
            await on.tell(exit_[0], to="b", **exit_[1])
            await on.until_back(before["b"], "b")
            await _all_up(on, *"abc")
            assert {name for name in "abc" if on.pid(name) != before[name]} == set(fresh)
            assert on.row("b").restarts == 1
            for other in "ac":
                assert on.row(other).restarts == 0, "its own doing it was not"
                assert on.row(other).last_exit == ("stopped with b" if other in fresh else None)

    asyncio.run(scenario())


def test_a_temporary_member_goes_down_with_its_group_and_stays_there(runtime_dir: Path) -> None:
    async def scenario() -> None:
        members = _grouped("a", "b", b="temporary")
        async with stage(runtime_dir, *members, groups={"g": "one_for_all"}) as on:
            pid = on.pid("a")
            os.kill(pid, signal.SIGKILL)
            await on.until_back(pid, "a")
            assert on.row("b").state == "stopped"

    asyncio.run(scenario())


def test_a_stop_order_that_is_ignored_delays_the_group_and_does_not_stop_it(
    runtime_dir: Path,
) -> None:
    async def scenario() -> None:
        members = _grouped("a", "b")
        async with stage(runtime_dir, *members, groups={"g": "one_for_all"}, stop_grace=0.2) as on:
            before = {name: on.pid(name) for name in "ab"}
            await on.tell("ignore-term", to="b")
            os.kill(before["a"], signal.SIGKILL)
            for name in "ab":
                await on.until_back(before[name], name)

    asyncio.run(scenario())


def test_the_terminal_stops_while_a_group_is_being_restarted(runtime_dir: Path) -> None:
    async def scenario() -> None:
        members = _grouped("a", "b", "c")
        async with stage(runtime_dir, *members, groups={"g": "one_for_all"}) as on:
            os.kill(on.pid("a"), signal.SIGKILL)
            await on.until(lambda now: now["c"].state == "stopping")
        assert {on.row(name).state for name in "abc"} == {"stopped"}

    asyncio.run(scenario())


# -- too many --------------------------------------------------------------------------------------


def test_what_is_not_needed_goes_into_quarantine_and_comes_back_when_it_is_well(
    runtime_dir: Path,
) -> None:
    async def scenario() -> None:
        spare = puppet(target="Dispensable")
        async with stage(
            runtime_dir, spare, intensity=1, quarantine=0.3, backoff_initial=0.01
        ) as on:
            pid = on.pid()
            os.kill(pid, signal.SIGKILL)
            await on.until_back(pid)
            os.kill(on.pid(), signal.SIGKILL)
            await on.until(lambda now: now["puppet"].state == "quarantined")
            assert on.terminal.status().state == "running"
            await on.until(lambda now: now["puppet"].state == "running")
            assert on.row().restarts == 2

    asyncio.run(scenario())


def _in_quarantine_together(**a: Any) -> tuple[list[Any], dict[str, Any]]:
    """Two that are in quarantine together as soon as one has died; with the terminal's rules."""
    spare = Rules(group="g", essential=False)
    spares = [puppet("a", rules=spare, **a), puppet("b", rules=spare)]
    return spares, {"groups": {"g": "one_for_all"}, "intensity": 0, "quarantine": 600.0}


def test_what_is_needed_does_not_go_down_with_a_mate_that_cannot_start(
    runtime_dir: Path,
) -> None:
    async def scenario() -> None:
        needed = puppet("needed", rules=Rules(group="g"))
        spare = puppet("spare", target="Dispensable", start="fail", rules=Rules(group="g"))
        rules = {"intensity": 3, "quarantine": 600.0, "backoff_initial": 0.01}
        async with stage(runtime_dir, needed, spare, groups={"g": "one_for_all"}, **rules) as on:
            await on.until(lambda now: now["spare"].state == "quarantined")
            assert (await on.ask("incarnation", to="needed"))["number"] == 1
            os.kill(on.pid("needed"), signal.SIGKILL)
            await on.until(lambda now: now["needed"].restarts == 1)
            await _all_up(on, "needed")
            assert on.row("spare").state == "quarantined"
            assert not on.terminal.escalation

    asyncio.run(scenario())


def test_a_restart_that_has_to_wait_for_another_in_quarantine_says_so(runtime_dir: Path) -> None:
    async def scenario() -> None:
        (runtime_dir / "mended").touch()
        spares, rules = _in_quarantine_together(start="fail-until")
        async with stage(runtime_dir, *spares, **rules) as on:
            (runtime_dir / "mended").unlink()
            os.kill(on.pid("a"), signal.SIGKILL)
            await on.until(lambda now: now["b"].state == "stopped")
            assert await order(runtime_dir, RestartActor("b")) == Failed(
                "start-failed", "b: waits for a (quarantined: told to fail)", "make a file: mended"
            )
            (runtime_dir / "mended").touch()
            assert await order(runtime_dir, RestartActor("b")) == Done()
            assert on.row("a").state == "running", "both of them"

    asyncio.run(scenario())


def test_the_terminal_starts_without_a_group_that_goes_into_quarantine(runtime_dir: Path) -> None:
    async def scenario() -> None:
        spares, rules = _in_quarantine_together()
        spares[1] = replace(spares[1], options={"start": "hang"})
        async with AsyncExitStack() as opened:
            entering = stage(runtime_dir, *spares, puppet("other"), **rules)
            starting = asyncio.create_task(opened.enter_async_context(entering))
            pid = await _while_starting(runtime_dir, "b", pid_of="a")
            os.kill(pid, signal.SIGKILL)
            on = await starting
            states = {name: row.state for name, row in on.terminal.status().actors.items()}
            assert (states["a"], states["b"]) == ("quarantined", "stopped")
            assert states["other"] == "running"

    asyncio.run(scenario())


def test_what_has_not_had_its_first_turn_is_not_restarted(runtime_dir: Path) -> None:
    async def scenario() -> None:
        late = puppet("late", start="hang", rules=Rules(essential=False, start_timeout=600.0))
        async with AsyncExitStack() as opened:
            entering = stage(runtime_dir, puppet("early"), late, puppet("later"))
            starting = asyncio.create_task(opened.enter_async_context(entering))
            pid = await _while_starting(runtime_dir, "late", pid_of="early")
            assert await order(runtime_dir, RestartActor("early")) == Done()
            assert await order(runtime_dir, RestartActor("later")) == Failed(
                "start-failed",
                "later: the terminal has not come to it yet",
                "try again in a moment",
            )
            assert not alive(pid)
            starting.cancel()
            with suppress(asyncio.CancelledError):
                await starting

    asyncio.run(scenario())


async def _while_starting(runtime_dir: Path, name: str, *, pid_of: str) -> int:
    """Wait until one is being started by a terminal that is; returns the pid of another."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            await asyncio.sleep(0.002)
            if (runtime_dir / "control.sock").exists():
                status = await order(runtime_dir, GetStatus())
                assert isinstance(status, Status)
                if status.actors[name].state == "starting":
                    pid = status.actors[pid_of].pid
                    assert pid is not None
                    return pid


def test_what_is_needed_and_keeps_dying_ends_the_terminal(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with stage(runtime_dir, puppet(), intensity=0) as on:
            os.kill(on.pid(), signal.SIGKILL)
            await asyncio.wait_for(on.terminal.stopped.wait(), DEADLINE_S)
            assert on.terminal.escalation == "puppet keeps dying (signal SIGKILL)"
            assert on.row().state == "failed"

    asyncio.run(scenario())


def test_what_is_needed_and_cannot_start_again_is_waited_for(runtime_dir: Path) -> None:
    async def scenario() -> None:
        (runtime_dir / "mended").touch()
        needed = puppet(start="fail-until")
        async with stage(runtime_dir, needed, intensity=1, backoff_initial=0.01) as on:
            (runtime_dir / "mended").unlink()
            await on.tell("exit", code=1)
            await on.until(lambda now: now["puppet"].restarts >= 4)
            (runtime_dir / "mended").touch()
            await on.until(lambda now: now["puppet"].state == "running")

    asyncio.run(scenario())


_RUN = """
import sys
from pathlib import Path
from actors.settings import Settings
from supervisor.run import run
from supervisor.spec import ActorSpec
specs = [ActorSpec("router", "actors.router.process:Router"), ActorSpec("a", "tests.puppet:Puppet")]
settings = Settings.from_plain({"supervisor": {"intensity": 0}})
sys.exit(run(settings, Path(sys.argv[1]), specs=specs))
"""


def test_a_terminal_that_gives_up_says_so_by_its_exit_code(runtime_dir: Path) -> None:
    async def scenario() -> None:
        process = subprocess.Popen(
            [sys.executable, "-c", _RUN, str(runtime_dir)], stderr=subprocess.PIPE, text=True
        )
        status = await running(runtime_dir, GetStatus())
        os.kill(status.actors["a"].pid or 0, signal.SIGKILL)
        _, told = await asyncio.to_thread(process.communicate, None, DEADLINE_S)
        assert process.returncode == exits.KEEPS_DYING
        assert "callpoint: a keeps dying (signal SIGKILL)\n" in told

    asyncio.run(scenario())
