"""Terminals under test: started in the loop of the test, watched, given orders."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from actors.messages import ActorStatus, Custom, Message, Status
from actors.messages.codec import decode, encode
from actors.runtime import kin
from actors.runtime.bus import Bus
from actors.runtime.client import Client
from actors.runtime.errors import OrderFailed
from actors.settings import Settings
from supervisor import birth, forks
from supervisor.spec import ActorSpec, Rules, Spec
from supervisor.terminal import Terminal
from tests.children import DEADLINE_S

ROUTER = ActorSpec("router", "actors.router.process:Router")

Rows = dict[str, ActorStatus]


@pytest.fixture(scope="module")
def fork_server() -> Iterator[None]:
    """One for all tests of a module: each would wait a quarter of a second for its own."""
    forks.hold()
    yield
    forks.let_go()


@pytest.fixture
def without_cgroups(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine where none are delegated to anybody."""
    monkeypatch.setattr(birth, "new_leaf", lambda: None)


def puppet(
    name: str = "puppet", *, target: str = "Puppet", rules: Rules | None = None, **options: Any
) -> ActorSpec:
    """An actor that does as it is told."""
    return ActorSpec(name, f"tests.puppet:{target}", options, rules or Rules())


class Recorder:
    """Takes the place of the sink and keeps what the children log."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def offer(self, line: bytes) -> None:
        self.lines.append(json.loads(line))

    def reopen(self) -> None:
        """Nothing to do."""

    def messages(self, process: str) -> list[str]:
        """What one of them has said."""
        return [line["message"] for line in self.lines if line["process"] == process]


class Stage:
    """A running terminal."""

    def __init__(self, terminal: Terminal, log: Recorder) -> None:
        self.terminal = terminal
        self.log = log
        self.runtime_dir = terminal._path

    def row(self, name: str = "puppet") -> ActorStatus:
        """Its row of the status."""
        return self.terminal.status().actors[name]

    def pid(self, name: str = "puppet") -> int:
        """Of its process, which must be there."""
        pid = self.row(name).pid
        assert pid
        return pid

    async def spare(self) -> int:
        """The pid of the spare process, once there is one."""
        async with asyncio.timeout(DEADLINE_S):
            while (pid := self.terminal._tree._spare.pid) is None:
                await asyncio.sleep(0.002)
        return pid

    async def until(self, condition: Callable[[Rows], bool]) -> None:
        """Look after every turn of the loop: the terminal runs in this very loop."""
        try:
            async with asyncio.timeout(DEADLINE_S):
                while not condition(self.terminal.status().actors):
                    await asyncio.sleep(0.002)
        except TimeoutError:
            raise AssertionError(self.terminal.status().actors) from None

    async def until_back(self, pid: int, name: str = "puppet") -> ActorStatus:
        """Wait until it runs again with another pid."""
        await self.until(
            lambda now: now[name].state == "running" and now[name].pid not in (pid, None)
        )
        return self.row(name)

    async def tell(self, topic: str, to: str = "puppet", **payload: Any) -> None:
        """Give an order that may be its last."""
        async with Client(self.runtime_dir) as client:
            with contextlib.suppress(OrderFailed):
                await client.ask(to, Custom(topic, payload), 0.5)

    async def ask(self, topic: str, to: str = "puppet", **payload: Any) -> dict[str, Any]:
        """Give an order and have its answer."""
        async with Client(self.runtime_dir) as client:
            answer = await client.ask(to, Custom(topic, payload), DEADLINE_S)
        assert isinstance(answer, Custom)
        return answer.payload


@asynccontextmanager
async def stage(
    runtime_dir: Path,
    *specs: Spec,
    reread: Any = None,
    groups: dict[str, str] | None = None,
    **supervisor: float,
) -> AsyncIterator[Stage]:
    """A terminal with a router and these, running; ``groups``: their strategies by name."""
    named = {name: {"strategy": strategy} for name, strategy in (groups or {}).items()}
    settings = Settings.from_plain({"supervisor": {**supervisor, "groups": named}})
    log = Recorder()
    terminal = Terminal(
        settings,
        runtime_dir,
        sink=log,
        specs=[ROUTER, *specs],
        reread=reread,  # type: ignore[arg-type]
    )
    async with terminal:
        yield Stage(terminal, log)


def alive(pid: int) -> bool:
    """It is there, and no zombie."""
    return kin.state_of(pid) not in ("", "Z", "X")


async def gone(*pids: int, within_s: float = DEADLINE_S) -> None:
    """Wait until none of them is alive."""
    async with asyncio.timeout(within_s):
        while any(alive(pid) for pid in pids):
            await asyncio.sleep(0.002)


async def order(runtime_dir: Path, message: Message) -> Message:
    """Ask on the operators' socket."""
    answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
    bus = Bus(runtime_dir)
    lane = bus.connect(
        "dealer",
        "control",
        lambda _peer, frame: answer.set_result(decode(frame).message),
        identity="operator",
    )
    lane.send(encode(message, kind="ask", sender="operator", to="supervisor", id=1))
    try:
        return await asyncio.wait_for(answer, DEADLINE_S)
    finally:
        bus.close()


async def running(runtime_dir: Path, get_status: Message) -> Status:
    """Wait until the terminal of another process runs."""
    async with asyncio.timeout(DEADLINE_S):
        while not (runtime_dir / "control.sock").exists():
            await asyncio.sleep(0.01)
        while True:
            status = await order(runtime_dir, get_status)
            assert isinstance(status, Status)
            if status.state == "running":
                return status
            await asyncio.sleep(0.01)
