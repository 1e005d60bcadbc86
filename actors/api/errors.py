"""What the API raises, by who must act; what went wrong with a conversation is not raised but told
by ``session.error`` and ``agent.error``.
"""

from actors.messages import AgentError

from .message import SentMessage

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
    """The terminal did not do it, and will not."""


class OrderInDoubt(CallpointError):
    """Nobody has answered in time, or a process of the terminal died over it and was not back at
    once: it may have been done all the same, or may still be.
    """


class SendInDoubt(OrderInDoubt):
    """A text of which it is not known whether it was sent, or still will be. To send it again may
    double it: if it was, it will be in ``session.messages``, under the same id.
    """

    def __init__(self, reason: str, remedy: str, message: SentMessage) -> None:
        super().__init__(reason, remedy)
        self.message = message
        """As it was to be sent."""


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
