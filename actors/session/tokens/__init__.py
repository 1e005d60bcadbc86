"""Where the session gets a token for each join."""

from actors.messages import TokenOptions, TokenResponse

from .source import TokenError, TokenSource

__all__ = ["TokenError", "TokenOptions", "TokenResponse", "TokenSource"]
