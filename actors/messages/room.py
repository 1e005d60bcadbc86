"""Of the room process: orders, its state, and the text that arrives."""

from typing import Literal

import msgspec

from .base import Message

ConnectionState = Literal["disconnected", "connecting", "connected", "reconnecting"]
ParticipantKind = Literal["standard", "ingress", "egress", "sip", "agent", "other"]
UplinkState = Literal["idle", "buffering", "live"]
RoomEnd = Literal["", "lost", "closed", "replaced"]
"""How a connection ended: not, or we have left; it was lost; somebody entitled to it has ended it
(the room was deleted, we were removed), as an agent does that hangs up; another participant has
come under our identity."""


class Track(msgspec.Struct, frozen=True, array_like=True):
    """A remote participant's published track."""

    sid: str
    """LiveKit's id of it."""
    kind: Literal["audio", "video"]
    """``audio`` or ``video``."""
    source: str
    """``microphone``, ``camera``, ``screenshare``, ``screenshare_audio`` or ``unknown``."""
    subscribed: bool
    """It comes in here."""
    muted: bool = False
    """By its publisher."""
    encrypted: bool = False
    """Its publisher says so."""


class Participant(msgspec.Struct, frozen=True, array_like=True):
    """A remote participant as LiveKit shows it."""

    identity: str
    sid: str
    kind: ParticipantKind
    active: bool
    """Its state is ACTIVE: it can receive data."""
    attributes: dict[str, str]
    tracks: tuple[Track, ...] = ()
    name: str = ""
    undecipherable: bool = False
    """What it sends cannot be decrypted: it has another key."""


class JoinRoom(Message, tag="join-room", frozen=True):
    """Ask to the room: connect, publish the microphone, follow the tape. Answered by
    :class:`Done` when connected, or :class:`Failed`; progress shows in :class:`RoomState`.
    """

    conversation: str
    url: str
    """ws:// or wss:// address; empty in the practice room."""
    token: str
    """Secret: never logged."""
    microphone: bool
    """Publish the microphone (and send what the tape holds as pre-connect audio)."""
    preconnect: bool
    """Send what was said before the agent came. False: live audio only."""
    room_name: str = ""
    """Of the room; the practice room has no token that would tell it."""
    identity: str = ""
    """Of this terminal, likewise."""
    encrypted: bool = False
    """Encrypt what is sent, with the key that only the room's process has, and decrypt what
    comes."""


class LeaveRoom(Message, tag="leave-room", frozen=True):
    """Ask to the room: end the conversation for good (agents close theirs on such a leave)."""


class SetEncryption(Message, tag="set-encryption", frozen=True):
    """Ask to the session, and of the session to the room: end-to-end encryption on or off from now
    on, on this side only. Answered by Done, or Failed where there is no key.
    """

    enabled: bool


class DiscardBuffer(Message, tag="discard-buffer", frozen=True):
    """Ask to the room: no agent came in time; what was said so far is not to be sent."""


class SendText(Message, tag="send-text", frozen=True):
    """Ask to the room: send one text stream to everyone. Answered by Done or Failed."""

    id: str
    """Id of the message; also the stream's id."""
    text: str
    topic: str = "lk.chat"
    attributes: dict[str, str] = {}


class SendData(Message, tag="send-data", frozen=True):
    """Ask to the room: send one packet of data. Answered by Done when the client has it, or
    Failed.
    """

    payload: bytes
    """At most 15 KiB."""
    topic: str = ""
    reliable: bool = True
    """Sent again until it arrives, and in order; False: once, and it may be lost."""
    to: tuple[str, ...] = ()
    """Identities; none: everyone."""


class DataReceived(Message, tag="data-received", frozen=True):
    """Fact of the room: a packet of data has come; if it is not reliable, a level."""

    payload: bytes
    topic: str
    participant: str
    """Identity of its sender; empty: a server."""
    reliable: bool = True


class GetAgentHistory(Message, tag="get-agent-history", frozen=True):
    """Ask to the room: what the agent itself remembers of this conversation. Answered by
    :class:`~actors.messages.Messages`, or Failed where the agent does not tell.
    """

    timeout_s: float = 5.0
    """For the agent's answer."""


class RoomState(Message, tag="room-state", frozen=True):
    """Snapshot of the room."""

    conversation: str
    """The conversation it was joined for; empty: none."""
    connection_state: ConnectionState
    room_name: str = ""
    identity: str = ""
    """Of the local participant."""
    participants: tuple[Participant, ...] = ()
    """Remote ones, in the order in which they came."""
    microphone_sid: str = ""
    """Sid of the published microphone track; empty: not published."""
    uplink: UplinkState = "idle"
    """``buffering``: speech is kept for an agent that is still to come."""
    error: str = ""
    """Why it is disconnected, when it was not asked for."""
    ended: RoomEnd = ""
    """The same for programs."""
    agent_lost: bool = False
    """The last agent is gone without having left: its process died, or its connection did."""
    microphone_error: str = ""
    """Why the server lets nobody hear the microphone, and what to do about it; empty: it does."""


class TextStream(Message, tag="text-stream", frozen=True):
    """The state of one incoming text stream: published on every chunk, and delivered
    (acknowledged) once when it has ended, so that a crash of the session loses none.

    It carries the whole text so far, not the chunk: whoever misses one loses nothing.
    """

    stream_id: str
    topic: str
    participant: str
    """Identity of the participant in whose name it was sent."""
    attributes: dict[str, str]
    """Of the header, and once it has ended also of the trailer."""
    text: str
    """All chunks so far."""
    opened_at: float
    """Unix seconds of the first chunk, or of the end when there was none."""
    ended: bool = False
    error: str = ""
    """Why it ended abnormally; the text is then incomplete."""
    conversation: str = ""
