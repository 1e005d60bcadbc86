"""What no socket of a terminal may be disturbed by: another protocol, and frames that are no
messages.
"""

import asyncio
import os
import socket
from pathlib import Path

import msgpack

from actors.messages import PROTOCOL_VERSION
from actors.runtime.bus import Bus

_ENVELOPE = (PROTOCOL_VERSION, "tell", "", "", 0, "join", 0.0)
FRAMES = (
    b"",
    b"\xc1",  # never written by msgpack
    b"\x91" * 4000,  # nested too deep
    b"\xdd\xff\xff\xff\xff",  # an array of 4 billion
    *map(
        msgpack.packb,
        (
            {"version": PROTOCOL_VERSION},
            _ENVELOPE,  # without a message
            (*_ENVELOPE, ("join", 5)),  # with a field of another type
            (*_ENVELOPE, ("no such message",)),
            (*_ENVELOPE, msgpack.ExtType(5, b"x")),
        ),
    ),
)
"""The last are msgpack as another program may write it, and still no message."""
NOISE_BYTES = 1500
_LINGER_MS = 200


def throw_garbage(path: Path) -> None:
    """At the socket at ``path``. Raises ``OSError`` when nobody listens there."""
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(str(path))
        raw.sendall(b"GET / HTTP/1.1\r\n\r\n")
    asyncio.run(_throw(path))


async def _throw(path: Path) -> None:
    # One of the two is the pattern that the socket speaks; the other is garbage by itself.
    for pattern in ("dealer", "push"):
        bus = Bus(path.parent)
        lane = bus.connect("dealer" if pattern == "dealer" else "push", path.stem, _ignore)
        for frame in (*FRAMES, os.urandom(NOISE_BYTES)):
            lane.send(frame)
        bus.close(linger_ms=_LINGER_MS)


def _ignore(_peer: bytes, _frame: bytes) -> None:
    """Nothing that it may answer is of interest."""
