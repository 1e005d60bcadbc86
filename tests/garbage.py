"""What no socket of a terminal may be disturbed by."""

import os
import socket
from pathlib import Path

import zmq

from supervisor.drill.garbage import FRAMES, NOISE_BYTES


def throw_garbage(path: Path) -> None:
    """At the socket at ``path``: another protocol, and frames that are no messages."""
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(str(path))
        raw.sendall(b"GET / HTTP/1.1\r\n\r\n")
    # One of the two is the pattern that the socket speaks; the other is garbage by itself.
    for pattern in (zmq.DEALER, zmq.PUSH):
        with zmq.Context() as context, context.socket(pattern) as thrower:
            thrower.setsockopt(zmq.LINGER, 200)
            thrower.connect(f"ipc://{path}")
            for frame in (*FRAMES, os.urandom(NOISE_BYTES)):
                thrower.send(frame)
                thrower.send_multipart([frame, frame])
