"""Who belongs to whom among the processes below this one, and what a dead child has left behind.

One for all terminals of this process, because they share the fork server. Children of the fork
server that nobody here has asked for are orphans of a dead child: a living one keeps its own
(:mod:`actors.runtime.kin`), or they are known by their cgroup (:mod:`supervisor.leaf`).
"""

import asyncio
import contextlib
import logging
import os
import signal

from actors.runtime import kin

from . import cgroup, forks
from .leaf import Leaf, is_in_any

log = logging.getLogger(__name__)

_AGAIN_S = 0.002
TRIES = 1000
"""To kill an orphan, in two seconds or more; what sleeps in the kernel for longer is left."""

known: set[int] = set()
"""Pids of all children, from birth until nothing of them is left."""

REMEDY = (
    "run the terminal where cgroups are delegated to it (Delegate=yes in a systemd unit), or have "
    "this process keep the terminal's user"
)
"""For a process that may not be signalled: it has changed its user, as under sudo."""

unborn = 0
"""Forks that were asked for and whose pid is not yet known: they look like orphans."""

_left: set[str] = set()
"""Identities of those that cannot be ended: that was said, and nobody waits for them again."""

_adopting = False


def adopt() -> None:
    """Make this process the last resort for orphans: when the fork server dies, its children come
    here. For a process of our own only: the orphans of other children would come here too.
    """
    global _adopting
    kin.become_subreaper()
    _adopting = True


def adopted_exit(pid: int) -> int | None:
    """Exit code of a dead child that this process has adopted; None: it has not."""
    if not _adopting:
        return None
    try:
        _, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return None
    return os.waitstatus_to_exitcode(status)


def is_adopting() -> bool:
    """:func:`adopt` was called."""
    return _adopting


def leave(pid: int) -> None:
    """It cannot be killed: whoever looks for orphans passes it by from now on."""
    _left.difference_update([each for each in _left if not kin.is_there(each)])
    _left.add(kin.identity(pid))


async def bury(pid: int, mark: str = "", leaf: Leaf | None = None) -> None:
    """End whatever a dead child has left, and see that it is gone. ``mark``: the child was one of a
    fork server that has died, so that its orphans are not with the present one. ``leaf``: its own.
    """
    tries = 0
    while (orphans := _orphans(pid, mark)) or (leaf and not leaf.is_empty):
        if tries == TRIES:
            pids = [each for each, _ in orphans] + (leaf.pids() if leaf is not None else [])
            log.error("orphans survive SIGKILL", extra={"pids": pids})
            for orphan in pids:
                leave(orphan)
            break
        if leaf is not None:
            leaf.kill()
        if not unborn:
            tries += 1
            for orphan, parent in orphans:
                _kill(orphan, parent)
        await asyncio.sleep(_AGAIN_S)
    known.discard(pid)


def _orphans(dead: int, mark: str) -> list[tuple[int, int]]:
    """Living ones, with the parent that they have now; but for those who are known by their cgroup,
    and end with that.
    """
    ours = known | {forks.server_pid()}
    homes = [forks.server_pid(), *([os.getpid()] if _adopting else [])]
    found = [(pid, home) for home in homes if home for pid in kin.children_of(home)]
    if mark:
        strays = {*kin.in_session(dead), *kin.marked(mark)}
        found += [(pid, kin.parent_of(pid)) for pid in strays]
    found = [
        (pid, home)
        for pid, home in found
        if pid not in ours and _lives(pid) and kin.identity(pid) not in _left and not is_in_any(pid)
    ]
    if not found:
        return []
    # To which a living child has gone by itself, as with ``systemd-run --scope``.
    elsewhere = {cgroup.of(child) for child in known - {dead}} - {None, cgroup.of(os.getpid())}
    return [(pid, home) for pid, home in found if cgroup.of(pid) not in elsewhere]


def reap() -> None:
    """Let go those that this process has adopted and that have ended; nobody else asks for them. In
    the loop, whenever a child of this process has ended.
    """
    for pid in kin.children_of(os.getpid()):
        if pid not in known and pid != forks.server_pid():
            _lives(pid)


def _lives(pid: int) -> bool:
    if (state := kin.state_of(pid)) == "Z" and _adopting:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)  # if it is ours to wait for, nobody else will
    return state not in ("", "Z")


def _kill(pid: int, parent: int) -> None:
    """SIGKILL to this very process: one that got its pid since would have another parent."""
    with contextlib.suppress(ProcessLookupError):
        pidfd = os.pidfd_open(pid)
        try:
            if kin.parent_of(pid) == parent:
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        except PermissionError:
            leave(pid)
            log.error("orphan out of reach", extra={"pid": pid, "remedy": REMEDY})
        finally:
            os.close(pidfd)
