"""What the network swallows of the microphone, seen in the server's reports. Pure.

A connection can stand and yet lose speech: a wireless link that fades, the moment in which a
resumed connection finds its new path (220 ms were lost so when measured, without a word of the
client). The server says in its RTCP receiver reports, about once a second, how many packets it has
missed. What fell into a hole that the agent's jitter buffer cannot hide is to be said again.

Nor does a connection end when its network does: a cable that is pulled is noticed much later. From
then on nothing is reported, and only what was confirmed before counts as heard, also for whoever
comes after this process: a second is said twice, and none is lost. Not sooner than that, for while
all is well the reports lag behind by as much, and each killed process would repeat it.

And a client can take samples and send nothing, of which no report tells: a track published soon
after an outage stood still for good in every other case when measured (livekit 1.2.1). So the
packets that leave are counted too.

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
STILL_LOOKS = 4
"""Looks one after the other between which samples were handed over and no packet left. A client
sends 50 a second."""
PATIENCE_S = 5.0
PATIENCE_MAX_S = 60.0
"""Between saying things again: a bad line that loses all the time is not helped by repetition, so
the pause doubles as long as it goes on."""


@dataclass(frozen=True)
class Reception:
    """What is known of our track since it was published."""

    sent: int
    """Packets that have left, or something that grows with them."""
    reported_at: float | None
    """Another number for each report of the server; None: there was none yet."""
    lost: int = 0
    """Packets that the server has missed."""


class LossWatch:
    """Of one microphone; begins anew with each track that is published."""

    def __init__(self) -> None:
        self.confirmed = -1
        """Before this position no hole is known; -1: nothing is known yet."""
        self._served = -1
        """What was handed over to the client while packets left."""
        self._handed = -1
        self._sent = self._still = 0
        self._stood_still = False
        """The track before this one did, and this one has not sent anything yet."""
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
        self.confirmed = self._served = self._handed = position
        self._reported_at, self._lost, self._hole, self._cut = None, 0, False, False
        self._sent = self._still = 0
        if not (self.is_dead or self._stood_still):
            self._heard_at = now

    def look(self, reception: Reception | None, served: int, now: float) -> bool:
        """The newest that is known; ``served``: what has left this machine by now, if the client
        sends what it takes. Returns whether what follows :attr:`confirmed` should be said again, on
        a new track.
        """
        if self.silent(now):
            self._silent_at = now
        if reception is not None:
            if reception.reported_at not in (None, self._reported_at):
                self._report(reception, now)
            self._look_at_sending(reception.sent, served)
        # A report is up to one look old: what was sent since the last look is not yet in it.
        if not self._still:
            self._served = served
        self._handed = served
        self.is_dead = self.unreported_s(now) > DEAD_S
        return (self._hole or self.is_dead or self.is_still) and self._may_replay(now)

    def _look_at_sending(self, sent: int, served: int) -> None:
        if sent != self._sent:
            self._sent, self._still, self._stood_still = sent, 0, False
        elif served > self._handed:
            self._still += 1

    @property
    def is_still(self) -> bool:
        """The client takes samples and sends nothing."""
        return self._still >= STILL_LOOKS

    def _report(self, reception: Reception, now: float) -> None:
        self._hole = self._hole or reception.lost - self._lost >= BURST
        self._reported_at, self._lost, self._heard_at = reception.reported_at, reception.lost, now
        self._reports, self._cut = True, False
        if not self._hole:
            self.confirmed = max(self.confirmed, self._served)

    def _may_replay(self, now: float) -> bool:
        if self._replayed_at is None or (self.is_still and not self._stood_still):
            return True
        return now - self._replayed_at >= self._patience_s

    def missed(self, position: int) -> None:
        """What was sent from there on has not been heard, whatever the reports say."""
        self.confirmed = position
        self._hole = True

    def replayed(self, now: float) -> None:
        """It is being said again."""
        again = self.is_bad(now) and not self.is_still
        self._stood_still = self.is_still
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
        if self._hole or self._cut or self.silent(now) or self.is_still:
            return min(served, self.confirmed)
        return min(served, self._served) if self._still else served
