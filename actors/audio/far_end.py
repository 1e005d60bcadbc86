"""What the loudspeaker has played, for the echo canceller: in step with the microphone. Pure.

The device takes blocks in its own thread, the microphone's blocks are handled in the loop. A frame
of the far end has to be there before its echo is, and not long before: so each frame of the
microphone is preceded by one of the loudspeaker, by more when one came late, and a backlog that
does not go away (two cards, two clocks) is given out at once.
"""

from collections import deque

BACKLOG_S = 1.0
"""Of a loop that is late; then the oldest goes."""
LATE_FRAMES = 10
"""0.1 s: what is later is not made up for, because it was never played."""
WINDOW_FRAMES = 100
"""A second: a frame that has waited all the time is one too many."""


class FarEnd:
    """Frames of ``frame`` bytes; ``frame_s`` is how long one lasts."""

    def __init__(self, frame: int, frame_s: float) -> None:
        self._frame = frame
        self._rest = b""
        self._frames: deque[bytes] = deque(maxlen=round(BACKLOG_S / frame_s))
        self._owed = 0
        self._spare = WINDOW_FRAMES
        self._left = WINDOW_FRAMES

    def played(self, pcm: bytes) -> None:
        """The device has taken it. In the device's thread."""
        self._rest += pcm
        while len(self._rest) >= self._frame:
            self._frames.append(self._rest[: self._frame])
            self._rest = self._rest[self._frame :]

    def before_next(self) -> list[bytes]:
        """What is to be told before the next frame of the microphone is."""
        self._owed = min(self._owed + 1, LATE_FRAMES)
        count = min(len(self._frames), self._owed)
        self._owed -= count
        self._spare = min(self._spare, len(self._frames) - count)
        self._left -= 1
        if self._left == 0:
            count += self._spare
            self._spare = self._left = WINDOW_FRAMES
        return [self._frames.popleft() for _ in range(count)]

    def forget(self) -> None:
        """Nobody listens: what has been played is of no interest."""
        self._frames.clear()
        self._owed = 0
