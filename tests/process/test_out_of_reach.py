"""Processes that we may not signal because they have changed their user, as under sudo."""

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.messages import Done, Failed, RestartActor
from actors.runtime import kin
from supervisor.spec import ProgramSpec, Rules
from tests.supervised import Rows, alive, fork_server, gone, order, puppet, stage, without_cgroups

pytestmark = [
    pytest.mark.process,
    pytest.mark.usefixtures("fork_server", "without_cgroups"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can have processes of another user"),
]
_ = fork_server, without_cgroups

_CAP_KILL = 5
_VERSION_3 = 0x20080522


def _may_kill_others(may: bool) -> None:
    """Root without CAP_KILL may signal other users' processes as little as anybody else may."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable, twice
    assert libc.capget(header, sets) == 0
    sets[0] = sets[0] | 1 << _CAP_KILL if may else sets[0] & ~(1 << _CAP_KILL)
    assert libc.capset(header, sets) == 0


@pytest.fixture
def others() -> Iterator[set[int]]:
    """Pids of other users' processes, to be killed afterwards."""
    pids: set[int] = set()
    _may_kill_others(False)
    yield pids
    _may_kill_others(True)
    for pid in pids:
        kin.kill(pid)


_CHANGES_ITS_USER = """
import os, time
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
print(os.getpid(), flush=True)
time.sleep(600)
"""

_LEAVES_ANOTHER_USERS = f"""
import os, sys
if os.fork() == 0:
    exec('''{_CHANGES_ITS_USER}''')
__import__("time").sleep(600)
"""


def _python(code: str, rules: Rules) -> ProgramSpec:
    return ProgramSpec("program", (sys.executable, "-S", "-c", code), rules=rules)


_STUBBORN = _python(_CHANGES_ITS_USER, Rules(essential=False, stop_grace=0.1))


def test_a_program_that_may_not_be_ended_does_not_keep_a_terminal_from_stopping(
    runtime_dir: Path, others: set[int]
) -> None:
    async def scenario() -> None:
        async with stage(runtime_dir, puppet(), _STUBBORN) as on:
            others.add(pid := on.pid("program"))
            await on.until(lambda _: on.log.messages("program") == [str(pid)])
        assert alive(pid)

    asyncio.run(scenario())


def test_it_is_not_started_beside_itself_until_it_is_gone(
    runtime_dir: Path, others: set[int], caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with stage(runtime_dir, puppet(), _STUBBORN) as on:
            others.add(pid := on.pid("program"))
            await on.until(lambda _: on.log.messages("program") == [str(pid)])

            answer = await order(runtime_dir, RestartActor("program"))
            assert isinstance(answer, Failed)
            assert answer.reason == (
                f"program: its last process, {pid}, may not be ended and lives on"
            )
            assert "user" in answer.remedy
            assert on.row("program").pid is None
            said = [each for each in caplog.records if each.message == "child out of reach"]
            assert len(said) == 1, "once, of SIGCONT, SIGTERM and SIGKILL"

            before = on.pid()
            os.kill(before, signal.SIGKILL)
            assert (await on.until_back(before)).last_exit == "signal SIGKILL"

            _may_kill_others(True)
            os.kill(pid, signal.SIGKILL)
            await gone(pid)
            _may_kill_others(False)
            assert await order(runtime_dir, RestartActor("program")) == Done()
            others.add(on.pid("program"))

    asyncio.run(scenario())


def test_one_that_never_gets_ready_holds_up_nobody(runtime_dir: Path, others: set[int]) -> None:
    deaf = ProgramSpec(
        "program",
        (sys.executable, "-S", "-c", _CHANGES_ITS_USER),
        ready="tcp://127.0.0.1:1",
        rules=Rules(essential=False, start_timeout=0.5),
    )

    def failed(now: Rows) -> bool:
        return now["program"].last_exit == "start failed"

    async def scenario() -> None:
        async with stage(runtime_dir, deaf, puppet()) as on:
            await on.until(failed)
            assert on.row().state == "running"
        others.update(map(int, on.log.messages("program")))

    asyncio.run(scenario())


def test_an_orphan_that_may_not_be_ended_spoils_no_later_death(
    runtime_dir: Path, others: set[int], caplog: pytest.LogCaptureFixture
) -> None:
    leaves = _python(_LEAVES_ANOTHER_USERS, Rules(restart="temporary", essential=False))
    ends = puppet("ends", rules=Rules(restart="transient", essential=False))

    async def scenario() -> None:
        async with stage(runtime_dir, puppet(), ends, leaves) as on:
            await on.until(lambda _: bool(on.log.messages("program")))
            others.add(orphan := int(on.log.messages("program")[0]))
            os.kill(on.pid("program"), signal.SIGKILL)
            await on.until(lambda now: now["program"].state == "ended")
            assert on.row("program").last_exit == "signal SIGKILL"

            family = (await on.ask("family"))["pids"]
            before = on.pid()
            os.kill(before, signal.SIGKILL)
            assert (await on.until_back(before)).last_exit == "signal SIGKILL"
            assert not any(map(alive, family)), "those that can be ended are"

            await on.tell("end", to="ends")
            await on.until(lambda now: now["ends"].state == "ended")
            assert on.row("ends").last_exit == "exit 0"
        assert alive(orphan)
        said = [each for each in caplog.records if each.message == "orphan out of reach"]
        assert len(said) == 1

    asyncio.run(scenario())
