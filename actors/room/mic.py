"""The room's end of the microphone lane: follow the tape, acknowledge, notice holes. Pure.

The lane itself (a socket) is given as a function; times are monotonic seconds.
"""

from collections.abc import Callable

from actors.messages import Captured, Follow
from actors.runtime.actor import new_epoch

ACK_S = 0.1
"""Between acknowledgements: the tape sends at most 2 s beyond the last one."""
SILENCE_S = 0.5
"""Nothing for so long: audio may have been restarted and know nothing of us. Muted, it is no
trouble to ask again."""

EAGER_S = 0.5
"""So much is acknowledged at once: the tape is being caught up with, and the agent waits."""

NOTHING = -1


class MicLane:
    """One reader of the tape. ``send`` may drop: the next acknowledgement makes up for it."""

    def __init__(
        self, send: Callable[[Follow], object], new_stream: Callable[[], int] = new_epoch
    ) -> None:
        self._send = send
        self._new_stream = new_stream
        self._stream = 0
        self._fresh = False
        self._next = NOTHING
        self._acknowledged = NOTHING
        self._more = True
        self._heard_at = 0.0
        self.holes = 0
        """Runs that did not continue where the last one ended."""

    @property
    def next(self) -> int:
        """First position not yet received; -1: nothing received."""
        return self._next

    def follow(self, position: int, now: float) -> None:
        """Read from ``position`` on, which is what was not served; -1: the tape knows that."""
        self._next = self._acknowledged = position
        self._again(now, position)

    def stop(self, served: int) -> None:
        """Listen no longer; the tape sends at most its window and then stops by itself."""
        if self._stream:
            self._acknowledge(served)
        self._stream = 0

    def received(self, run: Captured, now: float) -> Captured | None:
        """A run from the lane; returned when it is the next one to be used.

        The first one of a stream is taken as it is: what lies before it is no longer there.
        """
        if not self._stream or run.stream != self._stream:
            return None
        if not self._fresh and run.position != self._next:
            self.holes += 1
            self._again(now)
            return None
        self._fresh = False
        self._heard_at = now
        if self._acknowledged < 0:
            self._acknowledged = run.position
        self._next = run.position + run.gap + len(run.pcm) // 2
        if self._more and self._next - self._acknowledged >= EAGER_S * run.sample_rate:
            self._acknowledge(NOTHING)
        return run

    def tick(self, served: int, now: float, *, more: bool = True) -> None:
        """Acknowledge, every :data:`ACK_S`. ``more`` False: too much is waiting here already, so
        the tape keeps the rest.
        """
        if not self._stream:
            return
        if more and now - self._heard_at >= SILENCE_S:
            self._again(now, served)
            return
        self._more = more
        self._acknowledge(served)

    def audio_up(self, now: float) -> None:
        """The audio process has been restarted."""
        if self._stream:
            self._again(now)

    def _acknowledge(self, served: int) -> None:
        if self._more:
            self._acknowledged = self._next
        self._send(Follow(self._stream, self._acknowledged, served))

    def _again(self, now: float, served: int = NOTHING) -> None:
        self._stream = self._new_stream()
        self._fresh = True
        self._heard_at = now
        self._acknowledged = self._next
        self._send(Follow(self._stream, self._next, served))
