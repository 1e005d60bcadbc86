"""Reading a small file that an operator has named, whatever it turns out to be."""

import os
import stat
from pathlib import Path


class NotRegular(Exception):
    """A directory, FIFO, socket or device."""


def read_regular(path: Path, limit: int, forbidden_mode: int = 0) -> bytes:
    """At most ``limit`` bytes of a regular file.

    ``forbidden_mode``: permission bits of which the open file may have none. Raises ``OSError``,
    :class:`NotRegular`, and :class:`PermissionError` for a forbidden bit.
    """
    # Not blocking: opening a FIFO must not wait for a writer.
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(fd).st_mode
        if not stat.S_ISREG(mode):
            raise NotRegular(str(path))
        if mode & forbidden_mode:
            raise TooOpen(str(path))
        with open(fd, "rb", closefd=False) as file:
            return file.read(limit)
    finally:
        os.close(fd)


class TooOpen(Exception):
    """Others than its owner may read the file."""
