"""What the kiosk and its page say to each other over the WebSocket: JSON, one object a frame.

Kept apart from the bus's messages, so that either can change without the other. First comes a
:class:`Snapshot`, then only what changes; each frame is the whole state of the thing it is about,
so that the latest one of a ``key`` makes all earlier ones superfluous.
"""

from typing import Literal

import msgspec

from actors.messages import AgentError, ConnectionState, ErrorKind, MessageKind

Face = Literal[
    "disconnected",
    "connecting",
    "buffering",
    "initializing",
    "idle",
    "listening",
    "thinking",
    "speaking",
    "reconnecting",
    "failed",
]
"""The one word under the orb. LiveKit's agent states, and what there is around them:
``buffering`` is connecting while the recorder already runs (``can_listen``)."""


class Frame(msgspec.Struct, frozen=True, tag_field="type"):
    """Base of all that goes to a page."""

    def key(self) -> str:
        """Frames of one key supersede each other; empty: this one stands for itself."""
        return type(self).__name__


class SessionShown(msgspec.Struct, frozen=True):
    """The session and its agent."""

    face: Face
    conversation: str
    is_connected: bool
    connection_state: ConnectionState
    can_listen: bool
    muted: bool
    agent_error: AgentError | None
    error_kind: ErrorKind | None
    """Of the session's error, which the page can dismiss; None: there is none."""
    error: str
    """Its reason."""
    kept: int = 0
    """Texts that wait for the connection to be back."""


class AudioShown(msgspec.Struct, frozen=True):
    """The audio process."""

    recording: bool
    muted: bool
    error: str
    is_kept: bool = False
    """What is said is being written to files, for support."""
    listens: str = ""
    """``voice`` or ``wake-word``: it waits for that to begin; empty: it does not listen."""


class MessageShown(msgspec.Struct, frozen=True):
    """One message of the list."""

    id: str
    kind: MessageKind
    text: str
    timestamp: float
    is_final: bool
    conversation: str


class Snapshot(Frame, tag="snapshot", frozen=True):
    """All there is to see, replacing whatever the page shows."""

    terminal: str
    """Name of the terminal."""
    page: str
    """Changes with the page's files: a page of another version loads itself anew."""
    session: SessionShown | None
    """None: the session has not said anything yet."""
    audio: AudioShown | None
    down: tuple[str, ...]
    """Actors that have died and are not back yet."""
    messages: tuple[MessageShown, ...]


class SessionChanged(Frame, tag="session", frozen=True):
    """Another state of session or agent."""

    session: SessionShown


class AudioChanged(Frame, tag="audio", frozen=True):
    """Another state of the audio process."""

    audio: AudioShown


class MessageAppeared(Frame, tag="message", frozen=True):
    """A message is new (to be put at the end) or has changed (to be shown in its place)."""

    message: MessageShown

    def key(self) -> str:
        """Of this message."""
        return f"message {self.message.id}"


class MessageWithdrawn(Frame, tag="purged", frozen=True):
    """An interim message is no longer in the list."""

    id: str

    def key(self) -> str:
        """Of this message."""
        return f"message {self.id}"


class DownChanged(Frame, tag="down", frozen=True):
    """Actors that have died and are not back yet."""

    down: tuple[str, ...]


class Level(Frame, tag="level", frozen=True):
    """Meter, dBFS; -120 is silence."""

    input: float
    output: float


class Beat(Frame, tag="beat", frozen=True):
    """Nothing has changed. A page that hears nothing for long takes the line for dead."""


class Accepted(Frame, tag="ok", frozen=True):
    """The order ``id`` was carried out."""

    id: int
    kept: bool = False
    """Of a text: it will be, when the connection is back."""

    def key(self) -> str:
        """Every answer arrives."""
        return ""


class Refused(Frame, tag="error", frozen=True):
    """The order ``id`` was not carried out; None: it could not even be read."""

    id: int | None
    code: str
    reason: str
    remedy: str = ""
    in_doubt: bool = False
    """It may have been carried out all the same, or may still be."""

    def key(self) -> str:
        """Every answer arrives."""
        return ""


def encode(frame: Frame) -> str:
    """One WebSocket text frame."""
    return msgspec.json.encode(frame).decode()
