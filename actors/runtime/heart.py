"""When an actor's loop has last turned, in a page of memory that it shares with the supervisor.

A message for each heartbeat would wake the supervisor several times a second for nothing; so it
only looks here when it is time to judge. What an actor has to say beside that goes as a message.
"""

import mmap
import os
import struct

_TIME = struct.Struct("d")
"""Seconds of the monotonic clock, which is the same for all processes of a machine. Eight aligned
bytes are written and read in one piece."""


def new_heart() -> int:
    """A descriptor of a heart that has never beaten; shared by passing it on."""
    fd = os.memfd_create("heart", os.MFD_CLOEXEC)
    os.ftruncate(fd, _TIME.size)
    return fd


class Heart:
    """One end of it; has a descriptor of its own."""

    def __init__(self, fd: int) -> None:
        self._page = mmap.mmap(fd, _TIME.size)

    def beat(self, now: float) -> None:
        """The loop turns."""
        _TIME.pack_into(self._page, 0, now)

    @property
    def last_beat(self) -> float:
        """0 before the first."""
        (at,) = _TIME.unpack_from(self._page)
        return float(at)

    def close(self) -> None:
        """Let go of it."""
        self._page.close()
