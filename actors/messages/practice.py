"""Between the practice room and the parrot: what a LiveKit server would carry between a client
and an agent, reduced to what this project uses of it. On a lane of its own.
"""

from .base import Message
from .room import Participant


class PracticeJoin(Message, tag="practice-join", frozen=True):
    """The client enters; a client of the same identity is replaced, as a server does."""

    room: str
    identity: str


class PracticeLeave(Message, tag="practice-leave", frozen=True):
    """The client leaves of its own accord."""


class PracticeJoined(Message, tag="practice-joined", frozen=True):
    """The client is in."""

    room: str
    identity: str


class PracticeRoster(Message, tag="practice-roster", frozen=True):
    """All remote participants with their attributes and tracks, on every change."""

    participants: tuple[Participant, ...]


class PracticePublish(Message, tag="practice-publish", frozen=True):
    """The client publishes its microphone."""

    sid: str
    preconnect: bool


class PracticeSubscribed(Message, tag="practice-subscribed", frozen=True):
    """The agent has subscribed to the client's track."""

    sid: str


class PracticeAudio(Message, tag="practice-audio", frozen=True):
    """Samples of a track, either way."""

    sid: str
    sample_rate: int
    pcm: bytes


class PracticeBytes(Message, tag="practice-bytes", frozen=True):
    """A part of a byte stream from the client."""

    stream_id: str
    topic: str
    attributes: dict[str, str]
    content: bytes
    ended: bool


class PracticeText(Message, tag="practice-text", frozen=True):
    """A chunk of a text stream, either way."""

    stream_id: str
    topic: str
    participant: str
    attributes: dict[str, str]
    content: str
    ended: bool
