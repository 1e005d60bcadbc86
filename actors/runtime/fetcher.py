"""Asks the session for its whole list of messages whenever facts may have passed by."""

import asyncio
from collections.abc import Awaitable, Callable

from actors.messages import ChatMessage, GetMessages, Message, Messages

from .errors import OrderFailed

_AGAIN_S = 0.2
_AGAIN_MAX_S = 5.0
"""While the session does not answer; doubled each time."""


class Fetcher:
    """``ask``: of the session, once it is sure that what is said after the answer will arrive;
    before it sends the question it tells its mirror to expect a list. ``take``: the answer.
    """

    def __init__(
        self,
        ask: Callable[[Message], Awaitable[Message]],
        take: Callable[[tuple[ChatMessage, ...]], None],
    ) -> None:
        self._ask = ask
        self._take = take
        self._is_old, self._is_whole = asyncio.Event(), asyncio.Event()
        self.trouble = ""
        """Why the list cannot be had at present."""

    def fetch(self) -> None:
        """The list may be old."""
        self._is_whole.clear()
        self._is_old.set()

    async def fetched(self) -> None:
        """Wait until the list is what it was when :meth:`fetch` was last called, or newer."""
        await self._is_whole.wait()

    async def run(self) -> None:
        """Runs for the life of its owner."""
        wait = _AGAIN_S
        while True:
            await self._is_old.wait()
            self._is_old.clear()
            try:
                answer = await self._ask(GetMessages())
            except OrderFailed as failed:
                self.trouble = f"the session does not tell its messages: {failed.reason}"
                await asyncio.sleep(wait)
                wait = min(2 * wait, _AGAIN_MAX_S)
                self._is_old.set()
                continue
            wait, self.trouble = _AGAIN_S, ""
            if isinstance(answer, Messages):
                self._take(answer.messages)
                if not self._is_old.is_set():  # else it was asked for before it got old again
                    self._is_whole.set()
