"""A session as it is seen from outside, folded from what the terminal says. Pure."""

from collections.abc import Iterable

from actors import messages as wire
from actors.messages import (
    AudioState,
    ChatMessage,
    DevicesChosen,
    ErrorKind,
    Message,
    SessionError,
    SessionState,
)
from actors.runtime.mirror import Mirror

from .agent import Agent, Waiter, agent_of
from .message import ReceivedMessage, received
from .snapshot import Change, MessageChanged, MessagePurged, Refreshed, Snapshot, StateChanged

MAX_MESSAGES = 2000
"""As many as the terminal's session holds."""


class View:
    """Of one session object. ``wait``: of its agent."""

    def __init__(self, wait: Waiter) -> None:
        self._wait = wait
        self._state: SessionState | None = None
        self._audio: AudioState | None = None
        self._agent = Agent(_wait=wait)
        self._messages = Mirror[ReceivedMessage](MAX_MESSAGES)
        self._own = Mirror[ReceivedMessage](MAX_MESSAGES)
        """Of this program's own receivers and senders: the terminal does not know them."""
        self._error: SessionError | None = None
        self._is_attached = False
        self._snapshot: Snapshot | None = None

    def snapshot(self) -> Snapshot:
        """How it is now; the same object until something changes."""
        if self._snapshot is None:
            state = self._state
            self._snapshot = Snapshot(
                is_attached=self._is_attached,
                connection_state=state.connection_state if state else "disconnected",
                is_connected=bool(state and state.is_connected),
                agent=self._agent,
                error=self._error or (state.error if state else None),
                is_muted=bool(state and state.muted),
                is_encrypted=bool(state and state.encrypted),
                kept_messages=state.kept if state else 0,
                room_name=state.room_name if state else "",
                input_device=self._audio.input if self._audio else "",
                output_device=self._audio.output if self._audio else "",
                messages=self._messages.all(),
            )
        return self._snapshot

    def get(self, id_: str) -> ReceivedMessage | None:
        """The message of that id."""
        return next((m for m in reversed(self.snapshot().messages) if m.id == id_), None)

    def apply(self, message: Message) -> Change | None:
        """What the session has published; None: it changes nothing."""
        match message:
            case SessionState() if message != self._state:
                self._state = message
                self._agent = agent_of(message.agent, self._wait)
                return self._changed()
            case wire.MessageChanged(message=said):
                return self._put(received(said))
            case wire.MessagePurged(id=gone) if self._messages.purge(gone):
                self._snapshot = None
                return MessagePurged(gone)
            case _:
                return None

    def apply_audio(self, audio: AudioState) -> Change | None:
        """What the audio process has published; None: it uses the same devices as before."""
        before, self._audio = self._audio, audio
        return None if before is not None and _ends(before) == _ends(audio) else self._changed()

    def uses(self, chosen: DevicesChosen) -> bool:
        """These devices are in use."""
        if self._audio is None:
            return False
        input_, output, *choice = _ends(self._audio)
        return (
            choice == [chosen.chosen_input, chosen.chosen_output]
            and input_ == (chosen.input or input_)
            and output == (chosen.output or output)
        )

    def put_own(self, message: ReceivedMessage) -> Change | None:
        """A message that the terminal knows nothing of."""
        self._own.put(message.id, message)
        return self._put(message)

    def fail(self, kind: ErrorKind, reason: str) -> Change:
        """An error that the terminal knows nothing of."""
        self._error = SessionError(kind, reason)
        return self._changed()

    def clear_error(self) -> Change | None:
        """Forget such an error."""
        if self._error is None:
            return None
        self._error = None
        return self._changed()

    def detached(self) -> Change | None:
        """What is seen may be old from now on."""
        if not self._is_attached:
            return None
        self._is_attached = False
        return self._changed()

    def gone(self, reason: str) -> Change:
        """There is no terminal any more."""
        self._state, self._agent = None, Agent(_wait=self._wait)
        return self.fail("connection", reason)

    def forget_own(self) -> Change | None:
        """Of this program's own messages none is to be seen any more."""
        own = self._own.all()
        self._own = Mirror[ReceivedMessage](MAX_MESSAGES)
        for message in own:
            self._messages.purge(message.id)
        if not own:
            return None
        self._snapshot = None
        return Refreshed(self.snapshot())

    def expect_list(self) -> None:
        """The session is being asked for its list; call before the question is sent."""
        self._messages.expect_list()

    def take_list(self, messages: Iterable[ChatMessage]) -> Refreshed:
        """The session's answer: what is seen is true again."""
        self._messages.take_list((said.id, received(said)) for said in messages)
        for message in self._own.all():
            self._messages.put(message.id, message)
        self._is_attached = True
        self._snapshot = None
        return Refreshed(self.snapshot())

    def _put(self, message: ReceivedMessage) -> Change | None:
        if not self._messages.put(message.id, message):
            return None
        self._snapshot = None
        return MessageChanged(message)

    def _changed(self) -> StateChanged:
        self._snapshot = None
        return StateChanged(self.snapshot())


def _ends(audio: AudioState) -> tuple[str, str, str, str]:
    return audio.input, audio.output, audio.chosen_input, audio.chosen_output
