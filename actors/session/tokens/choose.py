"""Which token source a terminal has, by its settings and environment."""

from collections.abc import Mapping

from actors.runtime.dotted import load_object
from actors.runtime.errors import StartError
from actors.settings.credentials import (
    SANDBOX_ID,
    TOKEN,
    URL,
    Credentials,
    CredentialsError,
    load_credentials,
)
from actors.settings.model import LiveKit

from .program import ProgramTokens
from .source import TokenSource


def token_source(
    livekit: LiveKit, environ: Mapping[str, str], programs: ProgramTokens
) -> TokenSource:
    """Raises :class:`StartError` when there is none: a mistake is told before anyone talks."""
    if livekit.backend == "practice":
        from .practice import PracticeTokens

        return PracticeTokens()
    try:
        found = load_credentials(environ)
    except CredentialsError as error:
        raise StartError(error.reason, error.remedy) from error
    source = _source(livekit, found, programs)
    if livekit.token_caching:
        from .caching import CachingTokens

        return CachingTokens(source)
    return source


def _source(livekit: LiveKit, found: Credentials, programs: ProgramTokens) -> TokenSource:
    match livekit.token_source:
        case "literal":
            return _literal(livekit.url or found.url, found.token)
        case "development":
            return _development(livekit.token_endpoint, found.sandbox_id)
        case "program":
            return programs
    if livekit.token_function:
        from .custom import CustomTokens

        return CustomTokens(load_object(livekit.token_function))
    if livekit.token_endpoint:
        from .endpoint import EndpointTokens

        return EndpointTokens(livekit.token_endpoint, headers=found.token_headers)
    return _local(livekit.url or found.url, found)


def _literal(url: str, token: str) -> TokenSource:
    from actors.messages import TokenResponse

    from .literal import LiteralTokens

    if not (url and token):
        raise StartError("there is no token", f"set {URL} and {TOKEN} in the environment")
    return LiteralTokens(TokenResponse(url, token))


def _development(address: str, sandbox_id: str) -> TokenSource:
    from .endpoint import DEVELOPMENT_SERVER, EndpointTokens

    if not sandbox_id:
        raise StartError("there is no id of a development server", f"set {SANDBOX_ID}")
    return EndpointTokens.development(sandbox_id, address or DEVELOPMENT_SERVER)


def _local(url: str, found: Credentials) -> TokenSource:
    from .local import LocalTokens

    if not url or found.missing:
        raise StartError(
            "there is no way to get a token",
            "set [livekit] token_endpoint, or LIVEKIT_URL, LIVEKIT_API_KEY and"
            " LIVEKIT_API_SECRET in the environment",
        )
    return LocalTokens(url, found.api_key, found.api_secret)
