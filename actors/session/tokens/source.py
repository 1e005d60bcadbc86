"""What a token source is asked and what it answers."""

from dataclasses import dataclass, field
from typing import Protocol


class TokenError(Exception):
    """No token. The text names address and status, and nothing secret."""


@dataclass(frozen=True)
class TokenRequest:
    """One join of one room."""

    room_name: str
    identity: str
    agent_name: str = ""
    agent_metadata: str = ""


@dataclass(frozen=True)
class ConnectionDetails:
    """Where to join and with what."""

    url: str
    token: str = field(repr=False)


class TokenSource(Protocol):
    """Asked anew for every join: a terminal runs longer than any token lives."""

    async def fetch(self, request: TokenRequest) -> ConnectionDetails:
        """A fresh token. Raises :class:`TokenError`."""
