"""Tokens from an HTTP endpoint, as LiveKit's SDKs ask for them."""

from typing import Any

import msgspec

from .source import ConnectionDetails, TokenError, TokenRequest

_TIMEOUT_S = 10.0
_MAX_BYTES = 64 * 1024
_SHOWN = 200
"""Characters of an error's body that are worth showing."""


class _Answer(msgspec.Struct):
    server_url: str
    participant_token: str


def body_of(request: TokenRequest) -> dict[str, Any]:
    """The POST's JSON: snake_case, absent fields left out."""
    body: dict[str, Any] = {
        "room_name": request.room_name,
        "participant_identity": request.identity,
    }
    if request.agent_name:
        agent = {"agent_name": request.agent_name}
        if request.agent_metadata:
            agent["metadata"] = request.agent_metadata
        body["room_config"] = {"agents": [agent]}
    return body


def read_answer(content: bytes, address: str) -> ConnectionDetails:
    """From the answer's JSON, snake_case or camelCase; raises :class:`TokenError`."""
    try:
        plain = msgspec.json.decode(content, type=dict[str, Any])
        found = {
            "server_url": plain.get("server_url", plain.get("serverUrl")),
            "participant_token": plain.get("participant_token", plain.get("participantToken")),
        }
        answer = msgspec.convert(found, _Answer)
    except (msgspec.ValidationError, msgspec.DecodeError) as cause:
        raise TokenError(
            f"{address} answered without a server_url and a participant_token"
        ) from cause
    return ConnectionDetails(answer.server_url, answer.participant_token)


class EndpointTokens:
    """Asks ``address``, which must be http or https and is not redirected."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def fetch(self, request: TokenRequest) -> ConnectionDetails:
        """Ask; raises :class:`TokenError` with status, address and the beginning of the body."""
        import aiohttp  # 368 ms that only a terminal with an endpoint pays

        try:
            timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.post(
                    self._address, json=body_of(request), allow_redirects=False
                ) as response,
            ):
                content = await response.content.read(_MAX_BYTES)
                if not 200 <= response.status < 300:
                    shown = content.decode(errors="replace")[:_SHOWN]
                    raise TokenError(f"{self._address} answered {response.status}: {shown}")
        except (aiohttp.ClientError, TimeoutError) as cause:
            raise TokenError(f"{self._address}: {type(cause).__name__}") from cause
        return read_answer(content, self._address)
