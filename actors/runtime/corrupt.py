"""Counting frames that are no messages, without letting a flood of them fill the log."""

import logging

from actors.messages.codec import CorruptMessage

log = logging.getLogger(__name__)


class CorruptFrames:
    """How many have come on one socket; the 1st, 10th, 100th ... is logged."""

    def __init__(self, lane: str) -> None:
        self._lane = lane
        self.count = 0
        """Frames dropped since the start."""
        self._next_line = 1

    def note(self, corrupt: CorruptMessage, peer: bytes = b"") -> None:
        """Count one; its bytes are not logged (they may hold anything), only how many there are."""
        self.count += 1
        if self.count < self._next_line:
            return
        self._next_line *= 10
        log.warning(
            "corrupt frame dropped",
            extra={
                "lane": self._lane,
                "peer": peer.hex(),
                "bytes": len(corrupt.frame),
                "cause": type(corrupt.__cause__).__name__,
                "so_far": self.count,
            },
        )
