"""What no socket of a terminal may be disturbed by: another protocol, and frames that are no
messages.
"""

import asyncio
import os
import socket
from pathlib import Path

from actors.runtime.bus import Bus

_FRAMES = (b"", b"\xc1", b"\x91" * 4000, b"\xdd\xff\xff\xff\xff")
"""Nothing; a byte that msgpack never writes; nested too deep; an array of 4 billion."""
_NOISE_BYTES = 1500
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
        for frame in (*_FRAMES, os.urandom(_NOISE_BYTES)):
            lane.send(frame)
        bus.close(linger_ms=_LINGER_MS)


def _ignore(_peer: bytes, _frame: bytes) -> None:
    """Nothing that it may answer is of interest."""
