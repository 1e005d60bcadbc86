"""Quiet when there is nothing to do: no tick, and no wake-up for a heartbeat."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from actors.messages import GetStatus
from tests.supervised import running

pytestmark = pytest.mark.process

_RUN = """
import sys
from pathlib import Path
from actors.settings import Settings
from supervisor.run import run
from supervisor.spec import ActorSpec
children = [ActorSpec(f"p{n}", "tests.puppet:Puppet") for n in range(5)]
specs = [ActorSpec("router", "actors.router.process:Router"), *children]
sys.exit(run(Settings(), Path(sys.argv[1]), specs=specs))
"""

SECONDS = 5
WAKE_UPS_A_SECOND = 4
"""The project promises 10; a stranger that connects or a line of log is a few."""
CPU_PERCENT = 0.5
"""The project promises 0.1; a tick of the kernel's clock more or less is 0.17 here."""


def _wake_ups(pid: int) -> int:
    """Voluntary context switches of all threads: each is the end of a sleep."""
    return sum(
        int(line.split()[1])
        for task in Path(f"/proc/{pid}/task").iterdir()
        for line in (task / "status").read_text().splitlines()
        if line.startswith("voluntary_ctxt_switches")
    )


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def test_a_supervisor_of_six_idle_actors_sleeps(runtime_dir: Path) -> None:
    async def scenario() -> None:
        process = subprocess.Popen(
            [sys.executable, "-c", _RUN, str(runtime_dir)], stderr=subprocess.DEVNULL
        )
        try:
            await running(runtime_dir, GetStatus())
            await asyncio.sleep(1.0)  # what a start leaves to be done
            wake_ups, cpu_s = _wake_ups(process.pid), _cpu_s(process.pid)
            await asyncio.sleep(SECONDS)
            wake_ups = _wake_ups(process.pid) - wake_ups
            cpu_s = _cpu_s(process.pid) - cpu_s
            assert wake_ups / SECONDS < WAKE_UPS_A_SECOND
            assert 100 * cpu_s / SECONDS < CPU_PERCENT
        finally:
            process.terminate()
            process.wait()

    asyncio.run(scenario())
