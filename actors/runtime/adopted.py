"""Ended processes that nobody waits for: orphans that an actor, being a subreaper, has adopted."""

import contextlib
import os

UNCLAIMED_S = 30.0
"""Whoever has started a process asks for its exit code sooner than that, if at all."""


class Adopted:
    """Called now and then, it lets them go, so that their pids are free again. What the actor has
    started itself and waits for is left to it.
    """

    def __init__(self) -> None:
        self._pid = 0
        self._since = 0.0

    def reap(self, now: float) -> None:
        """Look for one that has been dead for long. ``now``: monotonic seconds."""
        try:
            dead = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:  # no children at all, as most actors
            return
        if dead is None:
            self._pid = 0
        elif dead.si_pid != self._pid:
            self._pid, self._since = dead.si_pid, now
        elif now - self._since >= UNCLAIMED_S:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self._pid, os.WNOHANG)
