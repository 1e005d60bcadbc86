"""What a token source is asked and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


class TokenError(Exception):
    """No token. The text names address and status, and nothing secret."""


@dataclass(frozen=True)
class TokenRequest:
    """One join of one room. Empty: left to the source."""

    room_name: str = ""
    identity: str = ""
    agent_name: str = ""
    agent_metadata: str = ""
    name: str = ""
    """Of the participant, for people."""
    metadata: str = ""
    """Of the participant."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """Of the participant."""


@dataclass(frozen=True)
class ConnectionDetails:
    """Where to join and with what."""

    url: str
    token: str = field(repr=False)
    room_name: str = ""
    """Of the room that the token is for, when the source says so."""
    name: str = ""
    """Of the participant, likewise."""


class TokenSource(Protocol):
    """Asked anew for every join: a terminal runs longer than any token lives."""

    async def fetch(self, request: TokenRequest) -> ConnectionDetails:
        """A fresh token. Raises :class:`TokenError`."""
