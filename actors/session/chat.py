"""Texts to the agent: one after the other, each once.

A text's id is chosen by whoever asks for it to be said, and asking again says nothing twice. It is
written down before it is sent and until history has it, so that a session that is killed in
between finishes it: its successor asks the room again, with the same id, which is the stream's id,
and the room does not send one twice. Said, it is sent and safe, also while history is down.

What the SDK has taken may still be lost with the room's process, and if that dies between sending
and saying so, the text is sent again, under the same stream id: nobody but the agent could tell.

Each text is decided while whoever asks still waits. One that is said not to be sent never will be:
if a room, or a session before this one, may have sent it, the failure is in doubt. What comes while
the room is out of reach for longer than a moment is refused or kept at once, as the config says.
"""

import asyncio
import contextlib
import math
import time
import uuid
from collections.abc import AsyncIterator, Coroutine, Iterable
from dataclasses import dataclass
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
SAY_S = 15.0
"""From being asked for until a text is given up that meets one obstacle after the other: others
before it, a connection that is being made (again), a room that dies over it. A last try may take
ROOM_S more, and whoever asks waits for both."""
OFFLINE_S = 5.0
"""A connection that has been away for longer is not just being made again."""
MAX_KEPT = 100
MAX_KEPT_CHARACTERS = 4 * MAX_CHARACTERS
"""All that is kept is written down again with each of them."""
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


@dataclass
class _Text:
    """On its way, in one conversation."""

    id: str
    text: str
    conversation: str
    give_up: float
    """Seconds of the loop; infinite: it is kept."""
    in_doubt: bool = False
    """It may have been sent."""

    @property
    def deadline(self) -> float | None:
        """For asyncio."""
        return None if math.isinf(self.give_up) else self.give_up


class Chat:
    """Of one session process. ``keeps``: what cannot be sent for longer than a moment is kept."""

    def __init__(
        self, session: Session, machine: Machine, record: Record, *, keeps: bool = False
    ) -> None:
        self._session = session
        self._machine = machine
        self._record = record
        self._turn = asyncio.Lock()
        self._asked: dict[str, asyncio.Future[Message | None]] = {}
        self._sending: dict[str, ChatMessage] = {}
        self._keeps = keeps
        self._kept: set[str] = set()
        """Ids of those in ``_sending`` for which nobody waits."""
        self._offline_since: float | None = None
        self._moved = asyncio.Event()
        self._answered = asyncio.Event()
        self._answered.set()
        self._sent_at = 0.0

    @property
    def sending(self) -> tuple[ChatMessage, ...]:
        """What may or may not have been sent; for :meth:`resume` of another process."""
        return tuple(self._sending.values())

    @property
    def kept(self) -> int:
        """So many wait for the connection."""
        return len(self._kept)

    def say(self, text: str, id_: str) -> "Message | asyncio.Future[Message | None]":
        """Send ``text``; the answer is :class:`Said`. Raises ``OrderFailed``."""
        _check(text, id_)
        if self._record.is_full:
            raise OrderFailed("overloaded", "history has not stored anything for too long")
        if known := self._record.list.get(id_):
            if known.kind != "user_input":
                raise OrderFailed("invalid", "the id is that of another message")
            return Said(known)
        if id_ in self._kept:
            return Said(self._sending[id_], kept=True)
        if id_ in self._asked:
            return self._asked[id_]
        wanted = self._text(id_ or str(uuid.uuid4()), text, self._machine.conversation)
        if self._kept or self._is_offline():
            return self._keep(wanted)
        return self._begin(wanted)

    def resume(self, messages: Iterable[ChatMessage]) -> None:
        """Finish what a process before this one had begun to send."""
        for message in messages:
            self._sending[message.id] = message
            text = self._text(message.id, message.text, message.conversation)
            text.in_doubt = True
            if self._keeps:
                text.give_up = math.inf
                self._kept.add(text.id)
            self._begin(text)

    def moved(self) -> None:
        """The machine has."""
        self._moved.set()
        is_offline = self._machine.is_on and self._machine.connection_state != "connected"
        if not is_offline:
            self._offline_since = None
        elif self._offline_since is None:
            self._offline_since = asyncio.get_running_loop().time()

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
        asked = [answer for id_, answer in self._asked.items() if id_ not in self._kept]
        if asked:
            await asyncio.wait(asked, timeout=within_s)

    # -- inside ----------------------------------------------------------------------------------

    def _text(self, id_: str, text: str, conversation: str) -> _Text:
        return _Text(id_, text, conversation, asyncio.get_running_loop().time() + SAY_S)

    def _is_offline(self) -> bool:
        since = self._offline_since
        return since is not None and asyncio.get_running_loop().time() - since > OFFLINE_S

    def _keep(self, text: _Text) -> Said:
        if not self._keeps:
            raise OrderFailed(
                "not-connected",
                "there is no connection to the room just now",
                "try again when there is; it is being made again",
            )
        kept = sum(len(self._sending[id_].text) for id_ in self._kept)
        if len(self._kept) >= MAX_KEPT or kept + len(text.text) > MAX_KEPT_CHARACTERS:
            raise OrderFailed("overloaded", "too much is kept until the connection is back")
        text.give_up = math.inf
        message = self._prepare(text)
        self._kept.add(text.id)
        self._begin(text)
        self._session.do([])
        return Said(message, kept=True)

    def _begin(self, text: _Text) -> "asyncio.Future[Message | None]":
        answer = self._asked[text.id] = self._session.later(self._say(text))

        def done(answer: "asyncio.Future[Message | None]") -> None:
            del self._asked[text.id]
            if not answer.cancelled():
                answer.exception()  # of one that is resumed nobody else asks for it

        answer.add_done_callback(done)
        return answer

    async def _say(self, text: _Text) -> Said:
        try:
            async with self._its_turn(text):
                await self._connected(text)
                message = self._prepare(text)
                try:
                    await self._send(text)
                finally:
                    self._answered.set()
                del self._sending[text.id]
                safe = self._record.put(message)
        except OrderFailed as failed:
            failed.in_doubt = text.in_doubt
            if self._sending.pop(text.id, None) is not None:
                self._session.remember()
            if text.id in self._kept:  # nobody waits for the answer
                self._machine.forfeit(f"a message that was kept was not sent: {failed.sentence}")
                self._no_longer_kept(text)
            raise
        self._no_longer_kept(text)
        if isinstance(safe, asyncio.Future):
            await safe
        return Said(message)

    def _no_longer_kept(self, text: _Text) -> None:
        if text.id in self._kept:
            self._kept.discard(text.id)
            self._session.do([])

    @contextlib.asynccontextmanager
    async def _its_turn(self, text: _Text) -> AsyncIterator[None]:
        """Behind all that were asked for before; raises ``OrderFailed`` when it comes too late."""
        try:
            async with asyncio.timeout_at(text.deadline):
                await self._turn.acquire()
        except TimeoutError:
            raise OrderFailed("overloaded", "what was written before it takes too long") from None
        try:
            yield
        finally:
            self._turn.release()

    def _prepare(self, text: _Text) -> ChatMessage:
        message = self._sending.get(text.id) or ChatMessage(
            text.id, "user_input", text.text, time.time(), conversation=text.conversation
        )
        self._sending[text.id] = message
        self._session.remember()
        return message

    async def _send(self, text: _Text) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._sent_at = loop.time()
            self._answered.clear()
            try:
                await self._session.ask(ROOM, SendText(text.id, text.text), ROOM_S)
                return
            except OrderFailed as failed:
                text.in_doubt = text.in_doubt or failed.in_doubt
                if not _passes(failed) or loop.time() > text.give_up:
                    failed.in_doubt = text.in_doubt
                    self._machine.fail("sender", failed.sentence)
                    self._session.do([])
                    raise OrderFailed("sender", failed.reason, failed.remedy) from failed
            await asyncio.sleep(AGAIN_S)
            await self._connected(text)

    async def _connected(self, text: _Text) -> None:
        """Wait until the connection stands; raises ``OrderFailed`` when it does not in time, or the
        conversation is over.
        """
        loop, machine = asyncio.get_running_loop(), self._machine
        while True:
            left_s = text.give_up - loop.time()
            is_on = machine.is_on and machine.conversation == text.conversation
            if is_on and machine.connection_state == "connected":
                return
            if not is_on or left_s <= 0:
                raise OrderFailed(
                    "not-connected", "no conversation is connected", "callpoint start begins one"
                )
            self._moved.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(text.deadline):
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
