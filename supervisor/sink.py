"""Where all log lines end up, without anybody having to wait for it."""

import contextlib
import os
import threading
import time
from collections import deque
from pathlib import Path

_HELD_BYTES = 1024 * 1024
"""Lines that wait while the disk is full or the reader of standard error does not read; what comes
then is counted and lost."""
_CLOSE_S = 1.0
"""For what waits at the end; then it is given up."""
_AGAIN_S = 1.0
"""Between two tries on a full disk."""


class Sink:
    """Standard error or a file, written by a thread of its own: a full disk, a terminal held by
    Ctrl-S or a pipe that nobody reads blocks that thread alone.

    Also a stream for :class:`logging.StreamHandler`. :meth:`offer` may be called from any thread.
    """

    def __init__(self, path: Path | None = None, limit: int = 0) -> None:
        """``path``: appended to, made with mode 0600; None: standard error. ``limit``: a file of so
        many bytes is moved aside, to its name and ``.1``, in place of the one moved there before;
        0: it grows without end. Raises ``OSError``.
        """
        self._path = path
        self._limit = limit
        self._fd = os.dup(2) if path is None else _open(path)
        self._lines: deque[bytes] = deque()
        self._held = 0
        self._lost = 0
        self._closing = False
        self._reopen = False
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="log", daemon=True)
        self._thread.start()

    def offer(self, line: bytes) -> None:
        """Take a line with its end, or count it as lost; never blocks."""
        with self._news:
            if self._held + len(line) > _HELD_BYTES:
                self._lost += 1
                return
            self._lines.append(line)
            self._held += len(line)
            self._news.notify()

    def write(self, text: str) -> None:
        """As a stream."""
        self.offer(text.encode(errors="backslashreplace"))

    def flush(self) -> None:
        """As a stream; nothing to do here."""

    def reopen(self) -> None:
        """Begin the file anew if it has been moved away."""
        with self._news:
            self._reopen = True
            self._news.notify()

    def close(self) -> None:
        """Write what is held, as far as that goes quickly."""
        with self._news:
            self._closing = True
            self._news.notify()
        self._thread.join(_CLOSE_S)
        if not self._thread.is_alive():
            os.close(self._fd)

    # -- the thread ------------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            with self._news:
                while not (self._lines or self._closing or self._reopen):
                    self._news.wait()
                if self._reopen:
                    self._reopen = False
                    self._open_again()
                batch = b"".join(self._lines)
                if not batch and self._closing:
                    return
                lost, self._lost = self._lost, 0
                self._lines.clear()
            if lost:
                batch = _note(lost) + batch
            written = self._write(batch)
            with self._news:
                self._held = sum(map(len, self._lines))  # what was written makes room only now
            if not written:
                with self._news:
                    self._lost += batch.count(b"\n")
                    if self._closing:
                        return
                    self._news.wait_for(lambda: self._closing, _AGAIN_S)

    def _write(self, batch: bytes) -> bool:
        rest = memoryview(batch)
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError:  # a full disk, a closed pipe: nowhere to say it but in later lines
            return False
        if self._limit and self._path and os.fstat(self._fd).st_size >= self._limit:
            with contextlib.suppress(OSError):
                self._path.replace(self._path.with_name(f"{self._path.name}.1"))
            self._open_again()
        return True

    def _open_again(self) -> None:
        if self._path is not None:
            with contextlib.suppress(OSError):
                fresh = _open(self._path)
                os.dup2(fresh, self._fd, inheritable=False)
                os.close(fresh)


def _open(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def _note(lost: int) -> bytes:
    when = time.strftime("%Y-%m-%d %H:%M:%S")
    return (
        f'{{"time": "{when}", "level": "WARNING", "logger": "supervisor.sink",'
        f' "message": "log lines lost", "process": "supervisor", "lines": {lost}}}\n'
    ).encode()
