"""The microphone's way from the tape into the room: lane, uplink and backend put together."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from actors.messages import Captured, Participant, UplinkState

from .backend import RoomBackend, RoomError
from .fit import (
    BAD_LINE_BYTES,
    EASY_BYTES,
    MEASURABLE_BYTES,
    SLOWEST_S,
    carried,
    fitted,
    longest,
)
from .loss import LossWatch
from .mic import ACK_S, MicLane
from .pauses import Pauses
from .uplink import SAMPLE_BYTES, Action, Capture, Dropped, Rewind, SendBuffer, Uplink

log = logging.getLogger(__name__)

PRECONNECT_TOPIC = "lk.agent.pre-connect-audio-buffer"
FRAME_S = 0.02
"""Given to the SDK at a time: a frame of 10 ms costs as much CPU as one of 20."""
BACKLOG_S = 1.0
"""Live samples waiting for the SDK, beyond which the tape is to keep the rest."""
STALLED_S = 2.0
"""Without the SDK taking a frame that waits, or a track that is needed, before we say so."""
TOO_LATE_S = 2.0
"""Beyond it we say so: there was no pause to make up for it (:mod:`.pauses`), and a conversation is
none any more. The next room process begins in step, with what waits sent ahead."""
BUFFER_TRIES = 3
TRY_AGAIN_S = 0.5
"""Three tries are over before an agent's 3.0 s of waiting are."""
WAITED_FOR_S = 3.0
"""So long an agent waits for the buffer of a track that it has subscribed to, of which we hear when
it does or a little before. What comes later is not heard."""
MISSED_TRIES = 3
"""Buffers that came too late, one after the other; then speech goes on without what was in them. On
a line like that each costs the agent its 3.0 s."""
PART_S = 10.0
"""Least part of what is kept that goes in one buffer on a slow line. Each takes three seconds with
the new track that it needs, in which somebody who talks adds as much; on a line that carries less
only the newest is sent."""
REFUSED_S = 0.1
WATCH_S = 0.25
"""Between looks at the server's reports, which come about once a second."""

Spawn = Callable[[Coroutine[Any, Any, None], str], "asyncio.Task[None]"]


class Microphone:
    """Of one joined conversation. Its tasks run in ``spawn`` until :meth:`close`; ``changed`` is
    called when :attr:`state` has.
    """

    def __init__(
        self,
        backend: RoomBackend,
        uplink: Uplink,
        lane: MicLane,
        sample_rate: int,
        spawn: Spawn,
        changed: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._backend = backend
        self._uplink = uplink
        self._lane = lane
        self._rate = sample_rate
        self._clock = clock
        self._changed = changed
        self._shown = uplink.state
        self._queue: deque[Capture] = deque()
        self._queued = 0
        self._behind = 0
        """Samples that are on the tape after what waits here."""
        self._more = asyncio.Event()
        self._pauses = Pauses(FRAME_S)
        self._taken_at = clock()
        self._wrong_rate = 0
        self._dropped = 0
        self._spawn = spawn
        self._sending: asyncio.Task[None] | None = None
        lane.follow(-1, clock())
        self._losses = LossWatch()
        self._subscribed_at = clock()
        self._missed = 0
        self._carries = 0
        """Bytes that a slow line delivers in time; 0: it is not known to be slow."""
        self._connected = True
        self._barred = ""
        self._to_publish = False
        self._refused_at: float | None = None
        """When the new track that we need was first refused, if it still is."""
        self._tasks = [
            spawn(self._acknowledge(), "mic ack"),
            spawn(self._pump(), "mic pump"),
            spawn(self._watch(), "mic watch"),
        ]

    @property
    def state(self) -> UplinkState:
        """Of the uplink."""
        return self._uplink.state

    @property
    def trouble(self) -> str:
        """Why the server lets nobody hear us; empty: it does."""
        return self._barred

    @property
    def backlog_s(self) -> float:
        """Live samples that wait for the SDK, in seconds."""
        return self._queued / self._rate

    @property
    def late_s(self) -> float:
        """Seconds until what is captured now is sent."""
        return self._backend.queued_s + (self._queued + self._behind) / self._rate

    def close(self) -> None:
        """Follow the tape no longer; its next reader goes on where the agent has heard us to."""
        self._lane.stop(self._heard(self._clock()))
        for task in self._tasks:
            task.cancel()
        self._stop_sending()

    # -- what happens ----------------------------------------------------------------------------

    def captured(self, run: Captured) -> None:
        """From the lane."""
        if run.sample_rate != self._rate:
            self._wrong_rate = run.sample_rate
            return
        now = self._clock()
        if (next_run := self._lane.received(run, now)) is not None:
            self._behind = run.behind
            self._do(self._uplink.captured(next_run, now))

    def published(self, sid: str) -> None:
        """Our track is there."""
        self._do(self._uplink.published(sid, self._clock()))

    def republished(self, sid: str) -> None:
        """Our track has a new sid."""
        now = self._clock()
        self._to_publish = False
        self._do(self._uplink.republished(sid, now, self._since()))
        if self.state == "live":  # nothing is said again; reports of the old track count no more
            self._losses.begin(self._losses.confirmed, now)

    def subscribed(self, sid: str) -> None:
        """Somebody hears it."""
        self._subscribed_at = self._clock()
        self._do(self._uplink.subscribed(sid, self._clock()))

    def participants(self, participants: tuple[Participant, ...]) -> None:
        """All remote ones."""
        now = self._clock()
        self._do(self._uplink.participants(participants, now, self._heard(now)))

    def connection(self, *, up: bool) -> None:
        """Connected again, or not: reconnecting, or lost for good."""
        self._connected = up
        if up:
            self._losses.reconnected(self._clock())
        else:
            self._losses.cut_off()
        self._do(self._uplink.connection(up, self._clock()))

    def barred(self, reason: str) -> None:
        """The server lets nobody hear us; empty: it does again."""
        self._barred, self._to_publish = reason, not reason
        self._stop_sending()
        self._forget_queue()
        self._uplink.bar(barred=bool(reason))
        self._do([])

    def discard(self) -> None:
        """No agent came."""
        self._uplink.discard()
        self._do([])

    def audio_up(self) -> None:
        """The audio process is there (again)."""
        self._lane.audio_up(self._clock())

    def health(self) -> str:
        """What is wrong with the flow of samples, or ``ok``."""
        if self._wrong_rate:
            return f"microphone frames come at {self._wrong_rate} Hz instead of {self._rate}"
        waiting_s = self._clock() - self._taken_at
        if self._queue and waiting_s > STALLED_S:
            return f"microphone frames not taken for {waiting_s:.0f} s"
        refused_s = 0.0 if self._refused_at is None else self._clock() - self._refused_at
        if self._connected and refused_s > STALLED_S:
            return f"the microphone cannot be published again for {refused_s:.0f} s"
        unreported_s = self._losses.unreported_s(self._clock())
        if self._connected and self._losses.is_dead:
            return f"the server reports no sound of the microphone for {unreported_s:.0f} s"
        if self.state == "live" and self.late_s > TOO_LATE_S:
            return f"speech comes {self.late_s:.0f} s late"
        return "ok"

    # -- what is done about it -------------------------------------------------------------------

    def _do(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Capture():
                    self._enqueue(action)
                case SendBuffer():
                    self._losses.begin(action.end, self._clock())
                    self._sending = self._spawn(self._send(action), "pre-connect buffer")
                case Rewind(position):
                    self._stop_sending()
                    self._forget_queue()
                    self._lane.follow(position, self._clock())
                case Dropped(samples):
                    self._note_dropped(samples)
        if self._uplink.state != self._shown:
            self._shown = self._uplink.state
            self._changed()

    def _enqueue(self, capture: Capture) -> None:
        if not self._queue:
            self._taken_at = self._clock()  # nothing was waiting until now
        self._queue.append(capture)
        self._queued += len(capture.pcm) // SAMPLE_BYTES
        self._more.set()

    def _forget_queue(self) -> None:
        self._queue.clear()
        self._queued = 0

    def _note_dropped(self, samples: int) -> None:
        if not self._dropped:
            log.warning("the pre-connect buffer is full; its oldest part is dropped from now on")
        self._dropped += samples

    def _stop_sending(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
            self._sending = None

    async def _send(self, buffer: SendBuffer) -> None:
        """Send the pre-connect buffer; given up when the agent waits no longer for it."""
        pcm, rate = await self._fit(buffer.pcm)
        attributes = {"sampleRate": str(rate), "channels": "1", "trackId": buffer.sid}
        for attempt in range(1, BUFFER_TRIES + 1):
            begun = self._clock()
            try:
                await self._backend.send_bytes(
                    pcm,
                    topic=PRECONNECT_TOPIC,
                    attributes=attributes,
                    to=buffer.identity,
                    name="pre-connect-audio",
                )
            except RoomError as error:
                log.warning(
                    "pre-connect buffer not sent", extra={"attempt": attempt, "cause": str(error)}
                )
                await asyncio.sleep(TRY_AGAIN_S)
                continue
            log.info(
                "pre-connect buffer sent",
                extra={
                    "seconds": round(len(buffer.pcm) / SAMPLE_BYTES / self._rate, 3),
                    "sample_rate": rate,
                    "dropped_s": round(self._dropped / self._rate, 3),
                    "took_s": round(self._clock() - begun, 3),
                },
            )
            if await self._has_reached(buffer, len(pcm), begun):
                if not buffer.rest:
                    self._carry(2 * self._carries if 2 * self._carries < EASY_BYTES else 0)
                self._sent(buffer)
                return
            break
        self._missed += 1
        if self._missed < MISSED_TRIES:
            self._losses.missed(buffer.start)  # it counts as not sent until it is said again
            return
        log.error("speech is lost: the line is too bad for it")
        self._sent(buffer)

    def _sent(self, buffer: SendBuffer) -> None:
        self._missed = 0
        self._uplink.sent(buffer.end)
        if buffer.rest:
            self._to_publish = True

    def _carry(self, most: int) -> None:
        """``most``: as for ``_carries``."""
        self._carries = most
        self._uplink.part(self._carries_samples if self._in_parts else 0)

    @property
    def _carries_samples(self) -> int:
        """Of the recording, at the lowest rate."""
        return longest(self._carries, self._rate)

    @property
    def _in_parts(self) -> bool:
        """The line is slow, but what is kept can follow in parts."""
        return self._carries_samples >= PART_S * self._rate

    async def _fit(self, pcm: bytes) -> tuple[bytes, int]:
        """What can be expected to arrive in time, and at which rate."""
        if not self._carries:
            easy = BAD_LINE_BYTES if self._losses.is_bad(self._clock()) else EASY_BYTES
            return await fitted(pcm, self._rate, easy)
        lost = max(0, len(pcm) // SAMPLE_BYTES - self._carries_samples)
        self._lose(lost)
        return await fitted(pcm[lost * SAMPLE_BYTES :], self._rate, self._carries)

    async def _has_reached(self, buffer: SendBuffer, size: int, begun: float) -> bool:
        """Whether the agent got it in time; also if that cannot be known."""
        if not buffer.pcm:
            return True
        reached = await self._answer_of(buffer.identity)
        now = self._clock()
        late_s = now - self._subscribed_at
        if reached is None or (reached and late_s <= WAITED_FOR_S):
            return True
        log.warning("pre-connect buffer came too late", extra={"after_s": round(late_s, 3)})
        if size >= MEASURABLE_BYTES and not self._losses.was_silent(begun):
            self._carry(carried(size, now - begun))
        return False

    async def _answer_of(self, identity: str) -> bool | None:
        """Whether the agent got what was sent. That it is gone, or the connection, is no answer: we
        shall be told, and begin with this buffer again, unless it was a mistake.
        """
        give_up = self._clock() + SLOWEST_S
        while not self._connected or self._clock() < give_up:
            try:
                return await self._backend.has_reached(identity, timeout_s=SLOWEST_S)
            except RoomError:
                await asyncio.sleep(TRY_AGAIN_S)
        return False

    async def _acknowledge(self) -> None:
        while True:
            await asyncio.sleep(ACK_S)
            now = self._clock()
            self._lane.tick(self._heard(now), now, more=self.backlog_s < BACKLOG_S)
            self._do(self._uplink.tick(now))

    def _heard(self, now: float) -> int:
        """Before this position the agent has heard everything, as far as can be known; -1: nothing
        is.
        """
        served = self._uplink.served(self._backend.queued_s, now)
        return self._losses.heard(served, now) if self.state == "live" else served

    async def _watch(self) -> None:
        """See to it that what the network has swallowed is said again."""
        while True:
            await asyncio.sleep(WATCH_S)
            is_refused = False
            if self._to_publish and self._connected:
                is_refused = not await self._publish_again()
            if await self._has_lost():
                is_refused = not await self._say_again()
            if not is_refused:
                self._refused_at = None  # nor is a new track needed any more

    async def _has_lost(self) -> bool:
        """Whether something is to be said again, by the server's newest report."""
        if not self._is_sending():
            return False
        reception = await self._backend.reception()
        if not self._is_sending():
            return False  # no longer: the report is of a track, or of a connection, of before
        now = self._clock()
        served = self._uplink.served(self._backend.queued_s, now)
        return self._losses.look(reception, served, now)

    def _is_sending(self) -> bool:
        return self.state == "live" and self._connected

    async def _say_again(self) -> bool:
        """False: it was refused."""
        again_s = (self._lane.next - self._losses.confirmed) / self._rate
        log.warning("speech lost on the way", extra={"again_s": round(again_s, 3)})
        is_published = await self._publish_again()
        if is_published:
            self._losses.replayed(self._clock())
        return is_published

    def _since(self) -> int:
        """Where to begin again: at what was confirmed, or where a line that is too slow for parts
        can begin at best, for the tape would need its time as well for what is not sent.
        """
        since = self._losses.confirmed
        if self._carries and not self._in_parts and self.state == "live" and since >= 0:
            reach = self._lane.next - self._carries_samples
            if reach > since:
                self._lose(reach - since)
                self._uplink.sent(reach)
                return reach
        return since

    def _lose(self, samples: int) -> None:
        if samples:
            lost_s = round(samples / self._rate, 3)
            log.error("speech is lost: the line is too slow for it", extra={"lost_s": lost_s})

    async def _publish_again(self) -> bool:
        try:
            await self._backend.republish_microphone()
        except RoomError as error:
            log.warning("the microphone is not published again", extra={"cause": str(error)})
            if self._refused_at is None:
                self._refused_at = self._clock()
            await asyncio.sleep(TRY_AGAIN_S)
            return False
        return True

    async def _pump(self) -> None:
        frame = int(self._rate * FRAME_S)
        while True:
            while self._queue:
                await self._take(self._queue[0], frame)
            self._more.clear()
            await self._more.wait()

    async def _take(self, capture: Capture, frame: int) -> None:
        """Give the SDK the head of the queue; what it has refused is offered again."""
        pcm, position = capture.pcm[: frame * SAMPLE_BYTES], capture.position
        try:
            if not self._pauses.can_do_without(pcm, self.late_s):
                await self._backend.capture(pcm)
        except RoomError as error:
            log.warning("microphone frame not taken", extra={"cause": str(error)})
            await asyncio.sleep(REFUSED_S)
            return
        self._taken_at = self._clock()
        if not self._queue or self._queue[0] is not capture:
            return  # rewound meanwhile
        samples = len(pcm) // SAMPLE_BYTES
        self._queued -= samples
        if position >= 0:
            self._uplink.taken(position + samples, self._taken_at)
            position += samples
        if rest := capture.pcm[len(pcm) :]:
            self._queue[0] = Capture(rest, position)
        else:
            self._queue.popleft()
