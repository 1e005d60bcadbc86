"""The fork server's second duty: when the supervisor has died, it ends all that is left.

It is the subreaper above every actor and program, so that whatever they have started is among its
descendants, in whatever session. What an earlier fork server has started (it may have been killed)
is found by the mark in its environment. SIGKILL also ends what is stopped or hangs.
"""

import os
import signal
import warnings

from actors.runtime import kin

from . import forks

_SIGNAL = signal.SIGUSR2
_TIME_S = 5.0


def begin() -> None:
    """To be called in the fork server, before it forks anything."""
    supervisor, server = os.getppid(), os.getpid()
    mark = os.environ.get(kin.MARK, "")
    # Orphans that are adopted here and have ended are no children that it knows of.
    warnings.filterwarnings("ignore", message="forkserver: waitpid returned unexpected pid")
    kin.become_subreaper()

    def supervisor_may_have_died(_number: int, _frame: object) -> None:
        # A child has this handler too until it has its own, and the signal also comes when only
        # the supervisor's thread that has started us has ended.
        if os.getpid() == server and os.getppid() != supervisor:
            end_all(mark)
            forks.remove_address()
            os._exit(0)

    signal.signal(_SIGNAL, supervisor_may_have_died)
    # SIGTERM may be sent to the whole group or control group; the supervisor then stops everyone
    # in order, for which it may need this server. A child takes the mask back.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGHUP})
    kin.signal_at_parents_death(_SIGNAL)
    if mark and mark != kin.identity(supervisor):
        os._exit(0)  # it has died while this process began


def end_all(mark: str) -> None:
    """Kill all descendants and everything with the mark."""

    def left() -> set[int]:
        found = set(kin.descendants_of(os.getpid()))
        return found | set(kin.marked(mark)) if mark else found

    kin.end_all(left, _TIME_S)
