"""Session and audio as a test wants them: they say what they are told to and note what is asked."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from actors.messages import (
    AgentView,
    AudioLevel,
    AudioState,
    ChatMessage,
    Envelope,
    Failed,
    GetMessages,
    Message,
    MessageChanged,
    MessageKind,
    MessagePurged,
    Messages,
    Said,
    Say,
    SessionState,
)
from actors.runtime.bus import Bus
from actors.runtime.post import Post
from tests.children import DEADLINE_S

NOBODY = AgentView(
    life="disconnected",
    state=None,
    is_connected=False,
    can_listen=False,
    is_pending=False,
    is_finished=True,
)
OFF = SessionState("", is_connected=False, connection_state="disconnected", agent=NOBODY)


def agent(state: str) -> AgentView:
    """A connected agent in one of LiveKit's states."""
    plain = {
        "life": "connected",
        "state": state,
        "is_connected": True,
        "can_listen": True,
        "is_pending": False,
        "is_finished": False,
    }
    return msgspec.convert(plain, AgentView)


def talking(state: str = "listening", **fields: Any) -> SessionState:
    """A session that is on, with its agent in ``state``."""
    on = SessionState("c1", is_connected=True, connection_state="connected", agent=agent(state))
    return msgspec.structs.replace(on, **fields)


class ScriptedSession:
    """Under the name ``session``: keeps a list of messages, answers each order with Done."""

    def __init__(self, runtime_dir: Path, *, name: str = "session") -> None:
        self._runtime_dir = runtime_dir
        self._name = name
        self.messages: dict[str, ChatMessage] = {}
        self.orders: asyncio.Queue[Message] = asyncio.Queue()
        """What was asked, but for the list."""
        self.lists_asked = asyncio.Queue[None]()
        self.answers: dict[type[Message], Message | None] = {}
        """By order, another answer than the usual one; None: no answer at all."""
        self.on_order: Callable[[Message], None] = lambda _order: None

    async def __aenter__(self) -> Self:
        self._bus = Bus(self._runtime_dir)
        self.post = Post(self._bus, self._name, self._on_envelope)
        await self.post.join(())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.post.close()
        self._bus.close(linger_ms=100)

    def _on_envelope(self, envelope: Envelope) -> None:
        order = envelope.message
        if isinstance(order, GetMessages):
            self.lists_asked.put_nowait(None)
            self.post.reply(envelope, Messages(tuple(self.messages.values())))
            return
        self.orders.put_nowait(order)
        if type(order) in self.answers:
            if (answer := self.answers[type(order)]) is not None:
                self.post.reply(envelope, answer)
            return
        self.on_order(order)
        self.post.reply(envelope, self._said(order) if isinstance(order, Say) else None)

    def _said(self, order: Say) -> Said:
        message = ChatMessage(order.id, "user_input", order.text, 1_900_000_000.0)
        self.change(message)
        return Said(message)

    async def next_order(self) -> Message:
        """The next thing asked, but for the list."""
        return await asyncio.wait_for(self.orders.get(), DEADLINE_S)

    # -- what it says ----------------------------------------------------------------------------

    def state(self, state: SessionState) -> None:
        """This is how the session is now."""
        self.post.publish_state(state)

    def change(self, message: ChatMessage) -> None:
        """A message has appeared or changed."""
        self.messages[message.id] = message
        self.post.publish(MessageChanged(message))

    def say(
        self,
        id: str,  # noqa: A002
        text: str,
        kind: MessageKind = "agent_transcript",
        *,
        at: float = 1_900_000_000.0,
        final: bool = True,
        conversation: str = "c1",
    ) -> None:
        """As :meth:`change`, shorter."""
        self.change(ChatMessage(id, kind, text, at, final, conversation))

    def purge(self, id: str) -> None:  # noqa: A002
        """An interim message is withdrawn."""
        self.messages.pop(id, None)
        self.post.publish(MessagePurged(id))

    def refuse(self, order: type[Message], failed: Failed) -> None:
        """Answer such orders so from now on."""
        self.answers[order] = failed


class ScriptedAudio(ScriptedSession):
    """Under the name ``audio``: states and levels."""

    def __init__(self, runtime_dir: Path) -> None:
        super().__init__(runtime_dir, name="audio")

    def microphone(self, *, muted: bool = False, error: str = "") -> None:
        """Publish a state."""
        self.post.publish_state(
            AudioState(
                recording=not muted,
                muted=muted,
                conversation="c1",
                sample_rate=48_000,
                input="default",
                output="default",
                error=error,
            )
        )

    def level(self, input_dbfs: float, output_dbfs: float = -120.0) -> None:
        """Publish a meter reading."""
        self.post.publish_level(AudioLevel(input_dbfs, output_dbfs))
