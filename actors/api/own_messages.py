"""Messages of this program alone: through its own senders, and from its own receivers."""

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence

from actors.messages import Message

from .errors import OrderInDoubt, SendInDoubt
from .message import ReceivedMessage, SentMessage
from .messaging import MessageReceiver, MessageSender, TextSender
from .observers import Observers
from .view import View

log = logging.getLogger(__name__)


class OwnMessages:
    """Of one session object. ``order``: asks the terminal's session."""

    def __init__(
        self,
        senders: Sequence[MessageSender] | None,
        receivers: Sequence[MessageReceiver],
        view: View,
        observers: Observers,
        order: Callable[[Message], Awaitable[None]],
    ) -> None:
        self._senders = (TextSender(),) if senders is None else tuple(senders)
        for sender in self._senders:
            if isinstance(sender, TextSender):
                sender.bind(order)
        self._receivers = receivers
        self._view = view
        self._tell = observers.tell
        self._receiving: list[asyncio.Task[None]] = []

    async def send(self, text: str) -> SentMessage | None:
        """Through all senders in order; None: one has failed, and the rest were skipped.

        Raises :class:`SendInDoubt` when that is not known of one.
        """
        message = SentMessage(str(uuid.uuid4()), time.time(), text)
        for sender in self._senders:
            try:
                await sender.send(message)
            except OrderInDoubt as doubt:
                if self._view.get(message.id) is None:  # one that is listed was sent
                    self._failed(sender, doubt.reason)
                    raise SendInDoubt(doubt.reason, doubt.remedy, message) from None
            except Exception as failed:
                reason = getattr(failed, "reason", "") or type(failed).__name__
                self._failed(sender, str(reason))
                return None
        if (listed := self._view.get(message.id)) is not None:
            return SentMessage(message.id, listed.timestamp, message.text)
        own = ReceivedMessage(message.id, message.timestamp, "user_input", message.text)
        self._tell(self._view.put_own(own))
        return message

    def _failed(self, sender: MessageSender, reason: str) -> None:
        log.warning("message not sent", extra={"sender": type(sender).__name__})
        self._tell(self._view.fail("sender", reason))

    def receive(self) -> None:
        """From all receivers, from now on; once."""
        if not self._receiving:
            self._receiving = [
                asyncio.create_task(self._receive_from(receiver)) for receiver in self._receivers
            ]

    async def close(self) -> None:
        """Nothing comes any more."""
        for task in self._receiving:
            task.cancel()
        await asyncio.gather(*self._receiving, return_exceptions=True)

    async def _receive_from(self, receiver: MessageReceiver) -> None:
        try:
            async for message in receiver.messages():
                self._tell(self._view.put_own(message))
        except Exception as failed:
            log.exception("receiver failed", extra={"receiver": type(receiver).__name__})
            self._tell(self._view.fail("receiver", type(failed).__name__))
