"""Where the session gets a token for each join."""

from .source import ConnectionDetails, TokenError, TokenRequest, TokenSource

__all__ = ["ConnectionDetails", "TokenError", "TokenRequest", "TokenSource"]
