"""What goes on the tape, and what does not. Pure: told blocks, orders and the time.

Times are seconds of :func:`.source.clock`, which goes on across processes.
"""

import math
from collections.abc import Sequence

from .tape import SAMPLE, Tape


class Recorder:
    """Over a tape that may hold a conversation which this process did not begin."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._rate = tape.header.sample_rate
        self.resuming = False
        """With the next block it goes on after a break: then it is known what was missed."""
        self._unmuted_at = -math.inf
        self._began_at = -math.inf
        self.missed = 0
        """Samples of the gap with which it went on after a break."""

    @property
    def is_on(self) -> bool:
        """Blocks are wanted."""
        return self._tape.header.recording or self.resuming

    @property
    def muted(self) -> bool:
        """Blocks go on the tape as silence, so that its time stays true."""
        return self._tape.header.muted

    def restore(self, now: float, *, same_terminal: bool) -> None:
        """This process is new. What its predecessor recorded for the same supervisor goes on. What
        an earlier terminal left is only kept, as long as its words would be on the tape: somebody
        may go on with the conversation, but until somebody says so nothing is recorded.
        """
        if same_terminal and self._tape.header.recording:
            self.resuming = True
            return
        self._tape.interrupt()
        self.expire(now)

    def expire(self, now: float) -> bool:
        """Forget what was kept for somebody who has not come; True when it just happened."""
        kept = self._tape.header.conversation and not self.is_on
        if not kept or not self._tape.outlived(now):
            return False
        self._tape.stop()
        return True

    def start(
        self,
        conversation: str,
        now: float,
        *,
        resume: bool,
        before: Sequence[tuple[bytes, float]] = (),
    ) -> bool:
        """Record. True: it goes on with what there is of this conversation; else it begins here, or
        with the blocks that came just ``before``, each with when the device gave it.

        Raises ValueError for an impossible id.
        """
        header = self._tape.header
        if resume and header.conversation == conversation:
            self.resuming = not header.recording or self.resuming
            return True
        self._tape.begin(conversation, now)
        self._began_at = now
        self.resuming = False
        for pcm, given_at in before:
            if not self.is_silenced(given_at, len(pcm) / SAMPLE / self._rate):
                self._tape.append(pcm, given_at)
                self._began_at = given_at
        return False

    def broke(self) -> None:
        """Samples are being lost, up to the next block."""
        self.resuming = self.is_on

    def stop(self) -> None:
        """The conversation is over: nothing of it is kept."""
        self.resuming = False
        self._tape.stop()

    def mute(self, muted: bool, now: float) -> None:
        """Microphone off or on, also for the processes after this one."""
        if self.muted and not muted:
            self._unmuted_at = now
        self._tape.mute(muted)

    def is_silenced(self, given_at: float, age_s: float) -> bool:
        """A block that came then, and whose first sample was so old, was said while it was off."""
        return self.muted or given_at - age_s < self._unmuted_at

    def spoken(self, now: float) -> int:
        """Samples since the conversation began, up to ``now``, with those that were missed."""
        header = self._tape.header
        since = (now - header.written_at) * self._rate if self.resuming else 0.0
        return header.end - header.start + max(0, round(since))

    def block(self, pcm: bytes, given_at: float, age_s: float) -> int | None:
        """A block, when the device gave it, and how old its first sample was then; returns its
        position on the tape, None: it is not wanted.
        """
        if not self.is_on or given_at <= self._began_at:
            return None
        if self.is_silenced(given_at, age_s):
            pcm = bytes(len(pcm))  # nothing that was said leaves this function
        if self.resuming:
            self.resuming = False
            self.missed = self._tape.resume(given_at - len(pcm) / SAMPLE / self._rate)
        return self._tape.append(pcm, given_at)
