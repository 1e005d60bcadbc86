"""What observers get: immutable snapshots, and the changes between them."""

from dataclasses import dataclass

from actors.messages import ConnectionState, SessionError

from .agent import NO_AGENT, Agent
from .message import ReceivedMessage


@dataclass(frozen=True)
class Snapshot:
    """A session at one moment."""

    is_attached: bool = False
    """The terminal answers; else all below is as it was last seen."""
    connection_state: ConnectionState = "disconnected"
    """``disconnected``, ``connecting``, ``connected`` or ``reconnecting``."""
    is_connected: bool = False
    """A conversation is on: connecting, connected and reconnecting."""
    agent: Agent = NO_AGENT
    """The agent at this moment."""
    error: SessionError | None = None
    """``error.kind``: ``connection``, ``sender``, ``receiver`` or ``media``; ``error.reason``."""
    is_muted: bool = False
    """The microphone is off."""
    is_encrypted: bool = False
    """What is said and sent is encrypted end to end."""
    kept_messages: int = 0
    """Sent texts that wait for the connection to be back (``[session] offline_messages``)."""
    room_name: str = ""
    """Of the conversation that is on, or was on last; empty: not known."""
    input_device: str = ""
    """Name of the microphone in use; ``none``: there is none; empty: not known."""
    output_device: str = ""
    """Name of the loudspeaker in use."""
    messages: tuple[ReceivedMessage, ...] = ()
    """In the order in which they first appeared; the newest 2000."""


@dataclass(frozen=True)
class Levels:
    """How loud it is at one moment, as RMS over the last fraction of a second."""

    input_dbfs: float = -120.0
    """Of the microphone; -120.0: silence, or muted."""
    agent_dbfs: float = -120.0
    """Of the agent's voice, as it is played."""


@dataclass(frozen=True)
class Refreshed:
    """Begin again with this: the first of all, and again when changes were not seen (a process of
    the terminal was killed) or not read in time.
    """

    snapshot: Snapshot
    """All of it, after whatever was missed."""


@dataclass(frozen=True)
class StateChanged:
    """Something changed that is not a message."""

    snapshot: Snapshot
    """All of it, after the change."""


@dataclass(frozen=True)
class MessageChanged:
    """A message has appeared, or the one of this id has grown."""

    message: ReceivedMessage
    """As it is now."""


@dataclass(frozen=True)
class MessagePurged:
    """The interim transcript of this id will never be final, and has left the list."""

    id: str
    """As of the :class:`ReceivedMessage`."""


Change = Refreshed | StateChanged | MessageChanged | MessagePurged
