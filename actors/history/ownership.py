"""One history belongs to one terminal: another's visitors must not read it."""

import asyncio
import fcntl
import logging
import os
from pathlib import Path

from actors.runtime.errors import StartError

log = logging.getLogger(__name__)

_PATIENCE_S = 3.0
"""For the history of a terminal that was killed: it ends within a second."""
_AGAIN_S = 0.05


async def own(path: Path) -> int:
    """Take the history ``path`` for this process, until its end; returns the descriptor that holds
    it, or -1 where nothing can be held (a folder that cannot be written: the store will say so).

    Raises :class:`StartError` when another terminal has it.
    """
    holder = path.with_name(f"{path.name}.lock")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A file beside it: closing one more descriptor of the database would end SQLite's locks.
        fd = os.open(holder, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        log.warning("history not locked", extra={"reason": os.strerror(error.errno or 0)})
        return -1
    loop = asyncio.get_running_loop()
    give_up = loop.time() + _PATIENCE_S
    while not _lock(fd):
        if loop.time() > give_up:
            os.close(fd)
            raise StartError(
                f"another terminal keeps its history in {path}",
                "give each terminal of a machine its own [terminal] state_dir or"
                " CALLPOINT_STATE_DIR",
            )
        await asyncio.sleep(_AGAIN_S)
    return fd


def _lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:  # a file system without locks
        log.warning("history not locked", extra={"reason": os.strerror(error.errno or 0)})
    return True
