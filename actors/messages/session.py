"""Orders to the session and its state: the Agent API as messages."""

from typing import Literal

import msgspec

from .base import Message
from .conversation import ChatMessage
from .room import ConnectionState, Track

AgentState = Literal["initializing", "idle", "listening", "thinking", "speaking"]
"""Attribute ``lk.agent.state``, LiveKit's words."""

AgentLife = Literal["disconnected", "connecting", "connected", "failed"]
ErrorKind = Literal["connection", "sender", "receiver", "media"]
AgentError = Literal["timeout", "left"]


class SessionError(msgspec.Struct, frozen=True):
    """What went wrong with the session last; stays until dismissed or the next start."""

    kind: ErrorKind
    """``connection``, ``sender``, ``receiver`` or ``media``."""
    reason: str
    """A sentence for people, without secrets."""


class AgentView(msgspec.Struct, frozen=True):
    """The Agent API's agent as a snapshot."""

    life: AgentLife
    state: AgentState | None
    """None unless connected."""
    is_connected: bool
    can_listen: bool
    is_pending: bool
    is_finished: bool
    error: AgentError | None = None
    identity: str = ""
    audio_track: Track | None = None
    avatar_video_track: Track | None = None


class SessionState(Message, tag="session-state", frozen=True):
    """Snapshot of the session and its agent."""

    conversation: str
    is_connected: bool
    connection_state: ConnectionState
    agent: AgentView
    muted: bool = False
    room_name: str = ""
    error: SessionError | None = None
    encrypted: bool = False
    """What is said and sent is encrypted end to end."""
    kept: int = 0
    """Texts that wait for the connection to be back."""


class PrepareSession(Message, tag="prepare-session", frozen=True):
    """Ask to the session: fetch the token of the next conversation ahead of its start, which is
    then faster. Answered by Done, also when there is none to be had: the start will tell. Does
    nothing when a session is on.
    """


class StartSession(Message, tag="start-session", frozen=True):
    """Ask to the session. Answered by Done as soon as the recorder runs (with pre-connect audio)
    or the start is under way (without); does nothing when a session is on.
    """

    @property
    def lapses(self) -> bool:
        """It is not begun late."""
        return True


class EndSession(Message, tag="end-session", frozen=True):
    """Ask to the session. Answered by Done when the room has been left."""


class Say(Message, tag="say", frozen=True):
    """Ask to the session: send a text to the agent. Answered by :class:`Said` or Failed."""

    text: str
    id: str = ""
    """Chosen by the asker, so that asking again after a lost answer does not say it twice;
    empty: the session makes one."""

    @property
    def lapses(self) -> bool:
        """It is not begun late."""
        return True


class Said(Message, tag="said", frozen=True):
    """The message as it stands in the list."""

    message: ChatMessage
    kept: bool = False
    """It is not yet sent, nor in the list, but will be when the connection is back (with
    ``[session] offline_messages = "keep"``)."""


class DismissError(Message, tag="dismiss-error", frozen=True):
    """Ask to the session: clear the session's error (never the agent's failure)."""


class GetMessages(Message, tag="get-messages", frozen=True):
    """Ask to the session: the messages of its list; answered by :class:`Messages`."""


class Messages(Message, tag="messages", frozen=True):
    """Answer to :class:`GetMessages`, in list order."""

    messages: tuple[ChatMessage, ...]


class RestoreMessages(Message, tag="restore-messages", frozen=True):
    """Ask to the session: these in place of its list. Sorted by timestamp; of two with one id the
    last counts. Answered by Done or Failed.
    """

    messages: tuple[ChatMessage, ...]


class MessagesRestored(Message, tag="messages-restored", frozen=True):
    """The list was replaced, or something stands in it that is not its last: whoever keeps a copy
    asks for it anew.
    """
