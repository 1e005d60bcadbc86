"""Calls of methods, to the agent and from it: LiveKit's RPC."""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from actors.messages import InvokeRpc, Message, RpcResult, ServeRpc

from .errors import CallpointError

log = logging.getLogger(__name__)


class RpcError(CallpointError):
    """A call was not answered. Raised by a method of yours, it is what the caller gets.

    ``code``: 1001 to 1999 are LiveKit's own, such as 1400 (no such method), 1401 (no agent), 1500
    (the method failed) and 1502 (no answer in time).
    """

    def __init__(self, code: int, message: str, data: str = "") -> None:
        super().__init__(message)
        self.code = code
        """A number; see above."""
        self.message = message
        """Why, as a sentence."""
        self.data = data
        """Whatever who was called adds to that."""


@dataclass(frozen=True)
class RpcInvocation:
    """A call from the room."""

    method: str
    """The name under which it was registered."""
    caller_identity: str
    """Of the participant who calls."""
    payload: str
    """Whatever it sends along."""
    response_timeout_s: float
    """Seconds, after which the caller does not wait any more."""


RpcHandler = Callable[[RpcInvocation], str | Awaitable[str]]
"""A coroutine function runs in the session's loop, any other in a thread."""


class RpcService:
    """The methods of one session object."""

    to: Final = "room"
    takes: Final = InvokeRpc

    def __init__(self) -> None:
        self._handlers: dict[str, RpcHandler] = {}
        self._was_offered = False

    def register(self, method: str, handler: RpcHandler) -> None:
        """In place of the one of that name."""
        self._handlers[method] = handler

    def unregister(self, method: str, handler: RpcHandler) -> None:
        """Unless another has taken its place."""
        if self._handlers.get(method) is handler:
            del self._handlers[method]

    def offer(self) -> Message | None:
        """What the room must know; None: nothing."""
        if not self._handlers and not self._was_offered:
            return None
        self._was_offered = True
        return ServeRpc(tuple(self._handlers))

    async def answer(self, message: Message) -> Message:
        """A call. Whatever the method raises is LiveKit's code 1500, and in this program's log."""
        assert isinstance(message, InvokeRpc)
        if (handler := self._handlers.get(message.method)) is None:
            return RpcResult(code=1400, message="Method not supported at destination")
        call = RpcInvocation(message.method, message.caller, message.payload, message.timeout_s)
        try:
            return RpcResult(await _called(handler, call))
        except RpcError as error:
            return RpcResult(code=error.code, message=error.message, data=error.data)
        except Exception:
            log.exception("an RPC method failed", extra={"method": message.method})
            return RpcResult(code=1500, message="Application error in method handler")


async def _called(handler: RpcHandler, call: RpcInvocation) -> str:
    answer = (
        handler(call)
        if inspect.iscoroutinefunction(handler)
        else await asyncio.to_thread(handler, call)
    )
    payload = await answer if inspect.isawaitable(answer) else answer
    if not isinstance(payload, str):
        raise TypeError(f"an RPC method answers with a text, not with {type(payload).__name__}")
    return payload


def payload_of(result: Message) -> str:
    """Of an answered call; raises :class:`RpcError`."""
    if not isinstance(result, RpcResult):
        raise RpcError(1500, "the terminal has answered something else")
    if result.code:
        raise RpcError(result.code, result.message, result.data)
    return result.payload
