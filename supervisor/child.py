"""One child process: forked from a preloaded server, its death seen by the kernel's handle.

The only module that knows multiprocess.
"""

import asyncio
import contextlib
import os
import signal
import sys
import types
from collections.abc import Callable, Iterator

import multiprocess
import multiprocess.forkserver

from actors.runtime.entry import run_child
from actors.runtime.spec import ChildSpec

_CONTEXT = multiprocess.get_context("forkserver")
_STATUS_WITHIN_S = 0.2
"""After the death, for the fork server to tell the exit status; normally it is there already."""


def start_fork_server() -> None:
    """Begin the preload (about half a second, in another process) as early as possible."""
    _CONTEXT.set_forkserver_preload(["supervisor.preload"])
    with _trivial_main():
        multiprocess.forkserver.ensure_running()


def stop_fork_server() -> None:
    """End the fork server and multiprocess's resource tracker, and wait for both."""
    from multiprocess import resource_tracker

    multiprocess.forkserver._forkserver._stop()
    resource_tracker._resource_tracker._stop()


@contextlib.contextmanager
def _trivial_main() -> Iterator[None]:
    """Hide ``__main__``: multiprocess would run it again in every child, with all it imports."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def describe_exit(code: int | None) -> str:
    """``exit 3``, ``signal SIGKILL``, or ``unknown`` when the fork server died first."""
    if code is None:
        return "unknown"
    if code < 0:
        try:
            return f"signal {signal.Signals(-code).name}"
        except ValueError:
            return f"signal {-code}"
    return f"exit {code}"


class Child:
    """A started process. ``on_death`` is called once, in the loop, with how it ended."""

    def __init__(self, spec: ChildSpec, on_death: Callable[[str], None]) -> None:
        self.spec = spec
        self._on_death = on_death
        self._loop = asyncio.get_running_loop()
        self._process = _CONTEXT.Process(target=run_child, args=(spec,), name=spec.name)
        with _trivial_main():
            self._process.start()
        self.pid: int = self._process.pid
        self._waited = asyncio.Event()
        try:
            self._pidfd = os.pidfd_open(self.pid)
        except ProcessLookupError:  # dead already: its status is all there is to wait for
            self._pidfd = -1
            self._loop.call_soon(self._dead)
        else:
            self._loop.add_reader(self._pidfd, self._dead)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; to this very process or to nobody, never to one that got its pid."""
        if self._pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    async def wait(self, timeout_s: float) -> bool:
        """Wait for the death; False when it has not come within ``timeout_s``."""
        try:
            await asyncio.wait_for(self._waited.wait(), timeout_s)
        except TimeoutError:
            return False
        return True

    def _dead(self) -> None:
        if self._pidfd >= 0:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
        self._process.join(_STATUS_WITHIN_S)
        reason = describe_exit(self._process.exitcode)
        with contextlib.suppress(ValueError):  # its status never came: nothing to close
            self._process.close()
        self._waited.set()
        self._on_death(reason)
