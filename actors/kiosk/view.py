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
        self._messages: dict[str, MessageShown] = {}
        self._touched: set[str] = set()

    def snapshot(self) -> Snapshot:
        """For a page that has just connected."""
        return Snapshot(
            terminal=self._terminal,
            page=self._page,
            session=self._session,
            audio=self._audio,
            down=tuple(self._down),
            messages=tuple(self._messages.values()),
        )

    def apply(self, message: Message) -> Frame | None:
        """Take in what an actor has published."""
        match message:
            case SessionState():
                self._session = session_shown(message)
                return SessionChanged(self._session)
            case AudioState(recording=recording, muted=muted, error=error):
                self._audio = AudioShown(recording, muted, error)
                return AudioChanged(self._audio)
            case AudioLevel(input_dbfs=heard, output_dbfs=played):
                return Level(_dbfs(heard), _dbfs(played))
            case MessageChanged(message=said):
                return self._changed(said)
            case MessagePurged(id=gone):
                self._touched.add(gone)
                return MessageWithdrawn(gone) if self._messages.pop(gone, None) else None
            case _:
                return None

    def _changed(self, said: ChatMessage) -> Frame | None:
        self._touched.add(said.id)
        shown = message_shown(said)
        if self._messages.get(said.id) == shown:
            return None
        self._messages[said.id] = shown
        self._trim()
        return MessageAppeared(shown)

    def _trim(self) -> None:
        while len(self._messages) > MAX_MESSAGES:
            del self._messages[next(iter(self._messages))]

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
        self._touched.clear()

    def take_list(self, messages: Iterable[ChatMessage]) -> Snapshot:
        """The session's answer: what has changed since it was asked is newer than it says.

        Facts and the answer come one after the other, but are handled each in its own time: for
        a message that was spoken of meanwhile, the last fact decides (or one still to come).
        """
        ours = self._messages
        self._messages = {}
        for said in messages:
            if said.id not in self._touched:
                self._messages[said.id] = message_shown(said)
            elif said.id in ours:
                self._messages[said.id] = ours[said.id]
        for identity, shown in ours.items():
            if identity in self._touched:
                self._messages.setdefault(identity, shown)
        self._trim()
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
