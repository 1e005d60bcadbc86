"""One outside program: started, seen dying at once, and stopped without leaving anything behind."""

import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

STOP_DEADLINE_S = 5.0
"""From TERM to KILL."""
PROBE_EVERY_S = 0.02
LOG_TAIL = 3000
"""Characters of a log that an error quotes."""


class LaunchFailed(RuntimeError):
    """It did not start, or died. The message ends with the end of its log."""


class Launched:
    """A program in a session of its own, whose output goes to a file.

    It gets TERM from the kernel when the thread that started it dies, so an aborted run leaves
    nothing behind.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self.name = name
        self.log = log
        # Not every machine has setpriv; there an aborted run may leave it running.
        dies_with_parent = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                [*dies_with_parent, *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=None if env is None else dict(env),
                cwd=cwd,
                pass_fds=pass_fds,
                start_new_session=True,
            )
        self._pidfd = os.pidfd_open(self._process.pid)

    @property
    def pid(self) -> int:
        """Process id, also after its death."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def wait_until(self, probe: Callable[[], bool], *, deadline_s: float) -> None:
        """Wait until `probe` says yes.

        Raises:
            LaunchFailed: it died before, or the deadline passed.

        """
        end = time.monotonic() + deadline_s
        while not probe():
            if self._died_within(PROBE_EVERY_S):
                raise self.failed(f"ended with code {self._process.wait()} before it was ready")
            if time.monotonic() > end:
                raise self.failed(f"was not ready within {deadline_s:.0f} s")

    def let_live(self, seconds: float) -> None:
        """Wait so long.

        Raises:
            LaunchFailed: it died meanwhile.

        """
        if self._died_within(seconds):
            raise self.failed(f"ended with code {self._process.wait()}")

    def read_line(self, fd: int, *, deadline_s: float) -> str:
        """The next line that the program writes to a pipe, without its end.

        Raises:
            LaunchFailed: it closed the pipe or died, or the deadline passed.

        """
        line = b""
        end = time.monotonic() + deadline_s
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([fd], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                raise self.failed(f"said nothing within {deadline_s:.0f} s")
            if not (byte := os.read(fd, 1)):
                raise self.failed("ended before it was ready")
            line += byte
        return line.decode().strip()

    def stop(self, *, deadline_s: float = STOP_DEADLINE_S) -> int:
        """TERM, then KILL at the deadline; also whatever it started. Does nothing a second time.

        Returns its exit code; negative: the signal that ended it.
        """
        if self._pidfd >= 0:
            self.signal(signal.SIGTERM)
            self._died_within(deadline_s)
        return self.kill()

    def kill(self) -> int:
        """KILL, at once, and whatever it started. Returns its exit code, as :meth:`stop`."""
        if self._pidfd >= 0:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        return self._ended()

    def wait(self, *, deadline_s: float) -> int:
        """Wait for its end, and leave what it started alone; returns its exit code.

        Raises:
            LaunchFailed: the deadline passed.

        """
        if not self._died_within(deadline_s):
            raise self.failed(f"has not ended within {deadline_s:.0f} s")
        return self._ended()

    def _ended(self) -> int:
        code = self._process.wait()
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1
        return code

    def failed(self, what: str) -> LaunchFailed:
        """An error that quotes the end of the log."""
        said = self.log.read_text(errors="replace")[-LOG_TAIL:] if self.log.exists() else ""
        return LaunchFailed(f"{self.name} {what}; the end of {self.log.name}:\n{said}")

    def signal(self, which: signal.Signals) -> None:
        """To it alone, dead or alive."""
        if self._pidfd >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, which)

    def _died_within(self, seconds: float) -> bool:
        return self._pidfd < 0 or bool(select.select([self._pidfd], [], [], seconds)[0])
