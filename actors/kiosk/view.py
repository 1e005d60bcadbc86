"""What the page shows, folded from what the actors say. Pure: a message gives a frame or none."""

import math
from collections.abc import Iterable

from actors.messages import (
    AudioLevel,
    AudioState,
    ChatMessage,
    Message,
    MessageChanged,
    MessagePurged,
    SessionState,
)
from actors.runtime.mirror import Mirror

from .wire import (
    AudioChanged,
    AudioShown,
    DownChanged,
    Face,
    Frame,
    Level,
    MessageAppeared,
    MessageShown,
    MessageWithdrawn,
    SessionChanged,
    SessionShown,
    Snapshot,
)

MAX_MESSAGES = 200
"""Messages on the page, the newest; the history has the rest."""

MAX_SHOWN = 20_000
"""Characters of one message on the page."""

SILENCE_DBFS = -120.0


class View:
    """The state of all pages. ``terminal``, ``page``: as in the :class:`Snapshot`."""

    def __init__(self, terminal: str, page: str) -> None:
        self._terminal = terminal
        self._page = page
        self._session: SessionShown | None = None
        self._audio: AudioShown | None = None
        self._down: dict[str, None] = {}
        self._messages = Mirror[MessageShown](MAX_MESSAGES)

    def snapshot(self) -> Snapshot:
        """For a page that has just connected."""
        return Snapshot(
            terminal=self._terminal,
            page=self._page,
            session=self._session,
            audio=self._audio,
            down=tuple(self._down),
            messages=self._messages.all(),
        )

    def apply(self, message: Message) -> Frame | None:
        """Take in what an actor has published."""
        match message:
            case SessionState():
                self._session = session_shown(message)
                return SessionChanged(self._session)
            case AudioState(recording=recording, muted=muted, error=error):
                is_kept, listens = bool(message.kept_in), message.listens
                self._audio = AudioShown(recording, muted, error, is_kept, listens)
                return AudioChanged(self._audio)
            case AudioLevel(input_dbfs=heard, output_dbfs=played):
                return Level(_dbfs(heard), _dbfs(played))
            case MessageChanged(message=said):
                return self._changed(said)
            case MessagePurged(id=gone):
                return MessageWithdrawn(gone) if self._messages.purge(gone) else None
            case _:
                return None

    def _changed(self, said: ChatMessage) -> Frame | None:
        shown = message_shown(said)
        return MessageAppeared(shown) if self._messages.put(said.id, shown) else None

    def peer(self, name: str, *, up: bool) -> Frame | None:
        """An actor has died or is back."""
        if up == (name not in self._down):
            return None
        if up:
            del self._down[name]
        else:
            self._down[name] = None
        return DownChanged(tuple(self._down))

    # -- the whole list ----------------------------------------------------------------------------

    def expect_list(self) -> None:
        """The session is being asked for its list; call before the question is sent."""
        self._messages.expect_list()

    def take_list(self, messages: Iterable[ChatMessage]) -> Snapshot:
        """The session's answer, as :meth:`Mirror.take_list`."""
        self._messages.take_list((said.id, message_shown(said)) for said in messages)
        return self.snapshot()


def face(session: SessionState) -> Face:
    """The one word for how things stand."""
    agent = session.agent
    if agent.life == "failed":
        return "failed"
    if session.connection_state == "reconnecting":
        return "reconnecting"
    if agent.life == "connected":
        return agent.state or "idle"
    if agent.life == "connecting" or session.is_connected:
        return "buffering" if agent.can_listen else "connecting"
    return "disconnected"


def session_shown(session: SessionState) -> SessionShown:
    """What a page is told of the session: nothing that identifies anyone."""
    error = session.error
    return SessionShown(
        face=face(session),
        conversation=session.conversation,
        is_connected=session.is_connected,
        connection_state=session.connection_state,
        can_listen=session.agent.can_listen,
        muted=session.muted,
        kept=session.kept,
        agent_error=session.agent.error,
        error_kind=error.kind if error else None,
        error=error.reason if error else "",
    )


def message_shown(said: ChatMessage) -> MessageShown:
    """A message as the page gets it, its text cut to what a page can show."""
    text = said.text if len(said.text) <= MAX_SHOWN else said.text[:MAX_SHOWN] + "…"
    time = said.timestamp if math.isfinite(said.timestamp) else 0.0
    return MessageShown(said.id, said.kind, text, time, said.is_final, said.conversation)


def _dbfs(level: float) -> float:
    return round(min(0.0, max(SILENCE_DBFS, level)), 1) if math.isfinite(level) else SILENCE_DBFS
