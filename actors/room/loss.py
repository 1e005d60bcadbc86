"""What the network swallows of the microphone, seen in the server's reports. Pure.

A connection can stand and yet lose speech: a wireless link that fades, the moment in which a
resumed connection finds its new path (220 ms were lost so when measured, without a word of the
client). The server says in its RTCP receiver reports, about once a second, how many packets it has
missed. What fell into a hole that the agent's jitter buffer cannot hide is to be said again.

Nor does a connection end when its network does: a cable that is pulled is noticed much later. From
then on nothing is reported, and only what was confirmed before counts as heard, also for whoever
comes after this process: a second is said twice, and none is lost. Not sooner than that, for while
all is well the reports lag behind by as much, and each killed process would repeat it.

Positions count samples (:mod:`actors.messages.audio`); times are monotonic seconds.
"""

from dataclasses import dataclass

BURST = 5
"""Packets of 20 ms missing in one report that make a hole. Single ones are mended by the redundancy
(RED) that the track is sent with, or hidden by the jitter buffer."""
SILENT_S = 3.0
"""Without a report the server is taken for out of reach; three of them are overdue then."""
DEAD_S = 10.0
"""Without a report for so long on a connection that stands, the server has lost our track, which is
published anew: a network that is out of reach ends the connection by then."""
PATIENCE_S = 5.0
PATIENCE_MAX_S = 60.0
"""Between saying things again: a bad line that loses all the time is not helped by repetition, so
the pause doubles as long as it goes on."""


@dataclass(frozen=True)
class Reception:
    """What the server has reported of our track."""

    reported_at: float
    """Another number for each report."""
    lost: int
    """Packets that it has missed since the track was published."""


class LossWatch:
    """Of one microphone; begins anew with each track that is published."""

    def __init__(self) -> None:
        self.confirmed = -1
        """Before this position no hole is known; -1: nothing is known yet."""
        self._served = -1
        self._reports = False
        """The server does report."""
        self._reported_at: float | None = None
        self._heard_at = 0.0
        self.is_dead = False
        """For too long nothing was reported; nor is a new track taken for better before it is."""
        self._lost = 0
        self._hole = False
        self._cut = False
        self._silent_at = float("-inf")
        self._patience_s = PATIENCE_S
        self._replayed_at: float | None = None

    def begin(self, position: int, now: float) -> None:
        """A track goes live at ``position``; reports of an earlier one count no more."""
        self.confirmed = self._served = position
        self._reported_at, self._lost, self._hole, self._cut = None, 0, False, False
        if not self.is_dead:
            self._heard_at = now

    def look(self, reception: Reception | None, served: int, now: float) -> bool:
        """The newest report; ``served``: what has left this machine by now. Returns whether what
        follows :attr:`confirmed` should be said again, on a new track.
        """
        if self.silent(now):
            self._silent_at = now
        if reception is not None and reception.reported_at != self._reported_at:
            self._report(reception, now)
        # A report is up to one look old: what was sent since the last look is not yet in it.
        self._served = served
        self.is_dead = self.unreported_s(now) > DEAD_S
        return (self._hole or self.is_dead) and self._may_replay(now)

    def _report(self, reception: Reception, now: float) -> None:
        self._hole = self._hole or reception.lost - self._lost >= BURST
        self._reported_at, self._lost, self._heard_at = reception.reported_at, reception.lost, now
        self._reports, self._cut = True, False
        if not self._hole:
            self.confirmed = max(self.confirmed, self._served)

    def _may_replay(self, now: float) -> bool:
        return self._replayed_at is None or now - self._replayed_at >= self._patience_s

    def missed(self, position: int) -> None:
        """What was sent from there on has not been heard, whatever the reports say."""
        self.confirmed = position
        self._hole = True

    def replayed(self, now: float) -> None:
        """It is being said again."""
        again = self.is_bad(now)
        self._patience_s = min(2 * self._patience_s, PATIENCE_MAX_S) if again else PATIENCE_S
        self._replayed_at = now

    def is_bad(self, now: float) -> bool:
        """The line has lost something lately."""
        return self._replayed_at is not None and now - self._replayed_at < 2 * self._patience_s

    def cut_off(self) -> None:
        """The connection is gone; when that happened is not known, nor what is still on its way."""
        self._cut = True

    def reconnected(self, now: float) -> None:
        """The connection stands again, and a report is due."""
        self._heard_at = self._silent_at = now

    def unreported_s(self, now: float) -> float:
        """Seconds since the last report, or since the track went live; 0 where there are none."""
        return now - self._heard_at if self._reports else 0.0

    def silent(self, now: float) -> bool:
        """There were reports, and there are none of this track, or no more."""
        return self.unreported_s(now) > SILENT_S

    def was_silent(self, since: float) -> bool:
        """It was at some time after ``since``, or there was no connection."""
        return self._cut or self._silent_at >= since

    def heard(self, served: int, now: float) -> int:
        """How much of what has left this machine the agent has heard, as far as can be known: all
        of it, unless there is a hole, or a report is to tell yet.
        """
        if self._hole or self._cut or self.silent(now):
            return min(served, self.confirmed)
        return served
