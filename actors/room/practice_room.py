"""The practice room: no server and no network, but a parrot in a process of its own.

Same interface and same behaviour as the real room. The parrot's process plays server and agent at
once; that it has died shows as the loss of a server does: reconnecting, and after a while
disconnected.
"""

import asyncio
import logging
import secrets
import time

from actors.messages import (
    ConnectionState,
    Message,
    Participant,
    PracticeAudio,
    PracticeBeat,
    PracticeBytes,
    PracticeClosed,
    PracticeJoin,
    PracticeJoined,
    PracticeLeave,
    PracticePublish,
    PracticeRoster,
    PracticeSubscribed,
    PracticeText,
    RoomEnd,
)
from actors.messages.codec import CorruptMessage, decode, encode
from actors.runtime.bus import Bus, Lane
from actors.runtime.corrupt import CorruptFrames

from . import reasons
from .backend import (
    AgentAudio,
    ConnectionChanged,
    MicrophoneRepublished,
    MicrophoneSubscribed,
    OnEvent,
    ParticipantsChanged,
    RoomError,
    TextChunk,
    TextEnded,
)
from .loss import Reception
from .practice_token import Place, place_of

log = logging.getLogger(__name__)

LANE = "practice"
CONNECT_TIMEOUT_S = 5.0
"""A parrot that has crashed is back within a second."""
BEAT_S = 0.25
LOST_S = 1.5
"""Without a sign of life: six beats, of which a busy machine may swallow a few."""
RECONNECT_S = 15.0
"""As long as LiveKit's client tries when the server refuses (measured)."""
QUEUE_S = 1.0
"""Of the microphone, sent but not acknowledged; then ``capture`` waits."""
BYTES_PART = 256 * 1024
TEXT_PART = 4000
"""Characters; LiveKit's chunks have 15,000 bytes, and a character at most four."""
MAX_STREAMS = 64
"""Text streams open at a time; those of the parrot are one or two."""


class PracticeRoom:
    """A :class:`~.backend.RoomBackend` over the lane to the parrot. Made in the loop it is used in.

    ``bus``: of this process; the room opens one lane of it and closes it when it ends.
    """

    def __init__(self, on_event: OnEvent, bus: Bus) -> None:
        self._emit = on_event
        self._bus = bus
        self._loop = asyncio.get_running_loop()
        self._client = f"client-{secrets.token_hex(8)}"
        self._corrupt = CorruptFrames(LANE)
        self._lane: Lane | None = None
        self._wanted = self._place = Place("", "")
        self._roster: tuple[Participant, ...] = ()
        self._state: ConnectionState = "disconnected"
        self._joined: asyncio.Future[None] = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._heard_at = 0.0
        self._lost_at = 0.0
        self._rate = 0
        self._preconnect = False
        self._sid = ""
        self._subscribed = ""
        self._captured = 0
        self._received = 0
        self._room_to_send = asyncio.Event()
        self._streams: dict[str, PracticeText] = {}

    # -- the backend -----------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Name of the room."""
        return self._place.room

    @property
    def identity(self) -> str:
        """Of the local participant."""
        return self._place.identity

    async def connect(self, url: str, token: str) -> None:
        """See the protocol. ``url`` is not used: there is one parrot in a terminal."""
        self._changed("connecting")
        try:
            self._wanted = place_of(token, time.time())
            self._lane = self._bus.connect("dealer", LANE, self._on_frame, identity=self._client)
            self._beat()
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._joined
        except TimeoutError:
            raise self._refused(RoomError("the parrot does not answer")) from None
        except RoomError as error:
            raise self._refused(error) from None

    def _refused(self, error: RoomError) -> RoomError:
        self._end(str(error), "lost")
        return error

    async def disconnect(self) -> None:
        """See the protocol. Does nothing when it has ended by itself."""
        if self._lane is None:
            return
        self._send(PracticeLeave())
        self._end_for("CLIENT_INITIATED")

    async def publish_microphone(self, sample_rate: int, *, preconnect: bool) -> str:
        """See the protocol."""
        if self._state != "connected":
            raise RoomError("not connected to a room", "not-connected")
        self._rate, self._preconnect = sample_rate, preconnect
        return self._publish()

    async def republish_microphone(self) -> None:
        """See the protocol."""
        if self._state != "connected" or not self._sid:
            raise RoomError("not connected to a room", "not-connected")
        self._emit(MicrophoneRepublished(self._publish()))

    async def reception(self) -> Reception | None:
        """See the protocol. A lane loses nothing, so there is nothing to report."""
        return None

    def _publish(self) -> str:
        self._sid = f"TR_{secrets.token_hex(6)}"
        self._send(PracticePublish(self._sid, self._preconnect))
        return self._sid

    async def capture(self, pcm: bytes) -> None:
        """See the protocol. Waits while the queue is full; while reconnecting, samples are lost,
        as on a connection that is down.
        """
        if not self._sid:
            raise RoomError("the microphone is not published", "not-connected")
        while self._state == "connected" and self.queued_s > QUEUE_S:
            self._room_to_send.clear()
            await self._room_to_send.wait()
        if self._state == "disconnected":
            raise RoomError("not connected to a room", "not-connected")
        if self._state == "connected" and self._send(PracticeAudio(self._sid, self._rate, pcm)):
            self._captured += len(pcm) // 2

    @property
    def queued_s(self) -> float:
        """Seconds captured that the parrot's process has not acknowledged."""
        return max(0, self._captured - self._received) / self._rate if self._rate else 0.0

    async def send_text(
        self, text: str, *, topic: str, stream_id: str, attributes: dict[str, str]
    ) -> None:
        """See the protocol."""
        parts = [text[at : at + TEXT_PART] for at in range(0, len(text), TEXT_PART)] or [""]
        for number, part in enumerate(parts, 1):
            ended = number == len(parts)
            self._must_send(PracticeText(stream_id, topic, self.identity, attributes, part, ended))

    async def send_bytes(
        self, content: bytes, *, topic: str, attributes: dict[str, str], to: str, name: str
    ) -> None:
        """See the protocol."""
        stream_id = secrets.token_hex(8)
        for start in range(0, max(1, len(content)), BYTES_PART):
            end = start + BYTES_PART
            self._must_send(
                PracticeBytes(
                    stream_id, topic, attributes, content[start:end], end >= len(content), to
                )
            )
            await asyncio.sleep(0)

    # -- sending ---------------------------------------------------------------------------------

    def _send(self, message: Message) -> bool:
        if self._lane is None:
            return False
        return bool(self._lane.send(encode(message, kind="tell", sender=self._client)))

    def _must_send(self, message: Message) -> None:
        if self._state != "connected":
            raise RoomError("not connected to a room", "not-connected")
        if not self._send(message):
            raise RoomError("the queue to the room is full")

    def _beat(self) -> None:
        """Say that we are here, or ask to be let in again; notice when nobody answers."""
        now = self._loop.time()
        if self._due and now - self._due > BEAT_S:
            self._heard_at = now  # we ourselves were held up: what came meanwhile is not yet read
        self._due = now + BEAT_S
        self._timer = self._loop.call_at(self._due, self._beat)
        if self._state == "connected" and now - self._heard_at > LOST_S:
            self._lost()
        elif self._state == "connected":
            self._send(PracticeBeat())
        else:
            self._join()
        if self._state == "reconnecting" and now - self._lost_at > RECONNECT_S:
            self._end_for("UNKNOWN_REASON")

    def _join(self) -> None:
        self._send(PracticeJoin(self._wanted.room, self._wanted.identity))

    # -- receiving -------------------------------------------------------------------------------

    def _on_frame(self, _peer: bytes, frame: bytes) -> None:
        try:
            message = decode(frame).message
        except CorruptMessage as corrupt:
            self._corrupt.note(corrupt)
            return
        self._heard_at = self._loop.time()
        match message:
            case PracticeJoined(room=room, identity=identity):
                self._on_joined(Place(room, identity))
            case PracticeClosed(reason="STATE_MISMATCH"):
                self._lost()
            case PracticeClosed(reason=reason):
                self._on_closed(reason)
            case _ if self._state == "connected":
                self._on_news(message)

    def _on_news(self, message: Message) -> None:
        match message:
            case PracticeBeat(received=received):
                self._received = received
                self._room_to_send.set()
            case PracticeRoster(participants=participants):
                self._show(participants)
            case PracticeSubscribed(sid=sid) if sid == self._sid != self._subscribed:
                self._subscribed = sid
                self._emit(MicrophoneSubscribed(sid))
            case PracticeAudio(sid=sid, sample_rate=sample_rate, pcm=pcm):
                self._emit(AgentAudio(sid, sample_rate, pcm))
            case PracticeText():
                self._on_text(message)

    def _show(self, roster: tuple[Participant, ...]) -> None:
        if roster != self._roster:
            self._roster = roster
            self._emit(ParticipantsChanged(roster))

    def _on_text(self, text: PracticeText) -> None:
        name = text.stream_id
        header = (name, text.topic, text.participant)
        if name not in self._streams and len(self._streams) >= MAX_STREAMS:
            self._emit(TextEnded(*header, text.attributes, "too many streams at a time"))
            return
        self._streams[name] = text
        if text.content:
            self._emit(TextChunk(*header, text.attributes, text.content))
        if text.ended:
            del self._streams[name]
            self._emit(TextEnded(*header, text.attributes))

    # -- the connection --------------------------------------------------------------------------

    def _on_joined(self, place: Place) -> None:
        if self._state == "connected" or self._lane is None:
            return  # the answer to a join that was asked for twice
        again = self._state == "reconnecting"
        self._place = place
        self._captured = self._received = 0
        self._state = "connected"
        if again and self._sid:
            self._emit(MicrophoneRepublished(self._publish()))
        self._emit(ConnectionChanged("connected"))
        if not self._joined.done():
            self._joined.set_result(None)

    def _lost(self) -> None:
        if self._state != "connected":
            return
        log.warning("the parrot is lost: joining again")
        self._lost_at = self._loop.time()
        self._break_off()
        self._changed("reconnecting")
        self._room_to_send.set()
        self._join()

    def _on_closed(self, reason: str) -> None:
        if self._state == "connecting":
            if not self._joined.done():
                self._joined.set_exception(RoomError(reasons.disconnected(reason), "refused"))
        else:
            self._end_for(reason)

    def _break_off(self) -> None:
        """Nobody will end the streams that are open now."""
        streams, self._streams = list(self._streams.values()), {}
        for text in streams:
            self._emit(
                TextEnded(
                    text.stream_id,
                    text.topic,
                    text.participant,
                    text.attributes,
                    "the stream was broken off",
                )
            )

    def _end_for(self, why: str) -> None:
        self._end(reasons.disconnected(why), reasons.end_of(why))

    def _end(self, reason: str, end: RoomEnd) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._lane is not None:
            self._lane.close(linger_ms=100)
            self._lane = None
        self._break_off()
        self._changed("disconnected", reason, end)
        self._show(())
        self._room_to_send.set()
        self._place = Place("", "")

    def _changed(self, state: ConnectionState, reason: str = "", end: RoomEnd = "") -> None:
        if state == self._state:
            return
        self._state = state
        self._emit(ConnectionChanged(state, reason, end))
