"""Receivers of an integrator's own: messages from elsewhere, into the list.

Each runs in a thread and a loop of its own: one that blocks or hangs holds up nobody, and one that
raises is begun again after a while.
"""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from math import isfinite
from typing import Any

import msgspec

from actors.messages import ChatMessage

from .record import MAX_ID

log = logging.getLogger(__name__)

AGAIN_S = 1.0
AGAIN_MAX_S = 60.0
"""Before one that has failed is begun again; doubled each time that nothing has come of it."""
PACE_S = 0.01
"""Between two messages: each is told to everyone who follows the session."""
MAX_CHARACTERS = 64 * 1024

Take = Callable[[ChatMessage], Awaitable[None]]
"""In the session's loop; a receiver's next message is asked for when it returns."""
Failed = Callable[[str], None]
"""In the session's loop; why, without words of the receiver's own."""


class Receivers:
    """``made``: what makes each receiver, by the name that the config has for it."""

    def __init__(self, made: dict[str, Any], take: Take, failed: Failed) -> None:
        self._made = made
        self._take = take
        self._failed = failed

    def start(self) -> None:
        """They run from now on, until the process ends."""
        loop = asyncio.get_running_loop()
        for name, make in self._made.items():
            threading.Thread(
                target=self._run, args=(name, make, loop), name=f"receiver {name}", daemon=True
            ).start()

    def _run(self, name: str, make: Any, session: asyncio.AbstractEventLoop) -> None:
        try:
            asyncio.run(self._receive(name, make, session))
        except RuntimeError:
            if not session.is_closed():
                raise

    async def _receive(self, name: str, make: Any, session: asyncio.AbstractEventLoop) -> None:
        wait = AGAIN_S
        while True:
            try:
                receiver = make() if callable(make) else make
                async for message in receiver.messages():
                    taking = self._taken(checked(message))
                    future = asyncio.run_coroutine_threadsafe(taking, session)
                    await asyncio.wrap_future(future)
                    wait = AGAIN_S
                    await asyncio.sleep(PACE_S)
                log.info("receiver has ended", extra={"receiver": name})
                return
            except Exception as failure:
                # Its own text may hold anything.
                reason = f"the receiver {name} failed: {type(failure).__name__}"
                log.error("receiver failed", extra={"reason": reason})
                session.call_soon_threadsafe(self._failed, reason)
            await asyncio.sleep(wait)
            wait = min(2 * wait, AGAIN_MAX_S)

    async def _taken(self, message: ChatMessage) -> None:
        await self._take(message)


def checked(message: Any) -> ChatMessage:
    """A ``ReceivedMessage``, or whatever has its fields; raises ``ValueError``."""
    chat = msgspec.convert(message, ChatMessage, from_attributes=True)
    if not 0 < len(chat.id) <= MAX_ID:
        raise ValueError(f"a message's id has 1 to {MAX_ID} characters")
    if len(chat.text) > MAX_CHARACTERS:
        raise ValueError(f"a message may have {MAX_CHARACTERS} characters")
    if not isfinite(chat.timestamp):
        raise ValueError("a message's timestamp must be a time")
    return msgspec.structs.replace(chat, conversation="")
