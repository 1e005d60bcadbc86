"""The bus: one hop and through the router, beside raw pyzmq, mp.Queue, xoscar, Thespian."""

import json
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from actors.runtime import kin

from .figures import Row, Table, percentile
from .hops.plan import BURST, SIZES
from .rivals.install import rivals_python
from .terminal import ROOT, production_environment

ROUNDS = 6
"""From start to start of the same systems, their ratio differs by up to 0.1 to both sides."""
FLOOR, OURS = "raw pyzmq", "callpoint"
SYSTEMS = {
    FLOOR: "raw",
    OURS: "ours",
    "multiprocessing.Queue": "queues",
    "xoscar": "xoscar_actors",
    "Thespian": "thespian_actors",
}
"""Name and module."""
_IN_THE_RIVALS_ENVIRONMENT = {"xoscar", "Thespian"}
HOPS = {1: "one hop", 2: "through the router"}
TO_FLOOR_AIM = {1: 1.2, 2: 1.3}
"""Of the p50 of a message that wakes sleepers, as all of a terminal's do."""
_PATIENCE_S = 90.0
_DEATHS_S = 10.0

Say = Callable[[str], None]
Told = dict[str, dict[str, Any]]
"""Of a system: by size, see :meth:`bench.hops.plan.Listener.told`."""
Heard = dict[tuple[int, str], list[Told]]
"""What each system told in each round, by hops and name."""


def measure(say: Say, rounds: int = ROUNDS) -> list[Table]:
    """All systems run at once and send in turn; then each sends as fast as it can, alone."""
    heard: Heard = {}
    for round_ in range(rounds):
        for hops in HOPS:
            say(f"{HOPS[hops]}, round {round_ + 1} of {rounds}")
            # Who comes before one leaves it colder or warmer caches: in each round another.
            order = random.Random(round_).sample(list(SYSTEMS), len(SYSTEMS))
            told = _run(hops, {name: f"{turn}/{len(order)}" for turn, name in enumerate(order)})
            for name in SYSTEMS:
                burst = _run(hops, {name: BURST})[name]
                heard.setdefault((hops, name), []).append(_both(name, told[name], burst))
    return [_table(heard, hops, size) for hops in HOPS for size in SIZES]


def _both(name: str, in_turn: Told, burst: Told) -> Told:
    both = {}
    for size, told in in_turn.items():
        if burst[size]["lost"]:
            raise RuntimeError(f"{name}, {size} B: {burst[size]['lost']} lost, so no rate")
        both[size] = told | {"per_s": burst[size]["per_s"]}
    return both


def _run(hops: int, parts: dict[str, str]) -> dict[str, Told]:
    """What each of the named systems told of its part."""
    with tempfile.TemporaryDirectory(prefix="callpoint-bench-") as folder, _patience(folder):
        running = {name: _start(name, hops, folder, part) for name, part in parts.items()}
        lines = {name: _line(process) for name, process in running.items()}
    for process in running.values():
        process.wait()
    found: dict[str, Told] = {}
    for name, line in lines.items():
        if not line:
            raise RuntimeError(f"{name}, {HOPS[hops]}: told nothing within {_PATIENCE_S:g} s")
        found[name] = json.loads(line)
    return found


def _start(name: str, hops: int, folder: str, part: str) -> "subprocess.Popen[bytes]":
    own = name in _IN_THE_RIVALS_ENVIRONMENT
    python = str(rivals_python()) if own else sys.executable
    return subprocess.Popen(
        [python, "-m", f"bench.hops.{SYSTEMS[name]}", str(hops), folder, part],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=Path(ROOT),
        env={**production_environment(), kin.MARK: folder, "SPT_NOENV": "1"},  # see entry.py
    )


def _line(process: "subprocess.Popen[bytes]") -> bytes:
    assert process.stdout
    with process.stdout as stdout:
        return stdout.readline()


@contextmanager
def _patience(mark: str) -> Iterator[None]:
    """Ends all processes of that mark, whatever session they are in: when it is left, or when it is
    at its end.
    """

    def end() -> None:
        kin.end_all(lambda: kin.marked(mark), _DEATHS_S)

    signal.signal(signal.SIGALRM, lambda *_: end())
    signal.setitimer(signal.ITIMER_REAL, _PATIENCE_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        end()


def _table(heard: Heard, hops: int, size: int) -> Table:
    rows: list[Row] = []
    for how, told in (("to and fro", "bounced_us"), ("asleep", "paced_us")):
        for what, share in (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)):
            of = {
                name: tuple(percentile(one[str(size)][told], share) for one in heard[hops, name])
                for name in SYSTEMS
            }
            aim = TO_FLOOR_AIM[hops] if (how, what) == ("asleep", "p50") else None
            rows += _beside_floor(of, f"{how}, {what}", "us", aim)
    rates = {
        name: tuple(one[str(size)]["per_s"] / 1000 for one in heard[hops, name]) for name in SYSTEMS
    }
    rows += _beside_floor(rates, "throughput", "thousand/s", None)
    note = (
        "To and fro: the next is sent when the last has been answered; one way. Asleep: 250 a "
        "second, each of which wakes all it passes through. Throughput: as fast as they go, alone."
    )
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
