"""The line between a session object and a running terminal, for as long as the object lives."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from pathlib import Path

from actors.messages import (
    AudioLevel,
    ChatMessage,
    Message,
    MessageChanged,
    MessagePurged,
    MessagesRestored,
    Missed,
    ProvideTokens,
    SessionState,
    TokenOptions,
)
from actors.runtime.client import Client
from actors.runtime.errors import OrderFailed
from actors.runtime.fetcher import Fetcher
from actors.runtime.post import ROUTER
from actors.runtime.token_function import TokenFunction, ask_function

from .snapshot import Change
from .view import View

log = logging.getLogger(__name__)

SESSION, AUDIO = "session", "audio"
OPEN_S = 10.0
"""Until a terminal that runs has said how things stand: one that was just started is busy."""


class Link:
    """Keeps ``view`` true over crashes of whatever there is; ``tell`` is called with each change,
    in the loop. ``tokens``: the terminal may ask this program for tokens.
    """

    def __init__(
        self,
        runtime_dir: Path,
        view: View,
        tell: Callable[[Change], None],
        tokens: TokenFunction | None = None,
    ) -> None:
        self.runtime_dir = runtime_dir
        self._view = view
        self._tell = tell
        self._tokens = tokens
        self._fetcher = Fetcher(self._ask_for_list, self._take_list)
        self._fetcher.fetch()
        self._has_state = asyncio.Event()
        self.input_dbfs = -120.0
        """RMS of the microphone; -120.0: nothing or silence."""
        self._client = Client(
            runtime_dir,
            subscribes=(
                SessionState, MessageChanged, MessagePurged, MessagesRestored, AudioLevel
            ),
            on_message=self._on_message,
            on_peer=self._on_peer,
            on_ask=self._on_ask,
        )  # fmt: skip

    async def open(self) -> None:
        """Raises ``NotRunning``, or ``NoAnswer`` when there is no session that answers."""
        await self._client.__aenter__()
        self._keeping = asyncio.create_task(self._fetcher.run(), name="session-list")
        self._offering: asyncio.Task[None] | None = None
        self._offer()
        try:
            async with asyncio.timeout(OPEN_S):
                await self._fetcher.fetched()
                await self._has_state.wait()
        except BaseException as error:
            await self.close()
            if isinstance(error, TimeoutError):
                raise OrderFailed(
                    "no-answer",
                    "the terminal's session does not answer",
                    "callpoint status shows what is the matter",
                ) from None
            raise

    async def close(self) -> None:
        """The terminal goes on without us."""
        for task in (self._keeping, self._offering):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        await self._client.__aexit__(None, None, None)

    async def order(self, message: Message) -> Message:
        """Ask the session. Raises ``OrderFailed``."""
        return await self._client.insist(SESSION, message)

    async def refresh(self) -> None:
        """Ask for the list anew; returns when it is seen. Raises TimeoutError."""
        self._fetcher.fetch()
        async with asyncio.timeout(OPEN_S):
            await self._fetcher.fetched()

    def _on_message(self, message: Message, sender: str) -> None:
        match message:
            case AudioLevel() if sender == AUDIO:
                self.input_dbfs = message.input_dbfs
            case Missed():
                self._fetcher.fetch()
            case MessagesRestored() if sender == SESSION:
                self._fetcher.fetch()
            case _ if sender == SESSION:
                if (change := self._view.apply(message)) is not None:
                    self._tell(change)
                if isinstance(message, SessionState):
                    self._has_state.set()

    def _on_peer(self, name: str, up: bool) -> None:
        if name not in (SESSION, ROUTER):
            return
        if up:
            self._fetcher.fetch()
            self._offer()
        elif (change := self._view.detached()) is not None:
            self._tell(change)

    # -- tokens ----------------------------------------------------------------------------------

    def _offer(self) -> None:
        """Whoever the session is now, it must know whom to ask."""
        if self._tokens is not None:
            if self._offering is not None:
                self._offering.cancel()
            self._offering = asyncio.create_task(self._offer_tokens(), name="token-offer")

    async def _offer_tokens(self) -> None:
        try:
            await self._client.post.joined()
            await self.order(ProvideTokens())
        except OrderFailed as failed:
            log.info("tokens are not wanted", extra={"code": failed.code})

    async def _on_ask(self, message: Message, sender: str) -> Message:
        if self._tokens is None or sender != SESSION or not isinstance(message, TokenOptions):
            raise OrderFailed("invalid", "this program takes no such orders")
        try:
            return await ask_function(self._tokens, message)
        except OrderFailed as failed:
            log.warning("no token", extra={"reason": failed.reason}, exc_info=failed.__cause__)
            raise

    async def _ask_for_list(self, message: Message) -> Message:
        await self._client.post.joined()
        self._view.expect_list()
        return await self._client.ask(SESSION, message)

    def _take_list(self, messages: tuple[ChatMessage, ...]) -> None:
        self._tell(self._view.take_list(messages))
