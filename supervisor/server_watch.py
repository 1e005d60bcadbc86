"""Sees the death of the fork server and has another one warm before it is needed."""

import asyncio
import logging
import os

from . import forks

log = logging.getLogger(__name__)

_AGAIN_S = 1.0
"""A server that dies at once is not started more often."""
PATIENCE_S = 30.0
"""For a server to answer, its own start included; doubled each time it was not enough, for a
machine may be slower than anybody thought."""


class ServerWatch:
    """For as long as a terminal runs. Make and use it in the loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._again: asyncio.TimerHandle | None = None
        self._pidfd = -1
        self._patience_s = PATIENCE_S
        self._watch()

    def does_not_answer(self) -> None:
        """Somebody has waited for it in vain: end it if it had time enough."""
        if self._loop.time() - self._began >= self._patience_s:
            log.error("fork server hangs", extra={"seconds": self._patience_s})
            self._patience_s *= 2
            forks.kill_server()

    def _watch(self) -> None:
        self._began = self._loop.time()
        try:
            self._pidfd = os.pidfd_open(forks.server_pid())
        except OSError:
            self._died()
        else:
            self._loop.add_reader(self._pidfd, self._died)

    def _died(self) -> None:
        self.close()
        ran_s = self._loop.time() - self._began
        log.warning("fork server died", extra={"ran_s": round(ran_s, 1)})
        self._again = self._loop.call_later(0.0 if ran_s > _AGAIN_S else _AGAIN_S, self._renew)

    def _renew(self) -> None:
        self._again = None
        try:
            forks.ensure()
        except OSError as error:
            log.error("fork server cannot be started", extra={"cause": error.strerror})
            self._again = self._loop.call_later(_AGAIN_S, self._renew)
        else:
            self._watch()

    def close(self) -> None:
        """Watch no more."""
        if self._again is not None:
            self._again.cancel()
        if self._pidfd >= 0:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
