"""One child process: forked from a preloaded server, its death seen by the kernel's handle.

The only module that knows multiprocess. It is used one level below ``multiprocess.Process``, whose
``start`` and ``join`` block, and whose children run the parent's ``__main__`` again.
"""

import asyncio
import atexit
import contextlib
import fcntl
import logging
import os
import pickle
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from multiprocess import forkserver, resource_tracker

from actors.runtime.entry import run_child
from actors.runtime.spec import ChildSpec

from .restart import Exit

log = logging.getLogger(__name__)

_PRELOAD = "supervisor.preload"
_PIPE_BYTES = 65536
"""What a pipe holds when it is made (pipe(7))."""
_STATUS_WITHIN_S = 1.0
"""After a death, for the fork server to tell how; normally it takes less than a millisecond."""
_LIVED_S = 5.0
"""A fork server that ended sooner than this is not started again before somebody needs it."""


class ForkServer:
    """multiprocess's fork server, one for each terminal. All methods return at once."""

    def __init__(self) -> None:
        self._server = forkserver.ForkServer()
        self._server.set_forkserver_preload([_PRELOAD])
        self._pidfd = -1
        self._began = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def pid(self) -> int | None:
        """Of the last one started; None when there is none."""
        pid: int | None = self._server._forkserver_pid
        return pid

    def ensure_running(self) -> None:
        """Start it (its preload takes about half a second, elsewhere) unless it runs.

        Raises OSError.
        """
        before = self.pid
        with _no_resource_tracker(), _same_imports(), _sigint_blocked():
            self._server.ensure_running()
        if self.pid != before:
            self._unwatch()
            self._began = time.monotonic()
            self._watch()

    def watch(self) -> None:
        """From now on log its death, and start a new one at once. Call in the loop."""
        self._loop = asyncio.get_running_loop()
        self._watch()

    def _watch(self) -> None:
        if self._loop is not None and self._pidfd < 0 and self.pid is not None:
            self._pidfd = os.pidfd_open(self.pid)
            self._loop.add_reader(self._pidfd, self._ended)

    def _unwatch(self) -> None:
        if self._pidfd >= 0 and self._loop is not None:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
        self._pidfd = -1

    def _ended(self) -> None:
        # Only looked at: multiprocess itself waits for it before it starts the next one.
        found = os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED | os.WNOWAIT | os.WNOHANG)
        ended = Exit("unknown")
        if found is not None:
            ended = Exit("exit" if found.si_code == os.CLD_EXITED else "signal", found.si_status)
        self._unwatch()
        log.error("fork server ended", extra={"exit": str(ended)})
        if time.monotonic() - self._began >= _LIVED_S:
            self.ensure_running()

    def fork(self, spec: ChildSpec) -> tuple[int, int]:
        """Ask for a child. Returns two descriptors that the caller owns.

        From the first, ``forkserver.read_signed`` reads the pid, and after the child's end its
        exit code; end of file instead of either means that the server has ended. The second is
        to be kept open as long as the child is watched. Raises OSError.
        """
        self.ensure_running()
        preparation = {"name": spec.name, "sys_path": sys.path}  # no word of our __main__
        payload = pickle.dumps(preparation) + pickle.dumps(_Body(spec))
        status, data = self._server.connect_to_new_process([])
        try:
            if len(payload) > _PIPE_BYTES:
                fcntl.fcntl(data, fcntl.F_SETPIPE_SZ, len(payload))
            os.set_blocking(data, False)
            if os.write(data, payload) < len(payload):
                raise OSError(f"settings and environment of {len(payload)} bytes are too large")
        except BaseException:
            os.close(data)
            os.close(status)
            raise
        return status, data

    def kill(self) -> None:
        """SIGKILL: it hangs. Its children live on; what it was asked for fails."""
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)  # our child, not yet waited for: nobody else

    def close(self) -> None:
        """End it. It holds nothing that would need an orderly stop."""
        self._unwatch()
        self._loop = None
        self.kill()
        self._server._stop()


@dataclass(frozen=True)
class _Body:
    """What the forked child unpickles and runs."""

    spec: ChildSpec

    def _bootstrap(self, _parent_sentinel: int) -> int:
        # multiprocess gives each child a copy of the pipe whose end tells the fork server to exit.
        # Without it, the fork server ends with the supervisor even if a child is stuck.
        inherited = forkserver._forkserver
        os.close(inherited._forkserver_alive_fd)
        inherited._forkserver_alive_fd = None
        atexit.unregister(_end_children)
        run_child(self.spec)
        return 0


def end_with_the_supervisor() -> None:
    """In the fork server: when the supervisor has ended, leave nothing behind.

    Children end by themselves (:mod:`actors.runtime.entry`) unless they are stopped or hang in
    native code that holds the interpreter's lock.
    """
    atexit.register(_end_children)


def _end_children() -> None:
    for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
        os.kill(int(pid), signal.SIGKILL)
    listener = Path(forkserver._forkserver._forkserver_address)
    with contextlib.suppress(OSError):
        listener.unlink()
        listener.parent.rmdir()


# -- what the fork server is started with ----------------------------------------------------------


@contextlib.contextmanager
def _no_resource_tracker() -> Iterator[None]:
    """Spare multiprocess's resource tracker: 12 MB for semaphores that nobody here has."""
    tracker = resource_tracker._resource_tracker
    if tracker._fd is not None:
        yield
        return
    tracker._fd = os.open(os.devnull, os.O_WRONLY)
    try:
        yield
    finally:
        os.close(tracker._fd)
        tracker._fd = None


@contextlib.contextmanager
def _same_imports() -> Iterator[None]:
    """The fork server finds modules where we do, not in whatever directory it is started in."""
    ours = {
        "PYTHONSAFEPATH": "1",
        "PYTHONPATH": os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path),
    }
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _sigint_blocked() -> Iterator[None]:
    """Ctrl-C must not end the fork server before it has come to ignore it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_early: ForkServer | None = None


def start_fork_server() -> None:
    """Begin the preload before anything slow; the next terminal of this process takes it over."""
    global _early
    if _early is None:
        _early = ForkServer()
        _early.ensure_running()


def take_fork_server() -> ForkServer:
    """The one that was started early, else a new one."""
    global _early
    server, _early = _early or ForkServer(), None
    return server


# -- a child ---------------------------------------------------------------------------------------


class Child:
    """A process that was asked for. ``on_exit`` is called once, in the loop, when it has ended."""

    def __init__(
        self, server: ForkServer, spec: ChildSpec, on_exit: Callable[[Exit], None]
    ) -> None:
        self._server = server
        self._on_exit = on_exit
        self._loop = asyncio.get_running_loop()
        self.pid: int | None = None
        """None until the fork server has told it."""
        self.ended = asyncio.Event()
        self._status = self._data = self._pidfd = -1
        self._timer: asyncio.TimerHandle | None = None
        self._due: signal.Signals | None = None
        try:
            self._status, self._data = server.fork(spec)
        except OSError as error:
            ended = Exit("not-started", detail=error.strerror or str(error))
            self._loop.call_soon(self._end, ended)
        else:
            self._loop.add_reader(self._status, self._forked)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal: to this very process or to nobody, never to one that got its pid."""
        if self._pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)
        elif self.pid is None and not self.ended.is_set():
            self._due = number
            if number == signal.SIGKILL:
                self._server.kill()  # the last resort, and there is no process yet: it hangs

    async def wait(self, timeout_s: float) -> bool:
        """Wait for the end; False when it has not come within ``timeout_s``."""
        try:
            await asyncio.wait_for(self.ended.wait(), timeout_s)
        except TimeoutError:
            return False
        return True

    def _forked(self) -> None:
        self._loop.remove_reader(self._status)
        try:
            self.pid = int(forkserver.read_signed(self._status))
        except (EOFError, OSError):
            self._end(Exit("not-started", detail="the fork server ended"))
            return
        try:
            self._pidfd = os.pidfd_open(self.pid)
        except ProcessLookupError:  # ended already, and its status is on the way
            self._dead()
            return
        self._loop.add_reader(self._pidfd, self._dead)
        if self._due is not None:
            self.signal(self._due)

    def _dead(self) -> None:
        if self._pidfd >= 0:
            self._loop.remove_reader(self._pidfd)
        self._loop.add_reader(self._status, self._told)
        self._timer = self._loop.call_later(_STATUS_WITHIN_S, self._end, Exit("unknown"))

    def _told(self) -> None:
        try:
            self._end(Exit.of_code(forkserver.read_signed(self._status)))
        except (EOFError, OSError):
            self._end(Exit("unknown"))

    def _end(self, ended: Exit) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._status >= 0:
            self._loop.remove_reader(self._status)
        for fd in (self._status, self._data, self._pidfd):
            if fd >= 0:
                os.close(fd)
        self._status = self._data = self._pidfd = -1
        self.ended.set()
        self._on_exit(ended)
