"""The fork server's second duty: when the supervisor has died, it ends all that is left.

It is the subreaper above every actor and program, so that whatever they have started is among its
descendants, in whatever session. What an earlier fork server has started (it may have been killed)
is found in its cgroups, and by the mark in its environment. SIGKILL also ends what is stopped or
hangs.
"""

import atexit
import os
import signal
import time
import warnings
from dataclasses import dataclass

from actors.runtime import kin

from . import forks
from .leaf import end_leaves_of

_SIGNAL = signal.SIGUSR2
_END_S = 5.0
"""For everything to die of SIGKILL."""
_PARENT_S = 1.0
"""The server is told of the supervisor's death twice: its pipe is closed, and a moment later it has
another parent. If that does not come, it ends for a reason of its own and touches nobody."""
_AGAIN_S = 0.001


def begin() -> None:
    """To be called in the fork server, before it forks anything."""
    watch = _LastWatch(os.getpid(), os.getppid(), os.environ.get(kin.MARK, ""))
    # Orphans that are adopted here and have ended are no children that it knows of.
    warnings.filterwarnings("ignore", message="forkserver: waitpid returned unexpected pid")
    kin.become_subreaper()
    signal.signal(_SIGNAL, lambda _number, _frame: watch.look())
    atexit.register(watch.ending)
    # SIGTERM may be sent to the whole group or control group; the supervisor then stops everyone
    # in order, for which it may need this server. A child takes the mask back.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGHUP})
    kin.signal_at_parents_death(_SIGNAL)
    watch.look()  # it may have died while this process began


@dataclass(frozen=True)
class _LastWatch:
    server: int
    supervisor: int
    mark: str

    def look(self) -> None:
        """End everything if the supervisor has died.

        The signal also comes when only the supervisor's thread that has started us has ended; and a
        child has all this too until it has its own.
        """
        if os.getpid() == self.server and self._is_alone():
            self._end_all()
            forks.remove_address(whole=True)
            os._exit(0)

    def ending(self) -> None:
        """The server is about to end, for whatever reason."""
        give_up = time.monotonic() + _PARENT_S
        while os.getpid() == self.server and time.monotonic() < give_up:
            self.look()
            time.sleep(_AGAIN_S)

    def _is_alone(self) -> bool:
        if os.getppid() != self.supervisor:
            return True
        return bool(self.mark) and self.mark != kin.identity(self.supervisor)

    def _end_all(self) -> None:
        def left() -> set[int]:
            found = set(kin.descendants_of(self.server))
            return found | set(kin.marked(self.mark)) if self.mark else found

        if self.mark:
            end_leaves_of(self.mark, _END_S)
        kin.end_all(left, _END_S)
