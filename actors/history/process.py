"""The history process: keeps what is delivered, once; tells what there is."""

import asyncio
import os
from collections import deque
from itertools import islice
from pathlib import Path

from actors.messages import (
    ChatMessage,
    HistoryPage,
    HistoryState,
    ListHistory,
    Message,
    StoreMessage,
)
from actors.runtime.actor import Actor
from actors.runtime.errors import OrderFailed, StartError
from actors.settings import Settings
from actors.settings.dirs import resolve_dirs

from .archive import Archive
from .ownership import own
from .sqlite import SqliteStore
from .store import StoreError, StoreUnavailable, StoreUnopenable

_COMMIT_TOGETHER = 500
"""Messages in one commit: about 5 ms of work, against 0.2-0.7 ms of fsync for each alone."""

_RETRY_S = 1.0
"""Between attempts while writing does not succeed; senders repeat every 2 s."""


class History(Actor):
    """A delivery is acknowledged when its commit has reached the disk, and not before."""

    async def on_start(self) -> None:
        """Open the store. What may pass by itself (disk full, locked) does not stop the start."""
        path = _path(self.settings)
        self._holder = await own(path)
        self._archive = Archive(SqliteStore(path))
        self._ahead: deque[ChatMessage] = deque()
        """Committed together with one before them, still in the mailbox, in its order."""
        self._told: HistoryState | None = None
        self._mending: asyncio.Task[None] | None = None
        try:
            self._archive.open()
        except StoreUnopenable as failure:
            if self.incarnation == 1:
                raise StartError(failure.reason, failure.remedy) from failure
            self._archive.trouble(failure)  # it worked once: wait for the disk to come back
        self._tell_state()

    async def on_message(self, message: Message, sender: str) -> Message | None:
        """Store or list."""
        match message:
            case StoreMessage(message=said):
                self._keep(said)
            case ListHistory():
                return self._list(message)
            case _:
                raise OrderFailed("invalid", "the history only stores and lists")
        return None

    def _keep(self, said: ChatMessage) -> None:
        """Store ``said`` and, in the same commit, what waits behind it; that is acknowledged when
        its turn comes.
        """
        while self._ahead:
            if self._ahead.popleft() is said:
                return
        behind = [
            waiting.message
            for waiting in islice(self.waiting(), _COMMIT_TOGETHER - 1)
            if isinstance(waiting, StoreMessage)
        ]
        try:
            self._archive.keep([said, *behind])
        except StoreUnavailable as failure:
            raise OrderFailed("unavailable", failure.reason, failure.remedy) from failure
        finally:
            self._tell_state()
        self._ahead.extend(behind)

    def _list(self, order: ListHistory) -> HistoryPage:
        try:
            return HistoryPage(self._archive.page(order))
        except ValueError as mistake:
            raise OrderFailed("invalid", str(mistake)) from mistake
        except StoreError as failure:
            raise OrderFailed("unavailable", failure.reason, failure.remedy) from failure
        finally:
            self._tell_state()  # reading is how a corrupt store may be found

    def _tell_state(self) -> None:
        """Publish what has changed, and see to it that trouble ends some day."""
        archive = self._archive
        state = HistoryState(archive.stored, archive.error, archive.set_aside)
        if state != self._told:
            self._told = state
            self.publish_state(state)
        if archive.error and (self._mending is None or self._mending.done()):
            self._mending = self.spawn(self._mend(), "mend")

    async def _mend(self) -> None:
        while self._archive.error:
            await asyncio.sleep(_RETRY_S)
            self._archive.retry()
        self._tell_state()

    def health(self) -> str:
        """Whether writes reach the disk, and whether a corrupt store was found."""
        if self._archive.error:
            return self._archive.error
        if self._archive.set_aside:
            return f"a corrupt history was set aside as {self._archive.set_aside}"
        if self._archive.damaged:
            return f"{self._archive.damaged} damaged messages are left out: look at the disk"
        return "ok"

    def quiet(self) -> bool:
        """Always: what is not yet written stays with its sender, and is sent again."""
        return True

    async def on_stop(self) -> None:
        """Close the store, which also folds the log into the file."""
        if hasattr(self, "_archive"):
            self._archive.close()


def _path(settings: Settings) -> Path:
    return Path(resolve_dirs(settings, os.environ).history.path).absolute()
