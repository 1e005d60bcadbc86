"""What a child writes to its standard output and error, read so that it never blocks for long."""

import asyncio
import logging
import os
from collections.abc import Callable

from .lines import Budget, Lines, as_log_line

log = logging.getLogger(__name__)

_READ_BYTES = 64 * 1024
"""What a pipe holds."""
_PAUSE_S = 0.05
"""A child that floods is read this often: that slows it down to about a MB a second, and it costs
others no more than a look."""


class Drain:
    """The reading end of one child's output. Made and used in the loop.

    ``offer``: gets each log line with its end, and must not block.
    """

    def __init__(self, process: str, offer: Callable[[bytes], None]) -> None:
        self.process = process
        """Whose it is; a spare one finds out later."""
        self._offer = offer
        self._loop = asyncio.get_running_loop()
        self._lines = Lines()
        self._budget = Budget(self._loop.time())
        self._lost = 0
        self._resume: asyncio.TimerHandle | None = None
        self.write_fd: int
        """For the child; to be closed by whoever has given it a copy."""
        self.last_line = ""
        """What was written last; for programs that say why they end."""
        self._fd, self.write_fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(self.write_fd, True)
        self._loop.add_reader(self._fd, self._readable)

    def _readable(self) -> None:
        try:
            chunk = os.read(self._fd, _READ_BYTES)
        except BlockingIOError:
            return
        if not chunk:
            self._loop.remove_reader(self._fd)
        elif not self._take(chunk):
            self._loop.remove_reader(self._fd)
            self._resume = self._loop.call_later(_PAUSE_S, self._go_on)

    def _go_on(self) -> None:
        self._resume = None
        self._loop.add_reader(self._fd, self._readable)

    def _take(self, chunk: bytes) -> bool:
        """Pass on what is within bounds; False when it is not."""
        if not self._budget.take(len(chunk), self._loop.time()):
            if not self._lost:
                log.warning("output flood", extra={"actor": self.process})
            self._lost += len(chunk)
            return False
        self._say_lost()
        self._say(self._lines.feed(chunk))
        return True

    def _say(self, lines: list[bytes]) -> None:
        for line in lines:
            self._offer(as_log_line(self.process, line))
        if lines:
            self.last_line = lines[-1].decode(errors="backslashreplace").strip()

    def _say_lost(self) -> None:
        if self._lost:
            log.warning("output lost", extra={"actor": self.process, "bytes": self._lost})
            self._lost = 0

    def finish(self) -> None:
        """The child has ended: read what it has left behind, and close."""
        if self._resume is not None:
            self._resume.cancel()
        self._loop.remove_reader(self._fd)
        try:
            if rest := os.read(self._fd, _READ_BYTES):  # all that a pipe holds
                self._take(rest)
        except BlockingIOError:  # something that was not ours to end still has it open
            pass
        self._say_lost()
        self._say(self._lines.end())
        os.close(self._fd)
