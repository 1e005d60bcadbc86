"""One joined conversation: its backend, its microphone, its texts, and how it stands."""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Protocol, TypeVar

from actors.messages import (
    ChatMessage,
    ConnectionState,
    JoinRoom,
    Participant,
    PerformRpc,
    RoomEnd,
    RoomState,
    RpcResult,
    TextStream,
)

from .backend import (
    AgentAudio,
    ConnectionChanged,
    DataCame,
    MicrophoneBarred,
    MicrophoneRepublished,
    MicrophoneSubscribed,
    OnEvent,
    ParticipantsChanged,
    RoomBackend,
    RoomError,
    RoomEvent,
    RpcInvoked,
    TextChunk,
    TextEnded,
)
from .microphone import Microphone
from .roster import AGENT_STATE, agent_of, voice_of
from .rpc import NO_RECIPIENT
from .speaker import SpeakerLane
from .text import TextFold

log = logging.getLogger(__name__)

LOST = "the connection to the room was lost"
TRANSCRIBED_TRACK = "lk.transcribed_track_id"

MET_S = 1.0
"""Within 0.3 s of the connection an agent has subscribed to our microphone; one that wants no sound
is not waited for much longer."""

E = TypeVar("E", TextChunk, TextEnded)


class Outlet(Protocol):
    """Where a call's news go."""

    def call_changed(self) -> None:
        """Its :meth:`Call.state` is another one."""

    def text(self, stream: TextStream) -> None:
        """A text stream has grown or ended."""

    def data(self, event: DataCame) -> None:
        """A packet of data has come."""

    def invoked(self, event: RpcInvoked) -> None:
        """Somebody calls a method that is served here."""


class Call:
    """Made for one JoinRoom, over when its connection has ended, and not used again.

    ``make_backend`` is given the function for the room's events.
    """

    def __init__(
        self,
        order: JoinRoom,
        make_backend: Callable[[OnEvent], RoomBackend],
        outlet: Outlet,
        speaker: SpeakerLane,
    ) -> None:
        self.conversation = order.conversation
        self._room_name = order.room_name
        self.is_over = False
        self.error = ""
        self.ended: RoomEnd = ""
        self._agent_lost = False
        self.backend = make_backend(self._on_event)
        self.microphone: Microphone | None = None
        self._outlet = outlet
        self._speaker = speaker
        self._texts = TextFold(order.conversation)
        self._connection: ConnectionState = "connecting"
        self._participants: tuple[Participant, ...] = ()
        self._microphone_sid = ""
        self._own_sids: set[str] = set()
        self._joined = False
        self._met = asyncio.Event()
        self._met_by = 0.0
        """Seconds of the loop."""

    def is_for(self, order: JoinRoom) -> bool:
        """Whether it is the very one that is ordered: of this conversation, in this room."""
        return (self.conversation, self._room_name) == (order.conversation, order.room_name)

    async def join(self, order: JoinRoom, sample_rate: int) -> None:
        """Connect, and publish the microphone if it has one. Raises ``RoomError``."""
        self.backend.set_encryption(enabled=order.encrypted)
        await self.backend.connect(order.url, order.token)
        if self.microphone is not None:
            sid = await self.backend.publish_microphone(sample_rate, preconnect=order.preconnect)
            self._microphone_sid = sid
            self._own_sids.add(sid)
            self.microphone.published(sid)
        self._joined = True
        self._outlet.call_changed()

    async def met(self) -> None:
        """Wait until the agent knows us, if we are new in the room: livekit-agents ignores the text
        of a participant whom it was not told of (1.8.9, RoomIO: "participant not found"), and data
        may overtake that news. That it has subscribed to our microphone shows that it has it.
        """
        left_s = self._met_by - asyncio.get_running_loop().time()
        if left_s > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._met.wait()

    async def perform_rpc(self, call: PerformRpc) -> RpcResult:
        """Call a method of the agent. Raises ``RoomError``."""
        if (agent := agent_of(self._participants)) is None:
            return NO_RECIPIENT
        return await self.backend.perform_rpc(
            call.method, call.payload, to=agent.identity, timeout_s=call.timeout_s
        )

    async def agent_history(self, timeout_s: float) -> tuple[ChatMessage, ...]:
        """What the agent remembers. Raises ``RoomError``."""
        if (agent := agent_of(self._participants)) is None:
            raise RoomError("there is no agent", "no-answer")
        return await self.backend.agent_history(of=agent.identity, timeout_s=timeout_s)

    async def leave(self) -> None:
        """Leave the room for good."""
        await self.backend.disconnect()

    def close(self, error: str) -> None:
        """No more news from this call; texts that are still open end with ``error``."""
        self.is_over = True
        self._met.set()
        if self.microphone is not None:
            self.microphone.close()
        self._speaker.voice("")
        for stream in self._texts.close(error):
            self._outlet.text(stream)

    def state(self) -> RoomState:
        """How it stands."""
        connected = self._connection != "disconnected"
        return RoomState(
            conversation=self.conversation,
            connection_state=self._connection,
            room_name=self.backend.name if connected else "",
            identity=self.backend.identity if connected else "",
            participants=self._participants,
            microphone_sid=self._microphone_sid if connected else "",
            uplink=self.microphone.state if self.microphone is not None and connected else "idle",
            error=self.error,
            ended=self.ended,
            agent_lost=self._agent_lost,
            microphone_error=self.microphone.trouble if self.microphone and connected else "",
        )

    # -- the room's events -----------------------------------------------------------------------

    def _on_event(self, event: RoomEvent) -> None:
        if self.is_over:
            return
        match event:
            case AgentAudio():
                self._speaker.spoken(event.sample_rate, event.pcm)
                return
            case TextChunk():
                self._say(self._texts.chunk(self._named(event), time.time()))
                return
            case TextEnded():
                self._say(self._texts.ended(self._named(event), time.time()))
                return
            case DataCame():
                self._outlet.data(event)
                return
            case RpcInvoked():
                self._outlet.invoked(event)
                return
            case ConnectionChanged():
                self._on_connection(event)
            case ParticipantsChanged():
                self._on_participants(event)
            case MicrophoneSubscribed() | MicrophoneRepublished() | MicrophoneBarred():
                self._on_microphone(event)
        self._outlet.call_changed()

    def _named(self, event: E) -> E:
        """What was understood of our microphone is sent in our name; where it is encrypted,
        LiveKit's client loses that, and only the track tells.
        """
        if event.attributes.get(TRANSCRIBED_TRACK) in self._own_sids:
            return replace(event, participant=self.backend.identity or event.participant)
        return event

    def _say(self, stream: TextStream | None) -> None:
        if stream is not None:
            self._outlet.text(stream)

    def _is_new(self) -> None:
        """To all who are in the room."""
        self._met.clear()
        self._met_by = asyncio.get_running_loop().time() + MET_S

    def _on_connection(self, event: ConnectionChanged) -> None:
        if (self._connection, event.state) == ("connecting", "connected"):
            self._is_new()
        self._connection = event.state
        if event.state != "connecting" and self.microphone is not None:
            self.microphone.connection(up=event.state == "connected")
        if event.state == "disconnected" and self._joined:
            self.error, self.ended = event.reason or LOST, event.end or "lost"
            log.warning("the room is lost", extra={"reason": self.error})
            self._participants = ()
            self.close(LOST)

    def _on_participants(self, event: ParticipantsChanged) -> None:
        participants = event.participants
        agent = agent_of(participants)
        self._speaker.state(agent.attributes.get(AGENT_STATE, "") if agent else "")
        if agent is not None:
            self._agent_lost = False
        elif (before := agent_of(self._participants)) is not None:
            self._agent_lost = before.sid in event.lost
        self._participants = participants
        voice = voice_of(participants)
        self._speaker.voice(voice[1].sid if voice is not None else "")
        if self.microphone is not None:
            self.microphone.participants(participants)

    def _on_microphone(
        self, event: MicrophoneSubscribed | MicrophoneRepublished | MicrophoneBarred
    ) -> None:
        if isinstance(event, MicrophoneSubscribed):
            self._met.set()
        if self.microphone is None:
            return
        match event:
            case MicrophoneSubscribed(sid):
                self.microphone.subscribed(sid)
            case MicrophoneRepublished(sid):
                self._is_new()
                self._microphone_sid = sid
                self._own_sids.add(sid)
                self.microphone.republished(sid)
            case MicrophoneBarred(reason):
                if reason:
                    log.warning("the microphone is barred", extra={"reason": reason})
                self.microphone.barred(reason)
