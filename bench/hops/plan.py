"""What is sent, and what the receiver makes of it. Standard library only: rivals run it too."""

import json
import struct
import time
from collections.abc import Iterator

SIZES = (100, 960, 65_536)
"""Bytes of payload: an order, 20 ms of sound at 24 kHz, the largest that is sent at all often."""
PACED = 300
EVERY_S = 0.004
"""Every message wakes a sleeping receiver: what an order or a block of sound does."""
WARM = 30
LINGER_S = 60.0
"""A sender stays until it is ended, so that nothing of it is cut off."""
_STAMP = struct.Struct("<qBB")
WARMING, PACING, BURSTING, LAST = range(4)


def burst_of(size: int) -> int:
    """How many are sent as fast as they go; fewer than any of the queues holds."""
    return 3000 if size < 10_000 else 300


def payload(phase: int, index: int) -> bytes:
    """A message that carries when it was made."""
    return _STAMP.pack(time.monotonic_ns(), phase, index).ljust(SIZES[index], b"\0")


def paced() -> Iterator[tuple[int, int, float]]:
    """``(phase, index of size, seconds to wait before it)`` of all messages, in order: all that
    are paced come before any burst, whose backlog they would else wait for.
    """
    for index in range(len(SIZES)):
        for number in range(WARM + PACED):
            yield (WARMING if number < WARM else PACING), index, EVERY_S
    for index, size in enumerate(SIZES):
        yield WARMING, index, 0.1
        for _ in range(burst_of(size)):
            yield BURSTING, index, 0.0
    yield LAST, len(SIZES) - 1, 0.0


class Listener:
    """Fed with every payload that arrives."""

    def __init__(self) -> None:
        self._us: list[list[float]] = [[] for _ in SIZES]
        self._burst: list[tuple[int, int, int]] = [(0, 0, 0) for _ in SIZES]
        """First made, last arrived (nanoseconds), number."""
        self.done = False

    def hear(self, content: bytes) -> None:
        """One payload."""
        now = time.monotonic_ns()
        stamp, phase, index = _STAMP.unpack_from(content)
        if phase == PACING:
            self._us[index].append((now - stamp) / 1000)
        elif phase == BURSTING:
            first, _, count = self._burst[index]
            self._burst[index] = (first or stamp, now, count + 1)
        elif phase == LAST:
            self.done = True

    def told(self) -> str:
        """JSON: by size, microseconds of each paced message, and messages a second of the burst."""
        found = {}
        before = 0
        for size, us, (first, last, count) in zip(SIZES, self._us, self._burst, strict=True):
            took_ns = max(1, last - max(first, before))  # not what was still queued before it
            found[str(size)] = {
                "us": us,
                "per_s": 1e9 * count / took_ns,
                "lost": burst_of(size) - count,
            }
            before = last
        return json.dumps(found)
