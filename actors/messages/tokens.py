"""Tokens: what is asked of whoever makes them, and the answer."""

from .base import Message


class TokenOptions(Message, tag="token-options", frozen=True):
    """What a token is wanted for: one join of one room. Empty: left to the source.

    Also the ask of the session to a program that gives tokens (:class:`ProvideTokens`); answered
    by :class:`TokenResponse` or Failed.
    """

    room_name: str = ""
    """Of the room to join."""
    participant_identity: str = ""
    """Of the terminal in the room."""
    agent_name: str = ""
    """Agent to be dispatched into the room."""
    agent_metadata: str = ""
    """For the agent's job."""
    participant_name: str = ""
    """For people."""
    participant_metadata: str = ""
    """Of the terminal, for the agent."""
    participant_attributes: dict[str, str] = {}
    """The same by names."""


class TokenResponse(Message, tag="token-response", frozen=True):
    """Where to join and with what."""

    server_url: str
    """ws:// or wss:// address."""
    participant_token: str
    """Secret: never logged."""
    room_name: str = ""
    """Of the room that the token is for, when the source says so."""
    participant_name: str = ""
    """Of the terminal, for people, when the source says so."""

    def __repr__(self) -> str:
        return f"TokenResponse(server_url={self.server_url!r}, participant_token=...)"


class ProvideTokens(Message, tag="provide-tokens", frozen=True):
    """Ask of an attached program to the session: from now on I give tokens. The one that came last
    is asked first. Answered by Done, or Failed where the terminal has another source.
    """
