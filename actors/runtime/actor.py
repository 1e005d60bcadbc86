"""The base class of every actor, built in or your own.

An actor is one process with one event loop. All hooks run in that loop, in the main thread, one
at a time in this order::

    on_start -> on_message* -> on_drain -> on_stop

To write your own, subclass :class:`Actor`, name the message types it wants in ``subscribes``, and
add it to the config::

    [actors.door]
    target = "mypackage.door:Door"
    options = { pin = 17 }
"""

import asyncio
import logging
import random
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from actors.messages import Message

from .errors import OrderFailed

if TYPE_CHECKING:
    from actors.settings import Settings

    from .bus import Bus
    from .host import Host

Answer = Message | asyncio.Future[Message | None] | None
"""What ``on_message`` returns."""


class Actor:
    """One process of the terminal. See the module for the order of the hooks."""

    subscribes: ClassVar[tuple[type[Message], ...]] = ()
    """Types of facts, states and levels to be sent here. Tells, asks and deliveries addressed to
    this actor arrive without subscribing. With :class:`actors.messages.Missed` among them, it is
    told when facts have passed it by because a queue was full; states then come again by
    themselves."""

    essential: ClassVar[bool] = True
    """The terminal is of no use without it."""

    handles_within_s: ClassVar[float] = 60.0
    """An ``on_message`` that takes longer is taken for a deadlock: the process ends and is
    restarted. Longer work goes to ``spawn``."""

    def __init__(self, host: "Host") -> None:
        """Runs in the child, before the loop; keep it to plain assignments."""
        self._host = host
        self.name: str = host.name
        self.incarnation: int = host.incarnation
        """1 for the first start, then counting."""
        self.settings: Settings = host.settings
        self.options: dict[str, Any] = host.options
        """The ``options`` table of this actor's own section of the config."""
        self.runtime_dir: Path = host.runtime_dir
        self.log = logging.getLogger(f"callpoint.{host.name}")

    # -- hooks -----------------------------------------------------------------------------------

    async def on_start(self) -> None:
        """Open what is needed. When it returns, the actor is Ready and gets messages.

        Raising fails the start: :class:`StartError` for what an operator must mend, anything else
        is reported with its traceback. The supervisor decides whether and when to try again.
        """

    async def on_message(self, message: Message, sender: str) -> Answer:
        """Handle one message; called for one at a time, in order of arrival.

        For an ask, the returned message is the answer (None: ``Done``). Raise ``OrderFailed`` to
        answer that it cannot be done; any other exception ends this process, and it is restarted:
        a message that kills is not handled again (a delivery is, so a handler of deliveries
        must expect that). A delivery that is refused with ``OrderFailed`` comes again, and what its
        sender has delivered after it waits for it: refuse what may be handled later, and return
        from what never can. While it awaits, further messages wait; long work goes to ``spawn``. To
        answer only when that work is done, return a future: its result (or ``OrderFailed``) is
        the answer, and further messages are handled meanwhile.
        """
        return None

    async def on_drain(self) -> None:
        """A stop was asked for: finish what was begun. Messages still arrive meanwhile."""

    async def on_stop(self) -> None:
        """Close what ``on_start`` opened. No messages any more. Also called when a hook raised."""

    def health(self) -> str:
        """Called about once a second for the heartbeat: ``ok`` or in a few words what is wrong.

        Judge the flow of data (do samples advance, do writes succeed), not that this code runs.
        """
        return "ok"

    def trouble(self) -> str:
        """Called with :meth:`health`: what is wrong that no new process would mend, in a few words.
        The status shows it, and nobody is restarted for it; empty: nothing.
        """
        return ""

    def quiet(self) -> bool:
        """Called with :meth:`health`: whether being restarted now would disturb nobody. An actor
        that has grown too large is restarted at such a moment; by default it never comes.
        """
        return False

    def on_peer(self, name: str, up: bool) -> None:
        """Another actor has become Ready (``up``) or has died."""

    # -- what an actor can do --------------------------------------------------------------------

    @property
    def bus(self) -> "Bus":
        """For a lane of one's own that does not cross the router."""
        return self._host.bus

    def tell(self, to: str, message: Message) -> None:
        """Send to one actor, expecting no answer. Raises ``Overloaded``."""
        self._host.post.tell(to, message)

    async def ask(self, to: str, message: Message, timeout_s: float = 5.0) -> Message:
        """Send to one actor and wait for its answer.

        Raises ``NoAnswer``, ``Unreachable``, ``Overloaded`` or the ``OrderFailed`` it answered.
        """
        return await self._host.post.ask(to, message, timeout_s)

    def publish(self, fact: Message) -> None:
        """Tell everyone who subscribed that something has happened."""
        self._host.post.publish(fact)

    def publish_level(self, level: Message) -> None:
        """A meter reading; may be dropped."""
        self._host.post.publish_level(level)

    def publish_state(self, snapshot: Message) -> None:
        """This is how things stand now; who joins later gets it too."""
        self._host.post.publish_state(snapshot)

    def deliver(self, to: str, message: Message) -> "asyncio.Future[None]":
        """Send to one actor, which handles in order what is delivered to it; kept and sent again
        until its ``on_message`` has returned, which the future tells. What this process keeps is
        lost with it: whoever promises more waits for the future before acknowledging what the
        message was made from. Raises ``OutboxFull``.
        """
        return self._host.post.deliver(to, message)

    def waiting(self) -> Iterator[Message]:
        """The messages behind the one being handled, oldest first; each still gets its turn, unless
        it was delivered after one that is then refused.

        For work that is cheaper done together: what was handled ahead must be known again when
        ``on_message`` is called with the same object.
        """
        return self._host.waiting()

    @property
    def terminal_stops(self) -> bool:
        """The stop that ``on_drain`` was called for is that of the whole terminal, and not a
        restart of this actor, alone or with others.
        """
        return self._host.terminal_stops

    def end(self) -> None:
        """End this process as if a stop had been asked for: drain, stop, exit 0."""
        self._host.request_stop()

    def spawn(self, work: Coroutine[Any, Any, None], name: str = "") -> asyncio.Task[None]:
        """Run work beside the messages. If it raises, the whole actor ends (and is restarted)."""
        return self._host.spawn(work, name)

    def later(self, work: Coroutine[Any, Any, Message | None]) -> "asyncio.Future[Message | None]":
        """``spawn`` the work of an order; the future of its answer is for ``on_message`` to return.

        An ``OrderFailed`` that the work raises becomes the answer.
        """
        answer: asyncio.Future[Message | None] = asyncio.get_running_loop().create_future()

        async def run() -> None:
            try:
                result = await work
            except OrderFailed as failed:
                if not answer.done():
                    answer.set_exception(failed)
            else:
                if not answer.done():
                    answer.set_result(result)

        self.spawn(run(), "order")
        return answer

    def after(self, delay_s: float, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """``spawn`` after a delay in seconds."""

        async def later() -> None:
            try:
                await asyncio.sleep(delay_s)
            except asyncio.CancelledError:
                work.close()
                raise
            await work

        return self.spawn(later(), name="after")


def new_epoch() -> int:
    """A number that distinguishes this start of a process from all others."""
    return random.SystemRandom().randrange(1, 2**53)
