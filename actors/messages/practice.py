"""Between the practice room and the parrot: what a LiveKit server would carry between a client
and an agent, reduced to what this project uses of it. On a lane of its own, ``practice``.

The client begins with :class:`PracticeJoin`, and again whenever it has lost the connection; both
sides then say :class:`PracticeBeat` several times a second for as long as they are connected.
"""

from .base import Message
from .conversation import ChatMessage
from .room import Participant
from .rpc import RpcResult


class PracticeJoin(Message, tag="practice-join", frozen=True):
    """The client enters; a client of the same identity is replaced, as a server does."""

    room: str
    identity: str


class PracticeLeave(Message, tag="practice-leave", frozen=True):
    """The client leaves of its own accord."""


class PracticeJoined(Message, tag="practice-joined", frozen=True):
    """The client is in. All that it sent before is void: it publishes its track anew."""

    room: str
    identity: str


class PracticeClosed(Message, tag="practice-closed", frozen=True):
    """The client is out, or was never in."""

    reason: str
    """LiveKit's word for it (DisconnectReason): ``DUPLICATE_IDENTITY``, ``ROOM_CLOSED``,
    ``JOIN_FAILURE``; with ``STATE_MISMATCH`` the client is to join again."""


class PracticeBeat(Message, tag="practice-beat", frozen=True):
    """Still here, either way."""

    received: int = 0
    """Samples of the client's track that have come since it joined; from the client: 0."""


class PracticeRoster(Message, tag="practice-roster", frozen=True):
    """All remote participants with their attributes and tracks, on every change."""

    participants: tuple[Participant, ...]


class PracticePublish(Message, tag="practice-publish", frozen=True):
    """The client publishes its microphone, in place of the one that it had."""

    sid: str
    preconnect: bool
    """The agent waits for a pre-connect buffer of this track."""


class PracticeSubscribed(Message, tag="practice-subscribed", frozen=True):
    """The agent has subscribed to the client's track."""

    sid: str


class PracticeAudio(Message, tag="practice-audio", frozen=True):
    """Samples of a track, either way."""

    sid: str
    sample_rate: int
    """Hz."""
    pcm: bytes
    """int16 little endian, mono."""


class PracticeBytes(Message, tag="practice-bytes", frozen=True):
    """A part of a byte stream from the client."""

    stream_id: str
    topic: str
    attributes: dict[str, str]
    content: bytes
    ended: bool
    to: str = ""
    """Identity of its receiver; empty: everyone."""


class PracticeText(Message, tag="practice-text", frozen=True):
    """A chunk of a text stream, either way."""

    stream_id: str
    topic: str
    participant: str
    """Identity in whose name it is sent."""
    attributes: dict[str, str]
    """Of the header; at the end of the trailer too."""
    content: str
    ended: bool


class PracticeGetHistory(Message, tag="practice-get-history", frozen=True):
    """The client asks what was said."""

    number: int


class PracticeHistory(Message, tag="practice-history", frozen=True):
    """The answer to the request of that number: the newest messages, oldest first."""

    number: int
    messages: tuple[ChatMessage, ...]


class PracticeData(Message, tag="practice-data", frozen=True):
    """A packet of data, either way."""

    payload: bytes
    topic: str
    participant: str
    """Identity of its sender."""
    reliable: bool = True
    to: tuple[str, ...] = ()
    """Identities; none: everyone."""


class PracticeCall(Message, tag="practice-call", frozen=True):
    """A call of a method of the other side, either way; answered by :class:`PracticeAnswer`."""

    id: str
    """Chosen by the caller."""
    method: str
    caller: str
    """Identity."""
    payload: str
    timeout_s: float
    """After it, nobody waits for the answer any more."""


class PracticeAnswer(Message, tag="practice-answer", frozen=True):
    """What a call has come to."""

    id: str
    """Of the call."""
    result: RpcResult
