"""Messages of a conversation, as a program has them."""

import math
from dataclasses import dataclass

from actors.messages import ChatMessage, MessageKind


@dataclass(frozen=True)
class SentMessage:
    """A text of the user's on its way, or sent."""

    id: str
    """UUID."""
    timestamp: float
    """Unix seconds of sending."""
    text: str
    """As it was written."""


@dataclass(frozen=True)
class ReceivedMessage:
    """One message of the list; a transcript grows until it is final."""

    id: str
    """UUID of a sent message, segment id of a transcript."""
    timestamp: float
    """Unix seconds of its first word; never changes."""
    kind: MessageKind
    """``agent_transcript``, ``user_transcript``, or ``user_input`` for what was sent."""
    text: str
    """All of it so far."""
    is_final: bool = True
    """It does not change any more."""


def received(message: ChatMessage) -> ReceivedMessage:
    """From the wire; what came without a time that can be ordered has time 0."""
    at = message.timestamp if math.isfinite(message.timestamp) else 0.0
    return ReceivedMessage(message.id, at, message.kind, message.text, message.is_final)


def to_chat(message: ReceivedMessage) -> ChatMessage:
    """To the wire."""
    return ChatMessage(message.id, message.kind, message.text, message.timestamp, message.is_final)
