"""The descendants of a process: finding them in proc(5), and leaving none behind.

A process that dies leaves its children to its nearest ancestor that is a *subreaper* (prctl(2)),
whatever session or process group they have made for themselves. Every actor is one, and so is the
fork server above them: what a dead actor leaves is found there. So is a program that has no cgroup.
"""

import contextlib
import ctypes
import os
import re
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path

MARK = "CALLPOINT_SUPERVISOR"
"""Environment variable of all descendants of a supervisor: its :func:`identity`, and after a ``/``
whose descendants they are."""

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_KERNEL_LISTS_CHILDREN = Path("/proc/thread-self/children").exists()
"""CONFIG_PROC_CHILDREN; most have it."""
_AGAIN_S = 0.002
"""Between two looks at what was killed: the kernel needs about that long."""


def become_subreaper() -> None:
    """From now on, orphaned descendants become children of this process. Not inherited by forks,
    kept by exec.
    """
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def signal_at_parents_death(number: signal.Signals) -> None:
    """Be sent a signal when the thread that has started this process ends."""
    _prctl(_PR_SET_PDEATHSIG, number)


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name, which may hold blanks; empty: it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def state_of(pid: int) -> str:
    """``R``, ``S``, ``D``, ``T`` and so on, ``Z`` for a zombie; empty: it is gone."""
    return (_stat(pid) or [""])[0]


def parent_of(pid: int) -> int:
    """0 when it is gone."""
    fields = _stat(pid)
    return int(fields[1]) if fields else 0


def identity(pid: int) -> str:
    """``pid:start``, which no other process of this boot has or will have; empty: it is gone."""
    fields = _stat(pid)
    return f"{pid}:{fields[19]}" if fields else ""


def is_there(process: str) -> bool:
    """The process of that :func:`identity` has not gone; False for an empty one."""
    pid = process.partition(":")[0]
    return pid.isdigit() and identity(int(pid)) == process


def children_of(pid: int) -> list[int]:
    """Children of all its threads, zombies too."""
    if not _KERNEL_LISTS_CHILDREN:
        return [each for each in _all_pids() if parent_of(each) == pid]
    found = []
    with contextlib.suppress(OSError):  # it is gone, as threads of it may be
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                found += [int(child) for child in (task / "children").read_text().split()]
    return found


def descendants_of(pid: int) -> list[int]:
    """Children, their children and so on; parents first."""
    found = children_of(pid)
    for each in found:
        found.extend(children_of(each))
    return found


def marked(mark: str) -> list[int]:
    """Processes of this user, but for this one, with that mark."""
    return [pid for pid in _all_pids() if pid != os.getpid() and is_marked(pid, mark)]


def is_marked(pid: int, mark: str) -> bool:
    """It had ``mark`` or ``mark/...`` in its environment when it was executed. False when it is
    gone, or not to be looked at by this user.
    """
    wanted = re.escape(f"{MARK}={mark}".encode())
    try:
        environ = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False
    return re.search(rb"(?:^|\0)" + wanted + rb"(?:\0|/|$)", environ) is not None


def in_session(session: int) -> list[int]:
    """Processes of one session."""
    return [pid for pid in _all_pids() if (_stat(pid) or [""] * 4)[3] == str(session)]


def _all_pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def kill(pid: int) -> None:
    """SIGKILL, if it is still there."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)


def end_all(find: Callable[[], Iterable[int]], timeout_s: float) -> bool:
    """Kill what ``find`` finds until it finds nothing that lives; False when time has run out.

    Blocking; only for a process that has nothing else to do any more.
    """
    give_up = time.monotonic() + timeout_s
    while alive := [pid for pid in find() if state_of(pid) not in ("", "Z")]:
        if time.monotonic() > give_up:
            return False
        for pid in alive:
            kill(pid)
        time.sleep(_AGAIN_S)
    return True
