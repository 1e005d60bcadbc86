"""Tokens from an HTTP endpoint, as LiveKit's SDKs ask for them."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

import msgspec

from actors.messages import TokenOptions, TokenResponse

from .source import TokenError

TIMEOUT_S = 10.0
MAX_BYTES = 64 * 1024
"""Of an answer; a token with all its grants has one or two thousand."""
SHOWN = 200
"""Characters of an error's body that are worth showing."""
DEVELOPMENT_SERVER = "https://cloud-api.livekit.io/api/v2/sandbox/connection-details"

_TOKEN_LIKE = re.compile(r"[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}")
_Filled = Annotated[str, msgspec.Meta(min_length=1)]


class _Answer(msgspec.Struct):
    server_url: _Filled
    participant_token: _Filled
    room_name: str | None = None
    participant_name: str | None = None


_FIELDS = {
    "server_url": "serverUrl",
    "participant_token": "participantToken",
    "room_name": "roomName",
    "participant_name": "participantName",
}


def body_of(request: TokenOptions) -> dict[str, Any]:
    """The POST's JSON: snake_case, what is empty left out."""
    wanted: dict[str, Any] = {
        "room_name": request.room_name,
        "participant_name": request.participant_name,
        "participant_identity": request.participant_identity,
        "participant_metadata": request.participant_metadata,
        "participant_attributes": dict(request.participant_attributes),
    }
    body = {key: value for key, value in wanted.items() if value}
    agent = {"agent_name": request.agent_name, "metadata": request.agent_metadata}
    if agent := {key: value for key, value in agent.items() if value}:
        body["room_config"] = {"agents": [agent]}
    return body


def read_answer(content: bytes, address: str) -> TokenResponse:
    """From the answer's JSON, snake_case or camelCase; raises :class:`TokenError`."""
    try:
        plain = msgspec.json.decode(content, type=dict[str, Any])
        found = {snake: plain.get(snake, plain.get(camel)) for snake, camel in _FIELDS.items()}
        answer = msgspec.convert(found, _Answer)
    except (ValueError, RecursionError) as cause:
        raise TokenError(
            f"{address} answered without a server_url and a participant_token"
        ) from cause
    return TokenResponse(
        answer.server_url,
        answer.participant_token,
        answer.room_name or "",
        answer.participant_name or "",
    )


def shown_address(address: str) -> str:
    """Without what may be secret in it: a password, and the query."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "the token endpoint"
    return f"{parts.scheme}://{host}{port}{parts.path}"


def shown_body(content: bytes) -> str:
    """The beginning of an error's body, on one line, without what looks like a token."""
    text = _TOKEN_LIKE.sub("[token]", content.decode(errors="replace"))
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:SHOWN]


class EndpointTokens:
    """Asks ``address``, which must be http or https and is not redirected (a token would go to
    whoever is pointed at).
    """

    def __init__(
        self,
        address: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._address = address
        self._headers = dict(headers or {})
        self._timeout_s = timeout_s
        self._shown = shown_address(address)

    @classmethod
    def development(cls, sandbox_id: str, address: str = DEVELOPMENT_SERVER) -> Self:
        """LiveKit's development token server: anyone who knows the id gets a token."""
        trimmed = re.sub(r"^[^0-9A-Za-z]+|[^0-9A-Za-z]+$", "", sandbox_id)
        return cls(address, headers={"X-Sandbox-ID": trimmed})

    async def fetch(self, request: TokenOptions) -> TokenResponse:
        """Ask; raises :class:`TokenError` with status, address and the beginning of the body."""
        import aiohttp  # 368 ms that only a terminal with an endpoint pays

        try:
            status, content = await self._post(body_of(request))
        except TimeoutError:
            raise TokenError(f"{self._shown} did not answer within {self._timeout_s:g} s") from None
        except aiohttp.InvalidURL:
            raise TokenError(f"{self._shown} is not an http or https address") from None
        except (aiohttp.ClientError, OSError, ValueError) as cause:
            # Its own text holds the whole address.
            raise TokenError(f"{self._shown} was not reached: {type(cause).__name__}") from None
        if not 200 <= status < 300:
            raise TokenError(f"{self._shown} answered {status}: {shown_body(content)}")
        if len(content) > MAX_BYTES:
            raise TokenError(f"{self._shown} answered with more than {MAX_BYTES} bytes")
        return read_answer(content, self._shown)

    async def _post(self, body: dict[str, Any]) -> tuple[int, bytes]:
        """Status and at most one byte more than ``MAX_BYTES``."""
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=self._timeout_s)
        async with (
            aiohttp.ClientSession(timeout=timeout, headers=self._headers) as session,
            session.post(self._address, json=body, allow_redirects=False) as response,
        ):
            content = bytearray()
            while len(content) <= MAX_BYTES:
                # A read returns what is there, which need not be all.
                part = await response.content.read(MAX_BYTES + 1 - len(content))
                if not part:
                    break
                content += part
            return response.status, bytes(content)
