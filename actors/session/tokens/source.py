"""What a token source is."""

from typing import Protocol

from actors.messages import TokenOptions, TokenResponse


class TokenError(Exception):
    """No token. The text names address and status, and nothing secret."""


class TokenSource(Protocol):
    """Asked anew for every join: a terminal runs longer than any token lives."""

    async def fetch(self, request: TokenOptions) -> TokenResponse:
        """A fresh token. Raises :class:`TokenError`."""
