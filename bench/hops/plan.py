"""What is sent, and what the receiver makes of it. Standard library only: rivals run it too."""

import json
import struct
import time
from collections.abc import Iterator
from pathlib import Path

SIZES = (100, 960, 65_536)
"""Bytes of payload: an order, 20 ms of sound at 24 kHz, the largest that is sent at all often."""
TURNS = 14
"""For each size."""
WARM, PACED, BOUNCED = 3, 22, 50
"""Messages of a turn: not counted; counted; and at most so many that are sent when the last one has
been answered, as ZeroMQ's own latency tests do (libzmq, perf/local_lat.cpp and remote_lat.cpp)."""
EVERY_S = 0.004
"""Between two of the paced ones: each wakes a sleeping receiver."""
TURN_S = (WARM + PACED) * EVERY_S + 0.05
LINGER_S = 90.0
"""A sender stays until it is ended, so that nothing of it is cut off."""
BURST = "burst"
"""The part of a plan that a system has for itself; else it is told its turn: ``2/5``."""
_LOOK_AGAIN_S = 0.01
_SETTLE_S = 1.0
"""Until all that was started beside is at rest."""
_STAMP = struct.Struct("<qBB")
WARMING, PACING, BOUNCING, BURSTING, LAST = range(5)


def burst_of(size: int) -> int:
    """How many are sent as fast as they go; fewer than any of the queues holds."""
    return 3000 if size < 10_000 else 300


def payload(phase: int, index: int) -> bytes:
    """A message that carries when it was made."""
    return _STAMP.pack(time.monotonic_ns(), phase, index).ljust(SIZES[index], b"\0")


def messages(part: str, folder: str) -> Iterator[tuple[int, int, float]]:
    """``(phase, index of size, seconds to wait before it)`` of all messages, in order. After one
    that is BOUNCING its answer is to be waited for.

    To be begun when the receiver is known to be there: those who take turns wait for each other.
    """
    if part == BURST:
        yield from _bursts()
    else:
        turn, of = map(int, part.split("/"))
        _meet(Path(folder), turn, of)
        yield WARMING, 0, _SETTLE_S
        yield from _in_turn(turn, of)
    yield LAST, len(SIZES) - 1, 0.1


def _bursts() -> Iterator[tuple[int, int, float]]:
    for index, size in enumerate(SIZES):
        yield WARMING, index, 0.1
        for _ in range(burst_of(size)):
            yield BURSTING, index, 0.0


def _in_turn(turn: int, of: int) -> Iterator[tuple[int, int, float]]:
    """By the clock that all processes of a machine share."""
    for index in range(len(SIZES)):
        for _ in range(TURNS):
            begin = _next(turn * TURN_S, of * TURN_S)
            for number in range(WARM + PACED):
                phase = WARMING if number < WARM else PACING
                yield phase, index, max(0.0, begin + number * EVERY_S - time.monotonic())
            for number in range(BOUNCED):
                yield BOUNCING, index, 0.0 if number else EVERY_S
                if time.monotonic() > begin + TURN_S - EVERY_S:
                    break


def _next(phase: float, period: float) -> float:
    """The next moment of the monotonic clock that is ``phase`` past a multiple of ``period``."""
    now = time.monotonic()
    return now + (phase - now) % period


def _meet(folder: Path, turn: int, of: int) -> None:
    (folder / f"here-{turn}").touch()
    while len(list(folder.glob("here-*"))) < of:
        time.sleep(_LOOK_AGAIN_S)


class Listener:
    """Fed with every payload that arrives."""

    def __init__(self) -> None:
        self._paced_us: list[list[float]] = [[] for _ in SIZES]
        self._bounced_us: list[list[float]] = [[] for _ in SIZES]
        self._burst: list[tuple[int, int, int]] = [(0, 0, 0) for _ in SIZES]
        """First made, last arrived (nanoseconds), number."""
        self.done = False

    def hear(self, content: bytes) -> bool:
        """One payload; True when it is to be answered, with itself."""
        now = time.monotonic_ns()
        stamp, phase, index = _STAMP.unpack_from(content)
        if phase == PACING:
            self._paced_us[index].append((now - stamp) / 1000)
        elif phase == BOUNCING:
            self._bounced_us[index].append((now - stamp) / 1000)
        elif phase == BURSTING:
            first, _, count = self._burst[index]
            self._burst[index] = (first or stamp, now, count + 1)
        elif phase == LAST:
            self.done = True
        return bool(phase == BOUNCING)

    def told(self) -> str:
        """JSON: by size, microseconds of each paced and of each bounced message, and of the burst
        messages a second and how many are missing.
        """
        found = {}
        before = 0
        for index, size in enumerate(SIZES):
            first, last, count = self._burst[index]
            took_ns = max(1, last - max(first, before))  # not what was still queued before it
            before = last
            found[str(size)] = {
                "paced_us": self._paced_us[index],
                "bounced_us": self._bounced_us[index],
                "per_s": 1e9 * count / took_ns,
                "lost": burst_of(size) - count if count else 0,
            }
        return json.dumps(found)
