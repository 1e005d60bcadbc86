"""Session, audio and room as a test wants them: they say what they are told to and note what is
asked.
"""

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
    ConnectionState,
    Envelope,
    Failed,
    GetMessages,
    JoinRoom,
    LeaveRoom,
    Message,
    MessageChanged,
    MessageKind,
    MessagePurged,
    Messages,
    Participant,
    RecordingStarted,
    RoomState,
    Said,
    Say,
    SendText,
    SessionState,
    StartRecording,
    StopRecording,
    TextStream,
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


class ScriptedActor:
    """Answers each order with Done at once, but for those that the test holds back."""

    def __init__(self, runtime_dir: Path, name: str) -> None:
        self._runtime_dir = runtime_dir
        self._name = name
        self.asked: list[Message] = []
        """Every order so far."""
        self.held: set[type[Message]] = set()
        """Orders that the test answers itself, from :meth:`next`."""
        self.failures: dict[type[Message], Failed] = {}
        """Orders that are answered with a failure."""
        self._orders: asyncio.Queue[Envelope] = asyncio.Queue()
        self.is_there = False

    async def __aenter__(self) -> Self:
        self._bus = Bus(self._runtime_dir)
        self.post = Post(self._bus, self._name, self._on_envelope)
        self.is_there = True
        self.begin()
        await self.post.join(())
        return self

    def begin(self) -> None:
        """Say what comes before anything that can be asked, as real ones do when they start."""

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.die()

    def die(self) -> None:
        """Be gone, without a word; what was delivered and not acknowledged goes along."""
        if self.is_there:
            self.is_there = False
            self.post.close()
            self._bus.close(linger_ms=100)

    def _on_envelope(self, envelope: Envelope) -> None:
        order = envelope.message
        self.asked.append(order)
        self._orders.put_nowait(envelope)
        if type(order) not in self.held:
            self.answer(envelope)

    async def next(self, kind: type[Message]) -> Envelope:
        """The next order of that type, of those not asked for before."""
        async with asyncio.timeout(DEADLINE_S):
            while not isinstance((envelope := await self._orders.get()).message, kind):
                pass
        return envelope

    def count(self, kind: type[Message]) -> int:
        """How many orders of a type there were."""
        return sum(isinstance(order, kind) for order in self.asked)

    def answer(self, envelope: Envelope) -> None:
        """Carry an order out, or refuse it."""
        order = envelope.message
        if failure := self.failures.get(type(order)):
            self.post.reply(envelope, failure)
        else:
            self.post.reply(envelope, self.carry_out(order))

    def carry_out(self, order: Message) -> Message | None:
        """Do what a real one does, as far as others see it; the answer."""
        return None


class ScriptedRecorder(ScriptedActor):
    """Under the name ``audio``: records when it is told to, and says so."""

    def __init__(self, runtime_dir: Path) -> None:
        super().__init__(runtime_dir, "audio")
        self.recording = ""
        """The conversation on the tape."""

    def carry_out(self, order: Message) -> Message | None:
        match order:
            case StartRecording(conversation=conversation):
                self.recording = conversation
                self.state()
                return RecordingStarted(0, 48_000)
            case StopRecording():
                self.recording = ""
                self.state()
        return None

    def state(self, *, muted: bool = False) -> None:
        """Publish it."""
        self.post.publish_state(
            AudioState(
                recording=bool(self.recording),
                muted=muted,
                conversation=self.recording,
                sample_rate=48_000,
                input="default",
                output="default",
            )
        )


class ScriptedRoom(ScriptedActor):
    """Under the name ``room``: joins at once, sends texts to :attr:`sent`, each id once."""

    def __init__(self, runtime_dir: Path) -> None:
        super().__init__(runtime_dir, "room")
        self.conversation = ""
        self.room_name = ""
        self.people: tuple[Participant, ...] = ()
        self.sent: dict[str, str] = {}
        """Texts by their ids, in the order of sending."""
        self.barred = ""
        """Why the server lets nobody hear the microphone."""

    def carry_out(self, order: Message) -> Message | None:
        match order:
            case JoinRoom():
                self.conversation, self.room_name = order.conversation, order.room_name
                self.state("connected")
            case LeaveRoom():
                self.conversation = ""
                self.state("disconnected")
            case SendText(id=id_, text=text):
                self.sent.setdefault(id_, text)
        return None

    def state(self, state: ConnectionState) -> None:
        """Publish it."""
        known = state != "disconnected" or self.conversation
        self.post.publish_state(
            RoomState(
                self.conversation,
                state,
                self.room_name if known else "",
                "terminal-1" if known else "",
                self.people if known else (),
                "TR_microphone" if state == "connected" else "",
                microphone_error=self.barred,
            )
        )

    def agent(self, state: str, identity: str = "agent-1") -> None:
        """The agent, and nobody else, is in the room in one of LiveKit's states."""
        attributes = {"lk.agent.state": state}
        self.people = (Participant(identity, f"PA_{identity}", "agent", True, attributes),)
        self.state("connected")

    def empty(self) -> None:
        """The agent has left."""
        self.people = ()
        self.state("connected")

    def stream(
        self,
        segment: str,
        text: str,
        *,
        stream_id: str = "",
        who: str = "agent-1",
        at: float = 1_900_000_000.0,
        ended: bool = False,
        final: bool = False,
        error: str = "",
    ) -> TextStream:
        """The state of a transcript's stream."""
        return TextStream(
            stream_id=stream_id or f"{segment}-stream",
            topic="lk.transcription",
            participant=who,
            attributes={
                "lk.segment_id": segment,
                "lk.transcription_final": "true" if final else "false",
            },
            text=text,
            opened_at=at,
            ended=ended,
            error=error,
            conversation=self.conversation,
        )

    def grows(self, segment: str, text: str, **more: Any) -> None:
        """A stream that goes on."""
        self.post.publish(self.stream(segment, text, **more))

    def ends(self, segment: str, text: str, **more: Any) -> "asyncio.Future[None]":
        """A stream that has ended; the future is done when the session has taken it."""
        return self.post.deliver("session", self.stream(segment, text, ended=True, **more))

    def begin(self) -> None:
        """A process of it begins: it has nothing, and knows of nothing."""
        self.conversation = self.room_name = ""
        self.people = ()
        self.sent = {}
        self.state("disconnected")
