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
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from actors.runtime.client import NotRunning
from actors.runtime.errors import OrderFailed
from supervisor.commands.overview import as_dict, take
from tests.children import DEADLINE_S
from tests.peers.process import PeerFailed, PeerProcess

T = TypeVar("T")

ROOT = Path(__file__).parents[1]
_CALLPOINT = [sys.executable, "-m", "supervisor"]

Status = dict[str, Any]
"""What ``callpoint status --json`` prints."""


class Terminal:
    """Running inside the ``with`` block; config, history and log are in ``folder``.

    Args:
        folder: kept over restarts.
        environment: over that of this process, such as the server's keys and the sound card's.
        config: sections as in a config file.

    """

    def __init__(
        self,
        folder: Path,
        *,
        environment: Mapping[str, str] | None = None,
        **config: dict[str, Any],
    ) -> None:
        self.log = folder / "terminal.log"
        # YAML is a config's other language, and JSON is YAML.
        self._config = folder / "terminal.yaml"
        self._config.write_text(json.dumps(config))
        # Not in the folder: a socket's path has 107 bytes, and that of a test's folder may be long.
        self.runtime_dir = Path(tempfile.mkdtemp(prefix="callpoint-", dir="/tmp"))
        clean = {
            k: v for k, v in os.environ.items() if not k.startswith(("LIVEKIT_", "CALLPOINT_"))
        }
        self.environment = {
            **clean,
            **(environment or {}),
            "CALLPOINT_RUNTIME_DIR": str(self.runtime_dir),
            "CALLPOINT_STATE_DIR": str(folder / "state"),
        }
        self._process: PeerProcess | None = None

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
        self.stop()
        self._remove()

    def _remove(self) -> None:
        shutil.rmtree(self.runtime_dir, ignore_errors=True)

    # -- the whole -------------------------------------------------------------------------------

    def start(self) -> None:
        """Start, and return when every actor is Ready. Raises ``PeerFailed`` if it does not."""
        command = [*_CALLPOINT, "run", str(self._config)]
        self._process = PeerProcess("terminal", command, self.log, env=self.environment, cwd=ROOT)
        try:
            self.wait_until(lambda status: status["state"] == "running")
        except PeerFailed:
            self.stop()
            raise

    def stop(self) -> int:
        """Ask it to end (SIGTERM); returns its exit code."""
        assert self._process
        return self._process.stop(deadline_s=DEADLINE_S)

    def kill(self) -> None:
        """SIGKILL of the supervisor alone, as the kernel does when memory is short; its children
        have to see to themselves.
        """
        assert self._process
        self._process.signal(signal.SIGKILL)
        self._process.wait(deadline_s=DEADLINE_S)

    @property
    def pid(self) -> int:
        """Of the supervisor."""
        assert self._process
        return self._process.pid

    # -- as an operator --------------------------------------------------------------------------

    def callpoint(self, *words: str, code: int = 0) -> str:
        """A command; what it prints. Asserts its exit code and that it shows no traceback."""
        done = subprocess.run(
            [*_CALLPOINT, *words],
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout or done.stderr

    def status(self) -> Status:
        """How it is now. Raises ``OrderFailed`` when it does not answer."""
        return as_dict(asyncio.run(take(self.runtime_dir)))

    def actor_pid(self, name: str) -> int:
        """Of a running actor."""
        pid = self.status()["actors"][name]["pid"]
        assert isinstance(pid, int)
        return pid

    def kill_actor(self, name: str) -> int:
        """``kill -9`` of one actor; returns the pid that it had."""
        pid = self.actor_pid(name)
        os.kill(pid, signal.SIGKILL)
        return pid

    def history(self) -> list[dict[str, Any]]:
        """All messages, oldest first."""
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

        Raises ``PeerFailed`` when the terminal ends or the deadline passes.
        """
        found: list[T] = []

        def probe() -> bool:
            with contextlib.suppress(NotRunning, OrderFailed):
                if value := condition(self.status()):
                    found.append(value)
            return bool(found)

        assert self._process
        self._process.wait_until(probe, deadline_s=deadline_s)
        return found[0]

    def wait_for_agent(self, *states: str, deadline_s: float = DEADLINE_S) -> None:
        """Wait until the agent is in one of LiveKit's states."""
        self.wait_until(lambda status: status["agent"]["state"] in states, deadline_s=deadline_s)

    def wait_for_restart(self, name: str, pid: int) -> None:
        """Wait until the actor that had this pid runs again in another process."""

        def restarted(status: Status) -> bool:
            row = status["actors"][name]
            return row["state"] == "running" and row["pid"] != pid

        self.wait_until(restarted)
