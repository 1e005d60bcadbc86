"""Asking a function of the user's for a token, in the session process or in an attached program."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable

from actors.messages import TokenOptions, TokenResponse

from .errors import OrderFailed

TokenFunction = Callable[[TokenOptions], TokenResponse | Awaitable[TokenResponse]]
"""A coroutine function runs in the loop, any other in a thread."""

ANSWER_S = 10.0


async def ask_function(
    function: TokenFunction, request: TokenOptions, within_s: float = ANSWER_S
) -> TokenResponse:
    """Its answer. Raises ``OrderFailed`` for whatever it raises or answers wrongly, or when it does
    not answer in time; the cause is that of the function.
    """
    try:
        async with asyncio.timeout(within_s) as time:
            answer = await _asked(function, request)
    except Exception as cause:
        if time.expired():
            reason = f"the token function did not answer within {within_s:g} s"
            raise OrderFailed("token", reason) from None
        # Its own text may hold anything.
        reason = f"the token function failed: {type(cause).__name__}"
        raise OrderFailed("token", reason) from cause
    if not isinstance(answer, TokenResponse):
        raise OrderFailed("token", "the token function did not answer with a TokenResponse")
    return answer


async def _asked(function: TokenFunction, request: TokenOptions) -> TokenResponse:
    answer = (
        function(request)
        if inspect.iscoroutinefunction(function)
        else await asyncio.to_thread(function, request)
    )
    return await answer if inspect.isawaitable(answer) else answer
