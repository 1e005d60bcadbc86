"""A session's line to its terminal: opened by whoever needs it first, and asked over."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from actors.messages import Message
from actors.runtime.errors import OrderFailed

from .errors import OrderInDoubt, OrderRefused, SessionClosed
from .observers import Observers
from .opening import Opening
from .options import SessionOptions
from .tokens import TokenOptions, TokenSource
from .view import View

if TYPE_CHECKING:
    from .link import Link  # it brings zmq: only for who opens one
    from .services import Service


class Line:
    """Of one session object, over any number of terminals of its own, or to one that runs.
    ``services``: what a terminal may ask of this program; ``runtime_dir``: as of a session.
    """

    def __init__(
        self,
        options: SessionOptions,
        tokens: TokenSource,
        token_options: TokenOptions,
        runtime_dir: Path | None,
        view: View,
        observers: Observers,
        services: "Callable[[], Sequence[Service]]",
    ) -> None:
        self._opening = Opening(
            options,
            tokens,
            token_options,
            runtime_dir,
            make_link=self._make_link,
            ended=self._terminal_ended,
        )
        self._view = view
        self._observers = observers
        self._services = services
        self._turn: asyncio.Lock | None = None
        """To open or to close; made in the loop."""
        self._stack = contextlib.AsyncExitStack()
        self.link: Link | None = None
        """While it is open."""
        self.is_closed = False

    def attach_only(self) -> None:
        """No terminal is started where none runs."""
        self._opening.may_start = False

    async def open(self, opened: Callable[[], None]) -> None:
        """Unless it is; ``opened`` is called when it was not.

        Raises :class:`TerminalError`, :class:`OptionsError`, and :class:`SessionClosed`.
        """
        if self._turn is None:
            self._turn = asyncio.Lock()
        async with self._turn:
            if self.is_closed:
                raise SessionClosed
            if self.link is None:
                await self._stack.aclose()  # of a terminal that has ended
                async with contextlib.AsyncExitStack() as stack:
                    self.link = await self._opening.connect(stack)
                    self._stack = stack.pop_all()
                opened()

    async def close(self, closing: Callable[[], Awaitable[None]]) -> None:
        """For good, after ``closing``; a terminal that was started here ends."""
        if self.is_closed:
            return
        self.is_closed = True
        async with self._turn or contextlib.nullcontext():
            await closing()
            self._observers.close()
            self.link = None
            await self._stack.aclose()

    async def order(self, message: Message) -> None:
        """Ask the terminal's session. Raises :class:`OrderRefused`, :class:`OrderInDoubt`, and
        :class:`SessionClosed`.
        """
        await self.asked(lambda link: link.order(message))

    async def asked(self, ask: "Callable[[Link], Awaitable[Message]]") -> Message:
        """What the terminal answers. Raises as :meth:`order`."""
        if self.link is None:
            raise OrderRefused("the terminal has ended", "start() starts another")
        try:
            return await ask(self.link)
        except OrderFailed as failed:
            error = OrderInDoubt if failed.in_doubt else OrderRefused
            raise error(failed.sentence, failed.remedy) from None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Nobody has cancelled us: the line was closed by another task.
            if self.is_closed:
                raise SessionClosed from None
            raise OrderInDoubt("the terminal has ended", "start() starts another") from None

    def _make_link(self, runtime_dir: Path) -> "Link":
        from .link import Link

        return Link(runtime_dir, self._view, self._observers, self._services())

    def _terminal_ended(self, code: int) -> None:
        """Not asked to: the next order starts another."""
        if self.link is None:
            return
        self._observers.tell(self._view.detached())
        self._observers.tell(self._view.gone(f"the terminal ended with code {code}"))
        self.link = None
