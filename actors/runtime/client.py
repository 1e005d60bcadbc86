"""A program that is not an actor, attached to a running terminal: commands, tests, your own."""

import asyncio
import os
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from actors.messages import Envelope, Failed, Message, Missed, Peer

from .bus import Bus
from .errors import OrderFailed
from .insist import ANSWER_S, insist
from .listening import somebody_listens, was_bound
from .post import ROUTER, Post

OnMessage = Callable[[Message, str], None]
"""Called with a message and the name of its sender, in the loop."""

OnPeer = Callable[[str, bool], None]
"""Called with the name of an actor that has died (False) or is back (True), in the loop."""

OnAsk = Callable[[Message, str], Awaitable[Message]]
"""Called with an ask and the name of its sender; the answer, or ``OrderFailed``."""

MAX_ASKED = 64
"""Asks that are being answered at a time."""


async def _takes_no_orders(_message: Message, _sender: str) -> Message:
    raise OrderFailed("invalid", "this program takes no such orders")


class NotRunning(OrderFailed):
    """There is no terminal in the runtime directory."""

    def __init__(self, runtime_dir: Path) -> None:
        super().__init__(
            "not-running",
            f"no terminal is running in {runtime_dir}",
            "start one with: callpoint run CONFIG (or name another with --runtime-dir)",
        )


class NotAllowed(OrderFailed):
    """The runtime directory is another user's; whether a terminal runs there is not known."""

    def __init__(self, runtime_dir: Path) -> None:
        super().__init__(
            "not-allowed",
            f"this user may not speak to a terminal in {runtime_dir}",
            "be the user that runs it (sudo -u), or name another with --runtime-dir",
        )


class NotAnswering(OrderFailed):
    """A terminal runs, but its router hangs."""

    def __init__(self, runtime_dir: Path) -> None:
        super().__init__(
            "no-answer",
            f"the router of the terminal in {runtime_dir} does not answer",
            "one that hangs is replaced within some seconds; callpoint status shows it",
        )


class Client:
    """``async with Client(runtime_dir) as client: await client.ask("session", StartSession())``.

    ``subscribes`` and ``on_message``: facts, states and levels to be called with, and
    :class:`actors.messages.Missed` when some of them were lost because they were not read in time.
    ``on_peer``: of the router too, without which nothing passes; whoever was joined is joined
    again when it is back. ``on_ask``: runs in a task of its own for each ask. Entering raises
    :class:`NotRunning`, :class:`NotAllowed` and :class:`NotAnswering`.
    """

    def __init__(
        self,
        runtime_dir: Path,
        *,
        subscribes: tuple[type[Message], ...] = (),
        on_message: OnMessage = lambda _message, _sender: None,
        on_peer: OnPeer = lambda _name, _up: None,
        on_ask: OnAsk = _takes_no_orders,
    ) -> None:
        self._runtime_dir = runtime_dir
        self._subscribes = subscribes
        self._on_message = on_message
        self._on_peer = on_peer
        self._on_ask = on_ask
        self._answering: set[asyncio.Task[None]] = set()
        self._router_is_gone = False
        self.name = f"client-{os.getpid()}-{random.SystemRandom().randrange(1 << 32):08x}"

    async def __aenter__(self) -> Self:
        try:
            exists = was_bound(self._runtime_dir, ROUTER)
        except PermissionError:
            raise NotAllowed(self._runtime_dir) from None
        if not exists:
            raise NotRunning(self._runtime_dir)
        self._bus = Bus(self._runtime_dir)
        self.post = Post(self._bus, self.name, self._on_envelope, on_link=self._on_link)
        try:
            wanted: tuple[type[Message], ...] = (*self._subscribes, Peer, Missed)
            await self.post.join(tuple(kind.tag() for kind in wanted), timeout_s=2.0)
        except OrderFailed as cause:
            await self.__aexit__(None, None, None)
            bound = somebody_listens(self._runtime_dir, ROUTER)
            raise (NotAnswering if bound else NotRunning)(self._runtime_dir) from cause
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for task in self._answering:
            task.cancel()
        await asyncio.gather(*self._answering, return_exceptions=True)
        self.post.leave()
        self.post.close()
        self._bus.close(linger_ms=100)

    async def ask(self, to: str, message: Message, timeout_s: float = 5.0) -> Message:
        """Send an order and wait for its answer. Raises as :meth:`Post.ask`."""
        return await self.post.ask(to, message, timeout_s)

    async def insist(self, to: str, message: Message, timeout_s: float = ANSWER_S) -> Message:
        """Send an order that does no harm when it is done twice: as :func:`insist`."""
        return await insist(lambda: self.ask(to, message, timeout_s))

    def _on_envelope(self, envelope: Envelope) -> None:
        match envelope.message:
            case Peer(name=name, up=up) if envelope.sender == ROUTER:
                self._peer(name, up=up)
            case Peer() | Missed() if envelope.sender != ROUTER:
                pass  # nobody else may say so
            case Missed() as missed:
                self.post.rejoin()  # brings the snapshots
                self._on_message(missed, ROUTER)
            case _ if envelope.kind == "ask":
                self._answer(envelope)
            case message:
                self._on_message(message, envelope.sender)

    def _answer(self, ask: Envelope) -> None:
        if len(self._answering) >= MAX_ASKED:
            self.post.reply(ask, Failed("overloaded", f"{self.name} has too much to do"))
            return
        task = asyncio.get_running_loop().create_task(self._answered(ask), name="answer")
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _answered(self, ask: Envelope) -> None:
        try:
            answer = await self._on_ask(ask.message, ask.sender)
        except OrderFailed as failed:
            answer = failed.answer()
        self.post.reply(ask, answer)

    def _on_link(self, up: bool) -> None:
        """The first connection is the one that we have just joined through."""
        if up == self._router_is_gone:
            self._router_is_gone = not up
            self._peer(ROUTER, up=up)

    def _peer(self, name: str, *, up: bool) -> None:
        (self.post.peer_up if up else self.post.peer_down)(name)
        self._on_peer(name, up)
