"""A whole terminal as its operator has it: ``callpoint run`` and the other commands."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from actors.messages import Said, Say
from actors.runtime.errors import OrderFailed
from actors.settings.dirs import RUNTIME_DIR, STATE_DIR
from supervisor.commands.orders import SESSION, order
from supervisor.commands.overview import as_dict, take

from .launched import Launched, LaunchFailed

T = TypeVar("T")

DEADLINE_S = 20.0
"""For anything that is waited for: generous, because it is only ever used up by a failure."""

START_DEADLINE_S = 60.0
"""Until every actor is Ready, on a machine that has much else to do."""

Status = dict[str, Any]
"""What ``callpoint status --json`` prints."""

_CALLPOINT = [sys.executable, "-m", "supervisor"]


class CommandFailed(Exception):
    """A command ended with another exit code than was expected; holds what it said."""


class NotInTime(LaunchFailed):
    """It runs, and its status did not become what was waited for; holds the last one."""

    def __init__(self, status: Status, deadline_s: float) -> None:
        shown = "".join(f"\n  {key}: {json.dumps(value)}" for key, value in status.items())
        super().__init__(f"not within {deadline_s:g} s; the terminal's status was:{shown}")
        self.status = status


class Terminal:
    """Running inside the ``with`` block; history and log are in ``folder``.

    Args:
        config: of the terminal.
        folder: kept over restarts. Sockets are in a short directory of their own.
        environment: over that of this process, such as the server's keys.

    """

    def __init__(
        self, config: Path, folder: Path, *, environment: Mapping[str, str] | None = None
    ) -> None:
        self.log = folder / "terminal.log"
        self.config = config.absolute()
        # Not in the folder: a socket's path has 107 bytes, and the folder's may be long.
        self.runtime_dir = Path(tempfile.mkdtemp(prefix="callpoint-"))
        self.environment = {
            **os.environ,
            **(environment or {}),
            RUNTIME_DIR: str(self.runtime_dir),
            STATE_DIR: str(folder / "state"),
        }
        self._process: Launched | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.stop()
        finally:
            self._remove()

    def _remove(self) -> None:
        shutil.rmtree(self.runtime_dir, ignore_errors=True)

    # -- the whole -------------------------------------------------------------------------------

    def start(self) -> None:
        """Start, and return when every actor is Ready. Raises ``LaunchFailed`` if it does not."""
        command = [*_CALLPOINT, "run", str(self.config)]
        self._process = Launched("terminal", command, self.log, env=self.environment)
        try:
            self.wait_until(
                lambda status: status["state"] == "running", deadline_s=START_DEADLINE_S
            )
        except BaseException:
            self.stop()
            raise

    def stop(self) -> int:
        """Ask it to end (SIGTERM); returns its exit code."""
        return self._running.stop(deadline_s=DEADLINE_S)

    def kill(self) -> None:
        """SIGKILL of the supervisor alone, as the kernel does when memory is short; its children
        have to see to themselves.
        """
        self._running.signal(signal.SIGKILL)
        self._running.wait(deadline_s=DEADLINE_S)

    @property
    def pid(self) -> int:
        """Of the supervisor."""
        return self._running.pid

    @property
    def _running(self) -> Launched:
        assert self._process, "it was never started"
        return self._process

    # -- as an operator --------------------------------------------------------------------------

    def callpoint(self, *words: str, code: int = 0) -> str:
        """A command; what it prints. Raises :class:`CommandFailed` when its exit code is another
        or it shows a traceback.
        """
        done = subprocess.run(
            [*_CALLPOINT, *words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
        if done.returncode != code or "Traceback" in done.stderr:
            raise CommandFailed(f"callpoint {words[0]}: code {done.returncode}\n{done.stderr}")
        return done.stdout or done.stderr

    def status(self) -> Status:
        """How it is now. Raises ``OrderFailed`` when it does not answer."""
        return as_dict(asyncio.run(take(self.runtime_dir)))

    def actor_pid(self, name: str) -> int:
        """Of a running actor."""
        pid = self.status()["actors"][name]["pid"]
        assert isinstance(pid, int), f"{name} is not running"
        return pid

    def kill_actor(self, name: str) -> int:
        """``kill -9`` of one actor; returns the pid that it had."""
        pid = self.actor_pid(name)
        os.kill(pid, signal.SIGKILL)
        return pid

    def say(self, text: str, id_: str = "") -> str:
        """Send the agent a message; returns its id. Raises ``OrderFailed``."""
        wanted = Say(text, id_ or str(uuid.uuid4()))
        said = asyncio.run(order(self.runtime_dir, SESSION, wanted))
        assert isinstance(said, Said)
        return said.message.id

    def history(self) -> list[dict[str, Any]]:
        """The newest thousand messages, oldest first."""
        listed = self.callpoint("history", "list", "--json", "--limit", "1000")
        messages = json.loads(listed)
        assert isinstance(messages, list)
        return messages

    def logged(self, message: str, field: str) -> list[Any]:
        """What a field held in each line of the log with this message."""
        lines = self.log.read_text(errors="replace").splitlines()
        entries = [json.loads(line) for line in lines if line.startswith("{")]
        return [entry[field] for entry in entries if entry["message"] == message]

    # -- waiting ---------------------------------------------------------------------------------

    def wait_until(self, condition: Callable[[Status], T], *, deadline_s: float = DEADLINE_S) -> T:
        """Wait until ``condition`` says yes to the status; returns what it said.

        Raises ``NotInTime`` when the deadline passes, ``LaunchFailed`` when the terminal has ended
        or does not answer.
        """
        found: list[T] = []
        last: list[Status] = []

        def probe() -> bool:
            with contextlib.suppress(OrderFailed):
                last[:] = [self.status()]
                if value := condition(last[0]):
                    found.append(value)
            return bool(found)

        try:
            self._running.wait_until(probe, deadline_s=deadline_s)
        except LaunchFailed:
            if last and self._running.is_alive:
                raise NotInTime(last[0], deadline_s) from None
            raise
        return found[0]

    def wait_for_agent(self, *states: str, deadline_s: float = DEADLINE_S) -> None:
        """Wait until the agent is in one of LiveKit's states."""
        self.wait_until(lambda status: status["agent"]["state"] in states, deadline_s=deadline_s)

    def wait_for_restart(self, name: str, pid: int, *, deadline_s: float = DEADLINE_S) -> None:
        """Wait until the actor that had this pid runs again in another process."""

        def restarted(status: Status) -> bool:
            row = status["actors"][name]
            return bool(row["state"] == "running" and row["pid"] != pid)

        self.wait_until(restarted, deadline_s=deadline_s)


__all__ = ["DEADLINE_S", "CommandFailed", "LaunchFailed", "NotInTime", "Status", "Terminal"]
