"""Terminals of puppets in processes of their own, to be killed."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from actors.messages import Custom, GetStatus, Status
from actors.runtime import kin
from actors.runtime.client import Client
from tests.children import DEADLINE_S
from tests.supervised import alive, running

_RUN = """
import json, sys
from pathlib import Path
from actors.settings import Settings
from supervisor import birth
from supervisor.run import run
from supervisor.spec import ActorSpec, ProgramSpec
runtime_dir, cgroups, programs = json.loads(sys.argv[1])
if not cgroups:
    birth.new_leaf = lambda: None
specs = [
    ActorSpec("router", "actors.router.process:Router"),
    ActorSpec("a", "tests.puppet:Puppet"),
    ActorSpec("b", "tests.puppet:Puppet"),
    ProgramSpec("sleeper", ("sleep", "600")),
    *(ProgramSpec(name, tuple(command)) for name, command in programs.items()),
]
sys.exit(run(Settings(), Path(runtime_dir), specs=specs))
"""


class Terminals:
    """Terminals in processes of their own, in one directory."""

    def __init__(
        self,
        runtime_dir: Path,
        *,
        cgroups: bool = True,
        enter: Callable[[], None] | None = None,
        **programs: Sequence[str],
    ) -> None:
        """``cgroups``: have some, where they can be had. ``enter``: what each does before it
        begins. ``programs``: commands by name, beside the usual.
        """
        self.runtime_dir = runtime_dir
        self.log = runtime_dir.with_name("log")
        """Of the last one."""
        self.process: subprocess.Popen[bytes]
        self.seen: set[int] = set()
        """Pids that must not be there in the end."""
        self._enter = enter
        self._told = json.dumps([str(runtime_dir), cgroups, programs])

    def launch(self) -> None:
        """Start one, and do not wait for it."""
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _RUN, self._told],
                stderr=log,
                preexec_fn=self._enter,
            )

    async def start(self) -> Status:
        """Start one that runs when this returns."""
        self.launch()
        status = await running(self.runtime_dir, GetStatus())
        assert status.pid == self.process.pid
        self.seen |= set(kin.descendants_of(self.process.pid))
        return status

    async def family(self, name: str) -> list[int]:
        """Have an actor start some; returns their pids."""
        async with Client(self.runtime_dir) as client:
            answer = await client.ask(name, Custom("family", {}), DEADLINE_S)
        assert isinstance(answer, Custom)
        pids: list[int] = answer.payload["pids"]
        self.seen |= set(pids)
        return pids

    async def kill(self) -> None:
        """SIGKILL to the supervisor."""
        self.process.kill()
        await asyncio.to_thread(self.process.wait)

    async def kill_with(self, server: int) -> None:
        """SIGKILL to the fork server and to the supervisor, which gets no time to end what that
        has left.
        """
        self.process.send_signal(signal.SIGSTOP)
        os.kill(server, signal.SIGKILL)
        await self.kill()

    def end(self) -> None:
        """End the last one, and see that nothing is left of any."""
        self.process.kill()
        self.process.wait()
        give_up = time.monotonic() + DEADLINE_S
        while (left := [pid for pid in self.seen if alive(pid)]) and time.monotonic() < give_up:
            time.sleep(0.01)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        assert not left
