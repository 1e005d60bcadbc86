"""A terminal as a process of its own: ``callpoint run``."""

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

from actors.runtime.logs import configure
from actors.settings import Settings

from . import exits, family, forks, hang_ups
from .rundir import AlreadyRunning, RuntimeDirError
from .sink import Sink
from .spec import Spec, tree_of
from .terminal import Reread, Terminal
from .tree import StartFailedError

log = logging.getLogger(__name__)

_DESCRIPTORS = (64, 8)
"""Open files of the supervisor itself, and for each child (measured: 20 and 5): with fewer it could
not start its children, and would wait until it can."""


def run(
    settings: Settings,
    runtime_dir: Path,
    *,
    log_file: Path | None = None,
    log_limit: int = 0,
    specs: Sequence[Spec] | None = None,
    reread: Reread | None = None,
    owner: int | None = None,
) -> int:
    """Run a terminal until SIGTERM, SIGINT or an order; returns one of :mod:`supervisor.exits`.
    SIGHUP reads the config again, as soon as it runs. ``owner``: pid of a process with whose end it
    ends too.

    An operator's mistake is told on standard error in a line or two, without a traceback.
    """
    children = tree_of(settings) if specs is None else specs
    try:
        forks.reserve(_DESCRIPTORS[0] + _DESCRIPTORS[1] * len(children))
    except OSError as error:
        reason = f"{len(children)} processes cannot be kept: {error.strerror}"
        return _refuse(exits.CANNOT_START, reason, "allow more (ulimit -n; LimitNOFILE in systemd)")
    try:
        sink = Sink(log_file, log_limit)
    except OSError as error:
        reason = f"cannot write {log_file}: {error.strerror}"
        return _refuse(exits.RUNTIME_DIR, reason, "name another with --log-file")
    _log_to(sink, settings.terminal.log_level)
    family.adopt()
    terminal = Terminal(
        settings, runtime_dir, sink=sink, specs=children, reread=_with_log_level(reread)
    )
    try:
        asyncio.run(_run(terminal, owner))
    except AlreadyRunning as error:
        return _refuse(exits.ALREADY_RUNNING, error.reason, error.remedy)
    except RuntimeDirError as error:
        return _refuse(exits.RUNTIME_DIR, error.reason, error.remedy)
    except StartFailedError as error:
        return _refuse(exits.CANNOT_START, str(error), error.remedy)
    except Exception:
        log.exception("fault of the supervisor")
        return exits.INTERNAL
    finally:
        sink.close()
    if terminal.escalation:
        return _refuse(exits.KEEPS_DYING, terminal.escalation, "the log says more")
    return exits.ASKED


def _log_to(sink: Sink, level: str) -> None:
    configure("supervisor", level)
    (handler,) = logging.getLogger().handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(sink)


def _with_log_level(reread: Reread | None) -> Reread | None:
    """What the config says of the log concerns this process too."""
    if reread is None:
        return None

    def read() -> Settings:
        settings = reread()
        logging.getLogger().setLevel(settings.terminal.log_level)
        return settings

    return read


async def _run(terminal: Terminal, owner: int | None) -> None:
    loop = asyncio.get_running_loop()
    changed = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, terminal.stopped.set)
    loop.add_signal_handler(signal.SIGCHLD, family.reap)
    owned = None if owner is None else _watch(owner, terminal.stopped.set)
    with hang_ups.taken(loop, gone=terminal.stopped.set, changed=changed.set):
        async with terminal:
            log.info("terminal running")
            reloading = loop.create_task(_reload_at_each(changed, terminal))
            await terminal.stopped.wait()
            log.info("terminal stopping")
            reloading.cancel()
    if owned is not None:
        loop.remove_reader(owned)
        os.close(owned)


async def _reload_at_each(changed: asyncio.Event, terminal: Terminal) -> None:
    while await changed.wait():
        changed.clear()
        try:
            await terminal.reload()
        except Exception:
            log.exception("fault of the supervisor")


def _watch(pid: int, ended: Callable[[], None]) -> int | None:
    """Call ``ended`` when that process has; the descriptor to be closed afterwards."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        ended()
        return None
    loop = asyncio.get_running_loop()

    def gone() -> None:
        loop.remove_reader(pidfd)
        ended()

    loop.add_reader(pidfd, gone)
    return pidfd


def _refuse(code: int, reason: str, remedy: str) -> int:
    told = Sink()  # standard error may be a pipe that nobody reads
    told.write(f"callpoint: {reason}\n")
    if remedy:
        told.write(f"  {remedy}\n")
    told.close()
    return code
