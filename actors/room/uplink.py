"""The microphone's way to the agent: kept until the agent listens, then sent, then live. Pure.

Every sample has a position (:mod:`actors.messages.audio`). Until an agent is ACTIVE and somebody
has subscribed to our track, samples are kept. Then all that is kept, ``[start, P)``, goes out as
the pre-connect buffer, and from ``P`` on samples go to the track: each once, in order. The agent
hears the buffer first, then what it has received on the track. What a slow line cannot carry in one
buffer goes in parts, each with a track of its own.

Inputs return what is to be done. Times are monotonic seconds, given by the caller.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from actors.messages import Captured, Participant, UplinkState

from .roster import AGENT_STATE, listener_of
from .stalls import Stalls

SAMPLE_BYTES = 2
CAUGHT_UP_S = 0.1
"""With so little left on the tape we are in step: a block or two, and the jitter of processes."""
BUFFER_S = 131.0
"""Longest pre-connect buffer; beyond it the oldest is dropped and said so. So much is sent, at
8 kHz, while an agent waits for it (:mod:`.fit`)."""
GAP_S = 2.0
"""A hole in the recording is sent as silence, so that time stays true, but no longer than this:
an agent gains nothing from minutes of it."""
ALLOWANCE_S = 0.08
"""Between leaving the SDK's queue and the agent: encoder and network buffers of this process.
60 ms were lost at a kill when measured. What a stall has added comes on top."""


@dataclass(frozen=True)
class Seam:
    """How the change from the buffer to the live track is made."""

    hold_s: float = 0.2
    """Go on keeping for so long after the subscription: the agent gets the event that a track is
    there, and opens its stream, some time after the server tells us; what is sent on the track
    before is not heard."""
    state_wait_s: float = 1.5
    """Longest wait for the agent's state attribute. Without its session started, LiveKit's agents
    throw a buffer away; with it they wait 3.0 s for one. Agents of other makes never set it."""
    catch_up_s: float = 1.5
    """Longest wait for what is on the tape and has not come yet: what is not in the buffer is heard
    live, and all that follows is late by as much."""
    lead_silence: bool = False
    """Send silence on the track while holding, so that encoder and jitter buffer run warm."""


@dataclass(frozen=True)
class SendBuffer:
    """Send this to ``identity`` as pre-connect audio of track ``sid``; then say :meth:`sent`."""

    pcm: bytes
    start: int
    end: int
    sid: str
    identity: str
    rest: bool = False
    """More is kept than goes in one (:meth:`Uplink.part`). Nothing goes live on this track: once
    this is sent the rest is for the next one."""


@dataclass(frozen=True)
class Capture:
    """Send on the track; then say :meth:`taken`. ``position`` -1: silence that is not recorded."""

    pcm: bytes
    position: int

    @property
    def end(self) -> int:
        """Position after the last sample."""
        return self.position + len(self.pcm) // SAMPLE_BYTES


@dataclass(frozen=True)
class Rewind:
    """Ask the tape for everything from ``position`` on again."""

    position: int


@dataclass(frozen=True)
class Dropped:
    """So many of the oldest kept samples did not fit and will never be heard."""

    samples: int


Action = SendBuffer | Capture | Rewind | Dropped


@dataclass(frozen=True)
class _Kept:
    start: int
    end: int
    pcm: bytes


class Uplink:
    """See the module. ``preconnect`` False: nothing is kept; live as soon as published."""

    def __init__(
        self,
        sample_rate: int,
        *,
        preconnect: bool = True,
        seam: Seam | None = None,
        limit_s: float = BUFFER_S,
    ) -> None:
        self._rate = sample_rate
        self._preconnect = preconnect
        self._seam = seam or Seam()
        self._limit = int(limit_s * sample_rate) * SAMPLE_BYTES
        self._keeping = preconnect
        self._live = False
        self._part = 0
        self._rest = False
        self._sid = ""
        self._subscribed: set[str] = set()
        self._listener: Participant | None = None
        self._ready_since: float | None = None
        self._kept: deque[_Kept] = deque()
        self._kept_bytes = 0
        self._next = -1
        self._caught_up = True
        self._served = -1
        self._unsent = -1
        self._frozen = False
        self._barred = False
        self._taken = -1
        self._taken_at = 0.0
        self._stalls = Stalls()

    @property
    def state(self) -> UplinkState:
        """``buffering`` while speech is kept, ``live`` once it flows, else ``idle``."""
        if self._live:
            return "live"
        return "buffering" if self._keeping and not self._barred else "idle"

    def part(self, samples: int) -> None:
        """Of what is kept no more than so much is to go in one buffer; 0: all of it."""
        self._part = samples

    # -- what happens ----------------------------------------------------------------------------

    def captured(self, run: Captured, now: float) -> list[Action]:
        """The next run of the tape."""
        if self._next < 0 or run.position < self._next:
            self._start_at(run.position)  # a new tape, if positions go back without our asking
        actions = self._gap(run.position - self._next + run.gap)
        if run.pcm:
            actions += self._samples(run.pcm)
        self._caught_up = run.behind <= CAUGHT_UP_S * self._rate
        return actions + self._advance(now)

    def published(self, sid: str, now: float) -> list[Action]:
        """Our track is published as ``sid``."""
        self._sid = sid
        return self._advance(now)

    def republished(self, sid: str, now: float, since: int = -1) -> list[Action]:
        """Our track has a new sid: agents take it for another one, and it gets a buffer of its own,
        from what has not been heard on. ``since``: it is known to have been heard up to there only;
        -1: nothing is known, and what was served is believed.
        """
        self._sid = sid
        self._ready_since = None
        if not self._live:
            return self._advance(now)
        self._live = not self._preconnect
        self._keeping = self._preconnect
        return [] if self._live else self._say_again(since)

    def subscribed(self, sid: str, now: float) -> list[Action]:
        """Somebody has subscribed to our track (the server does not say who)."""
        self._subscribed.add(sid)
        return self._advance(now)

    def participants(
        self, participants: Sequence[Participant], now: float, since: int = -1
    ) -> list[Action]:
        """All remote participants as they are now. Without an agent what is said is kept again, for
        the next one: it is nobody's. ``since``: as for :meth:`republished`.
        """
        self._listener = listener_of(participants)
        if self._listener is not None or not (self._live and self._preconnect):
            return self._advance(now)
        self._live, self._keeping, self._ready_since = False, True, None
        return self._say_again(since)

    def connection(self, up: bool, now: float) -> list[Action]:
        """Reconnecting (not ``up``): what is sent meanwhile may be lost, and counts as not heard
        until the connection stands again.
        """
        self._frozen = not up
        return self._advance(now)

    def bar(self, *, barred: bool) -> None:
        """The server lets nobody hear us, or does again, on a track that is to be published anew.

        It is somebody's wish that this terminal be not heard, whether we are muted or lose the
        right to publish. So what is said meanwhile is for nobody, nor afterwards; and with it goes
        what was said before and has not been heard yet, of which it may be the end. What is said
        from the moment on in which it is over is kept and heard.
        """
        self._barred = barred
        self._live, self._sid, self._ready_since = False, "", None
        self._unsent = self._taken = -1
        self._forget_kept()

    def discard(self) -> None:
        """No agent came in time: what was said so far is not to be sent, nor what follows until
        an agent is there after all.
        """
        if self._live:
            return
        self._keeping = self._preconnect and self._ready_since is not None
        self._forget_kept()

    def tick(self, now: float) -> list[Action]:
        """Time has passed."""
        return self._advance(now)

    # -- what became of it -----------------------------------------------------------------------

    def sent(self, end: int) -> None:
        """The buffer up to ``end`` has gone out (or was given up)."""
        if 0 <= self._unsent <= end:
            self._unsent = -1
            self._served = max(self._served, end)

    def taken(self, end: int, now: float) -> None:
        """The SDK has taken live samples up to ``end``."""
        self._stalls.running(now)
        if self._live:
            self._taken, self._taken_at = end, now

    def served(self, queued_s: float, now: float) -> int:
        """Every sample before this position has reached the agent as far as can be known; -1:
        nothing is known. ``queued_s``: seconds taken by the SDK but not yet sent.
        """
        self._stalls.running(now)
        if self._live and self._unsent < 0 and self._taken >= 0 and not self._frozen:
            on_the_way_s = ALLOWANCE_S + self._stalls.worst_s - (now - self._taken_at)
            lag_s = queued_s + max(0.0, on_the_way_s)
            self._served = max(self._served, self._taken - int(lag_s * self._rate))
        return self._served

    # -- within ----------------------------------------------------------------------------------

    def _say_again(self, since: int) -> list[Action]:
        if self._served < 0:
            return []
        position = self._served if since < 0 else min(since, self._served)
        self._start_at(position)
        self._caught_up = False
        return [Rewind(position)]

    def _start_at(self, position: int) -> None:
        self._next = self._served = position
        self._kept.clear()
        self._kept_bytes = 0
        self._unsent = self._taken = -1

    def _samples(self, pcm: bytes) -> list[Action]:
        start, self._next = self._next, self._next + len(pcm) // SAMPLE_BYTES
        if self._live:
            return [] if self._rest else [Capture(pcm, start)]
        lead: list[Action] = []
        if self._seam.lead_silence and self._ready_since is not None:
            lead = [Capture(bytes(len(pcm)), -1)]
        return lead + self._keep(_Kept(start, self._next, pcm))

    def _gap(self, samples: int) -> list[Action]:
        if not samples:
            return []
        start, self._next = self._next, self._next + samples
        if self._live:
            return []  # the SDK fills in silence when nothing is captured
        silent = min(samples, int(GAP_S * self._rate))
        return self._keep(_Kept(start, self._next, bytes(silent * SAMPLE_BYTES)))

    def _keep(self, run: _Kept) -> list[Action]:
        if self._barred or not self._keeping:
            self._served = run.end
            return []
        self._kept.append(run)
        self._kept_bytes += len(run.pcm)
        lost = 0
        while self._kept_bytes > self._limit:
            oldest = self._kept.popleft()
            self._kept_bytes -= len(oldest.pcm)
            lost += oldest.end - oldest.start
            self._served = oldest.end
        return [Dropped(lost)] if lost else []

    def _forget_kept(self) -> None:
        self._kept.clear()
        self._kept_bytes = 0
        self._served = self._next

    def _advance(self, now: float) -> list[Action]:
        if self._live or self._barred or not self._sid:
            return []
        if not self._preconnect:
            self._live = True
            return []
        if self._listener is None or self._sid not in self._subscribed or self._frozen:
            self._ready_since = None
            return []
        if self._ready_since is None:
            self._ready_since, self._keeping = now, True
        started = AGENT_STATE in self._listener.attributes
        wait_s = self._seam.hold_s if started else max(self._seam.hold_s, self._seam.state_wait_s)
        if not self._caught_up:
            wait_s = max(wait_s, self._seam.catch_up_s)
        if now - self._ready_since < wait_s:
            return []
        return [self._go_live(self._listener.identity)]

    def _go_live(self, identity: str) -> SendBuffer:
        """Also without a sample: an agent waits for the buffer of a track that announces one."""
        start = end = self._kept[0].start if self._kept else max(self._next, 0)
        pcm = bytearray()
        most = self._part * SAMPLE_BYTES or self._kept_bytes
        while self._kept and len(pcm) + len(self._kept[0].pcm) <= most:
            run = self._kept.popleft()
            pcm += run.pcm
            end = run.end
        self._rest = bool(self._kept)
        self._kept.clear()
        self._kept_bytes = 0
        self._live = True
        self._unsent = start if self._next >= 0 else -1
        return SendBuffer(bytes(pcm), start, end, self._sid, identity, self._rest)
