"""What was said: the list, the transcripts in the making, and what history is owed."""

import asyncio
import math
from collections.abc import Coroutine, Iterable
from typing import Any, Protocol

from actors.messages import (
    AgentHistory,
    ChatMessage,
    HistoryPage,
    ListHistory,
    Message,
    MessageChanged,
    MessagePurged,
    MessagesRestored,
    StoreMessage,
    TextStream,
)
from actors.runtime.actor import Answer
from actors.runtime.errors import OrderFailed

from .lacking import SLACK_S, lacking
from .memory import Memory, Restored
from .messages import KEPT, MessageList
from .transcripts import SEGMENT, Transcripts

HISTORY = "history"
RESTORED = 1000
"""Messages of the last conversations in the list of a new process; history's largest page."""
RESTORE_S = 2.0
"""A history that is there answers in a few milliseconds."""
MAX_ID = 128
"""Characters."""
MAX_OWED = 2000
"""Messages that history has not yet: hours of talk while it is down. Beyond, transcripts stay with
the room, and nothing more is sent.
"""


class Outlet(Protocol):
    """What a record needs of its session's process."""

    async def ask(self, to: str, message: Message, timeout_s: float) -> Message:
        """As of an actor."""

    def publish(self, fact: Message) -> None:
        """As of an actor."""

    def deliver(self, to: str, message: Message) -> "asyncio.Future[None]":
        """As of an actor."""

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> "asyncio.Task[None]":
        """As of an actor."""

    def remember(self) -> bool:
        """Write down how things stand, so that it outlives this process; whether that is done."""

    def remember_soon(self) -> None:
        """The same, when there is time: nothing is lost if there is none."""


class Record:
    """Of one session process.

    A message that is final is acknowledged to whom it came from only when it is safe: written
    down, so that the next process pays the debt, or, if it cannot be, stored by history.
    """

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self.list = MessageList()
        self.transcripts = Transcripts()
        self._owed: dict[str, tuple[ChatMessage, asyncio.Future[None]]] = {}
        self._is_written = True
        self.restored: Restored | None = None
        """The list that has taken the place of history's, if there is one."""

    @property
    def owed(self) -> tuple[ChatMessage, ...]:
        """Final messages that history has not acknowledged, in order."""
        return tuple(message for message, _ in self._owed.values())

    @property
    def is_full(self) -> bool:
        """History has been gone for too long."""
        return len(self._owed) >= MAX_OWED

    async def restore(self, memory: Memory) -> None:
        """Go on where a process before this one has ended, whichever conversation that was in."""
        self.restored = memory.restored
        page = await self._page()
        open_ = (segment.message for segment in memory.unfinished if segment.is_open)
        self.list.restore(_merged(page or (), (*memory.owed, *open_)))
        self.transcripts.recall(self.list.all(), memory.unfinished, memory.identity)
        for message in memory.owed:
            self._owe(message)
        if page is None:
            self._outlet.spawn(self._restore_later(memory.identity), "restore")

    def put(self, message: ChatMessage, *, is_late: bool = False) -> Answer:
        """A message has appeared or changed; the answer to whom it came from."""
        is_new = self.list.get(message.id) is None
        (self.list.insert if is_late else self.list.put)(message)
        if message.is_final:
            self._owe(message)
        if message.is_final or is_new:
            self._is_written = self._outlet.remember()
        self._outlet.publish(MessageChanged(message))
        if is_late and is_new and not self.list.is_last(message.id):
            self._outlet.publish(MessagesRestored())
        return self._receipt(message.id)

    def replace(self, messages: tuple[ChatMessage, ...], now: float) -> None:
        """These in place of the list; ``now``: Unix seconds. History keeps them too.

        Raises ``OrderFailed``.
        """
        _check(messages)
        if len(self._owed) + len(messages) > MAX_OWED:
            raise OrderFailed("overloaded", "history has not stored what it already owes")
        before = {message.id for message in self.list.all()}
        self.list.restore(messages)
        for message in self.list.all():
            if message.is_final and message.id not in before:
                self._owe(message)
        self.restored = Restored(now, frozenset(message.id for message in self.list.all()))
        self._is_written = self._outlet.remember()
        self._outlet.publish(MessagesRestored())

    def fold(self, stream: TextStream, *, is_own: bool, has_interims: bool) -> tuple[Answer, bool]:
        """A stream's state; the answer to whom it came from, and whether it was news.

        Raises ``OrderFailed`` when it cannot be kept: it stays with the room.
        """
        if stream.ended and self.is_full:
            raise OrderFailed("overloaded", "history has not stored anything for too long")
        folded = self.transcripts.fold(stream, is_own=is_own, has_interims=has_interims)
        self._purge(folded.purged)
        if folded.message is not None:
            return self.put(folded.message, is_late=folded.is_late), folded.is_news
        return self._receipt(stream.attributes.get(SEGMENT) or stream.stream_id), folded.is_news

    def complete(self, history: AgentHistory, since: float) -> int:
        """Put in what an agent remembers of the time since (Unix seconds), and the list does not
        have; how many messages that are. Not what was said before the list was replaced.
        """
        if self.restored is not None:
            since = max(since, self.restored.at + SLACK_S)
        ours = [each for each in self.list.all() if each.conversation == history.conversation]
        missed = lacking(ours, history.messages, since, history.conversation)
        for message in missed:
            if not self.is_full:
                self.put(message, is_late=True)
        return len(missed)

    def break_off(self) -> None:
        """The room that received the streams is gone: what agents said of them is all there is."""
        for message in self.transcripts.break_off():
            self.put(message)

    def close(self) -> None:
        """The conversation is over."""
        self.break_off()
        if gone := self.transcripts.withdraw_all():
            self._purge(gone)
            self._outlet.remember_soon()

    # -- inside ----------------------------------------------------------------------------------

    def _purge(self, ids: Iterable[str]) -> None:
        for id_ in ids:
            self.list.purge(id_)
            self._outlet.publish(MessagePurged(id_))

    def _owe(self, message: ChatMessage) -> None:
        stored = self._outlet.deliver(HISTORY, StoreMessage(message))
        self._owed[message.id] = message, stored

        def done(stored: "asyncio.Future[None]") -> None:
            if not stored.cancelled() and self._owed.get(message.id, (None, None))[1] is stored:
                del self._owed[message.id]
                self._outlet.remember_soon()

        stored.add_done_callback(done)

    def _receipt(self, id_: str) -> Answer:
        """None: it is safe. Else a future that is done when it is."""
        if self._is_written or id_ not in self._owed:
            return None
        receipt: asyncio.Future[Message | None] = asyncio.get_running_loop().create_future()

        def stored(stored: "asyncio.Future[None]") -> None:
            if not (stored.cancelled() or receipt.done()):
                receipt.set_result(None)

        self._owed[id_][1].add_done_callback(stored)
        return receipt

    async def _page(self) -> tuple[ChatMessage, ...] | None:
        try:
            page = await self._outlet.ask(HISTORY, ListHistory(RESTORED), RESTORE_S)
        except OrderFailed:
            return None
        if not isinstance(page, HistoryPage):
            return None
        return tuple(message for message in page.messages if _belongs(message, self.restored))

    async def _restore_later(self, identity: str) -> None:
        """History was not there: what it has goes before what came since."""
        while True:
            await asyncio.sleep(RESTORE_S)
            if (page := await self._page()) is not None:
                break
        new = [message for message in page if self.list.get(message.id) is None]
        self.list.restore(_merged(page, self.list.all()))
        self.transcripts.recall(page, (), identity)
        for message in new:
            self._outlet.publish(MessageChanged(message))
        if new:
            self._outlet.publish(MessagesRestored())  # they go before what is there


def _merged(stored: Iterable[ChatMessage], ours: Iterable[ChatMessage]) -> list[ChatMessage]:
    """Ours is the newer word on a message, unless it only began what is stored whole."""
    merged = {message.id: message for message in stored}
    for message in ours:
        if message.is_final or message.id not in merged or not merged[message.id].is_final:
            merged[message.id] = message
    return list(merged.values())


def _belongs(message: ChatMessage, restored: Restored | None) -> bool:
    """Whether what history has is in the list, one having been put in place of it."""
    return restored is None or message.timestamp >= restored.at or message.id in restored.ids


def _check(messages: tuple[ChatMessage, ...]) -> None:
    if len(messages) > KEPT:
        raise OrderFailed("invalid", f"a list has at most {KEPT} messages", "restore the newest")
    if any(not message.id or len(message.id) > MAX_ID for message in messages):
        raise OrderFailed("invalid", f"a message's id has 1 to {MAX_ID} characters")
    if any(not math.isfinite(message.timestamp) for message in messages):
        raise OrderFailed("invalid", "a message's timestamp must be a time")
