"""Messages of the conversation, as the session folds them and history keeps them."""

from typing import Literal

import msgspec

from .base import Message

MessageKind = Literal["user_input", "user_transcript", "agent_transcript"]


class ChatMessage(msgspec.Struct, frozen=True):
    """One message of a conversation; a map on the wire because it is also stored and exported."""

    id: str
    """UUID of a sent message, segment id of a transcript."""
    kind: MessageKind
    text: str
    timestamp: float
    """Unix seconds: of sending, or of the first chunk; never changes afterwards."""
    is_final: bool = True
    conversation: str = ""


class MessageChanged(Message, tag="message-changed", frozen=True):
    """A message has appeared or changed (a transcript grows); same id: same place in the list."""

    message: ChatMessage


class MessagePurged(Message, tag="message-purged", frozen=True):
    """An interim transcript will never become final and has left the list."""

    id: str


class StoreMessage(Message, tag="store-message", frozen=True):
    """Delivered to history: keep this, once by its id."""

    message: ChatMessage


class RecallHistory(Message, tag="recall-history", frozen=True):
    """Order to the room: ask the agent what was said. :class:`AgentHistory` is delivered to whoever
    ordered it, after all that the agent had sent before; nothing, if the agent does not tell.
    """


class AgentHistory(Message, tag="agent-history", frozen=True):
    """The newest messages that the agent remembers, oldest first, with ids and times of its own.
    What was written to it is a ``user_transcript`` too: it does not tell the two apart.
    """

    conversation: str
    messages: tuple[ChatMessage, ...]


class ListHistory(Message, tag="list-history", frozen=True):
    """Ask to history; answered by :class:`HistoryPage`."""

    limit: int = 100
    """The newest so many, oldest first; 1 to 1000."""
    conversation: str = ""
    """Only of this conversation; empty: of all."""
    before: float = 0.0
    """Only older than this Unix time; 0: no bound."""


class HistoryPage(Message, tag="history-page", frozen=True):
    """Answer to :class:`ListHistory`: oldest first."""

    messages: tuple[ChatMessage, ...]


class HistoryState(Message, tag="history-state", frozen=True):
    """Snapshot of the history process."""

    stored: int
    """Messages in the store."""
    error: str = ""
    """Why writing does not succeed at present."""
    set_aside: str = ""
    """Where a corrupt store was put, if one was found since the process began."""
