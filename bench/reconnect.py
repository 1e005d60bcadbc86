"""Whether a terminal grows by joining and leaving rooms for months."""

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path

from actors.messages import EndSession, SessionState, StartSession
from actors.runtime.client import Client
from tests.peers.livekit_server import LiveKitServer

from . import proc
from .figures import Row, Table
from .terminal import DEADLINE_S, PRACTICE, Config, RunningTerminal

WARM = 120
"""Before the first weighing: the client's native half makes its threads and pools by then."""
JOINS = 200
AIM = 1.05
_SETTLE_S = 5.0
"""What the client has let go of goes back to the system some time later."""

Say = Callable[[str], None]


def measure(say: Say, rounds: int = 1) -> list[Table]:
    """A conversation begun and ended again and again, in a real server's rooms. ``rounds``: one
    terminal after the other.
    """
    with (
        tempfile.TemporaryDirectory(prefix="callpoint-bench-") as name,
        LiveKitServer(Path(name)) as server,
    ):
        weighed = [asyncio.run(_one(say, server)) for _ in range(rounds)]
    rows = []
    for what, unit in (("memory", "MiB"), ("descriptors", ""), ("threads", "")):
        before = Row(f"{what}: before", unit, tuple(first[what] for first, _ in weighed))
        after = tuple(last[what] for _, last in weighed)
        rows += [before, Row(f"{what}: after {JOINS} joins", unit, after, before, None, AIM)]
    note = "The room's process; each join has a room and a token of its own, and is left."
    return [Table("No growth by joining", tuple(rows), note)]


async def _one(say: Say, server: LiveKitServer) -> tuple[dict[str, float], dict[str, float]]:
    config: Config = {
        "livekit": {"url": server.url},
        "session": {"start": "manual", "agent_connect_timeout": "off"},
        "audio": PRACTICE["audio"],
        "kiosk": {"enabled": False},
    }
    async with RunningTerminal(config, server.environment) as terminal:
        await terminal.ready()
        pid = (await terminal.status()).actors["room"].pid
        assert pid
        say(f"{WARM + JOINS} joins")
        await _talk(terminal.runtime_dir, WARM)
        before = await _weigh(pid)
        await _talk(terminal.runtime_dir, JOINS)
        return before, await _weigh(pid)


async def _talk(runtime_dir: Path, times: int) -> None:
    news: asyncio.Queue[SessionState] = asyncio.Queue()

    def on_message(message: object, _sender: str) -> None:
        assert isinstance(message, SessionState)
        news.put_nowait(message)

    async with Client(runtime_dir, subscribes=(SessionState,), on_message=on_message) as client:
        for _ in range(times):
            await client.ask("session", StartSession(), timeout_s=DEADLINE_S)
            await _until(news, "connected")
            await client.ask("session", EndSession(), timeout_s=DEADLINE_S)
            await _until(news, "disconnected")


async def _until(news: asyncio.Queue[SessionState], state: str) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while (await news.get()).connection_state != state:
            pass


async def _weigh(pid: int) -> dict[str, float]:
    await asyncio.sleep(_SETTLE_S)
    return {
        "memory": proc.pss_mib(pid),
        "descriptors": proc.open_files(pid),
        "threads": proc.threads(pid),
    }
