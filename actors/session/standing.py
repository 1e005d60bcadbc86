"""How a conversation stands, for another process to go on with."""

import msgspec

from actors.messages import AgentError, SessionError


class Standing(msgspec.Struct, frozen=True):
    """All that the machine must know and nobody else can tell it."""

    conversation: str = ""
    is_on: bool = False
    stood: bool = False
    """The connection has stood before."""
    had_agent: bool = False
    waiting: bool = False
    """The agent's time is running."""
    failure: AgentError | None = None
    error: SessionError | None = None
    moving: bool = False
    """On its way to another room, because there is no agent in this one."""
