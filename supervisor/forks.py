"""The fork server: one for all terminals of this process. The only module that knows multiprocess.

Its own ways to start a child block until the server answers, and a server that is just being
restarted needs half a second, one that hangs for ever. So its protocol is spoken here without
waiting: :func:`fork` hands the request over, and the pid comes later through a descriptor.
"""

import contextlib
import io
import os
import signal
import struct
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import multiprocess
import multiprocess.context
import multiprocess.forkserver
import multiprocess.process
import multiprocess.resource_tracker
import multiprocess.spawn
import multiprocess.util

from actors.runtime import kin

_CONTEXT = multiprocess.get_context("forkserver")
SIGNED = struct.Struct("q")
"""What the server tells: the pid, later the exit code."""

_DESCRIPTORS = 5
"""For one request: the connection and two pipes."""

PRELOAD = "CALLPOINT_PRELOAD"
"""Environment variable that tells the server what else to import."""

_holders = 0
_modules: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fork:
    """A fork that has been asked for. The descriptors are the caller's to close."""

    told: int
    """To be read from: the pid, then the exit code, each as :data:`SIGNED`; ends when the server
    does."""
    to_child: int
    """To be written to, without blocking: what :func:`job` returns; then to be closed. The child
    waits for it."""


def hold(modules: tuple[str, ...] = (), directory: Path | None = None) -> None:
    """Have a server running; the preload (half a second) goes on in the background. ``modules``:
    what it imports beside the usual, ``directory``: where its socket is, else in a new one below
    /tmp; both if it is not running yet.

    Raises ``OSError``.
    """
    global _holders, _modules
    if directory is not None:
        multiprocess.process.current_process()._config["tempdir"] = str(directory)
    _modules = _modules if _holders else modules
    _CONTEXT.set_forkserver_preload(["supervisor.preload"])
    _do_without_tracker()
    ensure()
    _holders += 1


def let_go() -> None:
    """The counterpart of :func:`hold`; the last one ends the server, and waits for it."""
    global _holders
    _holders -= 1
    if not _holders:
        _stop()


def ensure() -> None:
    """Start a server if there is none. Raises ``OSError``."""
    with _surroundings():
        multiprocess.forkserver.ensure_running()


def server_pid() -> int:
    """Of the running server; 0: there is none."""
    return multiprocess.forkserver._forkserver._forkserver_pid or 0


def kill_server() -> None:
    """End a server that hangs; :func:`ensure` starts another."""
    if pid := server_pid():  # a child of ours that nobody else waits for: the pid is its own
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def fork(fds: tuple[int, ...]) -> Fork:
    """Ask for a process that gets copies of the descriptors and waits for its job.

    Raises ``OSError`` when the server cannot be reached.
    """
    with _surroundings():
        reserve(_DESCRIPTORS)
        told, to_child = multiprocess.forkserver.connect_to_new_process(list(fds))
    os.set_blocking(told, False)
    os.set_blocking(to_child, False)
    return Fork(told, to_child)


def job(name: str, body: Callable[..., None], *args: object) -> bytes:
    """What makes a process that was asked for call ``body(*args, *fds)``. Holds what the arguments
    do, secrets perhaps: never shown.
    """
    with _surroundings():
        return _pickled(_CONTEXT.Process(target=_in_child, args=(body, *args), name=name))


def reserve(count: int) -> None:
    """Raises ``OSError`` if so many descriptors are not to be had: a request that breaks off in the
    middle for want of one would end the server.
    """
    taken: list[int] = []
    try:
        while len(taken) < count:
            taken.append(os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC))
    finally:
        for fd in taken:
            os.close(fd)


def _in_child(body: Callable[..., None], *args: object) -> None:
    server = multiprocess.forkserver._forkserver
    tracker = multiprocess.resource_tracker._resource_tracker
    # Whoever holds the first keeps the server alive.
    for fd in (server._forkserver_alive_fd, tracker._fd):
        os.close(fd)
    server._forkserver_alive_fd = tracker._fd = None
    body(*args, *multiprocess.forkserver.get_inherited_fds())


def _pickled(process: Any) -> bytes:
    buffer = io.BytesIO()
    multiprocess.context.set_spawning_popen(_Spawning())
    try:
        preparation = multiprocess.spawn.get_preparation_data(process.name)
        multiprocess.context.reduction.dump(preparation, buffer)
        multiprocess.context.reduction.dump(process, buffer)
    finally:
        multiprocess.context.set_spawning_popen(None)
    return buffer.getvalue()


class _Spawning:
    """That there is one lets multiprocess pickle its key."""


@contextlib.contextmanager
def _surroundings() -> Iterator[None]:
    """Hide ``__main__``: multiprocess would run it again in every child, with all it imports. And
    mark what is started, so that it can be found when all else fails.
    """
    try:
        Path.cwd()
    except FileNotFoundError:  # removed since: no reason to start nothing any more
        os.chdir("/")
    main, environ = sys.modules["__main__"], dict(os.environ)
    sys.modules["__main__"] = types.ModuleType("__main__")
    given = {
        kin.MARK: kin.identity(os.getpid()),
        PRELOAD: " ".join(_modules),
        "SPT_NOENV": "1",  # setproctitle: leave the mark in /proc/PID/environ
    }
    os.environ.update(given)
    try:
        yield
    finally:
        sys.modules["__main__"] = main
        for name in given:
            os.environ.pop(name)
            if name in environ:
                os.environ[name] = environ[name]


def _stop() -> None:
    """End the server, and wait for its end.

    By SIGKILL: it has nothing to put in order, and would take its end for that of the supervisor.
    """
    server = multiprocess.forkserver._forkserver
    if server._forkserver_pid:
        kill_server()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(server._forkserver_pid, 0)
        os.close(server._forkserver_alive_fd)
        remove_address()
        server._forkserver_alive_fd = server._forkserver_pid = server._forkserver_address = None
    tracker = multiprocess.resource_tracker._resource_tracker
    if tracker._fd is not None:
        os.close(tracker._fd)
        tracker._fd = None


def _do_without_tracker() -> None:
    """The tracker of multiprocess, of semaphores and shared memory that nobody uses here, would be
    one more Python process: 11 MB. What it would be told goes nowhere.
    """
    tracker = multiprocess.resource_tracker._resource_tracker
    if tracker._fd is None:
        tracker._fd = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)


def remove_address(*, whole: bool = False) -> None:
    """Remove the server's socket. ``whole``: and its directory, if that was made for it and nobody
    else will, because the process that has made it was killed.
    """
    if address := multiprocess.forkserver._forkserver._forkserver_address:
        with contextlib.suppress(OSError):
            Path(address).unlink()
            if whole and Path(address).parent.name.startswith("pymp-"):
                Path(address).parent.rmdir()
