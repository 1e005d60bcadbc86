"""Tokens from an integrator's own function."""

from actors.messages import TokenOptions, TokenResponse
from actors.runtime.errors import OrderFailed
from actors.runtime.token_function import ANSWER_S, TokenFunction, ask_function

from .source import TokenError


class CustomTokens:
    """Asks ``function``, which has so many seconds for an answer."""

    def __init__(self, function: TokenFunction, within_s: float = ANSWER_S) -> None:
        self._function = function
        self._within_s = within_s

    async def fetch(self, request: TokenOptions) -> TokenResponse:
        """Ask; raises :class:`TokenError` for whatever the function raises or answers wrongly."""
        try:
            return await ask_function(self._function, request, self._within_s)
        except OrderFailed as failed:
            raise TokenError(failed.reason) from failed.__cause__
