"""The bus: one hop and through the router, beside raw pyzmq, mp.Queue, xoscar, Thespian."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .figures import Row, Table, percentile
from .hops.plan import SIZES
from .rivals.install import rivals_python
from .terminal import ROOT, production_environment

ROUNDS = 3
FLOOR, OURS = "raw pyzmq", "callpoint"
SYSTEMS = {
    FLOOR: "raw",
    OURS: "ours",
    "multiprocessing.Queue": "queues",
    "xoscar": "xoscar_actors",
    "Thespian": "thespian_actors",
}
"""Name and module, in the order of measuring."""
_IN_THE_RIVALS_ENVIRONMENT = {"xoscar", "Thespian"}
HOPS = {1: "one hop", 2: "through the router"}
TO_FLOOR_AIM = {1: 1.2, 2: 1.3}
_PATIENCE_S = 90.0

Say = Callable[[str], None]
Heard = dict[tuple[int, str], list[dict[str, Any]]]
"""What each system told in each round, by hops and name."""


def measure(say: Say, rounds: int = ROUNDS) -> list[Table]:
    """One system after the other, round by round."""
    heard: Heard = {}
    for round_ in range(rounds):
        for hops in HOPS:
            say(f"{HOPS[hops]}, round {round_ + 1} of {rounds}")
            for name in SYSTEMS:
                heard.setdefault((hops, name), []).append(_one(name, hops))
    return [_table(heard, hops, size) for hops in HOPS for size in SIZES]


def _one(name: str, hops: int) -> dict[str, Any]:
    own = name in _IN_THE_RIVALS_ENVIRONMENT
    python = str(rivals_python()) if own else sys.executable
    with tempfile.TemporaryDirectory(prefix="callpoint-bench-") as folder:
        process = subprocess.Popen(
            [python, "-m", f"bench.hops.{SYSTEMS[name]}", str(hops), folder],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=Path(ROOT),
            env=production_environment(),
            start_new_session=True,  # so that none of what it starts outlives it
        )
        assert process.stdout
        killer = _Deadline(process.pid)
        try:
            line = process.stdout.readline()
        finally:
            killer.over()
            process.wait()
            process.stdout.close()
    if not line:
        raise RuntimeError(f"{name}, {hops} hops: told nothing within {_PATIENCE_S:g} s")
    found: dict[str, Any] = json.loads(line)
    return found


class _Deadline:
    """Ends a whole session of processes: when it is over, or when time is up."""

    def __init__(self, session: int) -> None:
        self._session = session
        signal.signal(signal.SIGALRM, lambda *_: self._kill())
        signal.setitimer(signal.ITIMER_REAL, _PATIENCE_S)

    def over(self) -> None:
        """Now."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        self._kill()

    def _kill(self) -> None:
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and _session_of(int(entry.name)) == self._session:
                os.kill(int(entry.name), signal.SIGKILL)


def _session_of(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0


def _table(heard: Heard, hops: int, size: int) -> Table:
    rows: list[Row] = []
    for what, unit, share in (("p50", "us", 0.5), ("p99", "us", 0.99), ("p99.9", "us", 0.999)):
        of = {
            name: tuple(percentile(told[str(size)]["us"], share) for told in heard[hops, name])
            for name in SYSTEMS
        }
        rows += _beside_floor(of, what, unit, TO_FLOOR_AIM[hops] if what == "p50" else None)
    rates = {
        name: tuple(told[str(size)]["per_s"] / 1000 for told in heard[hops, name])
        for name in SYSTEMS
    }
    rows += _beside_floor(rates, "throughput", "thousand/s", None)
    note = "Each message wakes a sleeping receiver, 250 a second; throughput: as fast as they go."
    return Table(f"Bus, {HOPS[hops]}, {size:,} B", tuple(rows), note)


def _beside_floor(
    of: dict[str, tuple[float, ...]], what: str, unit: str, aim: float | None
) -> list[Row]:
    floor = Row(f"{what}: {FLOOR}", unit, of[FLOOR])
    others = [
        Row(f"{what}: {name}", unit, values, floor, None, aim if name == OURS else None)
        for name, values in of.items()
        if name != FLOOR
    ]
    return [floor, *others]
