"""What all processes of a terminal in conversation hold of the machine's memory."""

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.peers.agent_worker import AgentWorker
from tests.peers.livekit_server import LiveKitServer

from . import proc
from .figures import Row, Table
from .terminal import PRACTICE, Config, RunningTerminal

ROUNDS = 3
AIM_MIB = 100.0
_TALK_S = 8.0
"""Of conversation before it is weighed: the agent has answered, every path has been walked."""

Say = Callable[[str], None]


def measure(say: Say, rounds: int = ROUNDS) -> list[Table]:
    """With the practice room, and with the real server and a real agent."""
    tables = []
    with _real() as (config, environ):
        for title, what, given in (
            ("practice room", PRACTICE, {}),
            ("LiveKit server and agent", config, environ),
        ):
            weighed = []
            for round_ in range(rounds):
                say(f"{title}, round {round_ + 1} of {rounds}")
                weighed.append(asyncio.run(_weigh(what, given)))
            tables.append(_table(title, weighed))
    return tables


@contextmanager
def _real() -> Iterator[tuple[Config, dict[str, str]]]:
    with (
        tempfile.TemporaryDirectory(prefix="callpoint-bench-") as folder,
        LiveKitServer(Path(folder)) as server,
        AgentWorker(server, Path(folder)) as worker,
    ):
        config = {
            "livekit": {"backend": "livekit", "agent_name": worker.name},
            "session": {"start": "boot"},
            "audio": PRACTICE["audio"],
            "kiosk": {"port": 0},
        }
        yield config, server.environment


async def _weigh(config: Config, environ: dict[str, str]) -> dict[str, float]:
    """MiB of each process, by what it is."""
    async with RunningTerminal(config, environ) as terminal:
        await terminal.ready()
        await terminal.conversing()
        await asyncio.sleep(_TALK_S)
        status = await terminal.status()
        names = {row.pid: name for name, row in status.actors.items()}
        return {
            names.get(pid) or _role(pid, terminal.pid): proc.pss_mib(pid)
            for pid in proc.family(terminal.pid)
        }


def _role(pid: int, supervisor: int) -> str:
    if pid == supervisor:
        return "supervisor"
    title = proc.title(pid)
    known = {"forkserver": "fork server", "resource_tracker": "multiprocess's resource tracker"}
    plain = title.removeprefix("callpoint: ")[:40]
    return next((role for mark, role in known.items() if mark in title), plain)


def _table(title: str, weighed: list[dict[str, float]]) -> Table:
    rows = [
        Row(name, "MiB", tuple(round_[name] for round_ in weighed))
        for name in weighed[0]
        if all(name in round_ for round_ in weighed)
    ]
    total = Row("sum", "MiB", tuple(sum(round_.values()) for round_ in weighed), aim=AIM_MIB)
    note = f"Proportional set size of every process, {_TALK_S:g} s into a conversation."
    return Table(f"Memory, {title}", (*rows, total), note)
