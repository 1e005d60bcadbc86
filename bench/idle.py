"""What a supervisor costs while nothing happens, and whether restarts leave anything behind."""

import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from actors.settings import Settings

from . import proc
from .figures import Row, Table
from .rivals.keepers import Circus, Keeper, Supervisord
from .terminal import Config, RunningTerminal

ROUNDS = 3
CHILDREN = 6
SETTLE_S = 5.0
WINDOW_S = 10.0
CPU_AIM_PERCENT = 0.1
WAKE_UPS_AIM = 10.0
RESTARTS = 360
WARM_RESTARTS = 300
"""Before the first weighing: what is made once is made by then."""
RIVALS: tuple[type[Keeper], ...] = (Supervisord, Circus)
OURS = "callpoint"
_SLEEPER = [sys.executable, "-c", "import signal; signal.pause()"]
_LOOK_S = 0.005

Say = Callable[[str], None]

_ACTORS: Config = {
    # router, history, session, audio, parrot, room: six children, and nobody talks.
    "livekit": {"backend": "practice"},
    "audio": {"input": "none", "output": "none"},
    "kiosk": {"enabled": False},
    "supervisor": {"backoff_reset": 0.001},  # every death counts as the first
}


def measure(say: Say, rounds: int = ROUNDS) -> list[Table]:
    """Idle: all three at once, which disturb each other little; then the restarts."""
    idle = asyncio.run(_idle(say, rounds))
    grown = asyncio.run(_restarts(say))
    return [_idle_table(idle), grown]


async def _idle(say: Say, rounds: int) -> dict[str, list[tuple[float, float, float]]]:
    """CPU percent, wake-ups a second, MiB; by name, a round each."""
    found: dict[str, list[tuple[float, float, float]]] = {}
    programs = {f"sleeper{number}": _SLEEPER for number in range(CHILDREN)}
    with tempfile.TemporaryDirectory(prefix="callpoint-bench-") as folder, ExitStack() as stack:
        keepers = [stack.enter_context(rival(Path(folder), programs)) for rival in RIVALS]
        async with RunningTerminal(_ACTORS, listen=False) as terminal:
            await terminal.ready()
            pids = {OURS: terminal.pid, **{keeper.name: keeper.pid for keeper in keepers}}
            await asyncio.sleep(SETTLE_S)
            for round_ in range(rounds):
                say(f"idle for {WINDOW_S:g} s, round {round_ + 1} of {rounds}")
                before = {name: (proc.cpu_s(pid), proc.wake_ups(pid)) for name, pid in pids.items()}
                began = time.monotonic()
                await asyncio.sleep(WINDOW_S)
                for name, pid in pids.items():
                    seconds = time.monotonic() - began
                    cpu, woken = before[name]
                    found.setdefault(name, []).append(
                        (
                            100 * (proc.cpu_s(pid) - cpu) / seconds,
                            (proc.wake_ups(pid) - woken) / seconds,
                            proc.pss_mib(pid),
                        )
                    )
    return found


def _idle_table(found: dict[str, list[tuple[float, float, float]]]) -> Table:
    rows: list[Row] = []
    columns = (
        ("CPU", "%", CPU_AIM_PERCENT),
        ("wake-ups", "/s", WAKE_UPS_AIM),
        ("memory", "MiB", None),
    )
    for index, (what, unit, aim) in enumerate(columns):
        rivals = [
            Row(f"{what}: {name}", unit, tuple(each[index] for each in values))
            for name, values in found.items()
            if name != OURS
        ]
        ours = tuple(each[index] for each in found[OURS])
        rows += [Row(f"{what}: {OURS}", unit, ours, rivals[0], aim), *rivals]
    note = (
        f"The supervisor's own process with {CHILDREN} idle children, heartbeats included:"
        " voluntary context switches of all its threads."
    )
    return Table("Idle supervisor", tuple(rows), note)


async def _restarts(say: Say) -> Table:
    config = {
        **_ACTORS,
        "supervisor": {**_ACTORS["supervisor"], **_unlimited()},
    }
    async with RunningTerminal(config, listen=False) as terminal:
        await terminal.ready()
        say(f"{WARM_RESTARTS + RESTARTS} restarts")
        await _kill_often(terminal, WARM_RESTARTS)
        await asyncio.sleep(2.0)
        before = _weigh(terminal.pid)
        await _kill_often(terminal, RESTARTS)
        await asyncio.sleep(2.0)
        after = _weigh(terminal.pid)
    rows = []
    for what, unit in (("memory", "MiB"), ("descriptors", ""), ("threads", ""), ("processes", "")):
        first = Row(f"{what}: before", unit, (before[what],))
        rows += [
            first,
            Row(f"{what}: after {RESTARTS} restarts", unit, (after[what],), first, None, 1.02),
        ]
    return Table(
        "No growth", tuple(rows), "The supervisor's process; an actor was killed again and again."
    )


def _unlimited() -> dict[str, int]:
    """Restarts are counted where the settings know of a limit."""
    known = type(Settings().supervisor).__struct_fields__
    return {"intensity": 100_000} if "intensity" in known else {}


async def _kill_often(terminal: RunningTerminal, times: int) -> None:
    """Each as soon as the one before has been made good."""
    dead = 0
    for _ in range(times):
        while True:
            row = (await terminal.status()).actors["history"]
            if row.state == "running" and row.pid and row.pid != dead:
                break
            await asyncio.sleep(_LOOK_S)
        dead = row.pid
        os.kill(dead, signal.SIGKILL)


def _weigh(pid: int) -> dict[str, float]:
    return {
        "memory": proc.pss_mib(pid),
        "descriptors": proc.open_files(pid),
        "threads": proc.threads(pid),
        "processes": len(proc.family(pid)),
    }
