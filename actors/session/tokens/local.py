"""Tokens signed here, with the server's own key: for terminals that may hold it."""

import asyncio
import datetime

from .source import ConnectionDetails, TokenError, TokenRequest

LIFETIME = datetime.timedelta(minutes=10)
"""A token is only needed to join; the server renews it for as long as one stays."""


class LocalTokens:
    """Signs with an API key and secret."""

    def __init__(self, url: str, api_key: str, api_secret: str) -> None:
        self._url = url
        self._api_key = api_key
        self._api_secret = api_secret

    async def fetch(self, request: TokenRequest) -> ConnectionDetails:
        """Sign one; raises :class:`TokenError` when the key is of no use."""
        try:
            # In a thread, because the first call imports the library (half a second).
            token = await asyncio.to_thread(self._sign, request)
        except Exception as cause:
            # Anything the library finds wrong with a key; its own words might hold the key.
            raise TokenError(
                f"no token can be signed with this API key and secret: {type(cause).__name__}"
            ) from None
        return ConnectionDetails(self._url, token, request.room_name, request.name)

    def _sign(self, request: TokenRequest) -> str:
        from livekit import api

        token = (
            api.AccessToken(self._api_key, self._api_secret)
            .with_identity(request.identity)
            .with_name(request.name)
            .with_metadata(request.metadata)
            .with_attributes(dict(request.attributes))
            .with_ttl(LIFETIME)
            .with_grants(
                api.VideoGrants(
                    room_join=True,
                    room=request.room_name,
                    can_publish=True,
                    can_subscribe=True,
                    can_publish_data=True,
                    can_update_own_metadata=True,
                )
            )
        )
        if request.agent_name:
            dispatch = api.RoomAgentDispatch(
                agent_name=request.agent_name, metadata=request.agent_metadata
            )
            token = token.with_room_config(api.RoomConfiguration(agents=[dispatch]))
        signed = token.to_jwt()
        assert isinstance(signed, str)
        return signed
