"""What the API raises, by who must act; what went wrong with a conversation is not raised but told
by ``session.error`` and ``agent.error``.
"""

from actors.messages import AgentError

_AGENT_ERRORS: dict[AgentError, str] = {
    "timeout": "the agent did not come in time",
    "left": "the agent has left unexpectedly",
}


class CallpointError(Exception):
    """Base of all below. ``reason`` and ``remedy`` are sentences for people."""

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(f"{reason}: {remedy}" if remedy else reason)
        self.reason = reason
        """What went wrong, without a secret in it."""
        self.remedy = remedy
        """What can be done about it; empty: not known."""


class TerminalError(CallpointError):
    """There is no terminal to attach to, or it could not be started, or does not answer."""


class OptionsError(CallpointError):
    """The options are such that no terminal could run with them."""


class OrderRefused(CallpointError):
    """The terminal is there and did not do it."""


class SessionClosed(CallpointError):
    """The session object was closed while somebody waited with it."""

    def __init__(self) -> None:
        super().__init__("the session was closed")


class SessionFailed(CallpointError):
    """The conversation ended while its connection was waited for."""


class AgentFailed(CallpointError):
    """The agent failed while it was waited for. ``error``: ``timeout`` or ``left``."""

    def __init__(self, error: AgentError) -> None:
        super().__init__(_AGENT_ERRORS[error])
        self.error = error
        """``timeout`` or ``left``."""
