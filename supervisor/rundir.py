"""The runtime directory: private, and one terminal in it at a time."""

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from actors.runtime import kin

from .leaf import end_leaves_of

_LEFTOVERS_S = 5.0
"""For what a killed terminal has left to die of SIGKILL."""

LOCK = "lock"


class RuntimeDirError(Exception):
    """The directory cannot be used. ``reason`` and ``remedy`` are for the operator."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy


class AlreadyRunning(RuntimeDirError):
    """Another terminal holds the lock."""


class RuntimeDir:
    """A locked runtime directory; the lock is the kernel's and goes with its process."""

    def __init__(self, path: Path) -> None:
        """Make it (mode 0700) if it is missing, lock it, and end what is left of a terminal that
        was killed in it. Raises :class:`RuntimeDirError`.
        """
        self.path = path
        with self.usable(), contextlib.ExitStack() as undo:
            _make_private(path)
            self._lock = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            undo.callback(os.close, self._lock)
            before = _take(self._lock, path)
            if not _end_leftovers(before):
                raise RuntimeDirError(
                    f"processes of a killed terminal in {path} do not end", "reboot this machine"
                )
            os.ftruncate(self._lock, 0)
            os.pwrite(self._lock, kin.identity(os.getpid()).encode(), 0)
            _unlink_sockets(path)
            undo.pop_all()

    @contextlib.contextmanager
    def usable(self) -> Iterator[None]:
        """For what makes something in it: an ``OSError`` comes as :class:`RuntimeDirError`."""
        try:
            yield
        except OSError as error:
            raise _unusable(self.path, error) from error

    def release(self) -> None:
        """Remove the sockets and give the lock up; the tape and the (unlocked) lock file stay.
        What cannot be removed any more is for the next terminal to remove.
        """
        with contextlib.suppress(OSError):
            _unlink_sockets(self.path)
            os.ftruncate(self._lock, 0)
        os.close(self._lock)


_ANOTHER = "name another with --runtime-dir or CALLPOINT_RUNTIME_DIR"


def _unusable(path: Path, error: OSError) -> RuntimeDirError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return RuntimeDirError(
            f"no space left in the runtime directory {path}",
            f"make room there (df and df -i show it), or {_ANOTHER}",
        )
    where = f"{error.filename} in " if error.filename else ""
    return RuntimeDirError(
        f"cannot use {where}the runtime directory {path}: {error.strerror}", _ANOTHER
    )


def _make_private(path: Path) -> None:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
    except OSError as cause:
        raise RuntimeDirError(
            f"cannot make the runtime directory {path}: {cause.strerror}",
            _ANOTHER,
        ) from cause
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise RuntimeDirError(
            f"the runtime directory {path} is not a directory of this user",
            _ANOTHER,
        )
    if found.st_mode & 0o077:
        raise RuntimeDirError(
            f"the runtime directory {path} is open to others (mode {found.st_mode & 0o777:04o})",
            f"chmod 700 {path}",
        )


def _take(lock: int, path: Path) -> str:
    """Lock it; returns who had it before without having given it up."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = _holder(lock).partition(":")[0] or "unknown"
        raise AlreadyRunning(
            f"a terminal is already running in {path} (pid {pid})",
            "stop it first, or give this one another --runtime-dir",
        ) from None
    return _holder(lock)


def _holder(lock: int) -> str:
    return os.pread(lock, 40, 0).decode(errors="replace").strip()


def _end_leftovers(holder: str) -> bool:
    """Kill what descends from a supervisor that was killed, should its own have failed to. False
    when something survives that.
    """
    pid, _, start = holder.partition(":")
    if not (pid.isdigit() and start.isdigit()) or kin.identity(int(pid)) == holder:
        return True
    return end_leaves_of(holder, _LEFTOVERS_S) and kin.end_all(
        lambda: kin.marked(holder), _LEFTOVERS_S
    )


def _unlink_sockets(path: Path) -> None:
    for pattern in ("*.sock", "listener-*"):  # ours, and that of a fork server
        for socket in path.glob(pattern):
            socket.unlink(missing_ok=True)
