"""The session's state machine. Pure: events in, effects out; time and chance are arguments.

Its law is the Agent API as LiveKit's SDKs behave; the terminal adds that a connection that stood
is made again for ever, in the same room under the same identity.
"""

from dataclasses import dataclass

from actors.messages import (
    AgentError,
    AgentView,
    ConnectionState,
    ErrorKind,
    RoomState,
    SessionError,
)

from .agent import CONVERSING, find_agent, state_of, view_of

REJOIN_INITIAL_S = 0.1
REJOIN_MAX_S = 15.0
"""Between attempts when the server is gone: it is not asked more often than that."""


@dataclass(frozen=True)
class StartRecorder:
    """Ask audio to record; its answer comes back as recorder_started or recorder_failed."""

    resume: bool


@dataclass(frozen=True)
class StopRecorder:
    """Nothing more goes on the tape."""


@dataclass(frozen=True)
class Join:
    """Fetch a token and join, after a delay in seconds; the answer is joined or join_failed."""

    delay_s: float = 0.0


@dataclass(frozen=True)
class Leave:
    """Leave the room for good."""


@dataclass(frozen=True)
class Discard:
    """What was said so far is not to be sent."""


@dataclass(frozen=True)
class ArmTimer:
    """Call agent_timed_out after so many seconds."""

    seconds: float


@dataclass(frozen=True)
class CancelTimer:
    """The agent need not be waited for any more."""


Effect = StartRecorder | StopRecorder | Join | Leave | Discard | ArmTimer | CancelTimer


def rejoin_delay(attempt: int, chance: float) -> float:
    """Seconds before the ``attempt``-th rejoin in a row (from 0), up to half of it by chance."""
    full = min(REJOIN_INITIAL_S * 2.0 ** min(attempt, 32), REJOIN_MAX_S) if attempt else 0.0
    return full * (1.0 - 0.5 * chance)


class Machine:
    """One session. ``timeout_s`` None: the agent is waited for without end."""

    def __init__(self, *, pre_connect_audio: bool, timeout_s: float | None) -> None:
        self._pre_connect = pre_connect_audio
        self._timeout_s = timeout_s
        self.conversation = ""
        self.connection_state: ConnectionState = "disconnected"
        self.error: SessionError | None = None
        self._failure: AgentError | None = None
        self._recording = False
        self._stood = False
        self._had_agent = False
        self._attempts = 0
        self._room = RoomState("", "disconnected")

    # -- what is seen ----------------------------------------------------------------------------

    @property
    def is_on(self) -> bool:
        """``is_connected`` of the Agent API: connecting, connected or reconnecting."""
        return self.connection_state != "disconnected"

    @property
    def room(self) -> RoomState:
        """The last snapshot of the room of this conversation."""
        return self._room

    @property
    def agent(self) -> AgentView:
        """The agent's snapshot."""
        return view_of(
            self._room.participants,
            on=self.is_on,
            buffering=self._pre_connect and self._recording,
            failure=self._failure,
        )

    # -- orders ----------------------------------------------------------------------------------

    def start(self, conversation: str) -> list[Effect]:
        """Begin; nothing when one is on."""
        if self.is_on:
            return []
        self._reset(conversation)
        self.connection_state = "connecting"
        return [StartRecorder(resume=False)] if self._pre_connect else [Join()]

    def adopt(self, conversation: str, *, recording: bool) -> list[Effect]:
        """Go on with a conversation that this process did not start (it was restarted)."""
        self._reset(conversation)
        self.connection_state = "reconnecting"
        self._stood = True
        self._recording = recording
        return []

    def end(self) -> list[Effect]:
        """End; nothing when none is on, but a failure of the agent is over."""
        self._failure = None
        if not self.is_on:
            return []
        return self._disconnect()

    def dismiss_error(self) -> None:
        """Clear the session's error, never the agent's failure."""
        self.error = None

    def fail(self, kind: ErrorKind, reason: str) -> None:
        """Note an error of a sender or receiver; the session goes on."""
        self.error = SessionError(kind, reason)

    # -- what happens ----------------------------------------------------------------------------

    def recorder_started(self, conversation: str) -> list[Effect]:
        """Samples really arrive."""
        if not self._about(conversation):
            return []
        self._recording = True
        return [Join()] if self._pre_connect and not self._stood else []

    def recorder_failed(self, conversation: str, reason: str) -> list[Effect]:
        """There is no microphone to be had: with pre-connect audio there is no session."""
        if not self._about(conversation):
            return []
        self.error = SessionError("media", reason)
        return self._disconnect() if self._pre_connect and not self._stood else []

    def recorder_state(self, conversation: str, *, recording: bool) -> None:
        """Audio's own snapshot: the recorder runs for this conversation, or does not."""
        if self.is_on:
            self._recording = recording and conversation == self.conversation

    def join_failed(self, conversation: str, reason: str, chance: float) -> list[Effect]:
        """No token, or no room. The first time it ends the session, later it is tried again."""
        if not self._about(conversation):
            return []
        if not self._stood:
            self.error = SessionError("connection", reason)
            return self._disconnect()
        return self._rejoin(chance)

    def room_changed(self, room: RoomState, chance: float) -> list[Effect]:
        """A snapshot of the room."""
        if not self._about(room.conversation):
            return []
        match room.connection_state:
            case "connected":
                return self._connected(room)
            case "reconnecting":
                self.connection_state = "reconnecting"
            case "disconnected" if self.connection_state == "connected" or (
                self._stood and self._room.connection_state == "reconnecting"
            ):
                self._room = room
                return self._rejoin(chance)
        self._keep_agent(room)
        return []

    def room_went(self) -> None:
        """The room's process has died; it will be back."""
        if self.is_on and self._stood:
            self.connection_state = "reconnecting"

    def room_came(self) -> list[Effect]:
        """The room's process is there (again)."""
        if self.is_on and self._stood and self._room.connection_state != "disconnected":
            return [Join()]
        return []

    def agent_timed_out(self) -> list[Effect]:
        """The armed timer has fired."""
        if self.connection_state == "disconnected" or self._conversing():
            return []
        self._failure = "timeout"
        return [Discard()]

    # -- inside ----------------------------------------------------------------------------------

    def _about(self, conversation: str) -> bool:
        return self.is_on and conversation == self.conversation

    def _reset(self, conversation: str) -> None:
        self.conversation = conversation
        self.error = None
        self._failure = None
        self._recording = self._stood = self._had_agent = False
        self._attempts = 0
        self._room = RoomState(conversation, "disconnected")

    def _disconnect(self) -> list[Effect]:
        self.connection_state = "disconnected"
        self._recording = self._stood = self._had_agent = False
        self._room = RoomState(self.conversation, "disconnected")
        return [CancelTimer(), Leave(), StopRecorder()]

    def _rejoin(self, chance: float) -> list[Effect]:
        self.connection_state = "reconnecting"
        delay = rejoin_delay(self._attempts, chance)
        self._attempts += 1
        return [Join(delay)]

    def _keep_agent(self, room: RoomState) -> None:
        """Until the connection stands again, the agent is as it was last seen."""
        self._room = RoomState(
            room.conversation,
            room.connection_state,
            room.room_name or self._room.room_name,
            room.identity or self._room.identity,
            room.participants or self._room.participants,
            room.microphone_sid,
            room.uplink,
            room.error,
        )

    def _connected(self, room: RoomState) -> list[Effect]:
        first = not self._stood
        self._stood = True
        self._attempts = 0
        self.connection_state = "connected"
        self._room = room
        effects: list[Effect] = []
        if first and not self._pre_connect:
            effects.append(StartRecorder(resume=False))
        if first and self._timeout_s is not None:
            effects.append(ArmTimer(self._timeout_s))
        return effects + self._look_for_agent()

    def _look_for_agent(self) -> list[Effect]:
        if find_agent(self._room.participants) is None:
            if self._had_agent:
                self._had_agent = False
                self._failure = "left"
                return [CancelTimer()]
            return []
        self._had_agent = True
        if self._failure == "left" or self._conversing():
            self._failure = None
        return [CancelTimer()] if self._conversing() else []

    def _conversing(self) -> bool:
        agent = find_agent(self._room.participants)
        return agent is not None and state_of(agent) in CONVERSING
