"""The fork server: a process that has imported everything already, from which each child is forked.

The only module that knows multiprocess.
"""

import contextlib
import gc
import os
import socket
import sys
import types
from collections.abc import Iterator, Sequence

import multiprocess
import multiprocess.forkserver
from multiprocess import connection, resource_tracker

CONTEXT = multiprocess.get_context("forkserver")
_SERVER = multiprocess.forkserver._forkserver
_TRACKER = resource_tracker._resource_tracker



def start_fork_server(modules: Sequence[str] = ()) -> None:
    """Begin the preload, in another process, unless there is one already.

    ``modules``: imported beside what all children need.
    """
    _begin(modules)
    with trivial_main():
        multiprocess.forkserver.ensure_running()


def fork_the_fork_server(modules: Sequence[str] = ()) -> None:
    """As :func:`start_fork_server`, but out of this very process, which must have one thread, no
    event loop and nothing open: what both have imported is then there once (12 MB less), and
    half of the preload is done (200 ms less).

    One that dies is replaced by :func:`start_fork_server`, which multiprocess calls by itself.
    """
    _begin(modules)
    address = connection.arbitrary_address("AF_UNIX")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        os.chmod(address, 0o600)  # noqa: PTH101
        listener.listen()
        alive_r, alive_w = os.pipe()  # closed by our death, which ends the server
        gc.collect()
        gc.freeze()  # a collection, here or there, would write to pages that are shared
        if (pid := os.fork()) == 0:
            os.close(alive_w)
            _serve(listener.detach(), alive_r)
        os.close(alive_r)
    _SERVER._forkserver_address = address
    _SERVER._forkserver_alive_fd = alive_w
    _SERVER._forkserver_pid = pid


def stop_fork_server() -> None:
    """End it and wait for its end."""
    _SERVER._stop()
    if _TRACKER._fd is not None:
        os.close(_TRACKER._fd)
        _TRACKER._fd = None


@contextlib.contextmanager
def trivial_main() -> Iterator[None]:
    """Hide ``__main__``: multiprocess would run it again in every child, with all it imports."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def preload_of(modules: Sequence[str]) -> list[str]:
    """All that it imports, in this order."""
    return ["supervisor.preload", *modules, "supervisor.preloaded"]


def _begin(modules: Sequence[str]) -> None:
    CONTEXT.set_forkserver_preload(preload_of(modules))
    if _TRACKER._fd is None:
        # Its tracker of shared memory and semaphores, neither of which is used here, would be
        # one more Python process (11 MB). This one swallows what it is told.
        _TRACKER._fd = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)


def _serve(listener_fd: int, alive_r: int) -> None:
    """The life of the forked server; does not return."""
    code = 1
    try:
        with contextlib.suppress(SystemExit):
            multiprocess.forkserver.main(listener_fd, alive_r, _SERVER._preload_modules)
        code = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
    finally:
        os._exit(code)
