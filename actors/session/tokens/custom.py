"""Tokens from an integrator's own function."""

import inspect
from collections.abc import Awaitable, Callable

from actors.messages import TokenOptions, TokenResponse

from .source import TokenError

Fetch = Callable[[TokenOptions], TokenResponse | Awaitable[TokenResponse]]


class CustomTokens:
    """Asks ``fetch``, which may be a coroutine function. It runs in the session's loop: one that
    blocks must go to a thread of its own.
    """

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch

    async def fetch(self, request: TokenOptions) -> TokenResponse:
        """Ask; raises :class:`TokenError` for whatever the function raises or answers wrongly."""
        try:
            answer = self._fetch(request)
            details = await answer if inspect.isawaitable(answer) else answer
        except TokenError:
            raise
        except Exception as cause:
            # Its own text may hold anything.
            raise TokenError(f"the token function failed: {type(cause).__name__}") from cause
        if not isinstance(details, TokenResponse):
            raise TokenError("the token function did not answer with TokenResponse")
        return details
