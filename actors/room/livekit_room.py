"""The real room: LiveKit's own client. What else knows that: the modules of its microphone and its
participants, its wire (:mod:`.raw_room`), its resampler (:mod:`.fit`), its words for an agent's
history.

What was seen of the client (livekit 1.2.1) and is relied on:

* cancelling ``Room.connect`` can kill the process 15 s later: it is never cancelled here;
* its errors and log lines hold tokens: see :mod:`.reasons` and :mod:`.sdk_log`;
* in a full reconnect all participants leave, an instant before it says that it reconnects, and
  come back, and the local track gets a new sid before it says that it is connected again;
* a server tells others of a participant that publishes nothing only every 3 s;
* its readers of text streams are not used: see :mod:`.streams`.
"""

import asyncio
import logging
import time
from typing import Any

from livekit import rtc

from actors.messages import (
    ChatMessage,
    ConnectionState,
    InvokeRpc,
    Participant,
    RoomEnd,
    RpcResult,
)

from . import agent_history, reasons
from .backend import (
    AgentAudio,
    ConnectionChanged,
    DataCame,
    OnEvent,
    ParticipantsChanged,
    RoomError,
    RpcInvoked,
    check_data,
)
from .echo import has_come_back
from .livekit_microphone import LiveKitMicrophone
from .livekit_roster import roster_of
from .loss import Reception
from .raw_room import RawRoom
from .roster import voice_of
from .rpc import TIMED_OUT
from .streams import TextStreams

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 5.0
"""Of each of the client's four attempts."""
DISCONNECT_TIMEOUT_S = 5.0
SEND_TIMEOUT_S = 10.0
"""For a text; a buffer has this for each part."""
LOOK_S = 5.0
"""How often it is looked for text streams that nobody goes on with."""
BYTES_PART = 15_000
"""The client's own chunk size; larger writes were slower (10 MiB on loopback: 9 s, not 19)."""
VOICE_RATE = 48_000
VOICE_FRAME_MS = 20
VOICE_FRAMES = 50
"""A second of speech that nobody has fetched; then the oldest goes."""
UNDECIPHERABLE_FRAMES = 10
"""Of a participant, in a row: then its sound is dropped unheard until it has another key."""
DEPARTURE_GRACE_S = 0.1
"""Somebody is gone: wait and see whether it is a reconnect."""

_STATES: dict[int, ConnectionState] = {
    rtc.ConnectionState.CONN_CONNECTED: "connected",
    rtc.ConnectionState.CONN_RECONNECTING: "reconnecting",
}
_UNDECIPHERABLE = (
    rtc.EncryptionState.DECRYPTION_FAILED,
    rtc.EncryptionState.MISSING_KEY,
    rtc.EncryptionState.INTERNAL_ERROR,
)
_ROSTER_EVENTS = (
    "participant_connected",
    "participant_active",
    "participant_attributes_changed",
    "participant_name_changed",
    "track_published",
    "track_unpublished",
    "track_subscribed",
    "track_unsubscribed",
    "track_muted",
    "track_unmuted",
    "room_updated",
)


class LiveKitRoom:
    """A :class:`~.backend.RoomBackend` over LiveKit. Made in the loop it is used in."""

    def __init__(self, on_event: OnEvent, e2ee_key: str = "") -> None:
        self._emit = on_event
        self._loop = asyncio.get_running_loop()
        self._streams = TextStreams(on_event)
        self._streams_look = self._loop.call_later(LOOK_S, self._look_at_streams)
        self._room: Any = RawRoom(self._loop, self._streams)
        self._e2ee_key = e2ee_key
        self._encrypts = False
        self._served: frozenset[str] = frozenset()
        self._history_in_turn = asyncio.Lock()
        self._undecipherable: set[str] = set()
        """Identities."""
        self._microphone = LiveKitMicrophone(self._participant, on_event)
        self._state: ConnectionState = "disconnected"
        self._roster: tuple[Participant, ...] = ()
        self._lost: set[str] = set()
        self._look_later: asyncio.TimerHandle | None = None
        self._voice = ""
        self._voice_task: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._listen()

    # -- the backend -----------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Name of the room."""
        return str(self._room.name)

    @property
    def identity(self) -> str:
        """Of the local participant."""
        connected = self._room.isconnected()
        return str(self._room.local_participant.identity) if connected else ""

    async def connect(self, url: str, token: str) -> None:
        """See the protocol. The client takes up to 35 s to give up on a silent server."""
        options = rtc.RoomOptions(
            auto_subscribe=True,
            connect_timeout=CONNECT_TIMEOUT_S,
            encryption=_encryption(self._e2ee_key) if self._e2ee_key else None,
        )
        self._changed("connecting")
        try:
            await self._room.connect(url, token, options)
        except rtc.ConnectError as error:
            failure = reasons.not_connected(str(error))
            self._changed("disconnected", str(failure), "lost")
            raise failure from None  # its own text holds the token
        if self._e2ee_key and not self._encrypts:
            self._room.e2ee_manager.set_enabled(False)
        for method in self._served:
            self._participant().register_rpc_method(method, self._on_rpc)
        self._changed("connected")
        self._look()

    def set_encryption(self, *, enabled: bool) -> None:
        """See the protocol."""
        if enabled and not self._e2ee_key:
            raise RoomError("there is no key to encrypt with", "invalid")
        self._encrypts = enabled
        self._undecipherable.clear()
        if self._e2ee_key and self._room.isconnected():
            self._room.e2ee_manager.set_enabled(enabled)
            self._look()

    async def disconnect(self) -> None:
        """See the protocol."""
        self._stop_voice()
        try:
            async with asyncio.timeout(DISCONNECT_TIMEOUT_S):
                await self._room.disconnect()
        except TimeoutError:
            log.warning("the client does not leave in time")
        self._ended("CLIENT_INITIATED")
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._microphone.aclose()

    async def publish_microphone(self, sample_rate: int, *, preconnect: bool) -> str:
        """See the protocol."""
        return await self._microphone.publish(sample_rate, preconnect=preconnect)

    async def republish_microphone(self) -> None:
        """See the protocol."""
        await self._microphone.republish()

    async def reception(self) -> Reception | None:
        """See the protocol."""
        return await self._microphone.reception() if self._state == "connected" else None

    async def capture(self, pcm: bytes) -> None:
        """See the protocol."""
        await self._microphone.capture(pcm)

    @property
    def queued_s(self) -> float:
        """Seconds captured but not yet sent."""
        return self._microphone.queued_s

    async def send_text(
        self, text: str, *, topic: str, stream_id: str, attributes: dict[str, str]
    ) -> None:
        """See the protocol."""

        async def send() -> None:
            writer = await self._participant().stream_text(
                topic=topic, stream_id=stream_id, attributes=attributes
            )
            await writer.write(text)
            await writer.aclose()

        await self._sending(send())

    async def send_bytes(
        self, content: bytes, *, topic: str, attributes: dict[str, str], to: str, name: str
    ) -> None:
        """See the protocol."""
        writer = await self._sending(
            self._participant().stream_bytes(
                name,
                topic=topic,
                attributes=attributes,
                total_size=len(content),
                destination_identities=[to],
            )
        )
        for start in range(0, len(content), BYTES_PART):
            await self._sending(writer.write(content[start : start + BYTES_PART]))
        await self._sending(writer.aclose())

    async def has_reached(self, to: str, *, timeout_s: float) -> bool | None:
        """See the protocol."""
        return await has_come_back(self, to, timeout_s)

    async def send_data(
        self, payload: bytes, *, topic: str, reliable: bool, to: tuple[str, ...]
    ) -> None:
        """See the protocol."""
        check_data(payload)
        sending = self._participant().publish_data(
            payload, reliable=reliable, destination_identities=list(to), topic=topic
        )
        try:
            await self._sending(sending)
        except rtc.participant.PublishDataError as error:
            raise RoomError(f"not sent: {reasons.scrubbed(str(error))}") from None

    async def perform_rpc(
        self, method: str, payload: str, *, to: str, timeout_s: float
    ) -> RpcResult:
        """See the protocol."""
        calling = self._participant().perform_rpc(
            destination_identity=to, method=method, payload=payload, response_timeout=timeout_s
        )
        try:
            async with asyncio.timeout(timeout_s + SEND_TIMEOUT_S):
                return RpcResult(await calling)
        except rtc.RpcError as error:
            return RpcResult(code=error.code, message=error.message, data=error.data or "")
        except TimeoutError:
            return TIMED_OUT

    async def agent_history(self, *, of: str, timeout_s: float) -> tuple[ChatMessage, ...]:
        """See the protocol."""
        self._participant()

        async def send(question: bytes, id_: str) -> None:
            topic = agent_history.TOPIC
            await self.send_bytes(question, topic=topic, attributes={}, to=of, name=id_)

        async with self._history_in_turn:
            try:
                async with asyncio.timeout(timeout_s):
                    return await agent_history.ask(self._room, of, send)
            except TimeoutError:
                raise RoomError("the agent does not tell its history", "no-answer") from None
            except ValueError as error:
                raise RoomError(str(error), "no-answer") from None

    def serve_rpc(self, methods: frozenset[str]) -> None:
        """See the protocol."""
        before, self._served = self._served, methods
        if not self._room.isconnected():
            return
        for method in before - methods:
            self._participant().unregister_rpc_method(method)
        for method in methods - before:
            self._participant().register_rpc_method(method, self._on_rpc)

    # -- within ----------------------------------------------------------------------------------

    def _participant(self) -> Any:
        if not self._room.isconnected():
            raise RoomError("not connected to a room", "not-connected")
        return self._room.local_participant

    async def _sending(self, work: Any) -> Any:
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                return await work
        except TimeoutError:
            # The client goes on with what it was given.
            reason = f"not known to be sent within {SEND_TIMEOUT_S:g} s"
            raise RoomError(reason, in_doubt=True) from None
        except (rtc.StreamError, RuntimeError) as error:
            raise RoomError(f"not sent: {reasons.scrubbed(str(error))}") from None

    def _listen(self) -> None:
        for event in _ROSTER_EVENTS:
            self._room.on(event, lambda *_: self._look())
        self._room.on("participant_disconnected", self._on_departure)
        self._room.on("connection_state_changed", self._on_connection_state)
        self._room.on("disconnected", self._on_disconnected)
        self._room.on("e2ee_state_changed", self._on_decryption)
        self._room.on("data_received", self._on_data)
        self._room.on("local_track_subscribed", self._microphone.subscribed)
        self._room.on("local_track_republished", lambda new, _: self._microphone.republished(new))
        for event in ("track_muted", "track_unmuted", "participant_permissions_changed"):
            self._room.on(event, lambda *_: self._microphone.look())

    def _on_data(self, packet: Any) -> None:
        sender = packet.participant.identity if packet.participant is not None else ""
        reliable = packet.kind == rtc.DataPacketKind.KIND_RELIABLE
        self._emit(DataCame(bytes(packet.data), packet.topic or "", sender, reliable))

    async def _on_rpc(self, data: Any) -> str:
        answer: asyncio.Future[RpcResult] = self._loop.create_future()
        call = InvokeRpc(data.method, data.caller_identity, data.payload, data.response_timeout)
        self._emit(RpcInvoked(call, answer))
        result = await answer
        if result.code:
            raise rtc.RpcError(result.code, result.message, result.data or None)
        return result.payload

    def _look_at_streams(self) -> None:
        self._streams.look(time.monotonic())
        self._streams_look = self._loop.call_later(LOOK_S, self._look_at_streams)

    def _on_connection_state(self, state: int) -> None:
        if state in _STATES:
            self._changed(_STATES[state])
            self._look()

    def _on_disconnected(self, reason: int) -> None:
        self._ended(rtc.DisconnectReason.Name(reason))

    def _ended(self, why: str) -> None:
        """Said once: the client's own event does not come for every end."""
        self._stop_voice()
        self._streams_look.cancel()
        self._streams.lost()
        if self._look_later is not None:
            self._look_later.cancel()
            self._look_later = None
        self._changed("disconnected", reasons.disconnected(why), reasons.end_of(why))
        self._show(())

    def _changed(self, state: ConnectionState, reason: str = "", end: RoomEnd = "") -> None:
        if state != self._state:
            self._state = state
            self._emit(ConnectionChanged(state, reason, end))

    def _on_decryption(self, participant: Any, state: int) -> None:
        if participant is None or not self._encrypts:
            return
        if state in _UNDECIPHERABLE:
            self._undecipherable.add(participant.identity)
        elif state == rtc.EncryptionState.OK:
            self._undecipherable.discard(participant.identity)
        self._look()

    # -- participants ----------------------------------------------------------------------------

    def _on_departure(self, participant: Any) -> None:
        why = rtc.DisconnectReason.Name(participant.disconnect_reason or 0)
        if not reasons.left_by_itself(why):
            self._lost.add(participant.sid)
        self._look()

    def _look(self, *, settled: bool = False) -> None:
        """Compare with the client's participants; a departure is believed after a while only."""
        if self._look_later is not None:
            self._look_later.cancel()
            self._look_later = None
        if self._state != "connected":
            return
        roster = roster_of(self._room, self._undecipherable)
        gone = {each.sid for each in self._roster} - {each.sid for each in roster}
        if gone and not settled:
            self._look_later = self._loop.call_later(DEPARTURE_GRACE_S, self._look_settled)
            return
        self._show(roster)
        self._follow_voice()

    def _look_settled(self) -> None:
        self._look(settled=True)

    def _show(self, roster: tuple[Participant, ...]) -> None:
        if roster != self._roster:
            self._streams.gone(_identities(self._roster) - _identities(roster))
            lost = frozenset(self._lost - {each.sid for each in roster})
            self._lost.clear()
            self._roster = roster
            self._emit(ParticipantsChanged(roster, lost))

    # -- the agent's voice -----------------------------------------------------------------------

    def _follow_voice(self) -> None:
        identity, sid, track = "", "", None
        if (voice := voice_of(self._roster)) is not None:
            identity, sid = voice[0], voice[1].sid
            participant = self._room.remote_participants.get(identity)
            publication = participant and participant.track_publications.get(sid)
            track = publication and publication.track
        if track is None or (voice is not None and voice[1].encrypted and not self._e2ee_key):
            # Without the key it is nothing but noise.
            self._stop_voice()
        elif (key := f"{sid} {id(track)}") != self._voice:
            self._stop_voice()
            self._voice = key
            self._voice_task = self._loop.create_task(self._hear(sid, track), name="voice")
            self._tasks.add(self._voice_task)
            self._voice_task.add_done_callback(self._tasks.discard)

    def _stop_voice(self) -> None:
        self._voice = ""
        if self._voice_task is not None:
            self._voice_task.cancel()
            self._voice_task = None

    async def _hear(self, sid: str, track: Any) -> None:
        stream = rtc.AudioStream(
            track,
            loop=self._loop,
            capacity=VOICE_FRAMES,
            sample_rate=VOICE_RATE,
            num_channels=1,
            frame_size_ms=VOICE_FRAME_MS,
        )
        try:
            async for event in stream:
                self._emit(AgentAudio(sid, VOICE_RATE, bytes(event.frame.data)))
        except Exception as error:
            log.error("the agent's voice is lost", extra={"cause": type(error).__name__})
        finally:
            await stream.aclose()


def _identities(roster: tuple[Participant, ...]) -> frozenset[str]:
    return frozenset(each.identity for each in roster)


def _encryption(key: str) -> Any:
    """Without ratcheting, which nobody uses: it would try 16 keys for each frame that cannot be
    decrypted, half a second of a processor, and then not say so.
    """
    provider = rtc.KeyProviderOptions(
        shared_key=key.encode(), ratchet_window_size=0, failure_tolerance=UNDECIPHERABLE_FRAMES
    )
    return rtc.E2EEOptions(key_provider_options=provider)
