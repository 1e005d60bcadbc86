"""Which token source a terminal has, by its settings and environment."""

from collections.abc import Mapping

from actors.runtime.errors import StartError
from actors.settings.credentials import CredentialsError, load_credentials
from actors.settings.model import LiveKit

from .source import TokenSource


def token_source(livekit: LiveKit, environ: Mapping[str, str]) -> TokenSource:
    """Raises :class:`StartError` when there is none: a mistake is told before anyone talks."""
    if livekit.backend == "practice":
        from .practice import PracticeTokens

        return PracticeTokens()
    if livekit.token_endpoint:
        from .endpoint import EndpointTokens

        return EndpointTokens(livekit.token_endpoint)
    try:
        found = load_credentials(environ)
    except CredentialsError as error:
        raise StartError(error.reason, error.remedy) from error
    url = livekit.url or found.url
    if not url or found.missing:
        raise StartError(
            "there is no way to get a token",
            "set [livekit] token_endpoint, or LIVEKIT_URL, LIVEKIT_API_KEY and"
            " LIVEKIT_API_SECRET in the environment",
        )
    from .local import LocalTokens

    return LocalTokens(url, found.api_key, found.api_secret)
