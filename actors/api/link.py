"""The line between a session object and a running terminal, for as long as the object lives."""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

from actors.messages import (
    AudioLevel,
    GetMessages,
    Message,
    MessageChanged,
    MessagePurged,
    Messages,
    MessagesRestored,
    Missed,
    SessionState,
)
from actors.runtime.client import Client
from actors.runtime.errors import OrderFailed
from actors.runtime.post import ROUTER

from .snapshot import Change
from .view import View

SESSION, AUDIO = "session", "audio"
OPEN_S = 10.0
"""Until a terminal that runs has said how things stand: one that was just started is busy."""
_AGAIN_S = 0.1
_AGAIN_MAX_S = 2.0
"""Between asking for the list and asking again, doubled each time."""


class Link:
    """Keeps ``view`` true over crashes of whatever there is; ``tell`` is called with each change,
    in the loop.
    """

    def __init__(self, runtime_dir: Path, view: View, tell: Callable[[Change], None]) -> None:
        self._view = view
        self._tell = tell
        self._is_old = asyncio.Event()
        self._is_old.set()
        self._has_list, self._has_state = asyncio.Event(), asyncio.Event()
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
        self._keeping = asyncio.create_task(self._keep_list(), name="session-list")
        try:
            async with asyncio.timeout(OPEN_S):
                await self._has_list.wait()
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
        self._has_list.clear()
        self._is_old.set()
        async with asyncio.timeout(OPEN_S):
            await self._has_list.wait()

    def _on_message(self, message: Message, sender: str) -> None:
        match message:
            case AudioLevel() if sender == AUDIO:
                self.input_dbfs = message.input_dbfs
            case Missed():
                self._is_old.set()
            case MessagesRestored() if sender == SESSION:
                self._is_old.set()
            case _ if sender == SESSION:
                if (change := self._view.apply(message)) is not None:
                    self._tell(change)
                if isinstance(message, SessionState):
                    self._has_state.set()

    def _on_peer(self, name: str, up: bool) -> None:
        if name not in (SESSION, ROUTER):
            return
        if up:
            self._is_old.set()
        elif (change := self._view.detached()) is not None:
            self._tell(change)

    async def _keep_list(self) -> None:
        """Ask for all messages whenever facts may have passed us by."""
        wait = _AGAIN_S
        while True:
            await self._is_old.wait()
            # Only who is joined is sure to get what comes after the answer.
            await self._client.post.joined()
            self._is_old.clear()
            self._view.expect_list()
            try:
                answer = await self._client.ask(SESSION, GetMessages())
            except OrderFailed:
                self._is_old.set()
                await asyncio.sleep(wait)
                wait = min(2 * wait, _AGAIN_MAX_S)
                continue
            wait = _AGAIN_S
            if isinstance(answer, Messages):
                self._tell(self._view.take_list(answer.messages))
                if not self._is_old.is_set():  # else it was asked for before it got old again
                    self._has_list.set()
