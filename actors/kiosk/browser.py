"""One open page: what it is still to be shown, what it asks for, and how the line to it ends."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from actors.messages import Message, Said
from actors.runtime.errors import OrderFailed
from actors.runtime.feed import Feed

from .orders import Allowance, Order, WrongOrder, read_order
from .wire import Accepted, Beat, Frame, Refused, encode

log = logging.getLogger(__name__)

_BEAT_S = 5.0
"""A page that has nothing to be told hears at least this; it gives up after 12 s of silence."""
_STALL_S = 10.0
"""A page that has not taken a frame for so long does not read any more."""
_HANG_UP_S = 2.0
"""For the close handshake; then the connection is cut."""
_AT_ONCE = 8
"""Orders of one page under way."""
_STRIKES = 50
"""Wrong or too frequent orders until the line is closed: no page of ours sends any."""

CarryOut = Callable[[Order], Awaitable[Message]]
"""Does what a page asks for; returns the answer. Raises ``OrderFailed``."""


class Browser:
    """A page's WebSocket, already open. Use: :meth:`attend`, then let go of it."""

    def __init__(
        self,
        socket: web.WebSocketResponse,
        cut: Callable[[], None],
        carry_out: CarryOut,
        snapshot: str,
    ) -> None:
        """``cut``: ends the connection at once; ``snapshot``: encoded, the first to be shown."""
        self._socket = socket
        self._cut = cut
        self._carry_out = carry_out
        self._feed = Feed[str]()
        self._news = asyncio.Event()
        self._ended: asyncio.Future[WSCloseCode] = asyncio.get_running_loop().create_future()
        self._tasks: set[asyncio.Task[None]] = set()
        self._orders = 0
        self._strikes = 0
        self._allowance = Allowance(time.monotonic())
        self.restart(snapshot)

    def show(self, key: str, text: str) -> None:
        """Queue an encoded frame; a page that is too far behind is sent away to come back."""
        if self._feed.put(key, text):
            self._news.set()
        else:
            self.end(WSCloseCode.TRY_AGAIN_LATER)

    def restart(self, snapshot: str) -> None:
        """Begin again with an encoded snapshot."""
        self._feed.restart(snapshot)
        self._news.set()

    def end(self, code: WSCloseCode) -> None:
        """Make :meth:`attend` close the line; the first code counts."""
        if not self._ended.done():
            self._ended.set_result(code)

    async def attend(self) -> None:
        """Serve the page until either side ends it."""
        self._spawn(self._read())
        self._spawn(self._write())
        code = WSCloseCode.GOING_AWAY
        try:
            code = await self._ended
        finally:
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._hang_up(code)

    async def _hang_up(self, code: WSCloseCode) -> None:
        try:
            async with asyncio.timeout(_HANG_UP_S):
                await self._socket.close(code=code)
        except (TimeoutError, ConnectionError):
            log.info("page did not take the close")
        if self._socket.close_code in (None, WSCloseCode.ABNORMAL_CLOSURE):
            self._cut()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        if not isinstance(error, ConnectionError):
            log.error("page failed", exc_info=error)
        self.end(WSCloseCode.INTERNAL_ERROR)

    # -- to the page -----------------------------------------------------------------------------

    async def _write(self) -> None:
        while True:
            text = self._feed.take() or await self._beat()
            if text is None:
                continue
            try:
                async with asyncio.timeout(_STALL_S):
                    await self._socket.send_str(text)
            except TimeoutError:
                self.end(WSCloseCode.TRY_AGAIN_LATER)
                return

    async def _beat(self) -> str | None:
        self._news.clear()
        try:
            async with asyncio.timeout(_BEAT_S):
                await self._news.wait()
        except TimeoutError:
            return encode(Beat())
        return None

    def _answer(self, frame: Frame) -> None:
        self.show(frame.key(), encode(frame))

    # -- from the page ---------------------------------------------------------------------------

    async def _read(self) -> None:
        async for message in self._socket:
            if message.type is not WSMsgType.TEXT:
                self.end(WSCloseCode.UNSUPPORTED_DATA)
                return
            self._take(message.data)
        self.end(WSCloseCode.OK)

    def _take(self, text: str) -> None:
        try:
            order = read_order(text)
        except WrongOrder as wrong:
            self._strike(Refused(wrong.id, "invalid", wrong.reason))
            return
        if not self._allowance.take(time.monotonic()):
            self._strike(Refused(order.id, "too-fast", "too many orders", "wait a moment"))
        elif self._orders >= _AT_ONCE:
            self._strike(Refused(order.id, "busy", "earlier orders are still being carried out"))
        else:
            self._orders += 1
            self._spawn(self._obey(order))

    def _strike(self, refusal: Refused) -> None:
        self._strikes += 1
        if self._strikes > _STRIKES:
            self.end(WSCloseCode.POLICY_VIOLATION)
        else:
            self._answer(refusal)

    async def _obey(self, order: Order) -> None:
        try:
            answer = await self._carry_out(order)
        except OrderFailed as failed:
            code, said = failed.code, failed.sentence
            self._answer(Refused(order.id, code, said, failed.remedy, failed.in_doubt))
        else:
            kept = isinstance(answer, Said) and answer.kept
            self._answer(Accepted(order.id, kept))
        finally:
            self._orders -= 1
