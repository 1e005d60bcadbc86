"""A cgroup for each child, where this process may make any: whatever a child has started, in
whatever session, with whatever user, environment and parent, is in it, and is killed at once.

They lie in a directory below our own cgroup which bears our identity, and comes and goes with them.
No controller is enabled, so that this process may stay where it is (processes may be in leaves
only where one is).
"""

import contextlib
import errno
import itertools
import logging
import os
import time
from collections.abc import Iterable
from pathlib import Path

from actors.runtime import kin

from . import cgroup

log = logging.getLogger(__name__)

KILL = "cgroup.kill"
"""Since Linux 5.14."""

_AGAIN_S = 0.002
_numbers = itertools.count(1)
_told: set[str] = set()


def new_leaf() -> "Leaf | None":
    """For the next child. None where there is no cgroup, or it is not ours to divide: that is said
    once, with its cause, as is where they are.
    """
    try:
        folder = _folder_of(kin.identity(os.getpid()))
        os.close(os.open(folder.parent / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC))
        leaf = Leaf(folder / str(next(_numbers)))
    except OSError as error:
        _say("children without cgroups", cause=str(error))
        return None
    _say("children in cgroups", cgroup=str(folder))
    return leaf


def _say(what: str, **extra: str) -> None:
    if what not in _told:
        _told.add(what)
        log.info(what, extra=extra)


def _folder_of(supervisor: str) -> Path:
    """Of the leaves of a supervisor (by its :func:`~actors.runtime.kin.identity`) in our cgroup."""
    return cgroup.own() / _name_of(supervisor)


def _name_of(supervisor: str) -> str:
    return f"callpoint-{supervisor.replace(':', '-')}"


class Leaf:
    """Of one child. To be removed when nothing of the child is left.

    Making it raises ``OSError``.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(exist_ok=True)
        path.mkdir()
        try:
            self.procs = os.open(path / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
            """A process enters by writing ``0`` to it. The maker's to close."""
        except OSError:
            self.remove()
            raise

    def holds(self, pid: int) -> bool:
        """This process is in it, or below."""
        return self._path.name in _below(self._path.parent.name, pid)[1:2]

    @property
    def is_empty(self) -> bool:
        """No living process is in it."""
        return not _is_populated(self._path)

    def pids(self) -> list[int]:
        """Of those that are in it, and below."""
        return list(_pids(self._path))

    def kill(self) -> None:
        """SIGKILL to all in it, and below."""
        _kill(self._path)

    def remove(self) -> None:
        """Unless something that survives SIGKILL is still in it."""
        _remove(self._path)
        with contextlib.suppress(OSError):  # others are in use
            self._path.parent.rmdir()


def is_in_any(pid: int) -> bool:
    """This process is in a leaf of ours."""
    return bool(_below(_name_of(kin.identity(os.getpid())), pid))


def end_leaves_of(supervisor: str, timeout_s: float) -> bool:
    """Kill all that a dead supervisor has left in our cgroup, and remove its leaves. False when
    something survives that. Blocking. ``supervisor``: its :func:`~actors.runtime.kin.identity`.
    """
    try:
        folder = _folder_of(supervisor)
    except OSError:
        return True
    give_up = time.monotonic() + timeout_s
    while _is_populated(folder):
        if time.monotonic() > give_up:
            return False
        _kill(folder)
        time.sleep(_AGAIN_S)
    _remove(folder)
    return True


def _below(name: str, pid: int) -> tuple[str, ...]:
    """What follows ``name`` in the path of a process's cgroup, itself included; else nothing."""
    path = cgroup.of(pid)
    parts = () if path is None else path.parts
    return parts[parts.index(name) :] if name in parts else ()


def _is_populated(folder: Path) -> bool:
    try:
        return "populated 1" in (folder / "cgroup.events").read_text()
    except OSError as error:  # it is gone, or there are no descriptors left to look at it
        return error.errno not in (errno.ENOENT, errno.ENODEV)


def _kill(folder: Path) -> None:
    with contextlib.suppress(OSError):
        if not _write(folder / KILL):
            _write(folder / "cgroup.freeze")  # so that nothing is forked meanwhile
            for pid in _pids(folder):
                kin.kill(pid)


def _write(file: Path) -> bool:
    """Set it to 1; False when this kernel has none."""
    try:
        fd = os.open(file, os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        os.write(fd, b"1")
    finally:
        os.close(fd)
    return True


def _pids(folder: Path) -> Iterable[int]:
    for procs in folder.rglob("cgroup.procs"):
        with contextlib.suppress(OSError):  # gone, or threaded
            yield from {int(pid) for pid in procs.read_text().split()} - {0}  # of other namespaces


def _remove(folder: Path) -> None:
    for path, _folders, _files in os.walk(folder, topdown=False):
        with contextlib.suppress(OSError):
            Path(path).rmdir()
