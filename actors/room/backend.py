"""What a room must be able to do, whichever it is: held by one contract suite for all of them.

LiveKit's words and behaviour are the standard; the practice room follows them.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from actors.messages import ChatMessage, ConnectionState, InvokeRpc, Participant, RoomEnd, RpcResult

from .loss import Reception

MAX_DATA = 15 * 1024
"""Bytes of a packet of data: more, LiveKit's client cannot be relied on to deliver."""


class RoomError(Exception):
    """The room did not do it. The text is a sentence for people and has no secret in it.

    ``code``, for programs: ``refused`` (the token), ``invalid`` (the address), ``unreachable``,
    ``not-connected``. ``in_doubt``: it may have, or may still do it.
    """

    def __init__(self, reason: str, code: str = "unreachable", *, in_doubt: bool = False) -> None:
        super().__init__(reason)
        self.code = code
        self.in_doubt = in_doubt


@dataclass(frozen=True)
class ConnectionChanged:
    """The connection's state; ``reason`` says why it is ``disconnected``, else empty."""

    state: ConnectionState
    reason: str = ""
    end: RoomEnd = ""
    """The reason for programs; of ``disconnected`` only."""


@dataclass(frozen=True)
class ParticipantsChanged:
    """All remote participants as they are now, in the order in which they came."""

    participants: tuple[Participant, ...]
    lost: frozenset[str] = frozenset()
    """Sids of those who are gone since the last time and have not left by themselves."""


@dataclass(frozen=True)
class MicrophoneSubscribed:
    """Someone has subscribed to our microphone track for the first time."""

    sid: str


@dataclass(frozen=True)
class MicrophoneRepublished:
    """Our microphone track was published again, under a new sid."""

    sid: str


@dataclass(frozen=True)
class MicrophoneBarred:
    """The server lets nobody hear our microphone: it has muted it, or does not let us publish."""

    reason: str
    """A sentence for people, with what to do about it; empty: it is heard again once it is
    published anew."""


@dataclass(frozen=True)
class TextChunk:
    """A part of an incoming text stream on one of the topics ``lk.transcription``, ``lk.chat``."""

    stream_id: str
    topic: str
    participant: str
    """Identity in whose name it was sent."""
    attributes: dict[str, str]
    """Of the header."""
    content: str
    """Whole characters."""


@dataclass(frozen=True)
class TextEnded:
    """An incoming text stream has ended, also when it had no chunk. One of more than 1 MiB, or
    beyond 128 at a time, is ended with an error.
    """

    stream_id: str
    topic: str
    participant: str
    attributes: dict[str, str]
    """Of the header and the trailer."""
    error: str = ""
    """Why it ended abnormally."""


@dataclass(frozen=True)
class AgentAudio:
    """20 ms of the agent's voice, int16 mono at 48 kHz; of nobody else's."""

    track_sid: str
    sample_rate: int
    pcm: bytes


@dataclass(frozen=True)
class DataCame:
    """A packet of data."""

    payload: bytes
    topic: str
    participant: str
    """Identity of its sender; empty: a server."""
    reliable: bool


@dataclass(frozen=True)
class RpcInvoked:
    """Somebody in the room calls a method that is served here; ``answer`` is waited for."""

    call: InvokeRpc
    answer: "asyncio.Future[RpcResult]"


RoomEvent = (
    ConnectionChanged
    | ParticipantsChanged
    | MicrophoneSubscribed
    | MicrophoneRepublished
    | MicrophoneBarred
    | TextChunk
    | TextEnded
    | AgentAudio
    | DataCame
    | RpcInvoked
)

OnEvent = Callable[[RoomEvent], None]
"""Called in the loop, in order of occurrence; must not raise and must not block."""


def check_data(payload: bytes) -> None:
    """Raises :class:`RoomError`."""
    if len(payload) > MAX_DATA:
        raise RoomError(f"a packet of data has more than {MAX_DATA >> 10} KiB", "invalid")


class RoomBackend(Protocol):
    """One connection to a room, made once and not used again after it has ended."""

    @property
    def name(self) -> str:
        """Name of the room; empty before it is connected."""

    @property
    def identity(self) -> str:
        """Identity of the local participant; empty before it is connected and once it has ended."""

    async def connect(self, url: str, token: str) -> None:
        """Join. Events begin: ``connecting``, ``connected``, who is there.

        Raises :class:`RoomError`. Must not be cancelled (LiveKit's native client has been seen to
        kill its process 15 s later): end the process instead.
        """

    async def disconnect(self) -> None:
        """Leave of one's own accord: an agent takes the conversation for ended. The last events:
        open streams end, ``disconnected``, nobody is there. Does nothing when it has ended.
        """

    def set_encryption(self, *, enabled: bool) -> None:
        """End-to-end encryption on or off, before connecting or while connected. Raises
        :class:`RoomError` when it is to be on and there is no key.
        """

    async def publish_microphone(self, sample_rate: int, *, preconnect: bool) -> str:
        """Publish the microphone track; returns its sid, never empty. ``preconnect``: with the
        feature that makes an agent wait for the pre-connect buffer. Raises :class:`RoomError`.
        """

    async def republish_microphone(self) -> None:
        """Publish it anew, as a reconnect does, with :class:`MicrophoneRepublished`: agents take it
        for another track and wait for its buffer. Raises :class:`RoomError`.
        """

    async def reception(self) -> Reception | None:
        """What is known of our microphone track by now; None: nothing."""

    async def capture(self, pcm: bytes) -> None:
        """One block of the microphone (10 or 20 ms of int16 mono at the published rate).

        Waits until it is no more than 0.1 s ahead of its time. Raises :class:`RoomError` when the
        microphone is not published; while the connection is down, samples may be lost.
        """

    @property
    def queued_s(self) -> float:
        """Seconds captured but not yet sent."""

    async def send_text(
        self, text: str, *, topic: str, stream_id: str, attributes: dict[str, str]
    ) -> None:
        """Send a text stream to everyone; while reconnecting, wait for up to 10 s. Raises
        :class:`RoomError`.
        """

    async def send_bytes(
        self, content: bytes, *, topic: str, attributes: dict[str, str], to: str, name: str
    ) -> None:
        """Send a byte stream to one participant (lost if it is not there); while reconnecting, as
        :meth:`send_text`. Raises :class:`RoomError`.
        """

    async def has_reached(self, to: str, *, timeout_s: float) -> bool | None:
        """Whether all that was sent to a participant until now has got there; waits for that, and
        is False when it has not in time. None: it cannot be known. Raises :class:`RoomError` when
        there is no connection, and may when the participant has gone before it was known.
        """

    async def send_data(
        self, payload: bytes, *, topic: str, reliable: bool, to: tuple[str, ...]
    ) -> None:
        """Send a packet to participants, or to everyone. Raises :class:`RoomError`, also when it
        has more than :data:`MAX_DATA`.
        """

    async def perform_rpc(
        self, method: str, payload: str, *, to: str, timeout_s: float
    ) -> RpcResult:
        """Call a method of a participant; what goes wrong with that is in the result. Raises
        :class:`RoomError` when there is no connection.
        """

    async def agent_history(self, *, of: str, timeout_s: float) -> tuple[ChatMessage, ...]:
        """What the agent of that identity remembers of its conversation: what was said and written
        to it, and what it has said; the newest, oldest first. All that it sent before its answer
        has been told as events. Raises :class:`RoomError`, also when it does not tell.
        """

    def serve_rpc(self, methods: frozenset[str]) -> None:
        """Take calls of these and no others, before connecting or while connected; each comes as
        :class:`RpcInvoked`.
        """
