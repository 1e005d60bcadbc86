"""What a child writes, as log lines within bounds. Pure."""

import json
import time

LONGEST = 64 * 1024
"""Bytes of a line; what is longer comes in pieces."""
_BURST_BYTES = 1024 * 1024
_RATE_BYTES_S = 64 * 1024
"""A talkative child has a few KB a second; a crash may print a long traceback at once."""


class Lines:
    """Cuts a stream of bytes into lines without their ends."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that are complete now, without the empty ones."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        while len(self._rest) >= LONGEST:
            lines.append(self._rest[:LONGEST])
            self._rest = self._rest[LONGEST:]
        return [line for line in lines if line.strip()]

    def end(self) -> list[bytes]:
        """What is left when nothing more will come."""
        rest, self._rest = self._rest, b""
        return [rest] if rest.strip() else []


class Budget:
    """How many bytes a child may write: so many a second, more in a burst. Once overdrawn, it is
    closed until half of it is there again: a flood is one event and not one a second.
    """

    def __init__(self, now: float) -> None:
        self._left = float(_BURST_BYTES)
        self._at = now
        self._closed = False

    def take(self, size: int, now: float) -> bool:
        """Take from the budget; False when it is closed."""
        self._left = min(_BURST_BYTES, self._left + (now - self._at) * _RATE_BYTES_S)
        self._at = now
        if self._closed and self._left < _BURST_BYTES / 2:
            return False
        self._closed = size > self._left
        if not self._closed:
            self._left -= size
        return not self._closed


def as_log_line(process: str, line: bytes) -> bytes:
    """A JSON object and a line's end. What an actor logs is one already; anything else (a native
    library, a stack dump, a program) becomes its message.
    """
    if line.startswith(b'{"') and line.rstrip().endswith(b"}"):
        return line.rstrip() + b"\n"
    made = {
        "time": time.strftime("%Y-%m-%d %H:%M:%S"),
        "level": "INFO",
        "logger": "output",
        "message": line.decode(errors="backslashreplace").rstrip(),
        "process": process,
    }
    return json.dumps(made).encode() + b"\n"
