"""Texts to the agent: one after the other, each once.

A text's id is chosen by whoever asks for it to be said, and asking again says nothing twice. It is
written down before it is sent and until history has it, so that a session that is killed in
between finishes it: its successor asks the room again, with the same id, which is the stream's id,
and the room does not send one twice. Said, it is sent and safe, also while history is down.

What the SDK has taken may still be lost with the room's process, and if that dies between sending
and saying so, the text is sent again, under the same stream id: nobody but the agent could tell.
"""

import asyncio
import contextlib
import time
import uuid
from collections.abc import Coroutine, Iterable
from typing import Any, Protocol

from actors.messages import ChatMessage, Message, Said, SendText
from actors.runtime.errors import OrderFailed, Overloaded, Unreachable

from .effects import Effect
from .machine import Machine
from .record import MAX_ID, Record

ROOM = "room"
ROOM_S = 12.0
"""Longer than the room tries to send, so that what it has said in the end is known."""
MAX_CHARACTERS = 64 * 1024
PATIENCE_S = 5.0
"""For a connection that is being made (again): a room that was killed is back in a tenth of it."""
SEND_S = 15.0
"""Until a text that meets one obstacle after the other is given up."""
AGAIN_S = 0.05
ANSWER_S = 0.5
"""So long an answer from the room may take until what comes from there is handled before it."""


class Session(Protocol):
    """What is needed of the session's process."""

    async def ask(self, to: str, message: Message, timeout_s: float) -> Message:
        """As of an actor."""

    def later(self, work: Coroutine[Any, Any, Message | None]) -> "asyncio.Future[Message | None]":
        """Do it beside the messages; a future of its answer."""

    def do(self, effects: list[Effect]) -> None:
        """The machine has moved."""

    def remember(self) -> bool:
        """Write down what is under way; whether that is done."""


class Chat:
    """Of one session process."""

    def __init__(self, session: Session, machine: Machine, record: Record) -> None:
        self._session = session
        self._machine = machine
        self._record = record
        self._turn = asyncio.Lock()
        self._asked: dict[str, asyncio.Future[Message | None]] = {}
        self._sending: dict[str, ChatMessage] = {}
        self._moved = asyncio.Event()
        self._answered = asyncio.Event()
        self._answered.set()
        self._sent_at = 0.0

    @property
    def sending(self) -> tuple[ChatMessage, ...]:
        """What may or may not have been sent; for :meth:`resume` of another process."""
        return tuple(self._sending.values())

    def say(self, text: str, id_: str) -> "Message | asyncio.Future[Message | None]":
        """Send ``text``; the answer is :class:`Said`. Raises ``OrderFailed``."""
        _check(text, id_)
        if self._record.is_full:
            raise OrderFailed("overloaded", "history has not stored anything for too long")
        if known := self._record.list.get(id_):
            if known.kind != "user_input":
                raise OrderFailed("invalid", "the id is that of another message")
            return Said(known)
        if id_ in self._asked:
            return self._asked[id_]
        return self._begin(id_ or str(uuid.uuid4()), text)

    def resume(self, messages: Iterable[ChatMessage]) -> None:
        """Finish what a process before this one had begun to send."""
        for message in messages:
            self._sending[message.id] = message
            self._begin(message.id, message.text)

    def moved(self) -> None:
        """The machine has."""
        self._moved.set()

    async def let_answer(self) -> None:
        """Wait a moment for the room's word on a text that is being sent, if one is: what it says
        next may be the agent's reply, which must not stand above what it replies to.
        """
        left_s = self._sent_at + ANSWER_S - asyncio.get_running_loop().time()
        if not self._answered.is_set() and left_s > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._answered.wait()

    async def finish(self, within_s: float) -> None:
        """Wait for what is under way."""
        if self._asked:
            await asyncio.wait(self._asked.values(), timeout=within_s)

    # -- inside ----------------------------------------------------------------------------------

    def _begin(self, id_: str, text: str) -> "asyncio.Future[Message | None]":
        answer = self._asked[id_] = self._session.later(self._say(id_, text))

        def done(answer: "asyncio.Future[Message | None]") -> None:
            del self._asked[id_]
            if not answer.cancelled():
                answer.exception()  # of one that is resumed nobody else asks for it

        answer.add_done_callback(done)
        return answer

    async def _say(self, id_: str, text: str) -> Said:
        async with self._turn:
            try:
                message = await self._prepare(id_, text)
                await self._send(message)
            except OrderFailed:
                if self._sending.pop(id_, None) is not None:
                    self._session.remember()
                raise
            finally:
                self._answered.set()
            del self._sending[id_]
            safe = self._record.put(message)
        if isinstance(safe, asyncio.Future):
            await safe
        return Said(message)

    async def _prepare(self, id_: str, text: str) -> ChatMessage:
        await self._connected()
        conversation = self._machine.conversation
        message = self._sending.get(id_) or ChatMessage(
            id_, "user_input", text, time.time(), conversation=conversation
        )
        if message.conversation != conversation:
            raise OrderFailed("not-connected", "the conversation it was said in is over")
        self._sending[id_] = message
        self._session.remember()
        return message

    async def _send(self, message: ChatMessage) -> None:
        loop = asyncio.get_running_loop()
        give_up = loop.time() + SEND_S
        while True:
            self._sent_at = loop.time()
            self._answered.clear()
            try:
                await self._session.ask(ROOM, SendText(message.id, message.text), ROOM_S)
                return
            except OrderFailed as failed:
                if not _passes(failed) or loop.time() > give_up:
                    self._machine.fail("sender", failed.reason)
                    self._session.do([])
                    raise OrderFailed("sender", failed.reason, failed.remedy) from failed
            await asyncio.sleep(AGAIN_S)
            await self._connected()

    async def _connected(self) -> None:
        """Wait until the connection stands; raises ``OrderFailed`` when it does not in time."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + PATIENCE_S
        while self._machine.connection_state != "connected":
            left_s = give_up - loop.time()
            if not self._machine.is_on or left_s <= 0:
                raise OrderFailed(
                    "not-connected", "no conversation is connected", "callpoint start begins one"
                )
            self._moved.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._moved.wait()


def _check(text: str, id_: str) -> None:
    if not text.strip():
        raise OrderFailed("invalid", "there is no text to send")
    if len(text) > MAX_CHARACTERS:
        raise OrderFailed("invalid", f"a text may have {MAX_CHARACTERS} characters")
    if len(id_) > MAX_ID:
        raise OrderFailed("invalid", f"an id may have {MAX_ID} characters")


def _passes(failed: OrderFailed) -> bool:
    """A process that died is back in a moment, a connection that was lost is made again."""
    return isinstance(failed, Unreachable | Overloaded) or failed.code == "not-connected"
