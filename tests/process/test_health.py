"""Looks alive but is not: stopped, spinning, deadlocked, deaf, too large. Found and replaced."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from actors.messages import Custom, GetStatus, Status
from actors.runtime import kin
from actors.runtime.client import Client
from supervisor import ceiling, watch
from supervisor.spec import Rules
from supervisor.usage import KernelKills
from tests.children import DEADLINE_S
from tests.supervised import fork_server, order, puppet, running, stage

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("fork_server")]
_ = fork_server

SLOW_S = 0.5
STUCK = Rules(stuck_after=1.5)
"""For the one that is to be found; the others have the usual 10 s."""

# -- hangs -----------------------------------------------------------------------------------------


def test_a_stopped_process_is_found_and_replaced(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with stage(
            runtime_dir, puppet(rules=STUCK), puppet("other"), slow_after=SLOW_S
        ) as on:
            pid, other = on.pid(), on.pid("other")
            os.kill(pid, signal.SIGSTOP)
            await on.until(lambda now: now["puppet"].health.startswith("no heartbeat for"))
            assert on.pid() == pid, "slow is not dead"
            row = await on.until_back(pid)
            assert row.last_exit is not None
            assert row.last_exit.startswith("hang, no heartbeat for")
            assert row.restarts == 1
            assert on.pid("other") == other

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("how", "where"), [("spin", "on_message"), ("block", "_block"), ("deadlock", "on_message")]
)
def test_a_loop_that_hangs_says_where_and_is_replaced(
    runtime_dir: Path, how: str, where: str
) -> None:
    async def scenario() -> None:
        async with stage(runtime_dir, puppet(rules=STUCK), slow_after=SLOW_S) as on:
            pid = on.pid()
            await on.tell("hang", how=how)
            row = await on.until_back(pid)
            assert row.last_exit is not None
            assert row.last_exit.startswith("hang")
            said = on.log.messages("puppet")
            assert any(line.startswith(("Thread 0x", "Current thread")) for line in said)
            assert any(f"in {where}" in line for line in said), said

    asyncio.run(scenario())


def test_a_message_that_is_never_done_with_is_a_hang_too(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with stage(runtime_dir, puppet(handles_within_s=0.2), slow_after=SLOW_S) as on:
            pid = on.pid()
            await on.tell("hang", how="await")
            row = await on.until_back(pid)
            assert row.last_exit == "hang, a message was not handled"

    asyncio.run(scenario())


def test_slow_is_said_once_and_taken_back(
    runtime_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="supervisor.watch")

    async def scenario() -> None:
        async with stage(runtime_dir, puppet(), slow_after=SLOW_S, stuck_after=60.0) as on:
            os.kill(on.pid(), signal.SIGSTOP)
            await on.until(lambda now: now["puppet"].health.startswith("no heartbeat for"))
            os.kill(on.pid(), signal.SIGCONT)
            await on.until(lambda now: now["puppet"].health == "ok")
            assert on.row().restarts == 0
        said = [record.message for record in caplog.records]
        assert said == ["actor slow", "actor beats again"] * (len(said) // 2)

    asyncio.run(scenario())


_RUN = """
import sys
from pathlib import Path
from actors.settings import Settings
from supervisor.run import run
from supervisor.spec import ActorSpec
specs = [ActorSpec("router", "actors.router.process:Router"), ActorSpec("a", "tests.puppet:Puppet")]
settings = Settings.from_plain({"supervisor": {"slow_after": 0.3, "stuck_after": 0.8}})
sys.exit(run(settings, Path(sys.argv[1]), specs=specs))
"""


def test_a_frozen_machine_kills_nobody(runtime_dir: Path) -> None:
    """All processes of a terminal stand still for a while, and go on one after the other."""

    async def scenario() -> None:
        process = subprocess.Popen(
            [sys.executable, "-c", _RUN, str(runtime_dir)], stderr=subprocess.DEVNULL
        )
        try:
            before = await running(runtime_dir, GetStatus())
            everyone = [process.pid, *kin.descendants_of(process.pid)]
            for pid in everyone:
                os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(1.5)  # the fault itself
            for pid in everyone:
                os.kill(pid, signal.SIGCONT)
                await asyncio.sleep(0.05)
            after = await order(runtime_dir, GetStatus())
            assert isinstance(after, Status)
            await asyncio.sleep(1.0)  # long enough for whoever would be killed
            after = await order(runtime_dir, GetStatus())
            assert isinstance(after, Status)
            for name, row in after.actors.items():
                assert (row.pid, row.restarts) == (before.actors[name].pid, 0)
        finally:
            process.terminate()
            await asyncio.to_thread(process.wait)

    asyncio.run(scenario())


# -- unwell ----------------------------------------------------------------------------------------


def test_a_deaf_actor_is_replaced_when_it_may_not_be_so_for_ever(runtime_dir: Path) -> None:
    async def scenario() -> None:
        deaf = puppet("deaf", rules=Rules(unhealthy_after=0.5))
        async with stage(runtime_dir, deaf, puppet("talker"), slow_after=SLOW_S) as on:
            pid, talker = on.pid("deaf"), on.pid("talker")
            for name in ("deaf", "talker"):
                await on.tell("unwell", to=name, health="no samples for 9 s")
            row = await on.until_back(pid, "deaf")
            assert row.last_exit == "unhealthy: no samples for 9 s"
            assert row.restarts == 1
            assert on.pid("talker") == talker
            await on.until(lambda now: now["talker"].health == "no samples for 9 s")
            assert "stopped" in on.log.messages("deaf"), "its loop turns: it could end in order"

    asyncio.run(scenario())


def test_one_that_refuses_deliveries_says_so_once_and_is_left_alone(runtime_dir: Path) -> None:
    async def scenario() -> None:
        rules = Rules(unhealthy_after=0.1)
        async with (
            stage(runtime_dir, puppet(rules=rules), slow_after=SLOW_S) as on,
            Client(runtime_dir) as client,
        ):
            pid = on.pid()
            await on.tell("refuse", reason="the disk is full")
            done = client.post.deliver("puppet", Custom("work", {}))
            for _ in range(5):
                client.post.redeliver("puppet")
            trouble = f"refuses what {client.name} delivers: the disk is full"
            await on.until(lambda now: now["puppet"].health == trouble)
            beats_until = on.row().uptime_s + 2 * SLOW_S
            await on.until(lambda now: now["puppet"].uptime_s > beats_until)
            await on.tell("refuse", reason="")
            client.post.redeliver("puppet")
            await asyncio.wait_for(done, DEADLINE_S)
            await on.until(lambda now: now["puppet"].health == "ok")
            assert (on.pid(), on.row().restarts) == (pid, 0)
            said = on.log.messages("puppet")
            assert said.count("delivery refused") == 1
            assert said.count("deliveries are handled again") == 1

    asyncio.run(scenario())


# -- memory ----------------------------------------------------------------------------------------


def test_who_was_killed_for_want_of_memory_is_told_apart(
    runtime_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel's own count is played: to run a machine out of memory is no test."""
    vmstat = runtime_dir / "vmstat"
    vmstat.write_text("pgfault 9\noom_kill 4\n")
    monkeypatch.setattr(watch, "KernelKills", lambda: KernelKills(vmstat))

    async def scenario() -> None:
        async with stage(runtime_dir, puppet()) as on:
            for kills, exit_ in ((5, "memory, killed by the kernel"), (5, "signal SIGKILL")):
                vmstat.write_text(f"pgfault 9\noom_kill {kills}\n")
                pid = on.pid()
                os.kill(pid, signal.SIGKILL)
                assert (await on.until_back(pid)).last_exit == exit_

    asyncio.run(scenario())


@pytest.fixture
def measured_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_MEASURE_S", 0.05)


def _limited(name: str, lower: float | None, upper: float | None) -> Any:
    return puppet(name, rules=Rules(memory_mib=(lower, upper)))


def test_a_large_actor_is_replaced_at_a_quiet_moment(
    runtime_dir: Path, measured_often: None, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with stage(runtime_dir, _limited("puppet", 150.0, 1000.0), slow_after=SLOW_S) as on:
            pid = on.pid()
            await on.tell("grow", mib=0, quiet=False)
            await on.tell("unwell", health="busy")
            await on.until(lambda now: now["puppet"].health == "busy")
            await on.tell("grow", mib=200, quiet=False)
            await on.until(lambda now: now["puppet"].rss_mib > 200)
            beats_until = on.row().uptime_s + 2 * SLOW_S
            await on.until(lambda now: now["puppet"].uptime_s > beats_until)
            assert on.pid() == pid, "it is busy"
            warnings = [record.message for record in caplog.records]
            assert warnings.count("actor past its ceiling") == 1
            await on.tell("quiet")
            row = await on.until_back(pid)
            assert row.last_exit is not None
            assert row.last_exit.startswith("memory ")
            assert row.restarts == 1

    asyncio.run(scenario())


def test_past_the_upper_ceiling_no_moment_is_waited_for(
    runtime_dir: Path, measured_often: None
) -> None:
    async def scenario() -> None:
        async with stage(runtime_dir, _limited("puppet", None, 150.0)) as on:
            pid = on.pid()
            await on.tell("grow", mib=200, quiet=False)
            row = await on.until_back(pid)
            assert row.last_exit is not None
            assert row.last_exit.startswith("memory ")

    asyncio.run(scenario())


# -- processor -------------------------------------------------------------------------------------


def test_a_busy_actor_is_replaced_though_its_loop_turns(
    runtime_dir: Path, measured_often: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ceiling, "CPU_OVER_S", 0.3)

    async def scenario() -> None:
        busy = puppet(rules=Rules(cpu_percent=(None, 5.0)))
        async with stage(runtime_dir, busy, slow_after=SLOW_S) as on:
            pid = on.pid()
            await on.tell("burn")
            row = await on.until_back(pid)
            assert row.last_exit is not None
            assert row.last_exit.startswith("cpu ")

    asyncio.run(scenario())
