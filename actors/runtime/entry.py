"""Where a child process begins: title, signals, stacks on demand, logs, death with the parent."""

import asyncio
import faulthandler
import gc
import logging
import os
import select
import signal
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from . import kin
from .bus import Context, new_context
from .heart import Heart
from .host import Host
from .logs import configure
from .loop import Loop
from .spec import ChildSpec

log = logging.getLogger(__name__)

_DESCENDANTS_S = 0.5
"""For what an orphaned actor has started to die of SIGKILL, before it ends itself."""

EXIT_ORPHANED = 4
"""Exit code of a child whose supervisor has died."""


@dataclass(frozen=True)
class Prepared:
    """What every actor needs, made before it is known which one it is to be."""

    loop: asyncio.AbstractEventLoop
    context: Context


def prepare(supervisor_pid: int) -> Prepared:
    """The first half of :func:`run_child`: all that takes time and is the same for everyone."""
    gc.unfreeze()
    gc.freeze()  # what was inherited stays shared: a collection would write to each of its pages
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group: ours is Stop
    _die_with(supervisor_pid)
    return Prepared(Loop(), new_context())


def run_child(
    spec: ChildSpec, first_word: int = -1, heart: int = -1, prepared: Prepared | None = None
) -> None:
    """Body of every child process; leaves by ``os._exit`` with the actor's exit code.
    ``first_word`` and ``heart``: descriptors from the supervisor, -1 for none.

    ``os._exit`` because a native library's ``atexit`` or a forgotten thread must not keep alive
    what has already stopped cleanly.
    """
    prepared = prepared or prepare(spec.supervisor_pid)
    _set_title(f"callpoint: {spec.name}")
    if spec.environ is not None:
        _surround_with(spec.environ)
    configure(spec.name, spec.settings.get("terminal", {}).get("log_level", "INFO"))
    host = Host(spec, first_word, _heart(heart), prepared.context)
    code = prepared.loop.run_until_complete(_run(host))
    logging.shutdown()
    sys.stderr.flush()
    os._exit(code)


def _surround_with(environ: Mapping[str, str]) -> None:
    """Make it ours; hardly anything of it is new, and writing one anew takes its time."""
    for name in os.environ.keys() - environ.keys():
        del os.environ[name]
    for name, value in environ.items():
        if os.environ.get(name) != value:
            os.environ[name] = value


async def _run(host: Host) -> int:
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, host.request_stop)
    return await host.run()


def _heart(fd: int) -> Heart | None:
    if fd < 0:
        return None
    heart = Heart(fd)
    os.close(fd)
    return heart


def _set_title(title: str) -> None:
    """To be called while the environment is the one of the exec: the title is written where that
    was, and its mark stays readable in /proc only with SPT_NOENV (see :mod:`supervisor.forks`).
    """
    import setproctitle

    setproctitle.setproctitle(title)


def _die_with(supervisor_pid: int) -> None:
    """End this process and what it has started when the supervisor's has ended, even if our loop
    hangs.

    PR_SET_PDEATHSIG would watch the fork server instead, which is our parent and may be killed and
    replaced without our noticing. What keeps this thread from running too (the process is stopped,
    or hangs in native code with the interpreter's lock held) the fork server kills
    (:mod:`supervisor.last_watch`).
    """
    try:
        supervisor = os.pidfd_open(supervisor_pid)
    except ProcessLookupError:
        os._exit(EXIT_ORPHANED)

    def watch() -> None:
        poll = select.poll()
        poll.register(supervisor, select.POLLIN)
        poll.poll()
        kin.end_all(lambda: kin.descendants_of(os.getpid()), _DESCENDANTS_S)
        os._exit(EXIT_ORPHANED)

    threading.Thread(target=watch, name="supervisor-watch", daemon=True).start()
