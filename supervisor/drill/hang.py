"""A process whose main thread stands still while its other threads go on: a deadlock as the world
sees it, or a loop that never ends. By ptrace(2), because no signal stops a single thread.
"""

import ctypes
import os
import signal
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

_SEIZE, _INTERRUPT = 0x4206, 0x4207
_WALL = 0x40000000
"""waitpid(2): also for threads and for processes that are not our children."""


def _ptrace(request: int, pid: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long
    if libc.ptrace(request, pid, None, None) < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


class Hang:
    """Inside the ``with`` block the main thread of ``pid`` stands still, until somebody kills the
    process; at the end of the block it is killed by us, if nobody has.

    Entering raises ``PermissionError`` where processes may not be traced.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._stopped = threading.Event()
        self._refused: OSError | None = None
        # A tracer is a thread. It reaps the process at once: until then its parent cannot.
        self._tracer = threading.Thread(target=self._trace, name="tracer", daemon=True)

    def __enter__(self) -> Self:
        # By its kernel handle: its number may be another's by the time that it is to be killed.
        self._pidfd = os.pidfd_open(self._pid)
        self._tracer.start()
        self._stopped.wait()
        if self._refused is not None:
            os.close(self._pidfd)
            raise self._refused
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        self._tracer.join()
        os.close(self._pidfd)

    def _trace(self) -> None:
        try:
            _ptrace(_SEIZE, self._pid)
            _ptrace(_INTERRUPT, self._pid)
            os.waitpid(self._pid, _WALL)
        except OSError as error:
            self._refused = error
            return
        finally:
            self._stopped.set()
        # It wakes for nothing but its death: whatever signal stops it otherwise is kept from it.
        while os.WIFSTOPPED(os.waitpid(self._pid, _WALL)[1]):
            continue


def may_trace() -> str:
    """Empty, or why no process can be traced here."""
    child = os.posix_spawn("/bin/sleep", ["sleep", "60"], {})
    try:
        with Hang(child):
            return ""
    except OSError as error:
        os.kill(child, signal.SIGKILL)
        return f"processes may not be traced here ({error.strerror})"
    finally:
        _reap(child)


def _reap(child: int) -> None:
    try:
        os.waitpid(child, 0)
    except ChildProcessError:
        return  # its tracer, who is its parent too, has done it
