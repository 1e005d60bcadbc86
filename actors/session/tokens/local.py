"""Tokens signed here, with the server's own key: for terminals that may hold it."""

import asyncio
import datetime
import time
from typing import Any

from actors.messages import TokenOptions, TokenResponse

from .source import TokenError

LIFETIME = datetime.timedelta(minutes=10)
"""A token is only needed to join; the server renews it for as long as one stays."""


class LocalTokens:
    """Signs with an API key and secret."""

    def __init__(self, url: str, api_key: str, api_secret: str) -> None:
        self._url = url
        self._api_key = api_key
        self._api_secret = api_secret

    async def fetch(self, request: TokenOptions) -> TokenResponse:
        """Sign one; raises :class:`TokenError` when the key is of no use."""
        try:
            # In a thread, because the first call imports the library (30 ms).
            token = await asyncio.to_thread(self._sign, request)
        except Exception as cause:
            # Anything the library finds wrong with a key; its own words might hold the key.
            raise TokenError(
                f"no token can be signed with this API key and secret: {type(cause).__name__}"
            ) from None
        return TokenResponse(self._url, token, request.room_name, request.participant_name)

    def _sign(self, request: TokenOptions) -> str:
        # Not with ``livekit.api``: a client for all of the server, of 15 MB against 2.
        import jwt

        if not (self._api_key and self._api_secret):
            raise ValueError
        claims = _claims_of(request) | {"iss": self._api_key}
        return jwt.encode(claims, self._api_secret, algorithm="HS256")


def _claims_of(request: TokenOptions) -> dict[str, Any]:
    """Of a participant who joins, speaks and listens, as a LiveKit server reads them
    (docs.livekit.io, "Tokens & grants"); all but the issuer.
    """
    now = int(time.time())
    claims = {
        "sub": request.participant_identity,
        "name": request.participant_name,
        "metadata": request.participant_metadata,
        "attributes": dict(request.participant_attributes),
        "nbf": now,
        "exp": now + int(LIFETIME.total_seconds()),
        "video": {
            "roomJoin": True,
            "room": request.room_name,
            "canPublish": True,
            "canSubscribe": True,
            "canPublishData": True,
            "canUpdateOwnMetadata": True,
        },
    }
    if request.agent_name:
        dispatch = {"agentName": request.agent_name, "metadata": request.agent_metadata}
        claims["roomConfig"] = {"agents": [dispatch]}
    return {key: value for key, value in claims.items() if value}
