"""What has happened in the conversation, as lines to be shown. Pure."""

from dataclasses import dataclass, field

from actors import ReceivedMessage, Snapshot
from actors.messages import (
    ChatMessage,
    Message,
    MessageChanged,
    MessagePurged,
    SessionState,
)

from ..words import SPEAKERS, one_line

Spoken = ChatMessage | ReceivedMessage
"""A message as the terminal's processes have it, or as a program beside it has."""

STATE = "state"
"""Label of a line that tells of a change of state."""
ERROR = "error"


@dataclass(frozen=True)
class Line:
    """A label (who speaks, or what the line is about) and one line of text."""

    label: str
    text: str


@dataclass
class Story:
    """Fold messages in with :meth:`on`; it returns the lines that are complete."""

    live: dict[str, Spoken] = field(default_factory=dict)
    """Messages that still grow, by id, in the order of their first chunk."""
    agent_state: str = "disconnected"
    """Agent's state while it is connected, else where it is in its life."""
    heard: int = 0
    """Sentences of the user that the agent has understood."""
    answers: int = 0
    written: int = 0
    _told: set[str] = field(default_factory=set)
    _session: str = "disconnected"
    _error: str = ""

    def on(self, message: Message) -> list[Line]:
        """Fold one message in."""
        match message:
            case MessageChanged(message=said):
                return self.said(said)
            case MessagePurged(id=gone):
                self.purged(gone)
            case SessionState():
                return self.state(message)
        return []

    def purged(self, id_: str) -> None:
        """A message that was still growing has been withdrawn."""
        self.live.pop(id_, None)

    @property
    def busy(self) -> bool:
        """The agent has not finished with what it was told last."""
        return bool(self.live) or self.agent_state in ("thinking", "speaking")

    def summary(self) -> str:
        """One line for the end."""
        said = f"{self.heard} heard" if self.heard else "nothing heard"
        return f"{said}, {self.written} written, {self.answers} answered"

    def said(self, said: Spoken) -> list[Line]:
        """A message has appeared or grown."""
        if said.id in self._told:
            return []
        if not said.is_final:
            self.live[said.id] = said
            return []
        self.live.pop(said.id, None)
        self._told.add(said.id)
        self.heard += said.kind == "user_transcript"
        self.answers += said.kind == "agent_transcript"
        self.written += said.kind == "user_input"
        return [line_of(said)]

    def state(self, state: SessionState | Snapshot) -> list[Line]:
        """How session and agent are now."""
        lines = []
        if state.connection_state != self._session:
            self._session = state.connection_state
            gone = state.connection_state == "disconnected" or not state.room_name
            room = "" if gone else f" to {state.room_name}"
            lines.append(Line(STATE, f"session {state.connection_state}{room}"))
        agent: str = state.agent.state or state.agent.life
        if state.agent.error:
            agent += f" ({state.agent.error})"
        elif state.agent.can_listen and state.agent.state is None:
            agent += ", what you say is kept for it"
        if agent != self.agent_state:
            self.agent_state = agent
            lines.append(Line(STATE, f"agent {agent}"))
        error = f"{state.error.kind}: {state.error.reason}" if state.error else ""
        if error != self._error:
            self._error = error
            lines += [Line(ERROR, one_line(error))] if error else []
        return lines


def line_of(said: Spoken) -> Line:
    """A message, complete or not, as a line."""
    return Line(SPEAKERS[said.kind], one_line(said.text))
