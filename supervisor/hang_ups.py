"""SIGHUP: the shell that has started this process is gone, or somebody has changed the config.

Left alone it ends the process, which systemd takes for a good end. So it waits while there is
nobody to take it: before the loop runs, and after.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio


def hold() -> None:
    """Let it wait."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})


@contextmanager
def taken(
    loop: "asyncio.AbstractEventLoop", *, gone: Callable[[], None], changed: Callable[[], None]
) -> Iterator[None]:
    """Inside, the one or the other is called at each, also for one that has waited."""
    is_to_outlive_it = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN  # nohup(1)
    attached = not is_to_outlive_it and _has_a_terminal()

    def hung_up() -> None:
        if attached and not _has_a_terminal():
            gone()
        else:
            changed()

    loop.add_signal_handler(signal.SIGHUP, hung_up)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
    try:
        yield
    finally:
        hold()


def _has_a_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC | os.O_NOCTTY))
    except OSError:
        return False
    return True
