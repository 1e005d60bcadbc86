"""The line between a session object and a running terminal, for as long as the object lives."""

import asyncio
import contextlib
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
    SessionState,
)
from actors.runtime.client import Client
from actors.runtime.errors import OrderFailed
from actors.runtime.fetcher import Fetcher
from actors.runtime.post import ROUTER

from .snapshot import Change
from .view import View

SESSION, AUDIO = "session", "audio"
OPEN_S = 10.0
"""Until a terminal that runs has said how things stand: one that was just started is busy."""


class Link:
    """Keeps ``view`` true over crashes of whatever there is; ``tell`` is called with each change,
    in the loop.
    """

    def __init__(self, runtime_dir: Path, view: View, tell: Callable[[Change], None]) -> None:
        self._view = view
        self._tell = tell
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
        )  # fmt: skip

    async def open(self) -> None:
        """Raises ``NotRunning``, or ``NoAnswer`` when there is no session that answers."""
        await self._client.__aenter__()
        self._keeping = asyncio.create_task(self._fetcher.run(), name="session-list")
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
        self._keeping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._keeping
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
        elif (change := self._view.detached()) is not None:
            self._tell(change)

    async def _ask_for_list(self, message: Message) -> Message:
        await self._client.post.joined()
        self._view.expect_list()
        return await self._client.ask(SESSION, message)

    def _take_list(self, messages: tuple[ChatMessage, ...]) -> None:
        self._tell(self._view.take_list(messages))
