"""A terminal of a program's own: ``callpoint run`` as a child that ends with the program."""

import asyncio
import atexit
import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from actors.messages import GetStatus, Status
from actors.runtime import kin
from actors.runtime.control import ask_supervisor
from actors.runtime.errors import OrderFailed
from actors.settings.dirs import RUNTIME_DIR, STATE_DIR

from .errors import TerminalError

ALREADY_RUNNING = 75
"""Exit code of ``callpoint run`` when another was faster in the same directory."""
START_S = 60.0
"""Until every actor is Ready, on a machine that has much else to do."""
STOP_S = 30.0
"""Until all actors have drained; then it is killed, and they end with it."""
_LOOK_S = 0.05
_PREFIX, _OWNER = "callpoint-own-", "owner"
_TOLD = 2000
"""Bytes of what it wrote last that an error quotes."""
LOG_MIB = 4
"""Of its log, which lies in the temporary directory; as much again of what came before."""


class AlreadyRunning(Exception):
    """Somebody else's terminal runs there by now."""


class OwnTerminal:
    """One terminal. ``runtime_dir`` None: a new directory, which goes with it.

    It ends with this process, however that ends, because it watches it.
    """

    def __init__(
        self,
        config: dict[str, Any],
        runtime_dir: Path | None,
        *,
        state_dir: str,
        environment: Mapping[str, str],
        ended: Callable[[int], None],
    ) -> None:
        """``ended``: called in the loop with its exit code, when nobody has asked it to end."""
        self._config = config
        self._given = runtime_dir
        self._state_dir = state_dir
        self._environment = environment
        self._on_end = ended
        self._directory: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._pidfd = -1
        self._ended: asyncio.Future[int]

    @property
    def pid(self) -> int:
        """Of its supervisor."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> Path:
        """Start it; returns its runtime directory when every actor is Ready.

        Raises :class:`TerminalError` with what it said, and :class:`AlreadyRunning`.
        """
        loop = asyncio.get_running_loop()
        self._ended = loop.create_future()
        runtime_dir = self._launch()
        self._pidfd = os.pidfd_open(self.pid)
        loop.add_reader(self._pidfd, self._has_ended)
        atexit.register(self.kill)
        try:
            async with asyncio.timeout(START_S):
                await self._until_running(runtime_dir)
        except TimeoutError:
            told = self._told()
            await self.stop()
            raise TerminalError(
                f"the terminal was not ready within {START_S:.0f} s", told
            ) from None
        except BaseException:
            await self.stop()
            raise
        return runtime_dir

    def _launch(self) -> Path:
        # mkdtemp makes it 0700; short, because a socket's path has at most 107 bytes.
        _sweep(Path(tempfile.gettempdir()))
        self._directory = Path(tempfile.mkdtemp(prefix=_PREFIX))
        (self._directory / _OWNER).write_text(kin.identity(os.getpid()))
        runtime_dir = self._given or self._directory / "run"
        config = self._directory / "terminal.yaml"
        config.write_text(json.dumps(self._config))  # YAML is a config's other language
        self._log, self._errors = self._directory / "callpoint.log", self._directory / "errors"
        # -P: nothing in the current directory may pass for one of our packages.
        command = [sys.executable, "-P", "-m", "supervisor", "run", str(config)]
        log = ["--log-file", str(self._log), "--log-limit", str(LOG_MIB)]
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [*command, "--owner", str(os.getpid()), *log],
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                env=self._environ(runtime_dir),
                start_new_session=True,  # Ctrl-C is the program's: it decides what ends
            )
        return runtime_dir

    def _environ(self, runtime_dir: Path) -> dict[str, str]:
        """What this program can import, the terminal can too: its own actors among them."""
        path = [str(Path(__file__).parents[2]), *(entry or str(Path.cwd()) for entry in sys.path)]
        return {
            **os.environ,
            **self._environment,
            "PYTHONPATH": os.pathsep.join(dict.fromkeys(path)),
            RUNTIME_DIR: str(runtime_dir),
            STATE_DIR: self._state_dir or str(runtime_dir / "state"),
        }

    async def _until_running(self, runtime_dir: Path) -> None:
        while True:
            if self._ended.done():
                code = self._ended.result()
                if code == ALREADY_RUNNING:
                    raise AlreadyRunning
                raise TerminalError(
                    f"the terminal could not start (exit code {code})", self._told()
                )
            with contextlib.suppress(OrderFailed, OSError):
                status = await ask_supervisor(runtime_dir, GetStatus(), 1.0)
                if isinstance(status, Status) and status.state == "running":
                    return
            await asyncio.wait({self._ended}, timeout=_LOOK_S)

    def _has_ended(self) -> None:
        assert self._process is not None
        asyncio.get_running_loop().remove_reader(self._pidfd)
        code = self._process.wait()
        self._ended.set_result(code)
        self._on_end(code)

    def _told(self) -> str:
        """The end of what it wrote for people, or else of its log."""
        plain = _end_of(self._errors).strip()
        return plain or _end_of(self._log)

    async def stop(self) -> None:
        """Let it drain and end; nothing of it is left. Does nothing a second time."""
        if self._process is None:
            return
        self._on_end = lambda _code: None
        if not self._ended.done():
            self._process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(STOP_S):
                    await asyncio.shield(self._ended)
            finally:
                if not self._ended.done():
                    asyncio.get_running_loop().remove_reader(self._pidfd)
                self.kill()
        else:
            self.kill()

    def kill(self) -> None:
        """At once, without a loop: for the end of a program that has not closed its session."""
        if self._process is None:
            return
        atexit.unregister(self.kill)
        self._process.kill()
        self._process.wait()
        self._process = None
        os.close(self._pidfd)
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)


def _end_of(path: Path) -> str:
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TOLD))
        lines = file.read().decode(errors="replace").splitlines()
        return "\n".join(line.strip() for line in lines)
    return ""


def _sweep(temporary: Path) -> None:
    """Remove what killed programs of this user have left, once their terminals are gone."""
    for directory in temporary.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError, ValueError):
            if directory.is_symlink() or directory.stat().st_uid != os.geteuid():
                continue
            owner = (directory / _OWNER).read_text()
            if kin.identity(int(owner.partition(":")[0])) != owner and not _is_locked(directory):
                shutil.rmtree(directory, ignore_errors=True)


def _is_locked(directory: Path) -> bool:
    """A terminal still runs in it."""
    try:
        with (directory / "run" / "lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
