"""The practice room: no server and no network, but a parrot in a process of its own.

Same interface and same behaviour as the real room. The parrot's process plays server and agent at
once; that it has died shows as the loss of a server does: reconnecting, and after a while
disconnected.
"""

import asyncio
import secrets
import time

from actors.messages import (
    ChatMessage,
    ConnectionState,
    Message,
    Participant,
    PracticeAnswer,
    PracticeAudio,
    PracticeBeat,
    PracticeBytes,
    PracticeCall,
    PracticeData,
    PracticeGetHistory,
    PracticeHistory,
    PracticePublish,
    PracticeRoster,
    PracticeSubscribed,
    PracticeText,
    RoomEnd,
    RpcResult,
)
from actors.runtime.bus import Bus

from .backend import (
    AgentAudio,
    ConnectionChanged,
    DataCame,
    MicrophoneRepublished,
    MicrophoneSubscribed,
    OnEvent,
    ParticipantsChanged,
    RoomError,
    check_data,
)
from .echo import has_come_back
from .loss import Reception
from .practice_link import PracticeLink
from .practice_rpc import PracticeCalls, new_call
from .practice_text import PracticeTexts
from .practice_token import place_of
from .roster import voice_of
from .rpc import NO_RECIPIENT

QUEUE_S = 0.1
"""So far ahead of their time samples are taken; then ``capture`` waits. LiveKit's queue."""
BYTES_PART = 256 * 1024
VOICE_RATE = 48_000
TEXT_PART = 4000
"""Characters; LiveKit's chunks have 15,000 bytes, and a character at most four."""


class PracticeRoom:
    """A :class:`~.backend.RoomBackend` over the lane to the parrot. Made in the loop it is used in.

    ``bus``: of this process; the room opens one lane of it and closes it when it ends.
    """

    def __init__(self, on_event: OnEvent, bus: Bus) -> None:
        self._emit = on_event
        self._loop = asyncio.get_running_loop()
        self._link = PracticeLink(bus, self._on_news, self._on_state)
        self._texts = PracticeTexts(on_event)
        self._calls = PracticeCalls(self._link.send, on_event)
        self._roster: tuple[Participant, ...] = ()
        self._voice = ("", VOICE_RATE)
        self._rate = 0
        self._preconnect = False
        self._sid = ""
        self._subscribed = ""
        self._captured = 0
        self._received = 0
        self._heard_at: float | None = None
        """When it was acknowledged last."""
        self._asked = 0
        self._histories: dict[int, asyncio.Future[tuple[ChatMessage, ...]]] = {}
        self._spoken_at = 0.0

    # -- the backend -----------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Name of the room."""
        return self._link.place.room

    @property
    def identity(self) -> str:
        """Of the local participant."""
        return self._link.place.identity if self._link.state != "disconnected" else ""

    def set_encryption(self, *, enabled: bool) -> None:
        """Nothing of it leaves the machine."""

    async def has_reached(self, to: str, *, timeout_s: float) -> bool | None:
        """See the protocol."""
        return await has_come_back(self, to, timeout_s)

    async def send_data(
        self, payload: bytes, *, topic: str, reliable: bool, to: tuple[str, ...]
    ) -> None:
        """See the protocol."""
        check_data(payload)
        await self._link.send_all([PracticeData(payload, topic, self.identity, reliable, to)])

    async def perform_rpc(
        self, method: str, payload: str, *, to: str, timeout_s: float
    ) -> RpcResult:
        """See the protocol."""
        if self._link.state != "connected":
            raise RoomError("not connected to a room", "not-connected")
        if all(each.identity != to for each in self._roster):
            return NO_RECIPIENT
        return await self._calls.perform(new_call(method, self.identity, payload, timeout_s))

    async def agent_history(self, *, of: str, timeout_s: float) -> tuple[ChatMessage, ...]:
        """See the protocol."""
        self._asked += 1
        number = self._asked
        told: asyncio.Future[tuple[ChatMessage, ...]] = self._loop.create_future()
        self._histories[number] = told
        try:
            async with asyncio.timeout(timeout_s):
                await self._link.send_all((PracticeGetHistory(number),))
                return await told
        except TimeoutError:
            raise RoomError("the agent does not tell its history", "no-answer") from None
        finally:
            del self._histories[number]

    def serve_rpc(self, methods: frozenset[str]) -> None:
        """See the protocol."""
        self._calls.served = methods

    async def connect(self, url: str, token: str) -> None:
        """See the protocol. ``url`` is not used: there is one parrot in a terminal."""
        self._link.connecting()
        try:
            await self._link.open(place_of(token, time.time()))
        except RoomError as error:
            self._link.close(str(error))
            raise

    async def disconnect(self) -> None:
        """See the protocol. Does nothing when it has ended by itself."""
        self._link.leave()

    async def publish_microphone(self, sample_rate: int, *, preconnect: bool) -> str:
        """See the protocol."""
        if self._link.state != "connected":
            raise RoomError("not connected to a room", "not-connected")
        self._rate, self._preconnect = sample_rate, preconnect
        return self._publish()

    async def republish_microphone(self) -> None:
        """See the protocol."""
        if self._link.state != "connected" or not self._sid:
            raise RoomError("not connected to a room", "not-connected")
        self._emit(MicrophoneRepublished(self._publish()))

    async def reception(self) -> Reception:
        """See the protocol. A lane loses nothing: what the parrot's process has acknowledged."""
        return Reception(self._captured, self._heard_at)

    def _publish(self) -> str:
        self._sid = f"TR_{secrets.token_hex(6)}"
        self._link.send(PracticePublish(self._sid, self._preconnect))
        return self._sid

    async def capture(self, pcm: bytes) -> None:
        """See the protocol. Waits as long as the samples take that were captured before, but for
        :data:`QUEUE_S`. What is captured while the connection is down is lost.
        """
        if not self._sid:
            raise RoomError("the microphone is not published", "not-connected")
        frame = PracticeAudio(self._sid, self._rate, pcm)
        if self._link.state == "connected" and self._link.send(frame):
            self._captured += len(pcm) // 2
        now = self._loop.time()
        self._spoken_at = max(self._spoken_at, now) + len(pcm) / 2 / self._rate
        await asyncio.sleep(max(0.0, self._spoken_at - now - QUEUE_S))

    @property
    def queued_s(self) -> float:
        """Seconds whose time has not come, or that the parrot's process has not acknowledged."""
        if not self._rate:
            return 0.0
        unheard_s = (self._captured - self._received) / self._rate
        return max(0.0, self._spoken_at - self._loop.time(), unheard_s)

    async def send_text(
        self, text: str, *, topic: str, stream_id: str, attributes: dict[str, str]
    ) -> None:
        """See the protocol."""
        parts = [text[at : at + TEXT_PART] for at in range(0, len(text), TEXT_PART)] or [""]
        header = (stream_id, topic, self.identity, attributes)
        await self._link.send_all(
            PracticeText(*header, part, ended=number == len(parts))
            for number, part in enumerate(parts, 1)
        )

    async def send_bytes(
        self, content: bytes, *, topic: str, attributes: dict[str, str], to: str, name: str
    ) -> None:
        """See the protocol."""
        header = (secrets.token_hex(8), topic, attributes)
        ends = range(BYTES_PART, len(content) + BYTES_PART, BYTES_PART) or (BYTES_PART,)
        await self._link.send_all(
            PracticeBytes(*header, content[end - BYTES_PART : end], end >= len(content), to)
            for end in ends
        )

    # -- what comes ------------------------------------------------------------------------------

    def _on_state(self, state: ConnectionState, reason: str, end: RoomEnd) -> None:
        if state == "connected":
            self._captured = self._received = 0
            self._heard_at = None
            if self._sid:
                self._emit(MicrophoneRepublished(self._publish()))
        else:
            self._texts.break_off()
            self._calls.break_off()
        self._emit(ConnectionChanged(state, reason, end))
        if state == "disconnected":
            self._show(())

    def _on_news(self, message: Message) -> None:
        match message:
            case PracticeBeat(received=received):
                self._received, self._heard_at = received, self._loop.time()
            case PracticeRoster(participants=participants):
                self._show(participants)
            case PracticeSubscribed(sid=sid) if sid == self._sid != self._subscribed:
                self._subscribed = sid
                self._emit(MicrophoneSubscribed(sid))
            case PracticeAudio(sid=sid, sample_rate=rate) if (sid, rate) == self._voice:
                self._emit(AgentAudio(sid, rate, message.pcm))
            case PracticeText():
                self._texts.part(message)
            case PracticeHistory(number=number, messages=messages):
                if (told := self._histories.get(number)) is not None and not told.done():
                    told.set_result(messages)
            case PracticeData(payload=payload, topic=topic, participant=sender):
                self._emit(DataCame(payload, topic, sender, message.reliable))
            case PracticeCall() | PracticeAnswer():
                self._calls.take(message)

    def _show(self, roster: tuple[Participant, ...]) -> None:
        if roster == self._roster:
            return
        for gone in {each.identity for each in self._roster} - {each.identity for each in roster}:
            self._texts.gone(gone)
        self._roster = roster
        voice = voice_of(roster)
        self._voice = (voice[1].sid if voice is not None else "", VOICE_RATE)
        self._emit(ParticipantsChanged(roster))
