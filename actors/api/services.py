"""What this program does for the terminal when it is asked."""

import logging
from typing import Final, Protocol

from actors.messages import Message, ProvideTokens, TokenOptions
from actors.runtime.errors import OrderFailed
from actors.runtime.token_function import TokenFunction, ask_function

log = logging.getLogger(__name__)


class Service(Protocol):
    """Known to :class:`~.link.Link`."""

    @property
    def to(self) -> str:
        """The actor that asks."""

    @property
    def takes(self) -> type[Message]:
        """Its questions."""

    def offer(self) -> Message | None:
        """What that actor must be told, now and whenever it has been restarted; None: nothing."""

    async def answer(self, message: Message) -> Message:
        """Raises ``OrderFailed``."""


class TokenService:
    """A function of the program's gives tokens."""

    to: Final = "session"
    takes: Final = TokenOptions

    def __init__(self, function: TokenFunction) -> None:
        self._function = function

    def offer(self) -> Message | None:
        """It is there."""
        return ProvideTokens()

    async def answer(self, message: Message) -> Message:
        """A token. What the function raises stays here."""
        assert isinstance(message, TokenOptions)
        try:
            return await ask_function(self._function, message)
        except OrderFailed as failed:
            log.warning("no token", extra={"reason": failed.reason}, exc_info=failed.__cause__)
            raise


def services_of(rpc: Service, tokens: TokenFunction | None) -> list[Service]:
    """All that one session does."""
    return [rpc, *([TokenService(tokens)] if tokens else [])]
