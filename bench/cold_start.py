"""How long from `callpoint run` until it records what is said, and until all is there."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable

from .figures import Row, Table
from .terminal import PRACTICE, RunningTerminal, production_environment

ROUNDS = 7
RECORDING_AIM_MS = 1000.0

Say = Callable[[str], None]


def measure(say: Say, rounds: int = ROUNDS) -> list[Table]:
    """With the practice room and a WAV file as microphone."""
    asyncio.run(_one())  # nothing of it counts: bytecode and disk cache are made
    found: dict[str, list[float]] = {}
    for round_ in range(rounds):
        say(f"round {round_ + 1} of {rounds}")
        times = {"python -c pass": _bare_python(), **asyncio.run(_one())}
        for name, seconds in times.items():
            found.setdefault(name, []).append(1000 * seconds)
    python = Row("python -c pass", "ms", tuple(found.pop("python -c pass")))
    aims = {"recording": RECORDING_AIM_MS}
    rows = [
        Row(name, "ms", tuple(values), beside=python, aim=aims.get(name))
        for name, values in found.items()
    ]
    note = (
        "From exec of `callpoint run`, practice room, a WAV file as microphone; each line when it"
        " was seen from outside."
    )
    return [Table("Cold start", (python, *rows), note)]


def _bare_python() -> float:
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", "pass"], check=True, env=production_environment())
    return time.monotonic() - began


async def _one() -> dict[str, float]:
    async with RunningTerminal(PRACTICE) as terminal:
        recording = await terminal.recording()
        all_ready = await terminal.ready()
        conversing = await terminal.conversing()
        # Not before: an actor says that it is Ready to the supervisor first, and then logs it.
        actors = {name: at for name, at in terminal.logged_s.items() if name != "terminal"}
    return {
        **{f"{name} Ready": at for name, at in actors.items()},
        "recording": recording,
        "all Ready": all_ready,
        "agent listening": conversing,
    }
